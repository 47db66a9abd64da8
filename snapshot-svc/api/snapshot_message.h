/* snapshot_message.h - a SandboxSnapshot, internal or public, as the Snapshot that callers read. */
#pragma once

#include "snapshot-svc/api/message_memory.h"
#include "snapshot-svc/model/sandboxsnapshot.h"

typedef Opensandbox__Orchestrator__V1__Snapshot snapshot_message;

/* Fills the initialised message with what the object says. pull_secret is not in there: a setting, and the caller's to add. */
void snapshot_message_fill(const struct message_memory *memory, const struct sandboxsnapshot *snapshot,
                           snapshot_message *out);

/* Of one whose parts are malloc'ed. NULL is fine. */
static inline void snapshot_message_free(snapshot_message *message)
{
    opensandbox__orchestrator__v1__snapshot__free_unpacked(message, NULL);
}
DEFINE_FREEP(snapshot_message, snapshot_message, snapshot_message_free)
