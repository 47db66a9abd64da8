/* rate_limit.h - so many requests a second for each user: a token bucket for each name. Threads: any. */
#pragma once

#include <stdint.h>

#include "shared/base/cleanup.h"

struct rate_limit;

struct rate_limit_options {
    int64_t per_second;      /* 0: no limit */
    int64_t burst;           /* how many may come at once; 0: per_second */
    int64_t (*now_ms)(void); /* NULL: clock_monotonic_ms */
};

struct rate_limit *rate_limit_new(const struct rate_limit_options *options);
void rate_limit_free(struct rate_limit *limit);
DEFINE_FREEP(rate_limit, struct rate_limit, rate_limit_free)

/* 0: taken. Else nothing is taken, and the answer is in how many milliseconds there is one. Names are few: those of the keys. */
int64_t rate_limit_take(struct rate_limit *limit, const char *name);
