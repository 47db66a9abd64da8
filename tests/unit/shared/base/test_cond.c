/* test_cond.c - waiting for a point of the monotonic clock. */
#include "shared/base/clock.h"
#include "shared/base/cond.h"
#include "tests/unit/testing.h"

struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t came;
    bool here;
};

static void *come(void *arg)
{
    struct meeting *meeting = arg;

    pthread_mutex_lock(&meeting->lock);
    meeting->here = true;
    pthread_cond_signal(&meeting->came);
    pthread_mutex_unlock(&meeting->lock);
    return NULL;
}

static void nobody_comes_before_the_deadline(void **state)
{
    struct meeting meeting = {.lock = PTHREAD_MUTEX_INITIALIZER};
    const int64_t deadline_ms = clock_monotonic_ms() + 30;

    (void)state;
    cond_init(&meeting.came);
    pthread_mutex_lock(&meeting.lock);
    while (cond_wait_until(&meeting.came, &meeting.lock, deadline_ms))
        assert_true(clock_monotonic_ms() <= deadline_ms); /* woken for nothing, as POSIX allows */
    pthread_mutex_unlock(&meeting.lock);
    assert_true(clock_monotonic_ms() >= deadline_ms);
    pthread_cond_destroy(&meeting.came);
}

static void a_deadline_that_has_passed_does_not_wait(void **state)
{
    struct meeting meeting = {.lock = PTHREAD_MUTEX_INITIALIZER};

    (void)state;
    cond_init(&meeting.came);
    pthread_mutex_lock(&meeting.lock);
    assert_false(cond_wait_until(&meeting.came, &meeting.lock, clock_monotonic_ms() - 1));
    assert_false(cond_wait_until(&meeting.came, &meeting.lock, 0));
    pthread_mutex_unlock(&meeting.lock);
    pthread_cond_destroy(&meeting.came);
}

static void who_comes_ends_the_wait(void **state)
{
    struct meeting meeting = {.lock = PTHREAD_MUTEX_INITIALIZER};
    const int64_t an_hour_ms = 3600 * 1000, deadline_ms = clock_monotonic_ms() + an_hour_ms;
    bool in_time = true;
    pthread_t guest;

    (void)state;
    cond_init(&meeting.came);
    pthread_mutex_lock(&meeting.lock);
    assert_int_equal(pthread_create(&guest, NULL, come, &meeting), 0);
    while (!meeting.here && in_time)
        in_time = cond_wait_until(&meeting.came, &meeting.lock, deadline_ms);
    pthread_mutex_unlock(&meeting.lock);
    assert_true(in_time);
    pthread_join(guest, NULL);
    pthread_cond_destroy(&meeting.came);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_comes_before_the_deadline),
        cmocka_unit_test(a_deadline_that_has_passed_does_not_wait),
        cmocka_unit_test(who_comes_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
