/* message_parts.h - what the messages of several objects are made of. Private to snapshot-svc/api. */
#pragma once

#include <opensandbox/orchestrator/v1/orchestrator.pb-c.h>

#include "shared/json/json.h"
#include "shared/rpc/server.h"

typedef Opensandbox__Orchestrator__V1__Condition condition_message;

/* Where the parts of a message live. */
struct message_memory {
    struct rpc_call *call; /* with the call; NULL: each part is malloc'ed, for protobuf-c to free */
};

void *message_alloc(const struct message_memory *memory, size_t size);      /* zeroed */
char *message_text(const struct message_memory *memory, const char *value); /* NULL is "" */
/* As many as the list of struct condition has. */
condition_message **message_conditions(const struct message_memory *memory,
                                       const struct json_list *conditions);
