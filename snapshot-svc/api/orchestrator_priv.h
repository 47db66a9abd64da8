/* orchestrator_priv.h - private to this folder. */
#pragma once

#include <opensandbox/orchestrator/v1/orchestrator.pb-c.h>
#include <pthread.h>

#include "snapshot-svc/api/orchestrator_service.h"
#include "snapshot-svc/api/watchers.h"

enum { WRITE_LOCKS = 64, REQUEST_ID_MAX_BYTES = 1024 };

struct orchestrator_service {
    /* Set by orchestrator_service_new, then read by anyone. */
    const struct service *service;
    struct watchers *watchers,
        *snapshot_watchers; /* of sandboxes, of public snapshots; they lock for themselves */

    /* Held from the look at a sandbox to what is written into it; the name decides which. */
    pthread_mutex_t write_locks[WRITE_LOCKS];
};

/* ---- find.c: which object does a caller mean? <name>, else the legacy sandbox-<name> ---- */

/* From the cache, and where it knows nothing, from the cluster. *ret_object is the caller's.
 * ERR_NOT_FOUND, reason SandboxNotFound. */
int find_sandbox(struct orchestrator_service *self, const char *name, struct object **ret_object,
                 struct error *err);
/* Past the cache. */
int find_sandbox_fresh(struct orchestrator_service *self, const char *name, json_t **ret_object,
                       struct error *err);
/* The object <sandbox>-pause, or NULL. */
struct object *find_snapshot(struct orchestrator_service *self, const char *sandbox);
int sandbox_not_found(struct error *err, const char *name);

/* ---- snapshots.c: public snapshots ---- */

/* From the cache, and where it knows nothing, from the cluster. *ret_snapshot is the caller's.
 * ERR_NOT_FOUND, reason SnapshotNotFound: also for one that is not public. */
int find_public_snapshot(struct orchestrator_service *self, const char *id, json_t **ret_snapshot,
                         struct error *err);
int snapshot_not_found(struct error *err, const char *id);
/* What callers read of it, as a message of its own (protobuf_c_message_free_unpacked). */
int public_snapshot_message_new(struct orchestrator_service *self, const json_t *snapshot,
                                Opensandbox__Orchestrator__V1__Snapshot **ret_message, struct error *err);

/* ---- write.c: a decision on a fresh read, and the write that must not miss anything in between ---- */

/* Decides on the sandbox and writes it under its resourceVersion, or answers without a write: then *ret_written stays
 * NULL. It runs again when its ERR_CONFLICT says that somebody else wrote in between. */
typedef int sandbox_write_fn(struct orchestrator_service *self, const json_t *sandbox, void *wish,
                             json_t **ret_written, struct error *err);

/* One caller at a time decides on a sandbox, so the second of two sees what the first one wrote; against other replicas
 * stands the precondition. What was written is in the cache when this answers, and the caller's when ret_written is not
 * NULL. ERR_NOT_FOUND, reason SandboxNotFound. */
int write_sandbox(struct orchestrator_service *self, const char *name, sandbox_write_fn *write, void *wish,
                  json_t **ret_written, struct error *err);
/* The patch under the version of `sandbox`. */
int patch_sandbox(struct orchestrator_service *self, const json_t *sandbox, const json_t *patch,
                  json_t **ret_written, struct error *err);

/* ---- handlers, one file per kind ---- */

rpc_unary_fn handle_create;               /* create.c */
rpc_unary_fn handle_get, handle_delete;   /* sandboxes.c */
rpc_unary_fn handle_list;                 /* list.c */
rpc_unary_fn handle_pause, handle_resume; /* intents.c */
rpc_unary_fn handle_renew, handle_label;  /* edits.c */
rpc_unary_fn handle_create_snapshot, handle_get_snapshot, handle_list_snapshots,
    handle_delete_snapshot;                        /* snapshots.c */
rpc_unary_fn handle_describe;                      /* describe.c */
rpc_stream_fn handle_watch, handle_watch_snapshot; /* watch.c */
rpc_stream_fn handle_exec, handle_logs;            /* attach.c */
