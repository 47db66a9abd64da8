/* API keys, and starting without one. Contract rest-api.md §1. */
#include "tests/unit/testing.h"

#include <pthread.h>
#include <pty.h>
#include <unistd.h>

#include "lifecycle-svc/access/api_keys.h"
#include "lifecycle-svc/access/insecure_start.h"
#include "shared/base/file.h"

static void keys_from_text(const char *text, struct api_keys **ret_keys)
{
    char path[] = "/tmp/stasis-keys-XXXXXX";
    struct error err = {0};
    int fd = mkstemp(path);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    int loaded = api_keys_load(path, ret_keys, &err);
    unlink(path);
    assert_ok(loaded, &err);
}

static void each_line_of_the_file_is_a_key(void **state)
{
    SCOPED(api_keys) struct api_keys *keys = NULL;
    struct error err = {0};

    (void)state;
    keys_from_text("# comment\n\n  first \r\nsecond", &keys);
    assert_ok(api_keys_check(keys, "first", &err), &err);
    assert_ok(api_keys_check(keys, "second", &err), &err);
    assert_fails(api_keys_check(keys, "firs", &err), &err, ERR_DENIED, "invalid");
    assert_string_equal(err.reason, "INVALID_API_KEY");
    assert_fails(api_keys_check(keys, "first ", &err), &err, ERR_DENIED, "invalid");
    assert_fails(api_keys_check(keys, "# comment", &err), &err, ERR_DENIED, "invalid");
    assert_fails(api_keys_check(keys, "", &err), &err, ERR_DENIED, "missing");
    assert_fails(api_keys_check(keys, NULL, &err), &err, ERR_DENIED, "missing");
    assert_string_equal(err.reason, "MISSING_API_KEY");
}

static void the_environment_replaces_the_file_and_is_wiped(void **state)
{
    SCOPED(api_keys) struct api_keys *keys = NULL;
    struct error err = {0};

    (void)state;
    setenv("OPENSANDBOX_SERVER_API_KEY", "from-env", 1);
    keys_from_text("from-file\n", &keys);
    assert_ok(api_keys_check(keys, "from-env", &err), &err);
    assert_fails(api_keys_check(keys, "from-file", &err), &err, ERR_DENIED, "invalid");
    assert_string_equal(getenv("OPENSANDBOX_SERVER_API_KEY"), "");
    unsetenv("OPENSANDBOX_SERVER_API_KEY");
}

static void blank_keys_are_none_and_broken_ones_are_refused_unquoted(void **state)
{
    SCOPED(api_keys) struct api_keys *none = NULL;
    SCOPED(api_keys) struct api_keys *blank = NULL;
    SCOPED(api_keys) struct api_keys *broken = NULL;
    struct error err = {0};

    (void)state;
    keys_from_text(" \n#x\n", &none);
    assert_true(api_keys_empty(none));
    assert_ok(api_keys_check(none, NULL, &err), &err);
    setenv("OPENSANDBOX_SERVER_API_KEY", "  ", 1);
    assert_ok(api_keys_load(NULL, &blank, &err), &err);
    assert_true(api_keys_empty(blank));
    setenv("OPENSANDBOX_SERVER_API_KEY", "two hunter2", 1);
    assert_fails(api_keys_load(NULL, &broken, &err), &err, ERR_INVALID, "no blanks");
    assert_lacks(err.text, "hunter2");
    unsetenv("OPENSANDBOX_SERVER_API_KEY");
    assert_fails(api_keys_load("/nowhere/keys", &broken, &err), &err, ERR_NOT_FOUND, "/nowhere/keys");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_of_the_file_is_a_key),
        cmocka_unit_test(the_environment_replaces_the_file_and_is_wiped),
        cmocka_unit_test(blank_keys_are_none_and_broken_ones_are_refused_unquoted),
        cmocka_unit_test(only_yes_in_the_environment_acknowledges),
        cmocka_unit_test(a_terminal_wants_exactly_yes_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
