#include <errno.h>

#include "shared/base/utf8.h"
#include "tests/unit/testing.h"

static void failing_is_one_statement(void **state)
{
    struct error err;
    (void)state;

    assert_int_equal(error_set(&err, ERR_NOT_FOUND, "snapshot %s", "s1"), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(err.sys_errno, 0);
    assert_string_equal(err.text, "snapshot s1");
    assert_string_equal(err.reason, "");
}

static void wrapping_tells_the_outer_story_first_and_keeps_the_code(void **state)
{
    struct error err;
    (void)state;

    (void)error_set(&err, ERR_UNAVAILABLE, "HTTP 503");
    (void)error_wrap(&err, "PATCH");
    assert_int_equal(error_wrap(&err, "pushing %s", "layer 2"), -1);
    assert_string_equal(err.text, "pushing layer 2: PATCH: HTTP 503");
    assert_int_equal(err.code, ERR_UNAVAILABLE);
}

static void a_new_story_may_quote_the_old_one(void **state)
{
    struct error err;
    (void)state;

    (void)error_set(&err, ERR_TIMEOUT, "no answer");
    (void)error_set(&err, ERR_PRECONDITION, "gave up after: %s", err.text);
    assert_string_equal(err.text, "gave up after: no answer");
    (void)error_wrap(&err, "twice (%s)", err.text);
    assert_string_equal(err.text, "twice (gave up after: no answer): gave up after: no answer");
}

static void a_system_error_is_named_by_what_the_caller_can_do(void **state)
{
    static const struct {
        int sys_errno;
        enum error_code code;
    } rows[] = {
        {ENOENT, ERR_NOT_FOUND},       {EEXIST, ERR_EXISTS},       {EINVAL, ERR_INVALID},
        {EACCES, ERR_DENIED},          {EAGAIN, ERR_UNAVAILABLE},  {ENOSPC, ERR_EXHAUSTED},
        {ETIMEDOUT, ERR_TIMEOUT},      {ECANCELED, ERR_CANCELLED}, {ENOSYS, ERR_UNSUPPORTED},
        {ENOTEMPTY, ERR_PRECONDITION}, {EIO, ERR_INTERNAL},
    };
    struct error err;
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_fails(error_sys(&err, rows[i].sys_errno, "open %s", "/x"), &err, rows[i].code, "open /x: ");
        assert_int_equal(err.sys_errno, rows[i].sys_errno);
    }
    (void)error_sys(&err, ENOENT, "open");
    assert_string_equal(err.text, "open: No such file or directory");
}

static void the_innermost_reason_wins(void **state)
{
    struct error err;
    (void)state;

    (void)error_set(&err, ERR_DENIED, "401");
    (void)error_reason(&err, "RegistryUnauthorized");
    (void)error_wrap(&err, "pushing");
    assert_int_equal(error_reason(&err, "PushFailed"), -1);
    assert_string_equal(err.reason, "RegistryUnauthorized");
}

/* However long the parts are, and wherever the cut falls in a character. */
static void a_text_that_is_cut_stays_utf8_and_terminated(void **state)
{
    struct error err;
    char long_text[600];
    (void)state;

    for (size_t shift = 0; shift < 4; shift++) {
        memset(long_text, 'a', shift);
        for (size_t at = shift; at + 3 < sizeof(long_text); at += 3)
            memcpy(long_text + at, "\xE2\x82\xAC", 4);

        (void)error_set(&err, ERR_INVALID, "%s", long_text);
        assert_int_equal(utf8_cut_length(err.text, strlen(err.text)), strlen(err.text));
        assert_true(strlen(err.text) > sizeof(err.text) - 5);
        (void)error_wrap(&err, "outer %.200s", long_text);
        assert_int_equal(utf8_cut_length(err.text, strlen(err.text)), strlen(err.text));
        (void)error_sys(&err, ENOENT, "%s", long_text);
        assert_contains(err.text, "\xE2\x82\xAC: No such file or directory");
    }
}

static void every_code_has_its_own_name(void **state)
{
    (void)state;
    for (enum error_code a = 0; a < ERR_MAX; a++)
        for (enum error_code b = 0; b < a; b++)
            assert_string_not_equal(error_code_name(a), error_code_name(b));
    assert_string_equal(error_code_name(ERR_MAX), "UNKNOWN");
    assert_string_equal(error_code_name((enum error_code) - 1), "UNKNOWN");
}

static void only_what_may_pass_by_itself_is_transient(void **state)
{
    (void)state;
    assert_true(error_is_transient(ERR_UNAVAILABLE));
    assert_true(error_is_transient(ERR_CONFLICT));
    assert_true(error_is_transient(ERR_TIMEOUT));
    assert_false(error_is_transient(ERR_INVALID));
    assert_false(error_is_transient(ERR_DENIED));
    assert_false(error_is_transient(ERR_NONE));
    assert_false(error_is_transient(ERR_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failing_is_one_statement),
        cmocka_unit_test(wrapping_tells_the_outer_story_first_and_keeps_the_code),
        cmocka_unit_test(a_new_story_may_quote_the_old_one),
        cmocka_unit_test(a_system_error_is_named_by_what_the_caller_can_do),
        cmocka_unit_test(the_innermost_reason_wins),
        cmocka_unit_test(a_text_that_is_cut_stays_utf8_and_terminated),
        cmocka_unit_test(every_code_has_its_own_name),
        cmocka_unit_test(only_what_may_pass_by_itself_is_transient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
