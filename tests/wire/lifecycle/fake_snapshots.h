/* fake_snapshots.h - the part of the fake snapshot-svc that knows public snapshots, descriptions and logs. As
 * fake_orchestrator.h: texts are borrowed for the fake's life, fake_clear forgets, any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "opensandbox/orchestrator/v1/orchestrator.pb-c.h"
#include "shared/base/error.h"
#include "shared/rpc/server.h"

struct fake_orchestrator;
struct fake_snapshots;

struct fake_snapshot {
    const char *id, *phase, *restore_image, *pull_secret;
    unsigned containers;
    const char *sandbox, *name;
    int64_t created_ms;
    bool deleting;
    const char *failed_reason, *failed_message; /* set: a True condition Failed */
    int64_t transition_ms;                      /* of the conditions Ready and Failed */
    const char *image;                          /* of its container "sandbox"; NULL: none */
};

/* Adds, or replaces the one of that id. */
void fake_put_snapshot(struct fake_orchestrator *fake, const struct fake_snapshot *snapshot);
/* What there is under this id; fails the test when there is nothing. */
struct fake_snapshot fake_snapshot_of(struct fake_orchestrator *fake, const char *id);
unsigned fake_snapshot_count(struct fake_orchestrator *fake);

/* What DescribeSandbox tells besides the sandbox itself: borrowed. NULL: nothing. */
void fake_describe_as(struct fake_orchestrator *fake,
                      const Opensandbox__Orchestrator__V1__SandboxDescription *description);

struct fake_log {
    int64_t time_unix_ms;
    const char *line;
};
/* What Logs tells from now on. */
void fake_log_as(struct fake_orchestrator *fake, const struct fake_log *lines, size_t count);
/* Logs, DescribeSandbox and CreateSnapshot fail so; ERR_NONE: they do not. */
void fake_on_logs(struct fake_orchestrator *fake, enum error_code code, const char *text);
void fake_on_describe(struct fake_orchestrator *fake, enum error_code code, const char *text);
void fake_on_create_snapshot(struct fake_orchestrator *fake, enum error_code code, const char *text);

/* -- between the two halves of the fake ------------------------------------------------------------------------ */

struct fake_snapshots *fake_snapshots_new(void);
void fake_snapshots_clear(struct fake_snapshots *snapshots);
void fake_snapshots_free(struct fake_snapshots *snapshots);
rpc_unary_fn fake_create_snapshot, fake_get_snapshot, fake_list_snapshots, fake_delete_snapshot,
    fake_describe;
rpc_stream_fn fake_logs, fake_watch_snapshot;

struct fake_snapshots *fake_snapshots_of(struct fake_orchestrator *fake);
/* Notes the call and answers whether the fake is there at all. */
int fake_enter(struct fake_orchestrator *fake, const char *method, const char *name, struct error *err);
/* ERR_NOT_FOUND. */
int fake_write(struct fake_orchestrator *fake, struct rpc_call *call, const char *name,
               Opensandbox__Orchestrator__V1__Sandbox *out, struct error *err);
