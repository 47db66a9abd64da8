#include "committer-agent/registry/retry.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/base/clock.h"

struct retry retry_start(const bool *cancelled)
{
    return (struct retry){.backoff = {.first_ms = RETRY_FIRST_WAIT_MS, .max_ms = RETRY_MAX_WAIT_MS},
                          .cancelled = cancelled};
}

void retry_progress(struct retry *retry)
{
    backoff_reset(&retry->backoff);
    retry->spent = 0;
}

static bool is_cancelled(const struct retry *retry)
{
    return retry->cancelled && __atomic_load_n(retry->cancelled, __ATOMIC_RELAXED);
}

/* The flag wakes nobody, so the wait looks at it now and then until its deadline. */
static void wait_until(const struct retry *retry, int64_t deadline_ms)
{
    enum { LOOK_EVERY_MS = 50 };
    int64_t left_ms;

    while (!is_cancelled(retry) && (left_ms = deadline_ms - clock_monotonic_ms()) > 0)
        (void)poll(NULL, 0, left_ms < LOOK_EVERY_MS ? (int)left_ms : LOOK_EVERY_MS);
}

int retry_wait(struct retry *retry, int64_t retry_after_ms, struct error *err)
{
    retry->spent += err->code == ERR_TIMEOUT ? RETRY_TIMEOUT_COST : 1;
    retry->total++;
    if (retry->spent >= RETRY_BUDGET || retry->total >= RETRY_TOTAL)
        return error_wrap(err, "given up after %u tries", retry->total);

    int64_t wait_ms = backoff_next_ms(&retry->backoff);
    if (retry_after_ms > wait_ms)
        wait_ms = retry_after_ms < RETRY_AFTER_MAX_MS ? retry_after_ms : RETRY_AFTER_MAX_MS;
    wait_until(retry, clock_monotonic_ms() + wait_ms);
    return is_cancelled(retry) ? error_set(err, ERR_CANCELLED, "cancelled while waiting for the registry")
                               : 0;
}

int64_t retry_after_parse(const char *value, int64_t now_unix_ms)
{
    struct tm date = {0};

    if (!value || !*value)
        return 0;
    size_t digits = strspn(value, "0123456789");
    if (!value[digits])
        return digits > 6 ? RETRY_AFTER_MAX_MS : atol(value) * 1000;
    const char *end =
        strptime(value, "%a, %d %b %Y %H:%M:%S GMT", &date); /* C locale: nobody calls setlocale here */
    if (!end || *end)
        return 0;
    int64_t wait_ms = (int64_t)timegm(&date) * 1000 - now_unix_ms;
    return wait_ms > 0 ? wait_ms : 0;
}
