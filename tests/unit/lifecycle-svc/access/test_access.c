/* API keys, and starting without one. Contract rest-api.md §1. */
#include "tests/unit/testing.h"

#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "lifecycle-svc/access/api_keys.h"
#include "lifecycle-svc/access/insecure_start.h"
#include "lifecycle-svc/access/rate_limit.h"
#include "shared/base/clock.h"
#include "shared/base/file.h"

struct place {
    char folder[32], file[48];
};

static int enter_place(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    strcpy(place->folder, "/tmp/stasis-keys-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    (void)snprintf(place->file, sizeof(place->file), "%s/keys", place->folder);
    *state = place;
    return 0;
}

static int leave_place(void **state)
{
    struct place *place = *state;

    (void)unlink(place->file);
    (void)rmdir(place->folder);
    free(place);
    return 0;
}

static void put_file(const struct place *place, const char *text)
{
    struct error err = {0};

    assert_ok(file_write_atomic(place->file, text, strlen(text), 0600, &err), &err);
}

static void open_keys(const struct place *place, const char *text, struct api_keys **ret_keys)
{
    const struct api_keys_options options = {.file = place->file};
    struct error err = {0};

    put_file(place, text);
    assert_ok(api_keys_open(&options, ret_keys, &err), &err);
}

/* The name of the key, or the reason why not. */
static const char *who(struct api_keys *keys, const char *presented)
{
    static char answer[sizeof(((struct error *)0)->reason) + KEY_NAME_SIZE];
    struct admission admission;
    struct error err = {0};

    int admitted = api_keys_admit(keys, presented, &admission, &err);
    (void)snprintf(answer, sizeof(answer), "%s", admitted == 0 ? admission.key_name : err.reason);
    return answer;
}

static void each_line_of_the_file_is_a_key_with_or_without_a_name(void **state)
{
    SCOPED(api_keys) struct api_keys *keys = NULL;

    open_keys(*state, "# comment\n\n  first \r\nci.bot-1 \t second\nci.bot-1 third", &keys);
    assert_string_equal(who(keys, "first"), "key-3");
    assert_string_equal(who(keys, "second"), "ci.bot-1");
    assert_string_equal(who(keys, "third"), "ci.bot-1");
    assert_string_equal(who(keys, "firs"), "INVALID_API_KEY");
    assert_string_equal(who(keys, "first "), "INVALID_API_KEY");
    assert_string_equal(who(keys, "ci.bot-1 second"), "INVALID_API_KEY");
    assert_string_equal(who(keys, "# comment"), "INVALID_API_KEY");
    assert_string_equal(who(keys, ""), "MISSING_API_KEY");
    assert_string_equal(who(keys, NULL), "MISSING_API_KEY");
}

static void the_environment_replaces_the_file_and_is_wiped(void **state)
{
    SCOPED(api_keys) struct api_keys *keys = NULL;

    setenv("OPENSANDBOX_SERVER_API_KEY", "from-env", 1);
    open_keys(*state, "from-file\n", &keys);
    assert_string_equal(who(keys, "from-env"), "default");
    assert_string_equal(who(keys, "from-file"), "INVALID_API_KEY");
    assert_string_equal(getenv("OPENSANDBOX_SERVER_API_KEY"), "");
    unsetenv("OPENSANDBOX_SERVER_API_KEY");
}

static void without_any_key_everybody_may(void **state)
{
    const struct api_keys_options no_file = {0};
    SCOPED(api_keys) struct api_keys *none = NULL;
    SCOPED(api_keys) struct api_keys *blank = NULL;
    struct error err = {0};

    open_keys(*state, " \n#x\n", &none);
    assert_true(api_keys_empty(none));
    assert_string_equal(who(none, NULL), "");
    setenv("OPENSANDBOX_SERVER_API_KEY", "  ", 1);
    assert_ok(api_keys_open(&no_file, &blank, &err), &err);
    assert_true(api_keys_empty(blank));
    unsetenv("OPENSANDBOX_SERVER_API_KEY");
}

static void broken_keys_are_refused_unquoted(void **state)
{
    static const char *const broken[] = {
        "good\nname hunter2 hunter3", "na/me hunter2",
        "a23456789012345678901234567890123456789012345678901234567890123x hunter2"};
    const struct place *place = *state;
    const struct api_keys_options options = {.file = place->file}, nowhere = {.file = "/nowhere/keys"};
    SCOPED(api_keys) struct api_keys *keys = NULL;
    struct error err = {0};

    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        put_file(place, broken[i]);
        assert_fails(api_keys_open(&options, &keys, &err), &err, ERR_INVALID, i == 0 ? "line 2" : "line 1");
        assert_lacks(err.text, "hunter2");
        error_clear(&err);
    }
    setenv("OPENSANDBOX_SERVER_API_KEY", "two hunter2", 1);
    assert_fails(api_keys_open(&options, &keys, &err), &err, ERR_INVALID, "no blanks");
    assert_lacks(err.text, "hunter2");
    unsetenv("OPENSANDBOX_SERVER_API_KEY");
    assert_fails(api_keys_open(&nowhere, &keys, &err), &err, ERR_NOT_FOUND, "/nowhere/keys");
}

