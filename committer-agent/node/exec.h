/* node/exec.h - a command in a running container, by containerd's exec: input all at once, output as it comes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/error.h"
#include "shared/rpc/client.h"

struct containerd;

enum { EXEC_MAX_STDIN_BYTES = 1 << 20, EXEC_MAX_WORDS = 4096 };

struct exec_request {
    const char *container_id;
    char *const *command;
    size_t word_count;
    const uint8_t *input;
    size_t input_length;
    int64_t timeout_ms; /* 0: none but the parent's */
};

/* Called on the caller's thread. -1 with err ends the exec, and its process. */
struct exec_sink {
    int (*output)(void *self, bool is_stderr, const char *bytes, size_t length, struct error *err);
    void *self;
};

/* Runs to the end of the process and of its output. parent (or NULL): the call whose end kills the process.
 * ERR_INVALID: no or too long a command, or one that cannot be run; ERR_PRECONDITION, ContainerNotRunning: the container does
 * not run, or is frozen; ERR_TIMEOUT, ERR_CANCELLED: the process was killed. state_dir is for FIFOs. */
int exec_run(struct containerd *containerd, const char *state_dir, const struct exec_request *request,
             const struct exec_sink *sink, struct rpc_call *parent, int *ret_exit_code, struct error *err);
