/* A law: killed at any moment and started again, the service goes on where it was.
 *
 * A moment is before or after any write to the store, and before or after any call of the agent is carried out. Each round
 * kills the process at the next one, until a round comes through without; kit.h names the laws that are watched on the way. */
#include "tests/unit/testing.h"

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "tests/unit/snapshot-svc/controller/kit.h"

typedef void story(struct kit *kit);

/* ---- the stories ---- */

static void assert_runs(struct kit *kit, const char *wanted)
{
    SCOPED(json) json_t *pod = kit_get(kit, KIND_POD, "demo-0");

    assert_non_null(pod);
    assert_string_equal(json_path_string(json_array_get(json_path(pod, "spec.containers"), 0), "image"),
                        wanted);
}

static void pause_and_resume(struct kit *kit)
{
    kit_create_sandbox(kit, "demo");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", "{\"spec\":{\"pause\":true}}");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Paused");
    kit_await_gone(kit, KIND_POD, "demo-0");
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", "{\"spec\":{\"pause\":false}}");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
    kit_await_gone(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause");

    struct fake_seen seen = fake_committer_seen(kit->agent);
    SCOPED(string) char *committed = xasprintf("registry:5000/snapshots/demo-main:snap-gen1@%s", seen.digest);
    assert_runs(kit, committed);
    assert_int_equal(seen.commits_begun, 1); /* never committed twice */
}

static void fail_to_pause(struct kit *kit)
{
    fake_committer_plans(kit->agent, FAKE_FAILS);
    kit_create_sandbox(kit, "demo");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", "{\"spec\":{\"pause\":true}}");
    kit_await_condition(kit, KIND_BATCH_SANDBOX, "demo", "PauseFailed", "SnapshotFailed");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
    assert_runs(kit, "base:1");
}

static void delete_while_it_pauses(struct kit *kit)
{
    fake_committer_plans(kit->agent, FAKE_WAITS);
    kit_create_sandbox(kit, "demo");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", "{\"spec\":{\"pause\":true}}");
    kit_await_phase(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause", "Committing");
    kit_delete(kit, KIND_BATCH_SANDBOX, "demo");
    kit_await_gone(kit, KIND_BATCH_SANDBOX, "demo");
    kit_await_gone(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause");
    kit_await_gone(kit, KIND_POD, "demo-0");
}

static void pause_by_handover_and_resume(struct kit *kit)
{
    fake_committer_plans(kit->agent, FAKE_HANDS_OVER);
    pause_and_resume(kit);
}

static void fail_to_push_and_come_back(struct kit *kit)
{
    fake_committer_plans(kit->agent, FAKE_UPLOAD_FAILS);
    kit_create_sandbox(kit, "demo");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", "{\"spec\":{\"pause\":true}}");
    kit_await_condition(kit, KIND_BATCH_SANDBOX, "demo", "PauseFailed", "SnapshotFailed");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
    kit_await_gone(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause");

    struct fake_seen seen = fake_committer_seen(kit->agent);
    SCOPED(string) char *kept = xasprintf("registry:5000/snapshots/demo-main:snap-gen1@%s", seen.digest);
    assert_runs(kit, kept);
    assert_int_equal(seen.commits_begun, 1);
    assert_int_equal(seen.discards, 0); /* the sandbox runs from what its node keeps */
}

static void delete_while_it_is_pushed(struct kit *kit)
{
    fake_committer_plans(kit->agent, FAKE_UPLOAD_WAITS);
    kit_create_sandbox(kit, "demo");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", "{\"spec\":{\"pause\":true}}");
    kit_await_condition(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause", "Captured", "HandedOver");
    kit_await_gone(kit, KIND_POD, "demo-0");
    kit_delete(kit, KIND_BATCH_SANDBOX, "demo");
    kit_await_gone(kit, KIND_BATCH_SANDBOX, "demo");
    kit_await_gone(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause");
    assert_true(fake_committer_seen(kit->agent).discards > 0);
}

/* ---- the law ---- */

/* false: the story came to its end before that moment. */
static bool survives(story *tell, unsigned moment)
{
    struct kit *kit = kit_new();

    fuse_set(&kit->fuse, moment);
    kit_begin(kit);
    tell(kit);
    bool was_killed = kit->fuse.limit != moment || fuse_is_blown(&kit->fuse);
    kit_free(kit);
    return was_killed;
}

static unsigned survives_every_moment(story *tell)
{
    unsigned moment = 1;

    while (survives(tell, moment))
        moment++;
    return moment - 1;
}

static void a_pause_and_a_resume_survive_any_kill(void **state)
{
    (void)state;
    assert_true(survives_every_moment(pause_and_resume) >=
                30); /* else the moments are not counted any more */
}

static void a_failing_pause_survives_any_kill(void **state)
{
    (void)state;
    assert_true(survives_every_moment(fail_to_pause) >= 15);
}

static void a_deletion_survives_any_kill(void **state)
{
    (void)state;
    assert_true(survives_every_moment(delete_while_it_pauses) >= 15);
}

static void a_pause_that_is_handed_over_survives_any_kill(void **state)
{
    (void)state;
    assert_true(survives_every_moment(pause_by_handover_and_resume) >= 30);
}

static void a_sandbox_whose_image_cannot_be_pushed_survives_any_kill(void **state)
{
    (void)state;
    assert_true(survives_every_moment(fail_to_push_and_come_back) >= 30);
}

static void a_deletion_while_it_is_pushed_survives_any_kill(void **state)
{
    (void)state;
    assert_true(survives_every_moment(delete_while_it_is_pushed) >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_and_a_resume_survive_any_kill),
        cmocka_unit_test(a_failing_pause_survives_any_kill),
        cmocka_unit_test(a_deletion_survives_any_kill),
        cmocka_unit_test(a_pause_that_is_handed_over_survives_any_kill),
        cmocka_unit_test(a_sandbox_whose_image_cannot_be_pushed_survives_any_kill),
        cmocka_unit_test(a_deletion_while_it_is_pushed_survives_any_kill),
    };
    return cmocka_run_group_tests_name("controller killed", tests, NULL, NULL);
}
