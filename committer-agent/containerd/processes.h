/* containerd/processes.h - one more process in a container that runs: containerd's exec, step by step.
 *
 *   process_add -> process_start -> process_wait -> process_remove
 *
 * exec_id is the caller's, unique in the container. */
#pragma once

#include "committer-agent/containerd/containerd.h"
#include "shared/rpc/client.h"

struct process_spec {
    const char *container_id, *exec_id;
    const char *json;       /* an OCI runtime-spec process */
    const char *stdin_fifo; /* paths; "" for none */
    const char *stdout_fifo, *stderr_fifo;
};

/* ERR_NOT_FOUND, ContainerNotRunning. */
int process_add(struct containerd *containerd, const struct process_spec *spec, struct error *err);
/* ERR_INVALID: the command cannot be run (the text is the runtime's). */
int process_start(struct containerd *containerd, const char *container_id, const char *exec_id,
                  struct error *err);
/* Until it ends, options->timeout_ms passes (0: no limit) or options->parent is over. */
int process_wait(struct containerd *containerd, const char *container_id, const char *exec_id,
                 const struct rpc_call_options *options, uint32_t *ret_exit_status, struct error *err);
int process_kill(struct containerd *containerd, const char *container_id, const char *exec_id,
                 int signal_number, struct error *err);
/* The shim holds the FIFO's other end open until it is told that no more input comes. */
int process_close_stdin(struct containerd *containerd, const char *container_id, const char *exec_id,
                        struct error *err);
/* Waits until the shim has passed on the process's output, too. One that is gone is fine. */
int process_remove(struct containerd *containerd, const char *container_id, const char *exec_id,
                   struct error *err);
