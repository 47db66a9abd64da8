/* sandbox_message.h - a BatchSandbox and its internal snapshot as the Sandbox that callers read.
 * What cannot be read of an object is left out: it must stay visible. */
#pragma once

#include "snapshot-svc/api/message_memory.h"
#include "snapshot-svc/informer/object.h"

typedef Opensandbox__Orchestrator__V1__Sandbox sandbox_message;

/* Fills the initialised message. snapshot: the object named <name>-pause, or NULL. */
void sandbox_message_fill(const struct message_memory *memory, const json_t *sandbox, const json_t *snapshot,
                          sandbox_message *out);

/* One of its own, to be freed by sandbox_message_free(). */
sandbox_message *sandbox_message_new(const json_t *sandbox, const json_t *snapshot);
void sandbox_message_free(sandbox_message *message);
DEFINE_FREEP(sandbox_message, sandbox_message, sandbox_message_free)
