/* snapshot_message.h - a SandboxSnapshot, internal or public, as the Snapshot that callers read. */
#pragma once

#include "snapshot-svc/api/message_parts.h"
#include "snapshot-svc/model/sandboxsnapshot.h"

typedef Opensandbox__Orchestrator__V1__Snapshot snapshot_message;

/* Fills the initialised message. pull_secret: of the snapshot registry; NULL or "": none. */
void snapshot_message_fill(const struct message_memory *memory, const struct sandboxsnapshot *snapshot,
                           const char *pull_secret, snapshot_message *out);

/* A new one. */
snapshot_message *snapshot_message_of(const struct message_memory *memory,
                                      const struct sandboxsnapshot *snapshot, const char *pull_secret);
