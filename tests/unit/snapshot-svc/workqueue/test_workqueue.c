#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/clock.h"
#include "snapshot-svc/workqueue/workqueue.h"

static struct workqueue *queue_of(void **state)
{
    return *state;
}

static void assert_next(struct workqueue *queue, const char *expected)
{
    char *key = workqueue_get(queue);
    assert_non_null(key);
    assert_string_equal(key, expected);
    free(key);
}

/* ---- examples ---- */

static void keys_come_out_in_the_order_they_were_added(void **state)
{
    struct workqueue *queue = queue_of(state);

    workqueue_add(queue, "a");
    workqueue_add(queue, "b");
    workqueue_add(queue, "c");
    assert_next(queue, "a");
    assert_next(queue, "b");
    assert_next(queue, "c");
}

static void a_key_added_twice_is_queued_once(void **state)
{
    struct workqueue *queue = queue_of(state);

    workqueue_add(queue, "a");
    workqueue_add(queue, "a");
    assert_int_equal(workqueue_length(queue), 1);
}

static void a_key_added_while_it_is_worked_on_comes_again_when_that_is_done(void **state)
{
    struct workqueue *queue = queue_of(state);

    workqueue_add(queue, "a");
    assert_next(queue, "a");
    workqueue_add(queue, "a");
    assert_int_equal(workqueue_length(queue), 0); /* not beside the worker that has it */
    workqueue_done(queue, "a");
    assert_int_equal(workqueue_length(queue), 1);
    assert_next(queue, "a");
    workqueue_done(queue, "a");
    assert_int_equal(workqueue_length(queue), 0);
}

static void a_delayed_key_comes_when_it_is_due_and_not_before(void **state)
{
    struct workqueue *queue = queue_of(state);
    int64_t began_ms = clock_monotonic_ms();

    workqueue_add_after(queue, "late", 30);
    workqueue_add_after(queue, "early", 10);
    assert_int_equal(workqueue_length(queue), 0);
    assert_next(queue, "early");
    assert_true(clock_monotonic_ms() - began_ms >= 10);
    assert_next(queue, "late");
    assert_true(clock_monotonic_ms() - began_ms >= 30);
}

static void of_two_delays_the_earlier_wins(void **state)
{
    struct workqueue *queue = queue_of(state);

    workqueue_add_after(queue, "a", 3600000);
    workqueue_add_after(queue, "a", 10);
    workqueue_add_after(queue, "a", 7200000);
    assert_next(queue, "a");
    workqueue_done(queue, "a");
    workqueue_add_after(queue, "b", 10);
    assert_next(queue, "b"); /* and "a" came only once */
}

static void a_time_that_has_come_is_now(void **state)
{
    struct workqueue *queue = queue_of(state);

    workqueue_add_at(queue, "past", clock_realtime_ms() - 1000);
    workqueue_add_at(queue, "dawn", INT64_MIN);
    workqueue_add_after(queue, "zero", 0);
    workqueue_add_at(queue, "never", INT64_MAX);
    assert_int_equal(workqueue_length(queue), 3);
}

static void failures_grow_the_delay_until_forgotten(void **state)
{
    struct workqueue *queue = queue_of(state);

    for (unsigned failures = 1; failures <= 4; failures++) {
        int64_t began_ms = clock_monotonic_ms();
        workqueue_add_rate_limited(queue, "a");
        assert_int_equal(workqueue_failures(queue, "a"), failures);
        assert_next(queue, "a");
        /* 4 ms, doubled each time, minus a quarter of jitter */
        assert_true(clock_monotonic_ms() - began_ms >= (4 << (failures - 1)) * 3 / 4);
        workqueue_done(queue, "a");
    }
    workqueue_forget(queue, "a");
    assert_int_equal(workqueue_failures(queue, "a"), 0);
}

static void shutdown_hands_out_what_is_queued_and_nothing_more(void **state)
{
    struct workqueue *queue = queue_of(state);

    workqueue_add(queue, "queued");
    workqueue_add_after(queue, "delayed", 1);
    workqueue_shutdown(queue);
    workqueue_add(queue, "too late");
    assert_next(queue, "queued");
    assert_null(workqueue_get(queue));
}

