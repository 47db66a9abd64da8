/* job.h - a Job as far as the snapshot planner looks at it, and what its pods tell.
 * Spec: Kubernetes batch/v1; contract/controller-behaviour.md §9. Read only. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "snapshot-svc/model/condition.h"
#include "snapshot-svc/model/meta.h"
#include "snapshot-svc/model/pod.h"

#define JOB_CONTAINER "commit" /* the one container of a commit or unpause Job */

struct job {
    struct object_meta meta;
    int32_t succeeded, failed; /* pods */
    int64_t completion_ms;     /* 0: not yet */
    struct json_list conditions;
};

int job_read(const json_t *object, struct job *out, struct error *err);
void job_done(struct job *job);
#define SCOPED_JOB __attribute__((cleanup(job_done)))

bool job_has_succeeded(const struct job *job);
/* Its condition Failed, or NULL. Borrowed. */
const struct condition *job_failure(const struct job *job);

/* The status of the container `commit`, or NULL. Borrowed. */
const struct container_status *job_pod_container(const struct pod *pod);

/* What our program left in /dev/termination-log (contract §9.3): the images of a success, or why it failed. A message
 * from elsewhere, or cut off at 4 KiB, gives what could be understood, which may be nothing. */
struct job_result_image {
    char *name, *image, *digest;
};
struct job_result {
    struct json_list images; /* of struct job_result_image; entries without a name or digest are left out */
    char *reason, *message;  /* of a failure; NULL: none was told */
    int retryable;           /* -1: not told */
};
void job_result_read(const char *termination_message, struct job_result *ret_result);
void job_result_done(struct job_result *result);
#define SCOPED_JOB_RESULT __attribute__((cleanup(job_result_done)))
