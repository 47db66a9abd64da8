/* pod_health.h - the pods of a sandbox, counted, and what is wrong with them.
 * Spec: contract/controller-behaviour.md §7.1, §7.2; K16 (pods being deleted neither serve nor fail), K17 (a
 * pod that ended is a failure with the pod's reason), K40 (init containers are looked at, too). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapshot-svc/model/pod.h"

struct indexed_pod {
    int32_t index;
    const struct pod *pod;
};

struct pod_health {
    struct indexed_pod *pods; /* by index, then name; owned */
    int32_t total;            /* being deleted ones included */
    int32_t allocated;        /* on a node, or with an address */
    int32_t live;             /* not being deleted */
    int32_t ready;
    const struct pod *running;  /* the first that is Running and not being deleted; NULL: none */
    int32_t failing;            /* of the live ones */
    const char *primary_reason; /* the most frequent one; NULL: none is failing */
    const char *sample_pod;     /* the first with that reason */
};

/* The pods are borrowed. ERR_INVALID: a pod without an index. */
int pod_health_read(const struct pod *const *pods, size_t count, struct pod_health *ret_health,
                    struct error *err);
void pod_health_done(struct pod_health *health);

/* Why this pod is failing, or NULL. Borrowed from the pod. */
const char *pod_failure(const struct pod *pod);

/* "1/2 observed pods failed; primary reason=R; sample pod=P"; the caller frees. */
char *pod_health_message(const struct pod_health *health, bool during_resume);

/* The value of the endpoints annotation: addresses of the live pods by index. The caller frees. */
char *pod_health_endpoints(const struct pod_health *health);
