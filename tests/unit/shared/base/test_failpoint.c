#include "shared/base/failpoint.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/testing.h"

#ifdef STASIS_FAILPOINTS

/* The signal that ended a process which passed `a` three times and `ab` once, or 0. */
static int end_of_a_process_with(const char *setting)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        if (setting)
            (void)setenv("STASIS_FAILPOINT", setting, 1);
        for (int pass = 0; pass < 3; pass++)
            failpoint_pass("a");
        failpoint_pass("ab");
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void a_process_dies_at_the_pass_that_was_chosen(void **state)
{
    static const struct {
        const char *setting;
        int signal;
    } cases[] = {{NULL, 0}, {"", 0},    {"a", SIGKILL},  {"a:3", SIGKILL}, {"a:4", 0},
                 {"b", 0},  {"a:0", 0}, {"ab", SIGKILL}, {"abc", 0},       {"ab:2", 0}};
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(end_of_a_process_with(cases[i].setting), cases[i].signal);
}

static void a_time_is_what_the_environment_says(void **state)
{
    (void)state;
    assert_int_equal(failpoint_ms("STASIS_NO_SUCH_MS", 1000), 1000);
    assert_int_equal(setenv("STASIS_TEST_MS", "0", 1), 0);
    assert_int_equal(failpoint_ms("STASIS_TEST_MS", 1000), 0);
}

#else

static void a_build_without_failpoints_passes_them(void **state)
{
    (void)state;
    failpoint_pass("a");
    assert_int_equal(failpoint_ms("PATH", 1000), 1000);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef STASIS_FAILPOINTS
        cmocka_unit_test(a_process_dies_at_the_pass_that_was_chosen),
        cmocka_unit_test(a_time_is_what_the_environment_says),
#else
        cmocka_unit_test(a_build_without_failpoints_passes_them),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