static void work_left_for_a_busy_worker_survives_the_shutdown(void **state)
{
    struct workqueue *queue = queue_of(state);

    workqueue_add(queue, "a");
    assert_next(queue, "a");
    workqueue_add(queue, "a");
    workqueue_shutdown(queue);
    assert_null(workqueue_get(queue)); /* another worker has it */
    workqueue_done(queue, "a");
    assert_next(queue, "a");
    workqueue_done(queue, "a");
    assert_null(workqueue_get(queue));
}

/* ---- sleepers and the clock ---- */

static void *get_one(void *arg)
{
    return workqueue_get(arg);
}

static char *join_key(pthread_t thread)
{
    void *key;
    assert_int_equal(pthread_join(thread, &key), 0);
    return key;
}

static void delays_and_adds_reach_as_many_workers_as_there_are_keys(void **state)
{
    struct workqueue *queue = queue_of(state);
    pthread_t workers[4];
    unsigned seen = 0;

    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&workers[i], NULL, get_one, queue), 0);
    workqueue_add_after(queue, "0", 8);
    workqueue_add(queue, "1");
    workqueue_add_after(queue, "2", 4);
    workqueue_add(queue, "3");
    for (int i = 0; i < 4; i++) {
        char *key = join_key(workers[i]);
        assert_non_null(key);
        seen |= 1u << (key[0] - '0');
        free(key);
    }
    assert_int_equal(seen, 15);
}

/* Makes it likely, not certain, that all workers wait by now: these rounds hold either way, and a lost wake-up shows
 * in the ones that got that far. */
static void give_way_to_waiters(void)
{
    for (int i = 0; i < 50; i++)
        sched_yield();
}

enum { WAKE_ROUNDS = 200 };

/* One worker minds the clock of "later", the other sleeps; both must be reached. */
static void two_keys_at_once_wake_two_waiting_workers(void **state)
{
    struct workqueue *queue = queue_of(state);

    workqueue_add_after(queue, "later", 3600000);
    for (int round = 0; round < WAKE_ROUNDS; round++) {
        pthread_t workers[2];
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_create(&workers[i], NULL, get_one, queue), 0);
        give_way_to_waiters();
        workqueue_add(queue, "a");
        workqueue_add(queue, "b");
        for (int i = 0; i < 2; i++) {
            char *key = join_key(workers[i]);
            assert_non_null(key);
            workqueue_done(queue, key);
            free(key);
        }
    }
}

static void an_earlier_delay_moves_the_clock_of_a_waiting_worker(void **state)
{
    struct workqueue *queue = queue_of(state);

    for (int round = 0; round < WAKE_ROUNDS; round++) {
        pthread_t worker;
        workqueue_add_after(queue, "later", 3600000);
        assert_int_equal(pthread_create(&worker, NULL, get_one, queue), 0);
        give_way_to_waiters();
        workqueue_add_after(queue, "soon", 1);
        char *key = join_key(worker);
        assert_string_equal(key, "soon");
        workqueue_done(queue, key);
        free(key);
    }
}

static void shutdown_wakes_every_waiting_worker(void **state)
{
    (void)state;
    for (int round = 0; round < WAKE_ROUNDS / 4; round++) {
        struct workqueue *queue = workqueue_new(NULL);
        pthread_t workers[4];
        workqueue_add_after(queue, "later", 3600000);
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&workers[i], NULL, get_one, queue), 0);
        give_way_to_waiters();
        workqueue_shutdown(queue);
        for (int i = 0; i < 4; i++)
            assert_null(join_key(workers[i]));
        workqueue_free(queue);
    }
}

/* ---- the laws: never worked on twice at once, never lost ---- */

enum { KEYS = 12, PRODUCERS = 3, WORKERS = 4, ROUNDS = 4000 };

struct contest {
    struct workqueue *queue;
    atomic_int wanted[KEYS];    /* raised before each add */
    atomic_int satisfied[KEYS]; /* what `wanted` was when the work began */
    atomic_int in_hands[KEYS];
    atomic_int collisions;
};

