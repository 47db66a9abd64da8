/* registry/retry.h: the budget, and what Retry-After says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "committer-agent/registry/retry.h"
#include "shared/base/clock.h"

static void retry_after_is_seconds_or_a_date(void **state)
{
    const int64_t now_ms = 784111777000; /* Sun, 06 Nov 1994 08:49:37 GMT */
    static const struct {
        const char *value;
        int64_t wait_ms;
    } cases[] = {
        {NULL, 0},
        {"", 0},
        {"2", 2000},
        {"0", 0},
        {"99999999999999999999", RETRY_AFTER_MAX_MS},
        {"-5", 0},
        {"2.5", 0},
        {"soon", 0},
        {"Sun, 06 Nov 1994 08:49:47 GMT", 10000},
        {"Sun, 06 Nov 1994 08:49:27 GMT", 0},
        {"Sun, 06 Nov 1994 08:49:47 GMT x", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(retry_after_parse(cases[i].value, now_ms), cases[i].wait_ms);
}

static void a_raised_flag_ends_the_wait_at_once(void **state)
{
    bool cancelled = true;
    struct retry retry = retry_start(&cancelled);
    struct error err = {.code = ERR_UNAVAILABLE};
    int64_t start_ms = clock_monotonic_ms();

    (void)state;
    assert_int_equal(retry_wait(&retry, RETRY_AFTER_MAX_MS, &err), -1);
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_true(clock_monotonic_ms() - start_ms < 1000);
}

static void the_budget_ends_it_and_keeps_the_story(void **state)
{
    struct retry retry = retry_start(NULL);
    struct error err = {.code = ERR_UNAVAILABLE, .text = "HTTP 503"};

    (void)state;
    retry.backoff.first_ms = 1;
    for (int i = 0; i < RETRY_BUDGET - 1; i++)
        assert_int_equal(retry_wait(&retry, 0, &err), 0);
    assert_int_equal(retry_wait(&retry, 0, &err), -1);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_string_equal(err.text, "given up after 6 tries: HTTP 503");
}

static void timeouts_cost_more_and_progress_pays(void **state)
{
    struct retry retry = retry_start(NULL);
    struct error err = {.code = ERR_TIMEOUT};

    (void)state;
    retry.backoff.first_ms = 1;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(retry_wait(&retry, 0, &err), 0);
        assert_int_equal(retry_wait(&retry, 0, &err), 0);
        retry_progress(&retry);
    }
    assert_int_equal(retry_wait(&retry, 0, &err), 0);
    assert_int_equal(retry_wait(&retry, 0, &err), 0);
    assert_int_equal(retry_wait(&retry, 0, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
        cmocka_unit_test(a_raised_flag_ends_the_wait_at_once),
        cmocka_unit_test(the_budget_ends_it_and_keeps_the_story),
        cmocka_unit_test(timeouts_cost_more_and_progress_pays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
