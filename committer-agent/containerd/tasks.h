/* containerd/tasks.h - the processes of a container. Freezing for a commit goes through freeze.h. */
#pragma once

#include <sys/types.h>

#include "committer-agent/containerd/containerd.h"

enum task_state { /* containerd.v1.types.Status, number by number */
                  TASK_UNKNOWN,
                  TASK_CREATED,
                  TASK_RUNNING,
                  TASK_STOPPED,
                  TASK_PAUSED,
                  TASK_PAUSING,
                  TASK_STATE_MAX
};
const char *task_state_name(enum task_state state); /* "RUNNING" */

struct task {
    enum task_state state;
    pid_t pid; /* of its first process; 0 when none */
    uint32_t exit_status;
};

/* ERR_NOT_FOUND, ContainerNotRunning: the container has no task (never started, or ended and cleaned up). */
int task_get(struct containerd *containerd, const char *container_id, struct task *ret_task,
             struct error *err);

/* containerd has no code of its own for "wrong state": freeze.h looks at the state and tells what a refusal
 * means. */
int task_pause(struct containerd *containerd, const char *container_id, struct error *err);
int task_resume(struct containerd *containerd, const char *container_id, struct error *err);

/* Every process in the container's cgroup. *ret_pids is the caller's (free). */
int task_pids(struct containerd *containerd, const char *container_id, pid_t **ret_pids, size_t *ret_count,
              struct error *err);

/* Sends a signal to the first process, or to all of the container's. Frozen ones get it when they are thawed. */
int task_kill(struct containerd *containerd, const char *container_id, int signal_number, bool all,
              struct error *err);
