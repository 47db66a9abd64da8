#include "shared/base/backoff.h"
#include "tests/unit/testing.h"

static void assert_within_a_quarter(int64_t delay_ms, int64_t middle_ms)
{
    assert_in_range(delay_ms, middle_ms - middle_ms / 4, middle_ms + middle_ms / 4);
}

static void delays_double_up_to_the_most(void **state)
{
    static const int64_t middles_ms[] = {100, 200, 400, 800, 1000, 1000, 1000};
    (void)state;

    for (int round = 0; round < 1000; round++) {
        struct backoff backoff = {.first_ms = 100, .max_ms = 1000};
        for (size_t i = 0; i < sizeof(middles_ms) / sizeof(middles_ms[0]); i++)
            assert_within_a_quarter(backoff_next_ms(&backoff), middles_ms[i]);
        assert_int_equal(backoff.failures, 7);
    }
}

static void a_reset_begins_again(void **state)
{
    struct backoff backoff = {.first_ms = 100, .max_ms = 100000};
    (void)state;

    for (int i = 0; i < 5; i++)
        (void)backoff_next_ms(&backoff);
    backoff_reset(&backoff);
    assert_within_a_quarter(backoff_next_ms(&backoff), 100);
}

static void no_number_of_failures_overflows(void **state)
{
    static const unsigned failures[] = {31, 32, 62, 63, 64, 1000, UINT32_MAX};
    (void)state;

    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        struct backoff backoff = {.first_ms = 3, .max_ms = 60000, .failures = failures[i]};
        assert_within_a_quarter(backoff_next_ms(&backoff), 60000);
        assert_true(backoff.failures >= failures[i]);
    }
    struct backoff longest = {.first_ms = 1, .max_ms = INT64_MAX / 4, .failures = UINT32_MAX};
    assert_within_a_quarter(backoff_next_ms(&longest), INT64_MAX / 4);
}

static void the_first_delay_is_no_longer_than_the_most(void **state)
{
    struct backoff backoff = {.first_ms = 500, .max_ms = 100};
    (void)state;

    assert_within_a_quarter(backoff_next_ms(&backoff), 100);
}

static void zero_stays_zero(void **state)
{
    struct backoff backoff = {.first_ms = 0, .max_ms = 1000};
    (void)state;

    for (int i = 0; i < 3; i++)
        assert_int_equal(backoff_next_ms(&backoff), 0);
}

static void delays_spread(void **state)
{
    int64_t least = INT64_MAX, most = 0;
    (void)state;

    for (int round = 0; round < 1000; round++) {
        struct backoff backoff = {.first_ms = 1000, .max_ms = 1000};
        int64_t delay_ms = backoff_next_ms(&backoff);
        least = delay_ms < least ? delay_ms : least;
        most = delay_ms > most ? delay_ms : most;
    }
    assert_true(least < 800 && most > 1200); /* missing this takes luck of 1 in 10^45 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_double_up_to_the_most),
        cmocka_unit_test(a_reset_begins_again),
        cmocka_unit_test(no_number_of_failures_overflows),
        cmocka_unit_test(the_first_delay_is_no_longer_than_the_most),
        cmocka_unit_test(zero_stays_zero),
        cmocka_unit_test(delays_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
