/* node/exec_spec.h - the OCI process of an exec: the container's own, with another command. Pure.
 * Spec: OCI runtime-spec, "process". */
#pragma once

#include <stddef.h>

#include "shared/base/error.h"

/* container_spec: the container's runtime spec. *ret_json is the caller's. ERR_INVALID: it has no process, or a word is
 * not UTF-8. */
int exec_process_json(const char *container_spec, char *const *command, size_t word_count, char **ret_json,
                      struct error *err);
