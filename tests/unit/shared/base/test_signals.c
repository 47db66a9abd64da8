#include "shared/base/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "tests/unit/testing.h"

static void *send_to_process(void *signal_number)
{
    (void)kill(getpid(), *(int *)signal_number);
    return NULL;
}

static void main_waits_for_either_signal(void **state)
{
    static int signals[] = {SIGTERM, SIGINT, SIGTERM};
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        pthread_t sender; /* inherits the mask, as every thread of a service does */
        assert_int_equal(pthread_create(&sender, NULL, send_to_process, &signals[i]), 0);
        assert_int_equal(signals_wait(), signals[i]);
        assert_int_equal(pthread_join(sender, NULL), 0);
    }
}

static void a_reader_that_left_is_an_error_of_write(void **state)
{
    int ends[2];
    (void)state;

    assert_int_equal(pipe(ends), 0);
    (void)close(ends[0]);
    assert_int_equal(write(ends[1], "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    (void)close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(main_waits_for_either_signal),
        cmocka_unit_test(a_reader_that_left_is_an_error_of_write),
    };
    signals_block();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
