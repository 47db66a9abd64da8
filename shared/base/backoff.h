/* backoff.h - exponential backoff with jitter, as numbers: who waits is the caller's business. */
#pragma once

#include <stdint.h>

struct backoff {
    int64_t first_ms, max_ms;
    unsigned failures; /* in a row; 0 after backoff_reset */
};

/* The next delay: first_ms * 2^failures up to max_ms, plus or minus a quarter. Counts one failure. */
int64_t backoff_next_ms(struct backoff *backoff);
void backoff_reset(struct backoff *backoff);
