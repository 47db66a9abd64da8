/* containerd/freeze.h - a container that stands still, and the ways out of it.
 *
 *   container_freeze       -> frozen: Tasks.Pause, then seen to be so (the task is PAUSED and the cgroup says so)
 *   container_thaw         -> it runs
 *   container_kill_frozen  -> SIGKILL to every process while none of them can run: none ever runs again. cgroup v1: they
 *                             die when somebody thaws; v2: at once, still frozen
 *
 * Freezing is a debt that outlives this process (containerd keeps it): the caller journals it before it
 * freezes. A guard for the debt inside one process:
 *
 *   SCOPED_FROZEN struct frozen frozen = {0};
 *   if (container_freeze(containerd, id, &frozen, err) < 0) ...        thaws at the end of the block
 *   frozen_keep(&frozen)                                             the debt goes to somebody else */
#pragma once

#include "committer-agent/containerd/tasks.h"

struct frozen {
    struct containerd *containerd; /* borrowed; NULL: nothing to thaw */
    char *container_id;
};

/* Freezes a running container. *ret_frozen thaws it unless it is kept.
 * ERR_PRECONDITION, ContainerNotRunning: it is not running; ERR_PRECONDITION, FreezeFailed: it is frozen already by
 * somebody else, or did not come to rest within FREEZE_TIMEOUT_MS (then it is thawed
 * again). What the runtime refuses is asked again for as long. */
int container_freeze(struct containerd *containerd, const char *container_id, struct frozen *ret_frozen,
                     struct error *err);
#define FREEZE_TIMEOUT_MS 10000

/* Takes over a container that is frozen already (after a restart). ERR_PRECONDITION, FreezeFailed: it is not frozen. */
int container_adopt_frozen(struct containerd *containerd, const char *container_id, struct frozen *ret_frozen,
                           struct error *err);

/* 1 frozen, 0 not, or gone; -1. */
int container_is_frozen(struct containerd *containerd, const char *container_id, struct error *err);

/* Idempotent: a container that runs, or is gone, is fine. */
int container_thaw(struct containerd *containerd, const char *container_id, struct error *err);

/* Until no process is listed that has not been sent SIGKILL. Idempotent; a container that is gone is fine.
 * ERR_PRECONDITION, HoldExpired: it is not frozen, its processes run (and may have changed files). */
int container_kill_frozen(struct containerd *containerd, const char *container_id, struct error *err);

void frozen_keep(struct frozen *frozen);
/* Thaws, if it is still ours; a failure to do so is logged, and left to the journal. */
void frozen_done(struct frozen *frozen);
#define SCOPED_FROZEN __attribute__((cleanup(frozen_done)))
