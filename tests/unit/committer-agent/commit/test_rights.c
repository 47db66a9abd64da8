/* What a commit may not begin without. */
#include <linux/capability.h>

#include "committer-agent/commit/rights.h"
#include "tests/unit/testing.h"

#define BIT(capability) (1ULL << (capability))

static void three_capabilities_are_enough(void **state)
{
    (void)state;
    struct error err;
    assert_ok(commit_check_capabilities(BIT(CAP_SYS_ADMIN) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_KILL), &err),
              &err);
    assert_ok(commit_check_capabilities(BIT(CAP_SYS_ADMIN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_KILL), &err),
              &err);
}

static void each_one_that_is_missing_is_named(void **state)
{
    (void)state;
    struct error err;
    assert_fails(commit_check_capabilities(BIT(CAP_SYS_ADMIN) | BIT(CAP_KILL), &err), &err, ERR_DENIED,
                 "lacks the capabilities DAC_READ_SEARCH");
    assert_fails(commit_check_capabilities(0, &err), &err, ERR_DENIED, "SYS_ADMIN");
    assert_contains(err.text, "DAC_READ_SEARCH");
    assert_contains(err.text, "KILL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_capabilities_are_enough),
        cmocka_unit_test(each_one_that_is_missing_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
