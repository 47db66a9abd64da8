#include "committer-agent/commit/handover.h"

#include "committer-agent/commit/warm.h"
#include "tests/unit/testing.h"

static void names_tell_whose_they_are(void **state)
{
    SCOPED(string) char *lease = handover_lease_id("3f6c.1");
    SCOPED(string) char *snapshot = handover_snapshot_name("3f6c.1", "main");
    SCOPED(string) char *warm = warm_lease_id("3f6c.1");

    (void)state;
    assert_string_equal(lease, "stasis-3f6c.1");
    assert_string_equal(snapshot, "stasis-3f6c.1-main");
    assert_string_equal(warm, "stasis-warm-3f6c.1");
}

static const struct {
    const char *snapshotter;
    struct overlay overlay;
    const char *why_not; /* NULL: it can be handed over */
} examples[] = {
    {"overlayfs", {.upper_dir = (char *)"/u", .lower_count = 5}, NULL},
    {"overlayfs", {.upper_dir = (char *)"/u", .lower_count = HANDOVER_DEPTH_MAX - 2}, NULL},
    {"overlayfs", {.upper_dir = (char *)"/u", .lower_count = HANDOVER_DEPTH_MAX - 1}, "too many layers"},
    {"overlayfs", {.upper_dir = (char *)"/u", .redirect_dir = true}, "redirect_dir"},
    {"overlayfs", {.upper_dir = (char *)"/u", .metacopy = true}, "metacopy"},
    {"overlayfs", {.lower_count = 5}, "no writable layer"},
    {"native", {.upper_dir = (char *)"/u", .lower_count = 5}, "overlayfs"},
};

static void what_cannot_be_handed_over_is_told_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        const struct container container = {.snapshotter = (char *)examples[i].snapshotter};
        const char *why = NULL;
        bool can = handover_supported(&container, &examples[i].overlay, &why);
        assert_int_equal(can, examples[i].why_not == NULL);
        if (!can)
            assert_contains(why, examples[i].why_not);
    }
}

/* What was handed over can be kept on the node, whatever becomes of it. */
static void a_warm_chain_is_shorter_than_what_can_be_handed_over(void **state)
{
    (void)state;
    assert_true(WARM_DEPTH_MAX + 2 < HANDOVER_DEPTH_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_tell_whose_they_are),
        cmocka_unit_test(what_cannot_be_handed_over_is_told_why),
        cmocka_unit_test(a_warm_chain_is_shorter_than_what_can_be_handed_over),
    };
    return cmocka_run_group_tests_name("handover", tests, NULL, NULL);
}
