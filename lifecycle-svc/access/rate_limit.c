#include "lifecycle-svc/access/rate_limit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"

enum {
    ONE = 1000
}; /* a token, in thousandths: per_second tokens a second are per_second thousandths a millisecond */

struct bucket {
    UT_hash_handle hh;
    char *name;
    int64_t tokens; /* thousandths */
    int64_t filled_ms;
};

struct rate_limit {
    int64_t per_second, burst;
    int64_t (*now_ms)(void);
    pthread_mutex_t lock;
    struct bucket *buckets; /* under lock */
};

struct rate_limit *rate_limit_new(const struct rate_limit_options *options)
{
    struct rate_limit *limit = xcalloc(1, sizeof(*limit));

    limit->per_second = options->per_second;
    limit->burst = options->burst ? options->burst : options->per_second;
    limit->now_ms = options->now_ms ? options->now_ms : clock_monotonic_ms;
    pthread_mutex_init(&limit->lock, NULL);
    return limit;
}

void rate_limit_free(struct rate_limit *limit)
{
    struct bucket *bucket, *next;

    if (!limit)
        return;
    HASH_ITER(hh, limit->buckets, bucket, next)
    {
        HASH_DEL(limit->buckets, bucket);
        free(bucket->name);
        free(bucket);
    }
    pthread_mutex_destroy(&limit->lock);
    free(limit);
}

static struct bucket *bucket_of(struct rate_limit *limit, const char *name, int64_t now_ms)
{
    struct bucket *bucket;

    HASH_FIND_STR(limit->buckets, name, bucket);
    if (bucket)
        return bucket;
    bucket = xcalloc(1, sizeof(*bucket));
    bucket->name = xstrdup(name);
    bucket->tokens = limit->burst * ONE;
    bucket->filled_ms = now_ms;
    HASH_ADD_KEYPTR(hh, limit->buckets, bucket->name, strlen(bucket->name), bucket);
    return bucket;
}

static void fill(const struct rate_limit *limit, struct bucket *bucket, int64_t now_ms)
{
    const int64_t full = limit->burst * ONE;
    const int64_t full_after_ms =
        (full - bucket->tokens) / limit->per_second + 1; /* so no product overflows */
    const int64_t elapsed_ms = now_ms - bucket->filled_ms;

    bucket->tokens = elapsed_ms >= full_after_ms ? full : bucket->tokens + elapsed_ms * limit->per_second;
    bucket->filled_ms = now_ms;
}

int64_t rate_limit_take(struct rate_limit *limit, const char *name)
{
    int64_t wait_ms = 0;

    if (limit->per_second == 0)
        return 0;
    pthread_mutex_lock(&limit->lock);
    int64_t now_ms = limit->now_ms();
    struct bucket *bucket = bucket_of(limit, name, now_ms);
    fill(limit, bucket, now_ms);
    if (bucket->tokens >= ONE)
        bucket->tokens -= ONE;
    else
        wait_ms = (ONE - bucket->tokens + limit->per_second - 1) / limit->per_second;
    pthread_mutex_unlock(&limit->lock);
    return wait_ms;
}
