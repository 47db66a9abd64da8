/* The generic cell rate algorithm: one number says when the bucket will be full again. A caller takes its place in the
 * queue by moving that number, and then only sleeps. */
#include "snapshot-svc/cluster/kube/limit.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "shared/base/alloc.h"

enum { SECOND_US = 1000 * 1000 };

struct limit {
    int64_t interval_us, tolerance_us; /* set by limit_new */

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t closing;
    bool closed;
    int64_t full_at_us; /* monotonic */
};

struct limit *limit_new(unsigned qps, unsigned burst)
{
    struct limit *limit = xcalloc(1, sizeof(*limit));
    pthread_condattr_t monotonic;

    limit->interval_us = SECOND_US / (qps ? qps : 1);
    limit->tolerance_us = limit->interval_us * (int64_t)(burst ? burst - 1 : 0);
    pthread_mutex_init(&limit->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&limit->closing, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return limit;
}

void limit_free(struct limit *limit)
{
    if (!limit)
        return;
    pthread_cond_destroy(&limit->closing);
    pthread_mutex_destroy(&limit->lock);
    free(limit);
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND_US + now.tv_nsec / 1000;
}

/* With the lock held. */
static int sleep_until(struct limit *limit, int64_t until_us, struct error *err)
{
    struct timespec until = {.tv_sec = until_us / SECOND_US, .tv_nsec = until_us % SECOND_US * 1000};

    while (!limit->closed && now_us() < until_us)
        (void)pthread_cond_timedwait(&limit->closing, &limit->lock,
                                     &until); /* its time-out is the ordinary end */
    return limit->closed ? error_set(err, ERR_CANCELLED, "the cluster is being closed") : 0;
}

int limit_wait(struct limit *limit, int64_t max_wait_ms, struct error *err)
{
    int result;

    pthread_mutex_lock(&limit->lock);
    int64_t now = now_us();
    int64_t full_at = limit->full_at_us > now ? limit->full_at_us : now;
    int64_t turn = full_at - limit->tolerance_us;
    if (turn - now > max_wait_ms * 1000) {
        result =
            error_set(err, ERR_UNAVAILABLE,
                      "too many calls to the API server wait already (the next turn is in %lld ms); raise "
                      "--kube-client-qps if it can take more",
                      (long long)(turn - now) / 1000);
    } else {
        limit->full_at_us = full_at + limit->interval_us;
        result = sleep_until(limit, turn, err);
    }
    pthread_mutex_unlock(&limit->lock);
    return result;
}

int limit_sleep_until(struct limit *limit, int64_t until_ms, struct error *err)
{
    pthread_mutex_lock(&limit->lock);
    int result = sleep_until(limit, until_ms * 1000, err);
    pthread_mutex_unlock(&limit->lock);
    return result;
}

void limit_close(struct limit *limit)
{
    pthread_mutex_lock(&limit->lock);
    limit->closed = true;
    pthread_cond_broadcast(&limit->closing);
    pthread_mutex_unlock(&limit->lock);
}