/* The watcher tells nobody, so the test asks until the answer is the new one; a test that waits for ever is killed. */
static void until_known(struct api_keys *keys, const char *key, const char *name)
{
    while (strcmp(who(keys, key), name) != 0)
        (void)sched_yield();
}

static void a_changed_file_counts_without_a_restart(void **state)
{
    SCOPED(api_keys) struct api_keys *keys = NULL;

    open_keys(*state, "a old\n", &keys);
    put_file(*state, "a old\nb new\n");
    until_known(keys, "new", "b");
    assert_string_equal(who(keys, "old"), "a");
    put_file(*state, "b new\n");
    until_known(keys, "old", "INVALID_API_KEY");
    assert_string_equal(who(keys, "new"), "b");
}

/* Long enough for the watcher to have read the file. */
static void stays_closed(struct api_keys *keys)
{
    for (int64_t until_ms = clock_monotonic_ms() + 100; clock_monotonic_ms() < until_ms;) {
        assert_string_equal(who(keys, "stranger"), "INVALID_API_KEY");
        assert_string_equal(who(keys, "old"), "a");
    }
}

static void an_emptied_or_broken_file_changes_nothing(void **state)
{
    SCOPED(api_keys) struct api_keys *keys = NULL;

    open_keys(*state, "a old\n", &keys);
    put_file(*state, "");
    stays_closed(keys);
    put_file(*state, "a b c\n");
    stays_closed(keys);
    put_file(*state, "a old\nb new\n");
    until_known(keys, "new", "b");
    assert_string_equal(who(keys, "old"), "a");
    assert_false(api_keys_empty(keys));
}

/* ---- limits ---- */

static int64_t fake_now_ms;

static int64_t fake_clock(void)
{
    return fake_now_ms;
}

static void each_name_has_so_many_requests_a_second(void **state)
{
    const struct rate_limit_options options = {.per_second = 4, .burst = 2, .now_ms = fake_clock};
    SCOPED(rate_limit) struct rate_limit *limit = rate_limit_new(&options);

    (void)state;
    fake_now_ms = 1000;
    assert_int_equal(rate_limit_take(limit, "a"), 0);
    assert_int_equal(rate_limit_take(limit, "a"), 0);
    assert_int_equal(rate_limit_take(limit, "a"), 250);
    assert_int_equal(rate_limit_take(limit, "b"), 0); /* another user's are his own */
    fake_now_ms += 249;
    assert_int_equal(rate_limit_take(limit, "a"), 1);
    fake_now_ms += 1;
    assert_int_equal(rate_limit_take(limit, "a"), 0);
    fake_now_ms += INT64_C(1) << 40; /* however long the rest was, the burst is all there is */
    assert_int_equal(rate_limit_take(limit, "a"), 0);
    assert_int_equal(rate_limit_take(limit, "a"), 0);
    assert_int_equal(rate_limit_take(limit, "a"), 250);
}

