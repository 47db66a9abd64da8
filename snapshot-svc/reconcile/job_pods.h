/* job_pods.h - what the pods of a Job tell: how it ended, and why it does not start (K19).
 * Private to snapshot-svc/reconcile. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "snapshot-svc/reconcile/planners.h"

/* Does a process of the Job run, or may one still? Pods on their way out count until they are gone. */
bool job_pods_are_alive(const struct job_sighting *seen);
/* Has the container of any of them ever started? */
bool job_pods_have_started(const struct job_sighting *seen);
/* Do we see every pod that the Job counts, and have all of them failed? */
bool job_pods_all_failed(const struct job_sighting *seen);
bool job_pods_are_running(const struct job_sighting *seen); /* the container runs now */

/* The newest pod that ended so, or NULL. Borrowed. */
const struct pod *job_pods_newest(const struct job_sighting *seen, bool succeeded);

/* What our program said at its end in this pod; NULL gives nothing. */
void job_pod_result(const struct pod *pod, struct job_result *ret_result);
/* Why this pod failed, as one line, and *ret_orderly: our program ended by itself and left nothing frozen. NULL: it did
 * not say. The caller frees. */
char *job_pod_failure(const struct pod *pod, bool *ret_orderly);

/* Why the pod that should run does not start. */
struct job_trouble {
    char *reason, *message;
    int64_t give_up_ms; /* Unix ms; INT64_MAX: it may just be slow */
};
/* false: no trouble. */
bool job_pods_trouble(const struct job_sighting *seen, int64_t now_ms, struct job_trouble *ret_trouble,
                      int64_t *ret_look_again_ms);
void job_trouble_done(struct job_trouble *trouble);
