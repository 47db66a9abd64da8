/* pool_capacity.h - how many pods a Pool should have, and how many to make or remove now.
 * Spec: contract/controller-behaviour.md §10.4. Arithmetic only; which pods is pool planning's to say. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "snapshot-svc/model/pool.h"

/* Pods that are being deleted count nowhere. */
struct pool_population {
    int32_t total;       /* all, those to be evicted too */
    int32_t schedulable; /* all but those that are idle and to be evicted */
    int32_t allocated;   /* some sandbox's, or not recycled since */
    int32_t not_ready;   /* of the schedulable ones */
    int32_t supply;      /* pods that sandboxes wait for, and those that a template update takes away */
};

struct pool_scale {
    int32_t desired; /* schedulable pods */
    int32_t create;  /* now; never takes the total above poolMax */
    int32_t remove;  /* now: idle pods, the oldest first. At most one of the two is not 0. */
};

struct pool_scale pool_scale_of(const struct pool *pool, const struct pool_population *population);

/* A maximum below its minimum counts as the minimum. Which pair is so, for the Event: "bufferMax" or "poolMax"; NULL: none. */
const char *pool_swapped_bound(const struct pool_capacity_spec *capacity);