static void over_a_long_time_exactly_the_rate_is_granted(void **state)
{
    const struct rate_limit_options options = {.per_second = 7, .now_ms = fake_clock};
    SCOPED(rate_limit) struct rate_limit *limit = rate_limit_new(&options);
    unsigned granted = 0;

    (void)state;
    for (fake_now_ms = 0; fake_now_ms < 100000; fake_now_ms += 3)
        granted += rate_limit_take(limit, "a") == 0;
    assert_in_range(granted, 700, 707); /* 100 s, and the burst */
}

static void a_key_over_its_limit_is_told_when_to_come_back(void **state)
{
    const struct place *place = *state;
    const struct api_keys_options options = {.file = place->file, .requests_per_second = 1, .burst = 1};
    SCOPED(api_keys) struct api_keys *keys = NULL;
    struct admission admission;
    struct error err = {0};

    put_file(place, "a secret\n");
    assert_ok(api_keys_open(&options, &keys, &err), &err);
    assert_ok(api_keys_admit(keys, "secret", &admission, &err), &err);
    while (api_keys_admit(keys, "secret", &admission, &err) == 0) /* a slow machine earns one more */
        ;
    assert_int_equal(err.code, ERR_EXHAUSTED);
    assert_string_equal(err.reason, "GENERAL::RATE_LIMITED");
    assert_int_equal(admission.retry_after_s, 1);
    assert_string_equal(admission.key_name, "a");
}

static void only_yes_in_the_environment_acknowledges(void **state)
{
    int pipe_fds[2];
    struct error err = {0};

    (void)state;
    assert_int_equal(pipe(pipe_fds), 0);
    setenv("OPENSANDBOX_INSECURE_SERVER", "YES", 1);
    assert_ok(insecure_start_acknowledged(pipe_fds[0], pipe_fds[1], 0, &err), &err);
    setenv("OPENSANDBOX_INSECURE_SERVER", "yes", 1);
    assert_fails(insecure_start_acknowledged(pipe_fds[0], pipe_fds[1], 0, &err), &err, ERR_DENIED,
                 "--api-key-file");
    unsetenv("OPENSANDBOX_INSECURE_SERVER");
    assert_fails(insecure_start_acknowledged(pipe_fds[0], pipe_fds[1], 0, &err), &err, ERR_DENIED,
                 "no API key");
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static int answer_on_a_terminal(const char *answer, int timeout_ms, struct error *err)
{
    int ours, theirs;

    assert_int_equal(openpty(&ours, &theirs, NULL, NULL, NULL), 0);
    assert_int_equal(write(ours, answer, strlen(answer)), strlen(answer));
    int result = insecure_start_acknowledged(theirs, theirs, timeout_ms, err);
    close(ours);
    close(theirs);
    return result;
}

static void a_terminal_wants_exactly_yes_in_time(void **state)
{
    struct error err = {0};

    (void)state;
    assert_ok(answer_on_a_terminal("YES\n", 10000, &err), &err);
    assert_fails(answer_on_a_terminal("yes\n", 10000, &err), &err, ERR_DENIED, "no API key");
    assert_fails(answer_on_a_terminal("YES!\n", 10000, &err), &err, ERR_DENIED, "no API key");
    assert_fails(answer_on_a_terminal("", 20, &err), &err, ERR_DENIED, "no API key");
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, enter_place, leave_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_PLACE(each_line_of_the_file_is_a_key_with_or_without_a_name),
        IN_PLACE(the_environment_replaces_the_file_and_is_wiped),
        IN_PLACE(without_any_key_everybody_may),
        IN_PLACE(broken_keys_are_refused_unquoted),
        IN_PLACE(a_changed_file_counts_without_a_restart),
        IN_PLACE(an_emptied_or_broken_file_changes_nothing),
        IN_PLACE(a_key_over_its_limit_is_told_when_to_come_back),
        cmocka_unit_test(each_name_has_so_many_requests_a_second),
        cmocka_unit_test(over_a_long_time_exactly_the_rate_is_granted),
        cmocka_unit_test(only_yes_in_the_environment_acknowledges),
        cmocka_unit_test(a_terminal_wants_exactly_yes_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
