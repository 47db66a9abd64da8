/* message_memory.h - where the parts of an answer live: with its call, or each malloc'ed for protobuf-c to free. */
#pragma once

#include <opensandbox/orchestrator/v1/orchestrator.pb-c.h>

#include "shared/json/json.h"
#include "shared/rpc/server.h"

struct message_memory {
    struct rpc_call *call; /* NULL: each part is malloc'ed */
};

void *message_part(const struct message_memory *memory, size_t size);       /* zeroed */
char *message_text(const struct message_memory *memory, const char *value); /* NULL gives "" */

/* One message for each struct condition of the list. */
Opensandbox__Orchestrator__V1__Condition **message_conditions(const struct message_memory *memory,
                                                              const struct json_list *conditions);
