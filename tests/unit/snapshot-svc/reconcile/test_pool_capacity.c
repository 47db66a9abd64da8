/* Contract controller-behaviour.md §10.4: how many pods a Pool should have, as a table, and what holds for all of them. */
#include "tests/unit/testing.h"

#include "snapshot-svc/reconcile/pool_capacity.h"

static const struct int_or_percent ALL = {.value = 1000 * 1000}, QUARTER = {.value = 25, .is_percent = true};

static const struct {
    const char *name;
    struct pool_capacity_spec capacity; /* bufferMin, bufferMax, poolMin, poolMax */
    const struct int_or_percent *unready;
    struct pool_population population; /* total, schedulable, allocated, not ready, supply */
    struct pool_scale scale;           /* desired, create, remove */
} rows[] = {
    {"an empty pool fills its buffer to the middle", {2, 6, 0, 20}, &ALL, {0, 0, 0, 0, 0}, {4, 4, 0}},
    {"the middle is rounded down", {1, 4, 0, 20}, &ALL, {0, 0, 0, 0, 0}, {2, 2, 0}},
    {"poolMin counts when the buffer asks for less", {0, 2, 5, 20}, &ALL, {0, 0, 0, 0, 0}, {5, 5, 0}},
    {"a buffer within its range stays", {2, 6, 0, 20}, &ALL, {7, 7, 2, 0, 0}, {7, 0, 0}},
    {"at its lower bound too", {2, 6, 0, 20}, &ALL, {4, 4, 2, 0, 0}, {4, 0, 0}},
    {"at its upper bound too", {2, 6, 0, 20}, &ALL, {8, 8, 2, 0, 0}, {8, 0, 0}},
    {"one below it is brought to the middle", {2, 6, 0, 20}, &ALL, {3, 3, 2, 0, 0}, {6, 3, 0}},
    {"one above it is brought to the middle", {2, 6, 0, 20}, &ALL, {9, 9, 2, 0, 0}, {6, 0, 3}},
    {"sandboxes that wait are served beside the buffer", {1, 1, 0, 20}, &ALL, {2, 2, 2, 0, 3}, {6, 4, 0}},
    {"poolMax caps what is made", {2, 6, 0, 5}, &ALL, {3, 3, 3, 0, 4}, {11, 2, 0}},
    {"pods to be evicted count for poolMax", {2, 2, 0, 5}, &ALL, {5, 3, 3, 0, 0}, {5, 0, 0}},
    {"poolMax does not remove what is above it", {0, 9, 0, 5}, &ALL, {8, 8, 8, 0, 0}, {8, 0, 0}},
    {"a pool is not emptied below poolMin", {0, 2, 6, 20}, &ALL, {9, 9, 1, 0, 0}, {6, 0, 3}},
    {"what is allocated is never asked for", {0, 0, 0, 20}, &ALL, {5, 5, 5, 0, 0}, {5, 0, 0}},
    {"not too many are unready at a time", {20, 20, 0, 40}, &QUARTER, {0, 0, 0, 0, 0}, {20, 5, 0}},
    {"those that are unready count", {20, 20, 0, 40}, &QUARTER, {5, 5, 0, 3, 0}, {20, 2, 0}},
    {"and when they are too many nothing is made", {20, 20, 0, 40}, &QUARTER, {9, 9, 0, 9, 0}, {20, 0, 0}},
    {"a share rounds up", {9, 9, 0, 40}, &QUARTER, {0, 0, 0, 0, 0}, {9, 3, 0}},
    {"and is one pod at least", {1, 1, 0, 40}, &QUARTER, {0, 0, 0, 0, 0}, {1, 1, 0}},
    {"a bufferMax below bufferMin counts as bufferMin", {4, 1, 0, 20}, &ALL, {0, 0, 0, 0, 0}, {4, 4, 0}},
    {"a poolMax below poolMin counts as poolMin", {0, 0, 4, 1}, &ALL, {0, 0, 0, 0, 0}, {4, 4, 0}},
    {"an empty capacity keeps nothing", {0, 0, 0, 0}, &ALL, {2, 2, 0, 0, 0}, {0, 0, 2}},
    {"numbers at the end of their range stay in it",
     {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX},
     &ALL,
     {10, 10, 10, 0, INT32_MAX},
     {INT32_MAX, 1000 * 1000, 0}},
};

static void a_pool_scales_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct pool pool = {.capacity = rows[i].capacity, .scale_max_unavailable = *rows[i].unready};
        const struct pool_scale got = pool_scale_of(&pool, &rows[i].population), want = rows[i].scale;
        if (got.desired != want.desired || got.create != want.create || got.remove != want.remove)
            fail_msg("%s: want %d desired, %d made, %d removed, got %d, %d, %d", rows[i].name, want.desired,
                     want.create, want.remove, got.desired, got.create, got.remove);
    }
}

/* Small numbers, all of them: what is carried out at once leads to what is desired, and stays there. */
static void assert_settles(const struct pool *pool, struct pool_population population)
{
    const int32_t max =
        pool->capacity.pool_max > pool->capacity.pool_min ? pool->capacity.pool_max : pool->capacity.pool_min;
    const struct pool_scale scale = pool_scale_of(pool, &population);

    assert_true(scale.create == 0 || scale.remove == 0);
    assert_true(scale.create == 0 || population.total + scale.create <= max);
    assert_true(scale.remove <= population.schedulable - population.allocated);
    assert_true(scale.desired >= pool->capacity.pool_min);
    population.total += scale.create - scale.remove;
    population.schedulable += scale.create - scale.remove;
    const struct pool_scale next = pool_scale_of(pool, &population);
    assert_true(next.remove == 0);
    assert_true(next.create == 0 || population.total < max);
    assert_true(next.create == 0 || scale.create > 0); /* only what was cut short goes on */
}

static void a_pool_settles_and_leaves_allocated_pods_alone(void **state)
{
    enum { MOST = 4 };
    (void)state;
    for (int n = 0; n < (MOST + 1) * (MOST + 1) * (MOST + 1) * (MOST + 1); n++) {
        const struct pool_capacity_spec capacity = {
            .buffer_min = n % 5, .buffer_max = n / 5 % 5, .pool_min = n / 25 % 5, .pool_max = n / 125 % 5};
        const struct pool pool = {.capacity = capacity, .scale_max_unavailable = ALL};
        for (int32_t schedulable = 0; schedulable <= MOST; schedulable++)
            for (int32_t allocated = 0; allocated <= schedulable; allocated++)
                for (int32_t evicting = 0; evicting <= 1; evicting++)
                    assert_settles(&pool, (struct pool_population){.total = schedulable + evicting,
                                                                   .schedulable = schedulable,
                                                                   .allocated = allocated});
    }
}

static void a_swapped_bound_is_named(void **state)
{
    (void)state;
    assert_null(pool_swapped_bound(&(struct pool_capacity_spec){1, 1, 2, 2}));
    assert_string_equal(pool_swapped_bound(&(struct pool_capacity_spec){2, 1, 0, 9}), "bufferMax");
    assert_string_equal(pool_swapped_bound(&(struct pool_capacity_spec){0, 1, 9, 8}), "poolMax");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_scales_as_the_table_says),
        cmocka_unit_test(a_pool_settles_and_leaves_allocated_pods_alone),
        cmocka_unit_test(a_swapped_bound_is_named),
    };
    return cmocka_run_group_tests_name("pool capacity", tests, NULL, NULL);
}
