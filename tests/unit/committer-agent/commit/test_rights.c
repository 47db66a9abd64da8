/* What a commit may not begin without. */
#include <linux/capability.h>

#include "committer-agent/commit/rights.h"
#include "tests/unit/testing.h"

#define BIT(capability) (1ULL << (capability))

static void three_capabilities_are_enough(void **state)
{
    (void)state;
    struct error err;
    assert_ok(
        commit_check_capabilities(BIT(CAP_SYS_ADMIN) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_KILL), true, &err),
        &err);
    assert_ok(
        commit_check_capabilities(BIT(CAP_SYS_ADMIN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_KILL), true, &err),
        &err);
}

static void each_one_that_is_missing_is_named(void **state)
{
    (void)state;
    struct error err;
    assert_fails(commit_check_capabilities(BIT(CAP_SYS_ADMIN) | BIT(CAP_KILL), true, &err), &err, ERR_DENIED,
                 "lacks the capabilities DAC_READ_SEARCH");
    assert_fails(commit_check_capabilities(0, true, &err), &err, ERR_DENIED, "SYS_ADMIN");
    assert_contains(err.text, "DAC_READ_SEARCH");
    assert_contains(err.text, "KILL");
}

static void a_live_snapshot_kills_nobody(void **state)
{
    (void)state;
    struct error err;
    assert_ok(commit_check_capabilities(BIT(CAP_SYS_ADMIN) | BIT(CAP_DAC_READ_SEARCH), false, &err), &err);
    assert_fails(commit_check_capabilities(BIT(CAP_KILL), false, &err), &err, ERR_DENIED, "SYS_ADMIN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_capabilities_are_enough),
        cmocka_unit_test(each_one_that_is_missing_is_named),
        cmocka_unit_test(a_live_snapshot_kills_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
