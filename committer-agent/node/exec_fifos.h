/* node/exec_fifos.h - the FIFOs between us and the shim, in a folder of their own (0700). */
#pragma once

#include <stdbool.h>

#include "shared/base/error.h"

struct exec_fifos {
    char *folder;
    char *input_path, *output_path, *errors_path; /* input_path is "" without input */
    int input_fd, output_fd, errors_fd;           /* non-blocking; -1: closed */
};

int exec_fifos_open(const char *state_dir, bool with_input, struct exec_fifos *ret_fifos, struct error *err);
void exec_fifos_done(struct exec_fifos *fifos); /* and removes them */
#define SCOPED_EXEC_FIFOS __attribute__((cleanup(exec_fifos_done)))
#define EXEC_FIFOS_INIT                                                                                      \
    {                                                                                                        \
        .input_fd = -1, .output_fd = -1, .errors_fd = -1                                                     \
    }
