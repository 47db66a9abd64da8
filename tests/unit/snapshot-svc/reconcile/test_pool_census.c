/* Contract controller-behaviour.md §10.1-§10.3: whose a pod is, as a table; what the Pool counts; and that nobody counts twice. */
#include "tests/unit/snapshot-svc/reconcile/pool_stand.h"

#define P     "{\"pods\":[\"p\"]}"
#define P_Q   "{\"pods\":[\"p\",\"q\"]}"
#define OTHER "{\"pods\":[\"other\"]}"
#define OURS  "s s"

/* One pod p and, unless `pool` is NULL, one sandbox s. */
static const struct {
    unsigned pod;
    const char *claim, *pool;
    unsigned sandbox;
    int replicas;
    const char *given, *returned, *recycled;
    enum pool_pod_standing standing;
    int need;
} rows[] = {
    /* nobody asks */
    {READY, NULL, NULL, 0, 0, NULL, NULL, NULL, POOL_POD_IDLE, 0},
    {0, NULL, NULL, 0, 0, NULL, NULL, NULL, POOL_POD_IDLE, 0},
    {READY, NULL, "warm", 0, 1, NULL, NULL, NULL, POOL_POD_IDLE, 1},
    {READY, NULL, "warm", 0, 3, OTHER, NULL, NULL, POOL_POD_IDLE, 2}, /* the other was lost, and counts */
    {READY, NULL, "warm", DELETING, 3, NULL, NULL, NULL, POOL_POD_IDLE, 0},
    {READY, NULL, "cold", 0, 3, NULL, NULL, NULL, POOL_POD_IDLE, 0},
    /* it has it */
    {READY, OURS, "warm", 0, 1, P, NULL, NULL, POOL_POD_HELD, 0},
    {0, OURS, "warm", 0, 2, P, NULL, NULL, POOL_POD_HELD, 1},
    {READY | TO_BE_EVICTED, OURS, "warm", 0, 1, P, NULL, NULL, POOL_POD_HELD, 0},
    {READY, OURS, "warm", 0, 0, P, NULL, NULL, POOL_POD_HELD, 0}, /* only alloc-release asks back */
    {READY, NULL, "warm", 0, 1, P, NULL, NULL, POOL_POD_LISTED, 0},
    {READY, NULL, "warm", DELETING, 1, P, NULL, NULL, POOL_POD_LISTED,
     0}, /* the claim first: then it is known to be dirty */
    /* we were interrupted between the claim and the list */
    {READY, OURS, "warm", 0, 1, NULL, NULL, NULL, POOL_POD_CLAIMED, 0},
    {READY, OURS, "warm", 0, 3, OTHER, NULL, NULL, POOL_POD_CLAIMED, 1},
    {READY, OURS, "warm", 0, 1, OTHER, NULL, NULL, POOL_POD_SURPLUS, 0},
    {READY, OURS, "warm", DELETING, 1, NULL, NULL, NULL, POOL_POD_DIRTY, 0},
    /* on its way back */
    {READY, OURS, "warm", 0, 1, P, P, NULL, POOL_POD_DIRTY, 0},
    {READY, OURS, "warm", DELETING, 1, P, NULL, NULL, POOL_POD_DIRTY, 0},
    {READY, OURS, "warm", 0, 1, P, P, P, POOL_POD_CLEAN, 0},
    {READY, OURS, "warm", DELETING, 1, P, NULL, P, POOL_POD_CLEAN, 0},
    {READY, NULL, "warm", 0, 1, P, P, P, POOL_POD_IDLE, 0},
    /* orphans (K3, K4) */
    {READY, OURS, NULL, 0, 0, NULL, NULL, NULL, POOL_POD_DIRTY, 0},
    {READY, OURS, "", 0, 1, P, NULL, NULL, POOL_POD_DIRTY, 0}, /* paused: on its own */
    {READY, OURS, "cold", 0, 1, P, NULL, NULL, POOL_POD_DIRTY, 0},
    {READY, "former s", "warm", 0, 1, P, NULL, NULL, POOL_POD_DIRTY, 0}, /* a namesake of another uid */
    {READY, "", "warm", 0, 1, NULL, NULL, NULL, POOL_POD_DIRTY, 1},
    {READY | TO_BE_EVICTED, OURS, NULL, 0, 0, NULL, NULL, NULL, POOL_POD_DIRTY, 0},
    /* what goes is nobody's stock, whoever had it */
    {READY | DELETING, NULL, "warm", 0, 1, NULL, NULL, NULL, POOL_POD_GOING, 1},
    {READY | DELETING, OURS, "warm", 0, 1, P, NULL, NULL, POOL_POD_GOING, 0},
    {READY | DELETING, OURS, "warm", 0, 1, NULL, NULL, NULL, POOL_POD_GOING, 1},
};

