/* recorder.h - Kubernetes Events: what happened to an object, for people who describe it. The same event again
 * raises the count of the first instead of adding one.
 *
 * Nobody waits for an event: posts are put into a queue, and a thread of the recorder's own tells the cluster, in their
 * order. Best effort: a failure is logged at debug level; when the cluster takes them too slowly and
 * RECORDER_QUEUE_MAX of them wait, the oldest is dropped, with one warning in the log until the queue is empty again.
 *
 * Spec: Kubernetes API, core/v1 Event. Threads: any; one of its own, from the first post on. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "snapshot-svc/cluster/cluster.h"

#define RECORDER_QUEUE_MAX 4096

struct recorder;

struct event_subject { /* borrowed for the call */
    enum cluster_kind kind;
    const char *ns, *name;
    const char *uid; /* may be NULL */
};

struct recorder *recorder_new(struct cluster *cluster);
/* Nobody posts any more. What still waits is told for two seconds, then dropped; a call under way is waited for. */
void recorder_free(struct recorder *recorder);

/* Copies what it is given, and returns at once. */
void recorder_post(struct recorder *recorder, const struct event_subject *subject, bool warning,
                   const char *reason, const char *message);
/* Waits until no event waits. False: some still do after timeout_ms. */
bool recorder_flush(struct recorder *recorder, int64_t timeout_ms);
