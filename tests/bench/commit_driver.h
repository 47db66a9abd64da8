/* commit_driver.h - the two ways to make an image of a container's files that tests/bench/commit.py measures and that
 * are gRPC calls, not programs. A command comes in as one line of words, its outcome goes out as one line of JSON. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "shared/base/error.h"

int64_t driver_now_us(void); /* monotonic */

/* ---- committer-agent, as snapshot-svc asks for a commit ---- */

struct agent_driver;

struct agent_driver *agent_driver_new(const char *target);
void agent_driver_free(struct agent_driver *driver);

/* words: KEY POD_UID CONTAINER IMAGE live|hold|handover. A hold is released by a thaw, so that the container can be
 * measured again; a handover by the kill. *ret_outcome is the caller's. */
int agent_driver_run(struct agent_driver *driver, char *const words[5], json_t **ret_outcome,
                     struct error *err);

/* ---- containerd's differ, as nerdctl commit asks for it ---- */

struct diff_driver;

struct diff_driver *diff_driver_new(const char *socket);
void diff_driver_free(struct diff_driver *driver);

/* words: CONTAINER_ID REF: pauses, compares the writable snapshot with its parent (gzip), resumes. */
int diff_driver_run(struct diff_driver *driver, char *const words[2], json_t **ret_outcome,
                    struct error *err);
