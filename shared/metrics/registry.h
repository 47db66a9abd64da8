/* registry.h - private to shared/metrics: what the renderer reads.
 *
 *   metrics ── family (name, help, type) ── family ...
 *                 └─ metric (labels, value) ── metric ...
 *
 * Families and metrics are only ever added, at the tail, under the lock; their values change without it. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "shared/metrics/metrics.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_TYPE_MAX };

struct metric {
    struct metric *next;
    const struct family *family;
    char *labels; /* "" when there are none */

    _Atomic double value; /* of a histogram: the sum of what was observed */
    _Atomic uint64_t
        *buckets; /* histogram only: family->bound_count + 1, each without those below; the last is +Inf */
};

struct family {
    struct family *next;
    char *name, *help;
    enum metric_type type;
    double *bounds;
    size_t bound_count;
    struct metric *metrics; /* owned, in order of creation */
};

struct metrics {
    pthread_mutex_t lock;    /* guards the lists, not the values */
    struct family *families; /* owned, in order of creation */
};
