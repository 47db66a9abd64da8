#include "shared/base/niceness.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/testing.h"

enum { IDLE = 3 << 13, BEST_EFFORT = 2 << 13 };

struct seen {
    int nice;
    long io;
};

static struct seen look(void)
{
    return (struct seen){.nice = getpriority(PRIO_PROCESS, 0), .io = syscall(SYS_ioprio_get, 1, 0)};
}

static void *look_from_child(void *seen)
{
    *(struct seen *)seen = look();
    return NULL;
}

/* What a thread is made (in this order), and what it and a thread that it starts then are. */
struct life {
    const struct niceness *wants[2];
    struct seen self, child;
};

static void *live(void *arg)
{
    struct life *life = arg;
    pthread_t child;

    be_nice(life->wants[0]);
    be_nice(life->wants[1]);
    life->self = look();
    if (pthread_create(&child, NULL, look_from_child, &life->child) == 0)
        (void)pthread_join(child, NULL);
    return NULL;
}

/* A thread of its own, so that no test makes the next one nice. */
static struct life after(const struct niceness *first, const struct niceness *second)
{
    struct life life = {.wants = {first, second}};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, live, &life), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return life;
}

static void a_thread_and_those_it_starts_give_way(void **state)
{
    struct seen before = look();
    struct life life = after(&(struct niceness){.nice = before.nice + 2, .io_level = 7}, NULL);
    (void)state;

    assert_int_equal(life.self.nice, before.nice + 2);
    assert_int_equal(life.self.io, BEST_EFFORT | 7);
    assert_int_equal(life.child.nice, before.nice + 2);
    assert_int_equal(life.child.io, BEST_EFFORT | 7);
}

static void the_thread_that_started_it_stays_as_it_is(void **state)
{
    struct seen before = look();
    (void)state;

    (void)after(&(struct niceness){.nice = 19, .io_idle = true}, NULL);
    assert_int_equal(look().nice, before.nice);
    assert_int_equal(look().io, before.io);
}

static void nobody_gives_way_less_than_before(void **state)
{
    struct seen before = look();
    struct life life = after(&(struct niceness){.nice = before.nice + 3, .io_idle = true},
                             &(struct niceness){.nice = 0, .io_level = 0});
    (void)state;

    assert_int_equal(life.self.nice, before.nice + 3);
    assert_int_equal(life.self.io >> 13, IDLE >> 13);
}

static void nothing_asked_for_is_nothing_done(void **state)
{
    struct seen before = look();
    (void)state;

    be_nice(NULL);
    assert_int_equal(look().nice, before.nice);
    assert_int_equal(look().io, before.io);
}

static void the_flags_are_checked(void **state)
{
    static const char *const wrong[] = {"", "8", "-1", "07", "7 ", "Idle", "best"};
    struct niceness niceness = {0};
    struct error err;
    (void)state;

    assert_ok(niceness_parse(19, "7", &niceness, &err), &err);
    assert_int_equal(niceness.nice, 19);
    assert_int_equal(niceness.io_level, 7);
    assert_false(niceness.io_idle);
    assert_ok(niceness_parse(0, "idle", &niceness, &err), &err);
    assert_int_equal(niceness.nice, 0);
    assert_true(niceness.io_idle);
    assert_ok(niceness_parse(5, "0", &niceness, &err), &err);
    assert_int_equal(niceness.io_level, 0);
    assert_false(niceness.io_idle);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_fails(niceness_parse(5, wrong[i], &niceness, &err), &err, ERR_INVALID,
                     "0 (first) to 7 (last)");
    assert_fails(niceness_parse(20, "7", &niceness, &err), &err, ERR_INVALID, "--nice: want 0 to 19, got 20");
    assert_fails(niceness_parse(-1, "7", &niceness, &err), &err, ERR_INVALID, "--nice");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_and_those_it_starts_give_way),
        cmocka_unit_test(the_thread_that_started_it_stays_as_it_is),
        cmocka_unit_test(nobody_gives_way_less_than_before),
        cmocka_unit_test(nothing_asked_for_is_nothing_done),
        cmocka_unit_test(the_flags_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
