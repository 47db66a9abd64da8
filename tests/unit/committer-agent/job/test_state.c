/* One folder per key, for one process at a time. A second open of the lock file stands for a second process. */
#include <signal.h>
#include <sys/stat.h>

#include "committer-agent/job/state.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/file.h"
#include "shared/base/signals.h"
#include "tests/unit/testing.h"

static int make_parent(void **state)
{
    char dir[] = "/tmp/jobs.XXXXXX";
    *state = mkdtemp(dir) ? xstrdup(dir) : NULL;
    return *state ? 0 : -1;
}

static int remove_parent(void **state)
{
    SCOPED(string) char *command = xasprintf("rm -rf %s", (char *)*state);
    free(*state);
    return system(command);
}

static void a_key_is_one_processs_at_a_time(void **state)
{
    struct job_state first, second;
    struct error err;

    assert_ok(job_state_open(*state, "k", 0, &first, &err), &err);
    assert_false(first.temporary);
    assert_fails(job_state_open(*state, "k", 0, &second, &err), &err, ERR_UNAVAILABLE, "another process");
    assert_string_equal(err.reason, "CommitInProgress");
    assert_fails(job_state_take(*state, "k", &second, &err), &err, ERR_UNAVAILABLE, "job.lock");
    assert_ok(job_state_open(*state, "other", 0, &second, &err), &err);
    job_state_done(&second);
    job_state_done(&first);
    assert_ok(job_state_open(*state, "k", 0, &second, &err), &err);
    job_state_done(&second);
}

static void a_signal_to_stop_ends_the_wait(void **state)
{
    struct job_state first, second;
    struct error err;

    signals_block();
    assert_ok(job_state_open(*state, "k", 0, &first, &err), &err);
    assert_int_equal(raise(SIGTERM), 0);
    assert_fails(job_state_open(*state, "k", INT32_MAX, &second, &err), &err, ERR_UNAVAILABLE,
                 "another process");
    assert_int_equal(signals_wait(), SIGTERM); /* still there for whoever handles it */
    job_state_done(&first);
}

static void what_is_taken_must_be_there(void **state)
{
    struct job_state taken;
    struct error err;

    assert_fails(job_state_take(*state, "nobody", &taken, &err), &err, ERR_NOT_FOUND, "nobody");
}

static void a_removed_folder_is_gone_at_once_and_can_be_made_anew(void **state)
{
    struct job_state first, second;
    struct error err;

    assert_ok(job_state_open(*state, "k", 0, &first, &err), &err);
    SCOPED(string) char *file = xasprintf("%s/left", first.dir);
    assert_ok(file_write_atomic(file, "x", 1, 0600, &err), &err);
    job_state_remove(&first);
    assert_ok(job_state_open(*state, "k", 0, &second, &err), &err); /* although the old lock is still held */
    assert_int_not_equal(access(file, F_OK), 0);
    job_state_done(&first);
    job_state_done(&second);
}

static void an_unusable_parent_gives_a_folder_that_goes_with_the_process(void **state)
{
    struct job_state only;
    struct error err;

    (void)setenv("TMPDIR", *state, 1);
    assert_ok(job_state_open("/proc/no/such", "k", 0, &only, &err), &err);
    assert_true(only.temporary);
    SCOPED(string) char *dir = xstrdup(only.dir);
    assert_int_equal(strncmp(dir, *state, strlen(*state)), 0);
    assert_int_equal(access(dir, F_OK), 0);
    job_state_done(&only);
    assert_int_not_equal(access(dir, F_OK), 0);
    (void)unsetenv("TMPDIR");
}

static void add_key(void *self, const char *key)
{
    assert_string_equal(key, "k");
    ++*(int *)self;
}

static void every_key_is_listed_and_half_removed_folders_are_finished(void **state)
{
    SCOPED(string) char *half = xasprintf("%s/.removed.1234/spool", (char *)*state);
    struct job_state one;
    struct error err;
    int count = 0;

    assert_ok(dir_ensure(half, 0700, &err), &err);
    assert_ok(job_state_open(*state, "k", 0, &one, &err), &err);
    job_state_done(&one);
    assert_ok(job_states_each(*state, add_key, &count, &err), &err);
    assert_int_equal(count, 1);
    assert_int_not_equal(access(half, F_OK), 0);
    assert_ok(job_states_each("/no/such/parent", add_key, &count, &err), &err);
    assert_int_equal(count, 1);
}

#define STATE_TEST(f) cmocka_unit_test_setup_teardown(f, make_parent, remove_parent)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATE_TEST(a_key_is_one_processs_at_a_time),
        STATE_TEST(a_signal_to_stop_ends_the_wait),
        STATE_TEST(what_is_taken_must_be_there),
        STATE_TEST(a_removed_folder_is_gone_at_once_and_can_be_made_anew),
        STATE_TEST(an_unusable_parent_gives_a_folder_that_goes_with_the_process),
        STATE_TEST(every_key_is_listed_and_half_removed_folders_are_finished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
