#include "snapshot-svc/reconcile/pool_capacity.h"

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int32_t clamp(int64_t count)
{
    return (int32_t)smaller(larger(count, 0), INT32_MAX);
}

const char *pool_swapped_bound(const struct pool_capacity_spec *capacity)
{
    if (capacity->buffer_max < capacity->buffer_min)
        return "bufferMax";
    return capacity->pool_max < capacity->pool_min ? "poolMax" : NULL;
}

/* A buffer within its range stays as it is, so that a pool does not breathe with every allocation; one outside goes to the middle. */
static int64_t wanted_buffer(const struct pool_capacity_spec *capacity,
                             const struct pool_population *population)
{
    const int64_t buffer = (int64_t)population->schedulable - population->allocated;
    const int64_t min = capacity->buffer_min, max = larger(capacity->buffer_max, min);

    return buffer >= min && buffer <= max ? buffer : (min + max) / 2;
}

struct pool_scale pool_scale_of(const struct pool *pool, const struct pool_population *population)
{
    const struct pool_capacity_spec *capacity = &pool->capacity;
    const int64_t pool_max = larger(capacity->pool_max, capacity->pool_min);
    const int64_t wanted =
        (int64_t)population->allocated + population->supply + wanted_buffer(capacity, population);
    const int32_t desired = clamp(larger(wanted, capacity->pool_min));
    const int64_t missing = (int64_t)desired - population->schedulable;
    const int64_t unready_room =
        (int64_t)int_or_percent_of(&pool->scale_max_unavailable, desired) - population->not_ready;
    const int64_t room = smaller(pool_max - population->total, unready_room);

    return (struct pool_scale){
        .desired = desired, .create = clamp(smaller(missing, room)), .remove = clamp(-missing)};
}
