#include "snapshot-svc/cluster/kube/limit.h"

#include <pthread.h>

#include "shared/base/clock.h"
#include "tests/unit/testing.h"

static void a_burst_goes_at_once_and_the_rest_at_the_rate(void **state)
{
    struct limit *limit = limit_new(100, 5);
    struct error err = {0};
    int64_t start_ms = clock_monotonic_ms();

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_ok(limit_wait(limit, 0, &err), &err); /* would not wait at all */
    for (int i = 0; i < 10; i++)
        assert_ok(limit_wait(limit, 10000, &err), &err);
    assert_true(clock_monotonic_ms() - start_ms >= 99); /* ten intervals of 10 ms, and a rounding */
    limit_free(limit);
}

static void a_turn_too_far_away_is_refused_and_costs_nothing(void **state)
{
    struct limit *limit = limit_new(1, 1);
    struct error err = {0};

    (void)state;
    assert_ok(limit_wait(limit, 0, &err), &err);
    for (int i = 0; i < 5; i++) {
        assert_fails(limit_wait(limit, 100, &err), &err, ERR_UNAVAILABLE, "--kube-client-qps");
        error_clear(&err);
    }
    assert_ok(limit_wait(limit, 1000, &err), &err);
    limit_free(limit);
}

struct waiter {
    struct limit *limit;
    enum error_code code;
};

static void *wait_long(void *arg)
{
    struct waiter *waiter = arg;
    struct error err = {0};
    (void)limit_wait(waiter->limit, INT64_C(1000) * 3600, &err);
    waiter->code = err.code;
    return NULL;
}

static void closing_ends_waits_at_once_and_for_ever(void **state)
{
    struct limit *limit = limit_new(1, 1);
    struct error err = {0};
    pthread_t threads[4];
    struct waiter waiters[4];

    (void)state;
    assert_ok(limit_wait(limit, 0, &err), &err); /* the next turn is a second away */
    for (int i = 0; i < 4; i++) {
        waiters[i] = (struct waiter){.limit = limit};
        assert_int_equal(pthread_create(&threads[i], NULL, wait_long, &waiters[i]), 0);
    }
    limit_close(limit);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(waiters[i].code, ERR_CANCELLED);
    }
    error_clear(&err);
    assert_fails(limit_sleep_until(limit, clock_monotonic_ms() + 60000, &err), &err, ERR_CANCELLED, "closed");
    limit_free(limit);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_goes_at_once_and_the_rest_at_the_rate),
        cmocka_unit_test(a_turn_too_far_away_is_refused_and_costs_nothing),
        cmocka_unit_test(closing_ends_waits_at_once_and_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
