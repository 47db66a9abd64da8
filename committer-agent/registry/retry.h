/* registry/retry.h - the one retry policy of the registry client: how long to wait, and when to give up.
 *
 * Failures in a row have a budget (a timeout costs more of it than a refusal, as it took longer); progress
 * fills it again, up to a bound for the whole operation. Waits are jittered, follow Retry-After up to a
 * bound, and end when cancelled. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/backoff.h"
#include "shared/base/error.h"

enum {
    RETRY_BUDGET = 6,       /* failures in a row */
    RETRY_TIMEOUT_COST = 2, /* of that budget */
    RETRY_TOTAL = 200,      /* failures of one operation, however much progress lay between */
    RETRY_FIRST_WAIT_MS = 200,
    RETRY_MAX_WAIT_MS = 10 * 1000,
    RETRY_AFTER_MAX_MS = 30 * 1000,
};

struct retry {
    struct backoff backoff;
    unsigned spent, total;
    const bool *cancelled; /* or NULL */
};

struct retry retry_start(const bool *cancelled);
void retry_progress(struct retry *retry);

/* After the failure in err: waits, then answers 0: try again. -1: give up, err still tells the failure (or
 * ERR_CANCELLED). retry_after_ms: what the other side asked for, 0 nothing. */
int retry_wait(struct retry *retry, int64_t retry_after_ms, struct error *err);

/* Retry-After, in seconds or as an HTTP date, as milliseconds from now; 0: absent or unreadable. */
int64_t retry_after_parse(const char *value, int64_t now_unix_ms);
