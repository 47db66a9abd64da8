/* limit.h - at most so many calls per second, a burst of them at once; first come, first served.
 * Threads: any number. */
#pragma once

#include <stdint.h>

#include "shared/base/error.h"

struct limit;

struct limit *limit_new(unsigned qps, unsigned burst);
void limit_free(struct limit *limit); /* nobody waits any more */

/* Waits for this call's turn. ERR_UNAVAILABLE: it would come in more than max_wait_ms. ERR_CANCELLED: closed. */
int limit_wait(struct limit *limit, int64_t max_wait_ms, struct error *err);
/* Waits until a point in monotonic time. ERR_CANCELLED: closed. */
int limit_sleep_until(struct limit *limit, int64_t until_ms, struct error *err);
/* From now on nobody waits. */
void limit_close(struct limit *limit);