static void a_pod_stands_as_the_table_says(void **state)
{
    struct stand *stand = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        clear(stand);
        put_pod(stand, "p", rows[i].pod, rows[i].claim);
        if (rows[i].pool)
            put_sandbox(stand, "s", rows[i].pool, rows[i].sandbox, rows[i].replicas, rows[i].given,
                        rows[i].returned, rows[i].recycled);
        take(stand);
        if (stand->census.pods[0].standing != rows[i].standing)
            fail_msg("row %zu: want %s, got %s", i, pool_pod_standing_name(rows[i].standing),
                     pool_pod_standing_name(stand->census.pods[0].standing));
        const int need = stand->census.tenant_count ? stand->census.tenants[0].need : 0;
        if (need != rows[i].need)
            fail_msg("row %zu: want a need of %d, got %d", i, rows[i].need, need);
    }
}

static void a_claim_beats_a_list(void **state)
{
    struct stand *stand = *state;

    put_pod(stand, "p", READY, "b b");
    put_sandbox(stand, "a", "warm", 0, 1, P, NULL, NULL); /* lists it, but the pod says b */
    put_sandbox(stand, "b", "warm", 0, 1, P, NULL, NULL);
    take(stand);
    assert_int_equal(stand->census.pods[0].standing, POOL_POD_HELD);
    assert_string_equal(stand->census.pods[0].tenant->sandbox->meta.uid, "b");
}

static void lists_that_cannot_be_read_are_told_and_their_pods_stay_held(void **state)
{
    struct stand *stand = *state;

    put_pod(stand, "p", READY, OURS);
    put_sandbox(stand, "s", "warm", 0, 5, "{\"pods\":", NULL, NULL);
    take(stand);
    assert_ptr_equal(stand->census.unreadable, stand->sandbox_list[0]);
    assert_contains(stand->census.unreadable_why.text, ANNOTATION_ALLOC_STATUS);
    assert_int_equal(stand->census.tenants[0].need, 0);
    assert_int_equal(stand->census.pods[0].standing, POOL_POD_HELD);
}

static void a_pool_counts_what_lives_and_what_may_be_given(void **state)
{
    struct stand *stand = *state;

    put_pod(stand, "idle", READY, NULL);
    put_pod(stand, "starting", 0, NULL);
    put_pod(stand, "evicted", READY | TO_BE_EVICTED, NULL);
    put_pod(stand, "p", READY | TO_BE_EVICTED, OURS);
    put_pod(stand, "orphan", 0, "gone gone");
    put_pod(stand, "going", READY | DELETING, NULL);
    put_sandbox(stand, "s", "warm", 0, 3, P, NULL, NULL);
    put_sandbox(stand, "t", "warm", 0, 2, NULL, NULL, NULL);
    take(stand);
    const struct pool_population population = pool_census_population(&stand->census);
    assert_int_equal(population.total, 5);
    assert_int_equal(population.schedulable, 4);
    assert_int_equal(population.allocated, 2);
    assert_int_equal(population.not_ready, 2);
    assert_int_equal(population.supply, 2 + 2);
    for (size_t i = 0; i < stand->census.pod_count; i++) {
        assert_int_equal(pool_pod_is_available(&stand->census.pods[i]), i == 0);
        assert_int_equal(pool_pod_is_to_be_evicted(&stand->census.pods[i]), i == 2);
    }
}

static void a_pod_goes_to_one_tenant_once(void **state)
{
    struct stand *stand = *state;

    put_pod(stand, "p", READY, NULL);
    put_sandbox(stand, "s", "warm", 0, 2, P, P, P); /* had it, gave it back */
    put_sandbox(stand, "t", "warm", 0, 2, NULL, NULL, NULL);
    take(stand);
    assert_false(pool_tenant_may_get(&stand->census.tenants[0], &stand->census.pods[0]));
    assert_true(pool_tenant_may_get(&stand->census.tenants[1], &stand->census.pods[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STAND(a_pod_stands_as_the_table_says),
        ON_STAND(a_claim_beats_a_list),
        ON_STAND(lists_that_cannot_be_read_are_told_and_their_pods_stay_held),
        ON_STAND(a_pool_counts_what_lives_and_what_may_be_given),
        ON_STAND(a_pod_goes_to_one_tenant_once),
    };
    return cmocka_run_group_tests_name("pool census", tests, NULL, NULL);
}