static void *produce(void *arg)
{
    struct contest *contest = arg;
    unsigned seed = (unsigned)(uintptr_t)pthread_self();

    for (int i = 0; i < ROUNDS; i++) {
        char key[16];
        int at = rand_r(&seed) % KEYS;
        snprintf(key, sizeof(key), "%d", at);
        atomic_fetch_add(&contest->wanted[at], 1);
        switch (rand_r(&seed) % 8) {
        case 0:
            workqueue_add_after(contest->queue, key, rand_r(&seed) % 3);
            break;
        case 1:
            workqueue_add_rate_limited(contest->queue, key);
            break;
        case 2:
            workqueue_add(contest->queue, key);
            workqueue_forget(contest->queue, key);
            break;
        default:
            workqueue_add(contest->queue, key);
        }
    }
    return NULL;
}

static void *consume(void *arg)
{
    struct contest *contest = arg;
    char *key;

    while ((key = workqueue_get(contest->queue))) {
        int at = atoi(key);
        if (atomic_fetch_add(&contest->in_hands[at], 1) != 0)
            atomic_fetch_add(&contest->collisions, 1);
        atomic_store(&contest->satisfied[at], atomic_load(&contest->wanted[at]));
        atomic_fetch_sub(&contest->in_hands[at], 1);
        workqueue_done(contest->queue, key);
        free(key);
    }
    return NULL;
}

static void a_key_is_never_worked_on_twice_at_once_and_never_lost(void **state)
{
    static struct contest contest;
    pthread_t producers[PRODUCERS], workers[WORKERS];

    contest.queue = queue_of(state);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&workers[i], NULL, consume, &contest), 0);
    for (int i = 0; i < PRODUCERS; i++)
        assert_int_equal(pthread_create(&producers[i], NULL, produce, &contest), 0);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(producers[i], NULL);
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%d", i);
        workqueue_add(contest.queue, key); /* shutdown drops delayed keys: ask for the last of each at once */
    }
    workqueue_shutdown(contest.queue);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);

    assert_int_equal(contest.collisions, 0);
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(contest.satisfied[i], contest.wanted[i]);
}

/* Without a shutdown to stir everybody: each key that was asked for is worked on, by itself. */
static void no_add_depends_on_a_later_one_to_be_noticed(void **state)
{
    struct workqueue *queue = queue_of(state);

    for (int round = 0; round < 500; round++) {
        pthread_t workers[3];
        for (int i = 0; i < 3; i++)
            assert_int_equal(pthread_create(&workers[i], NULL, get_one, queue), 0);
        workqueue_add_after(queue, "a", 1);
        workqueue_add(queue, "b");
        workqueue_add_rate_limited(queue, "c");
        workqueue_forget(queue, "c");
        for (int i = 0; i < 3; i++) {
            char *key = join_key(workers[i]);
            assert_non_null(key);
            workqueue_done(queue, key);
            free(key);
        }
    }
}

static int setup(void **state)
{
    *state = workqueue_new(&(struct workqueue_options){.backoff_first_ms = 4, .backoff_max_ms = 64});
    return 0;
}

static int teardown(void **state)
{
    workqueue_free(*state);
    return 0;
}

#define QUEUE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_TEST(keys_come_out_in_the_order_they_were_added),
        QUEUE_TEST(a_key_added_twice_is_queued_once),
        QUEUE_TEST(a_key_added_while_it_is_worked_on_comes_again_when_that_is_done),
        QUEUE_TEST(a_delayed_key_comes_when_it_is_due_and_not_before),
        QUEUE_TEST(of_two_delays_the_earlier_wins),
        QUEUE_TEST(a_time_that_has_come_is_now),
        QUEUE_TEST(failures_grow_the_delay_until_forgotten),
        QUEUE_TEST(shutdown_hands_out_what_is_queued_and_nothing_more),
        QUEUE_TEST(work_left_for_a_busy_worker_survives_the_shutdown),
        QUEUE_TEST(two_keys_at_once_wake_two_waiting_workers),
        QUEUE_TEST(an_earlier_delay_moves_the_clock_of_a_waiting_worker),
        QUEUE_TEST(delays_and_adds_reach_as_many_workers_as_there_are_keys),
        cmocka_unit_test(shutdown_wakes_every_waiting_worker),
        QUEUE_TEST(a_key_is_never_worked_on_twice_at_once_and_never_lost),
        QUEUE_TEST(no_add_depends_on_a_later_one_to_be_noticed),
    };
    return cmocka_run_group_tests_name("workqueue", tests, NULL, NULL);
}
