/* recorder.h - Kubernetes Events: what happened to an object, for people who describe it. The same event again
 * raises the count of the first instead of adding one.
 * Spec: Kubernetes API, core/v1 Event. Best effort: a failure is logged at debug level. Threads: any. */
#pragma once

#include <stdbool.h>

#include "shared/base/cleanup.h"
#include "snapshot-svc/cluster/cluster.h"

struct recorder;

struct event_subject { /* borrowed for the call */
    enum cluster_kind kind;
    const char *ns, *name;
    const char *uid; /* may be NULL */
};

struct recorder *recorder_new(struct cluster *cluster);
void recorder_free(struct recorder *recorder);

void recorder_post(struct recorder *recorder, const struct event_subject *subject, bool warning,
                   const char *reason, const char *message);
