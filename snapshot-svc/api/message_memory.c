#include "snapshot-svc/api/message_memory.h"

#include "shared/base/alloc.h"
#include "snapshot-svc/model/condition.h"

typedef Opensandbox__Orchestrator__V1__Condition condition_message;

void *message_part(const struct message_memory *memory, size_t size)
{
    return memory->call ? rpc_alloc(memory->call, size) : xcalloc(1, size);
}

char *message_text(const struct message_memory *memory, const char *value)
{
    return memory->call ? rpc_strdup(memory->call, value) : xstrdup(value);
}

condition_message **message_conditions(const struct message_memory *memory,
                                       const struct json_list *conditions)
{
    const struct condition *items = conditions->items;
    condition_message **messages = message_part(memory, (conditions->count + 1) * sizeof(*messages));

    for (size_t i = 0; i < conditions->count; i++) {
        condition_message *message = messages[i] = message_part(memory, sizeof(*message));
        opensandbox__orchestrator__v1__condition__init(message);
        message->type = message_text(memory, items[i].type);
        message->status = message_text(memory, items[i].status);
        message->reason = message_text(memory, items[i].reason);
        message->message = message_text(memory, items[i].message);
        message->last_transition_unix_ms = items[i].last_transition_ms;
    }
    return messages;
}
