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

#else

static void a_build_without_failpoints_passes_them(void **state)
{
    (void)state;
    failpoint_pass("a");
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef STASIS_FAILPOINTS
        cmocka_unit_test(a_process_dies_at_the_pass_that_was_chosen),
#else
        cmocka_unit_test(a_build_without_failpoints_passes_them),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
