#include "shared/base/clock.h"
#include "tests/unit/testing.h"

/* ---- RFC 3339 ---- */

static void times_are_written_as_kubernetes_does(void **state)
{
    char text[RFC3339_SIZE];
    (void)state;

    assert_string_equal(rfc3339_format(0, text), "1970-01-01T00:00:00Z");
    assert_string_equal(rfc3339_format(1875002400, text), "2029-06-01T10:00:00Z");
    assert_string_equal(rfc3339_format(951782400, text), "2000-02-29T00:00:00Z");
    assert_string_equal(rfc3339_format_ms(1875002400123, text), "2029-06-01T10:00:00.123Z");
    assert_string_equal(rfc3339_format_ms(1875002400000, text), "2029-06-01T10:00:00.000Z");
    assert_string_equal(rfc3339_format_ms(-1, text), "1969-12-31T23:59:59.999Z");
}

static void times_outside_the_calendar_come_out_as_its_ends(void **state)
{
    char text[RFC3339_SIZE];
    (void)state;

    assert_string_equal(rfc3339_format(INT64_MIN, text), "0001-01-01T00:00:00Z");
    assert_string_equal(rfc3339_format(INT64_MAX, text), "9999-12-31T23:59:59Z");
    assert_string_equal(rfc3339_format_ms(INT64_MIN, text), "0001-01-01T00:00:00.000Z");
    assert_string_equal(rfc3339_format_ms(INT64_MAX, text), "9999-12-31T23:59:59.999Z");
}

static void these_are_times(void **state)
{
    static const struct {
        const char *text;
        int64_t unix_ms;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01T00:00:00", 0},
        {"2029-06-01T10:00:00Z", 1875002400000},
        {"2029-06-01T10:00:00.5Z", 1875002400500},
        {"2029-06-01T10:00:00.123456789Z", 1875002400123},
        {"2029-06-01T10:00:00.9999", 1875002400999},
        {"2029-06-01T12:30:00+02:30", 1875002400000},
        {"2029-06-01T04:00:00.25-06:00", 1875002400250},
        {"2029-06-01T10:00:00-00:00", 1875002400000},
        {"1969-12-31T23:59:59.999Z", -1},
        {"0001-01-01T00:00:00Z", -62135596800000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
        {"2000-02-29T00:00:00Z", 951782400000},
    };
    struct error err;
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t unix_ms = 42;
        assert_ok(rfc3339_parse(rows[i].text, &unix_ms, &err), &err);
        assert_int_equal(unix_ms, rows[i].unix_ms);
    }
}

static void these_are_no_times(void **state)
{
    static const char *const rows[] = {
        "",
        "now",
        "2029",
        "2029-06-01",
        "2029-06-01T",
        "2029-06-01T10:00",
        "2029-06-01T10:00:00ZZ",
        "2029-06-01 10:00:00Z",
        "2029-06-01T10:00:00 Z",
        " 2029-06-01T10:00:00Z",
        "29-06-01T10:00:00Z",
        "2029-6-01T10:00:00Z",
        "2029-13-01T10:00:00Z",
        "2029-00-01T10:00:00Z",
        "2029-06-00T10:00:00Z",
        "2029-06-31T10:00:00Z",
        "2029-02-29T10:00:00Z",
        "1900-02-29T10:00:00Z",
        "2029-06-01T24:00:00Z",
        "2029-06-01T10:60:00Z",
        "2029-06-01T10:00:60Z",
        "2029-06-01T10:00:00.Z",
        "2029-06-01T10:00:00,5Z",
        "2029-06-01T10:00:00+0200",
        "2029-06-01T10:00:00+24:00",
        "2029-06-01T10:00:00+02:60",
        "2029-06-01T10:00:00+02",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "+2029-06-01T10:00:00Z",
        "2029-06-01T-1:00:00Z",
        "-029-06-01T10:00:00Z",
    };
    struct error err;
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t unix_ms = 42;
        assert_fails(rfc3339_parse(rows[i], &unix_ms, &err), &err, ERR_INVALID, "want a date and time like ");
        assert_int_equal(unix_ms, 42);
    }
}

