/* snapshot_view.h - a public snapshot as clients see it, built from snapshot-svc's view of the custom resource. Pure;
 * any thread. Spec: contract rest-api.md §3.3, §12 (the table of outcomes). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lifecycle-svc/sandbox/orchestrator.h"

enum snapshot_state {
    SNAPSHOT_CREATING,
    SNAPSHOT_READY,
    SNAPSHOT_FAILED,
    SNAPSHOT_DELETING,
    SNAPSHOT_STATE_MAX
};
const char *snapshot_state_name(enum snapshot_state state); /* "Creating" */

struct snapshot_image {
    char *container, *uri, *digest; /* digest "": not known yet */
};

struct snapshot_view {
    char *id, *sandbox_id;
    char *name; /* NULL: none was given */
    enum snapshot_state state;
    char *reason, *message;
    int64_t created_unix_ms, last_transition_unix_ms;

    struct snapshot_image *images;
    size_t image_count;
    char *work_phase; /* while it works: "Capturing"; NULL: nothing is told. The numbers belong to it. */
    uint64_t bytes_read, bytes_total, bytes_pushed, files;
};

/* The state alone: what a list filters by. */
enum snapshot_state snapshot_state_of(const orch_snapshot *snapshot);

void snapshot_view_of(const orch_snapshot *snapshot, struct snapshot_view *ret_view);
void snapshot_view_done(struct snapshot_view *view);
#define SCOPED_SNAPSHOT_VIEW __attribute__((cleanup(snapshot_view_done)))