static int64_t random_unix_ms(void)
{
    int64_t wide = ((int64_t)rand() << 31 | rand()) % (253402300800000 + 62135596800000);
    return wide - 62135596800000;
}

static void parsing_undoes_formatting(void **state)
{
    struct error err;
    char text[RFC3339_SIZE], again[RFC3339_SIZE];
    (void)state;

    srand(3339);
    for (int round = 0; round < 20000; round++) {
        int64_t unix_ms = random_unix_ms(), parsed = 0;
        assert_ok(rfc3339_parse(rfc3339_format_ms(unix_ms, text), &parsed, &err), &err);
        assert_int_equal(parsed, unix_ms);
        int64_t unix_s = (unix_ms - ((unix_ms % 1000) + 1000) % 1000) / 1000;
        assert_ok(rfc3339_parse(rfc3339_format(unix_s, again), &parsed, &err), &err);
        assert_int_equal(parsed, unix_s * 1000);
    }
}

/* ---- durations ---- */

static void these_are_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"0", 0},
        {"+0", 0},
        {"0s", 0},
        {"0h0m", 0},
        {"250ms", 250},
        {"1s", 1000},
        {"+5s", 5000},
        {"10m", 600000},
        {"1h", 3600000},
        {"1h30m", 5400000},
        {"1h2m3s4ms", 3723004},
        {"1.5s", 1500},
        {".5s", 500},
        {"1.s", 1000},
        {"1.5h0.5m", 5430000},
        {"0.001s", 1},
        {"3m1h", 3780000},
        {"90m", 5400000},
        {"1ns", 1},
        {"1us", 1},
        {"1001us", 2},
        {"2000\u00b5s", 2},
        {"2000\u03bcs", 2},
        {"0.0000000000000000000000000000001s", 0},
        {"0.1ms", 1},
        {"2562047h", 9223369200000},
    };
    struct error err;
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t ms = 42;
        assert_ok(duration_parse(rows[i].text, &ms, &err), &err);
        assert_int_equal(ms, rows[i].ms);
    }
}

static void these_are_no_durations(void **state)
{
    static const char *const rows[] = {
        "",
        "+",
        "-1s",
        "-0s",
        "s",
        "1",
        "10",
        "1.5",
        ".s",
        ".",
        "1 s",
        " 1s",
        "1s ",
        "1S",
        "1d",
        "1h30",
        "1h-30m",
        "1,5s",
        "1e3s",
        "0x1s",
        "++1s",
        "1..5s",
        "1hm",
        "inf",
        "2562048h",
        "9223372036854775808ns",
        "99999999999999999999s",
        "106751d",
        "\u00b5s",
    };
    struct error err;
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t ms = 42;
        assert_fails(duration_parse(rows[i], &ms, &err), &err, ERR_INVALID, "want a duration like 250ms");
        assert_int_equal(ms, 42);
    }
}

/* ---- clocks ---- */

static void the_monotonic_clock_never_goes_back(void **state)
{
    int64_t before = clock_monotonic_ms();
    (void)state;

    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_monotonic_ms();
        assert_true(now >= before);
        before = now;
    }
}

static void the_other_clock_knows_the_century(void **state)
{
    (void)state;
    assert_in_range(clock_realtime_ms(), INT64_C(1600000000000), INT64_C(4102444800000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_as_kubernetes_does),
        cmocka_unit_test(times_outside_the_calendar_come_out_as_its_ends),
        cmocka_unit_test(these_are_times),
        cmocka_unit_test(these_are_no_times),
        cmocka_unit_test(parsing_undoes_formatting),
        cmocka_unit_test(these_are_durations),
        cmocka_unit_test(these_are_no_durations),
        cmocka_unit_test(the_monotonic_clock_never_goes_back),
        cmocka_unit_test(the_other_clock_knows_the_century),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
