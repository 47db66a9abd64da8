/* Contract controller-behaviour.md §4 (corrected table), §5; §17 "Dispatch and ACK", "Start pause", "Sync and complete pause". */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "snapshot-svc/model/names.h"

#define SNAPSHOT (world->now.snapshot)
#define SANDBOX  (world->now.sandbox)

static struct world *fresh(const char *phase)
{
    static struct world world;
    world_init(&world, phase);
    return &world;
}

static void done(struct world *world)
{
    if (world->broken_law)
        fail_msg("law broken: %s", world->broken_law);
    world_done(world);
}

static struct world *pausing_with(const char *snapshot_phase)
{
    struct world *world = fresh("Succeed");
    user_pauses(world, PAUSE_TRUE);
    assert_string_equal(pass_sandbox_once(world), "status(Pausing) event(Pausing)");
    if (snapshot_phase)
        (void)snapshot_appears(world, snapshot_phase);
    return world;
}

/* Through the real commit, until the snapshot has succeeded and the pod is frozen. */
static struct world *pausing_and_committed(void)
{
    struct world *world = fresh("Succeed");
    user_writes_files(world);
    user_pauses(world, PAUSE_TRUE);
    (void)pass_sandbox_once(world);
    (void)pass_sandbox_once(world);
    (void)pass_snapshot_once(world);
    agent_finishes(world, AGENT_SUCCEEDED, NULL);
    (void)pass_snapshot_once(world);
    assert_string_equal(phase_of(SNAPSHOT), "Succeed");
    return world;
}

/* ---- §4, §5.1: start ---- */

static void a_wish_to_pause_is_acknowledged_with_the_phase_before_any_side_effect(void **state)
{
    (void)state;
    struct world *world = fresh("Succeed");

    user_pauses(world, PAUSE_TRUE);
    assert_string_equal(pass_sandbox_once(world), "status(Pausing) event(Pausing)");
    assert_int_equal(status_number(SANDBOX, "pauseObservedGeneration"), 2);
    assert_true(has_condition(SANDBOX, "Progressing"));
    assert_false(has_condition(SANDBOX, "Ready"));
    assert_null(SNAPSHOT);
    done(world);
}

static void the_acknowledgement_never_alters_the_wish(void **state)
{
    (void)state;
    struct world *world = fresh("Succeed");

    user_pauses(world, PAUSE_TRUE);
    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Paused");
    assert_true(json_is_true(json_object_get(json_object_get(SANDBOX, "spec"), "pause")));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(SANDBOX, "spec"), "replicas")), 1);
    done(world);
}

static void the_cycle_is_numbered_before_the_snapshot_is_created(void **state)
{
    (void)state;
    struct world *world = pausing_with(NULL);

    assert_string_equal(pass_sandbox_once(world), "patch(sandbox) create(demo-pause)");
    assert_string_equal(annotation_of(SANDBOX, ANNOTATION_PAUSE_CYCLE), "1");
    assert_string_equal(annotation_of(SNAPSHOT, ANNOTATION_PAUSE_CYCLE), "1");
    assert_string_equal(text_at(SNAPSHOT, "spec.sandboxName"), "demo");
    const json_t *owner =
        json_array_get(json_object_get(json_object_get(SNAPSHOT, "metadata"), "ownerReferences"), 0);
    assert_string_equal(text_at(owner, "uid"), SANDBOX_UID);
    assert_string_equal(text_at(owner, "kind"), "BatchSandbox");
    assert_true(json_is_true(json_object_get(owner, "controller")));
    done(world);
}

static void a_crash_between_number_and_snapshot_does_not_number_again(void **state)
{
    (void)state;
    struct world *world = pausing_with(NULL);
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    world_plan_sandbox(world, &world->now, &plan);
    assert_false(world_execute(world, &plan, 1));
    assert_null(SNAPSHOT);
    assert_string_equal(pass_sandbox_once(world), "create(demo-pause)");
    assert_string_equal(annotation_of(SNAPSHOT, ANNOTATION_PAUSE_CYCLE), "1");
    done(world);
}

static void every_pause_has_a_tag_of_its_own(void **state)
{
    (void)state;
    struct world *world = fresh("Succeed");

    for (int cycle = 1; cycle <= 3; cycle++) {
        char tag[32];
        (void)snprintf(tag, sizeof(tag), "snap-gen%d@", cycle);
        user_pauses(world, PAUSE_TRUE);
        world_settles(world);
        user_pauses(world, PAUSE_FALSE);
        world_settles(world);
        assert_string_equal(phase_of(SANDBOX), "Succeed");
        const json_t *pod = json_object_get(first_pod(world), "spec");
        assert_non_null(strstr(text_at(json_array_get(json_object_get(pod, "containers"), 0), "image"), tag));
    }
    done(world);
}

static void an_unreadable_cycle_starts_above_all_that_were_used(void **state)
{
    (void)state;
    struct world *world = fresh("Succeed");

    json_object_set_new(json_object_get(SANDBOX, "metadata"), "annotations",
                        json_pack("{s:s}", ANNOTATION_PAUSE_CYCLE, "x7"));
    user_pauses(world, PAUSE_TRUE);
    (void)pass_sandbox_once(world);
    (void)pass_sandbox_once(world);
    assert_string_equal(annotation_of(SNAPSHOT, ANNOTATION_PAUSE_CYCLE), "2"); /* the generation */
    done(world);
}

static void only_one_replica_can_be_paused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int replicas; /* -1: unset */
        const char *found;
    } rows[] = {{"two", 2, "found 2"}, {"none", 0, "found 0"}, {"unset", -1, "found none"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct world *world = fresh("Succeed");
        json_t *spec = json_object_get(SANDBOX, "spec");
        if (rows[i].replicas < 0)
            json_object_del(spec, "replicas");
        else
            json_object_set_new(spec, "replicas", json_integer(rows[i].replicas));
        user_pauses(world, PAUSE_TRUE);
        (void)pass_sandbox_once(world);
        assert_string_equal(phase_of(SANDBOX), "Succeed");
        assert_int_equal(status_number(SANDBOX, "pauseObservedGeneration"), 2);
        assert_string_equal(condition_text(SANDBOX, "PauseFailed", "reason"), "UnsupportedReplicas");
        assert_non_null(strstr(condition_text(SANDBOX, "PauseFailed", "message"), "spec.replicas=1"));
        assert_non_null(strstr(condition_text(SANDBOX, "PauseFailed", "message"), rows[i].found));
        (void)pass_sandbox_once(world);
        assert_null(SNAPSHOT);
        done(world);
    }
}

static void a_second_pod_left_from_more_replicas_is_not_lost_by_a_pause(void **state)
{
    (void)state;
    struct world *world = fresh("Succeed");

    (void)kubelet_adds_pod(world, 1, "Running", true);
    user_pauses(world, PAUSE_TRUE);
    (void)pass_sandbox_once(world);
    assert_string_equal(condition_text(SANDBOX, "PauseFailed", "reason"), "UnsupportedReplicas");
    assert_non_null(strstr(condition_text(SANDBOX, "PauseFailed", "message"), "found 2 pods"));
    done(world);
}

static void a_pause_waits_unacknowledged_until_a_pod_runs(void **state) /* K35 */
{
    (void)state;
    struct world *world = fresh("");

    user_pauses(world, PAUSE_TRUE);
    assert_string_equal(pass_sandbox_once(world), "create(demo-0) event(SuccessfulCreate)");
    assert_string_equal(pass_sandbox_once(world), "status(Pending) patch(endpoints)");
    assert_int_equal(status_number(SANDBOX, "pauseObservedGeneration"), 0);
    assert_string_equal(pass_sandbox_once(world), "");
    kubelet_sets(first_pod(world), "Running", false, NULL);
    assert_string_equal(pass_sandbox_once(world), "status(Pausing) event(Pausing) patch(endpoints)");
    done(world);
}

static void an_old_snapshot_goes_first_without_ack_or_phase_change(void **state)
{
    (void)state;
    static const char *const phases[] = {"Failed", "Succeed"};

    for (size_t i = 0; i < 2; i++) {
        struct world *world = fresh("Succeed");
        (void)snapshot_appears(world, phases[i]);
        user_pauses(world, PAUSE_TRUE);
        assert_string_equal(pass_sandbox_once(world), "status(Succeed) delete(demo-pause)");
        assert_string_equal(phase_of(SANDBOX), "Succeed");
        assert_int_equal(status_number(SANDBOX, "pauseObservedGeneration"), 1);
        assert_string_equal(pass_sandbox_once(world), ""); /* terminating: wait */
        (void)pass_snapshot_once(world);
        assert_null(SNAPSHOT);
        assert_string_equal(pass_sandbox_once(world), "status(Pausing) event(Pausing)");
        done(world);
    }
}

static void a_snapshot_of_somebody_else_fails_the_pause_and_stays(void **state) /* K11 */
{
    (void)state;
    struct world *world = fresh("Succeed");
    json_t *owner = json_array_get(
        json_object_get(json_object_get(snapshot_appears(world, "Succeed"), "metadata"), "ownerReferences"),
        0);

    json_object_set_new(owner, "name", json_string("other"));
    json_object_set_new(owner, "uid", json_string("uid-other"));
    user_pauses(world, PAUSE_TRUE);
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    assert_string_equal(condition_text(SANDBOX, "PauseFailed", "reason"), "SnapshotNotOwned");
    assert_non_null(SNAPSHOT);
    assert_string_equal(text_at(SNAPSHOT, "metadata.deletionTimestamp"), "");
    done(world);
}

static void a_snapshot_of_a_former_sandbox_of_the_name_is_waited_for(void **state)
{
    (void)state;
    struct world *world = fresh("Succeed");
    json_t *owner = json_array_get(
        json_object_get(json_object_get(snapshot_appears(world, "Succeed"), "metadata"), "ownerReferences"),
        0);

    json_object_set_new(owner, "uid", json_string("uid-former"));
    user_pauses(world, PAUSE_TRUE);
    assert_string_equal(pass_sandbox_once(world), "status(Succeed)");
    assert_int_equal(status_number(SANDBOX, "pauseObservedGeneration"), 1);
    done(world);
}

static void a_snapshot_newer_than_our_view_of_the_sandbox_is_never_deleted(void **state)
{
    (void)state;
    struct world *world = fresh("Succeed");
    struct picture before = picture_copy(&world->now);
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    user_pauses(world, PAUSE_TRUE);
    world_settles(world);
    before.snapshot = json_incref(SNAPSHOT); /* the sandbox's informer lags, the snapshot's does not */
    world_plan_sandbox(world, &before, &plan);
    for (size_t i = 0; i < plan.count; i++)
        assert_int_not_equal(plan.actions[i].type, ACTION_DELETE);
    picture_done(&before);
    done(world);
}

static void a_snapshot_with_an_unknown_number_is_deleted_once_the_number_is_known(void **state)
{
    (void)state;
    struct world *world = fresh("Succeed");

    (void)snapshot_appears(world, "Succeed");
    json_object_del(json_object_get(json_object_get(SANDBOX, "metadata"), "annotations"),
                    ANNOTATION_PAUSE_CYCLE);
    assert_string_equal(pass_sandbox_once(world), "patch(sandbox)");
    assert_string_equal(pass_sandbox_once(world), "delete(demo-pause)");
    done(world);
}

/* ---- §5.2: sync ---- */

static void while_the_snapshot_is_made_the_sandbox_waits(void **state)
{
    (void)state;
    static const char *const phases[] = {"", "Pending", "Committing"};

    for (size_t i = 0; i < 3; i++) {
        struct world *world = pausing_with(phases[i]);
        assert_string_equal(pass_sandbox_once(world), "");
        assert_string_equal(phase_of(SANDBOX), "Pausing");
        done(world);
    }
}

static void a_failed_snapshot_brings_the_sandbox_back_with_its_message(void **state)
{
    (void)state;
    struct world *world = pausing_with("Failed");

    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    assert_true(has_condition(SANDBOX, "Ready"));
    assert_string_equal(condition_text(SANDBOX, "PauseFailed", "reason"), "SnapshotFailed");
    assert_string_equal(condition_text(SANDBOX, "PauseFailed", "message"),
                        "RegistryDenied: says the registry");
    assert_true(json_is_true(json_object_get(json_object_get(SANDBOX, "spec"), "pause")));
    (void)pass_sandbox_once(world);
    assert_true(has_condition(SANDBOX, "PauseFailed")); /* survives the ordinary status write */
    assert_non_null(SNAPSHOT);                          /* stays for inspection */
    assert_string_equal(text_at(SNAPSHOT, "metadata.deletionTimestamp"), "");
    done(world);
}

static void a_failed_snapshot_without_a_pod_says_so(void **state)
{
    (void)state;
    struct world *world = pausing_with("Failed");

    json_array_clear(world->now.pods);
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Failed");
    assert_string_equal(condition_text(SANDBOX, "PauseFailed", "reason"), "PodNotFound");
    done(world);
}

static void after_a_failed_pause_null_then_true_tries_again(void **state)
{
    (void)state;
    struct world *world = pausing_with("Failed");

    (void)pass_sandbox_once(world);
    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Succeed"); /* the old wish is not executed twice */
    user_bridges(world, PAUSE_TRUE);
    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Paused");
    assert_false(has_condition(SANDBOX, "PauseFailed"));
    done(world);
}

/* ---- §5.3: complete ---- */

static void each_pod_is_killed_while_frozen_and_then_deleted(void **state)
{
    (void)state;
    struct world *world = pausing_and_committed();

    assert_string_equal(pass_sandbox_once(world), "kill() delete(demo-0)");
    assert_string_equal(phase_of(SANDBOX), "Pausing");
    done(world);
}

static void paused_is_said_when_the_pods_are_gone(void **state) /* K16 */
{
    (void)state;
    struct world *world = pausing_and_committed();

    (void)pass_sandbox_once(world);
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Pausing"); /* the pod is terminating */
    kubelet_removes_deleted_pods(world);
    assert_string_equal(pass_sandbox_once(world), "status(Paused) event(Paused)");
    assert_true(has_condition(SANDBOX, "Paused"));
    static const char *const counters[] = {"replicas",    "allocated",  "ready",       "taskRunning",
                                           "taskSucceed", "taskFailed", "taskPending", "taskUnknown"};
    for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++)
        assert_int_equal(status_number(SANDBOX, counters[i]), 0);
    assert_string_equal(annotation_of(SANDBOX, ANNOTATION_ENDPOINTS), "[]");
    assert_string_equal(phase_of(SNAPSHOT), "Succeed"); /* kept until a resume came through */
    assert_string_equal(pass_sandbox_once(world), "");
    done(world);
}

static void a_pod_that_cannot_be_released_is_not_deleted(void **state)
{
    (void)state;
    struct world *world = pausing_and_committed();

    agent_loses_hold(world);
    (void)pass_sandbox_once(world); /* the kill fails, so the plan stops there */
    assert_string_equal(text_at(first_pod(world), "metadata.deletionTimestamp"), "");
    assert_string_equal(phase_of(SANDBOX), "Pausing");
    done(world);
}

static void a_snapshot_whose_hold_ran_out_is_stale_and_goes(void **state)
{
    (void)state;
    struct world *world = pausing_and_committed();

    agent_loses_hold(world);
    user_writes_files(world);
    (void)pass_sandbox_once(world);
    assert_string_equal(pass_sandbox_once(world), "delete(demo-pause) status(Succeed) event(PauseFailed)");
    assert_string_equal(condition_text(SANDBOX, "PauseFailed", "reason"), "SnapshotFailed");
    assert_non_null(strstr(condition_text(SANDBOX, "PauseFailed", "message"), "HoldExpired"));
    assert_int_equal(json_array_size(world->now.pods), 1);
    done(world);
}

static void a_pod_that_is_not_the_source_is_not_deleted(void **state)
{
    (void)state;
    struct world *world = pausing_and_committed();

    json_object_set_new(json_object_get(first_pod(world), "metadata"), "uid", json_string("uid-replacement"));
    assert_string_equal(pass_sandbox_once(world), "status(Succeed) event(PauseFailed) delete(demo-pause)");
    assert_int_equal(json_array_size(world->now.pods), 1);
    done(world);
}

static void a_snapshot_made_by_a_job_needs_no_release(void **state)
{
    (void)state;
    struct world *world = pausing_with("Succeed");
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    json_object_del(json_object_get(SNAPSHOT, "status"), "attempts");
    world_plan_sandbox(world, &world->now, &plan);
    SCOPED(string) char *text = plan_text(&plan);
    assert_non_null(strstr(text, "delete(demo-0)"));
    assert_null(strstr(text, "kill()"));
    done(world);
}

static void a_resume_asked_for_while_pausing_is_executed_after_paused(void **state)
{
    (void)state;
    struct world *world = pausing_and_committed();

    user_pauses(world, PAUSE_FALSE);
    (void)pass_sandbox_once(world);
    kubelet_removes_deleted_pods(world);
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Paused");
    assert_int_equal(status_number(SANDBOX, "pauseObservedGeneration"), 2); /* not the resume's */
    assert_string_equal(pass_sandbox_once(world), "status(Resuming) event(Resuming)");
    done(world);
}

static void a_bridge_to_true_while_pausing_is_served_by_this_pause(void **state)
{
    (void)state;
    struct world *world = pausing_and_committed();

    user_bridges(world, PAUSE_TRUE);
    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Paused");
    assert_int_equal(status_number(SANDBOX, "pauseObservedGeneration"), 4);
    done(world);
}

static void a_snapshot_removed_while_pausing_is_taken_again(void **state)
{
    (void)state;
    struct world *world = pausing_with("Committing");

    user_deletes(world, SNAPSHOT);
    (void)pass_sandbox_once(world);
    (void)pass_snapshot_once(world);
    assert_null(SNAPSHOT);
    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Paused");
    done(world);
}

static void a_renewal_while_pausing_keeps_the_number_of_this_pause(void **state)
{
    (void)state;
    struct world *world = pausing_with(NULL);
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    world_plan_sandbox(world, &world->now, &plan);
    assert_false(world_execute(world, &plan, 1)); /* numbered, and then the process died */
    user_edits(world, "expireTime", json_string("2099-01-01T00:00:00Z"));
    (void)pass_sandbox_once(world);
    (void)pass_sandbox_once(world);
    assert_int_equal(status_number(SANDBOX, "pauseObservedGeneration"), 2);
    assert_string_equal(annotation_of(SANDBOX, ANNOTATION_PAUSE_CYCLE), "1");
    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Paused");
    assert_int_equal(status_number(SANDBOX, "pauseObservedGeneration"), 3);
    done(world);
}

/* ---- Paused ---- */

static void nothing_but_a_resume_moves_a_paused_sandbox(void **state) /* K1 */
{
    (void)state;
    struct world *world = fresh("Paused");

    json_array_clear(world->now.pods);
    (void)snapshot_appears(world, "Succeed");
    user_pauses(world, PAUSE_TRUE);
    (void)pass_sandbox_once(world);
    user_edits(world, "expireTime", json_string("2099-01-01T00:00:00Z"));
    (void)pass_sandbox_once(world);
    user_bridges(world, PAUSE_TRUE);
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Paused");
    assert_int_equal(status_number(SANDBOX, "pauseObservedGeneration"), 5);
    assert_string_equal(text_at(SNAPSHOT, "metadata.deletionTimestamp"), "");
    assert_int_equal(json_array_size(world->now.pods), 0);
    done(world);
}

/* ---- the object of a dead pod ---- */

static void a_dead_pods_object_is_not_waited_for(void **state)
{
    (void)state;
    struct world *world = pausing_and_committed();

    assert_string_equal(pass_sandbox_once(world), "kill() delete(demo-0)");
    assert_string_equal(pass_sandbox_once(world), "status(Pausing) patch(endpoints)");
    assert_string_equal(pass_sandbox_once(world), ""); /* its containers may still run */
    world->now_ms += 2000;
    kubelet_ends_deleted_pods(world);
    assert_string_equal(pass_sandbox_once(world), "forget(demo-0)");
    assert_string_equal(pass_sandbox_once(world), "status(Paused) event(Paused)");
    done(world);
}

static void a_pod_with_somebody_elses_finalizer_is_waited_for(void **state)
{
    (void)state;
    struct world *world = pausing_and_committed();

    (void)pass_sandbox_once(world);
    kubelet_ends_deleted_pods(world);
    json_object_set_new(json_object_get(first_pod(world), "metadata"), "finalizers",
                        json_pack("[s]", "node/local"));
    assert_null(strstr(pass_sandbox_once(world), "forget"));
    assert_int_equal(json_array_size(world->now.pods), 1);
    done(world);
}

static void a_pod_that_does_not_go_is_told_about(void **state)
{
    (void)state;
    struct world *world = pausing_and_committed();

    (void)pass_sandbox_once(world);
    (void)pass_sandbox_once(world);
    world->now_ms += 59 * 1000;
    assert_string_equal(pass_sandbox_once(world), "");
    world->now_ms += 1 * 1000;
    assert_string_equal(pass_sandbox_once(world), "event(PodStuckTerminating)");
    assert_string_equal(phase_of(SANDBOX), "Pausing"); /* nobody knows whether its containers run */
    done(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wish_to_pause_is_acknowledged_with_the_phase_before_any_side_effect),
        cmocka_unit_test(the_acknowledgement_never_alters_the_wish),
        cmocka_unit_test(the_cycle_is_numbered_before_the_snapshot_is_created),
        cmocka_unit_test(a_crash_between_number_and_snapshot_does_not_number_again),
        cmocka_unit_test(every_pause_has_a_tag_of_its_own),
        cmocka_unit_test(an_unreadable_cycle_starts_above_all_that_were_used),
        cmocka_unit_test(only_one_replica_can_be_paused),
        cmocka_unit_test(a_second_pod_left_from_more_replicas_is_not_lost_by_a_pause),
        cmocka_unit_test(a_pause_waits_unacknowledged_until_a_pod_runs),
        cmocka_unit_test(an_old_snapshot_goes_first_without_ack_or_phase_change),
        cmocka_unit_test(a_snapshot_of_somebody_else_fails_the_pause_and_stays),
        cmocka_unit_test(a_snapshot_of_a_former_sandbox_of_the_name_is_waited_for),
        cmocka_unit_test(a_snapshot_newer_than_our_view_of_the_sandbox_is_never_deleted),
        cmocka_unit_test(a_snapshot_with_an_unknown_number_is_deleted_once_the_number_is_known),
        cmocka_unit_test(while_the_snapshot_is_made_the_sandbox_waits),
        cmocka_unit_test(a_failed_snapshot_brings_the_sandbox_back_with_its_message),
        cmocka_unit_test(a_failed_snapshot_without_a_pod_says_so),
        cmocka_unit_test(after_a_failed_pause_null_then_true_tries_again),
        cmocka_unit_test(each_pod_is_killed_while_frozen_and_then_deleted),
        cmocka_unit_test(paused_is_said_when_the_pods_are_gone),
        cmocka_unit_test(a_pod_that_cannot_be_released_is_not_deleted),
        cmocka_unit_test(a_snapshot_whose_hold_ran_out_is_stale_and_goes),
        cmocka_unit_test(a_pod_that_is_not_the_source_is_not_deleted),
        cmocka_unit_test(a_snapshot_made_by_a_job_needs_no_release),
        cmocka_unit_test(a_resume_asked_for_while_pausing_is_executed_after_paused),
        cmocka_unit_test(a_bridge_to_true_while_pausing_is_served_by_this_pause),
        cmocka_unit_test(a_renewal_while_pausing_keeps_the_number_of_this_pause),
        cmocka_unit_test(a_snapshot_removed_while_pausing_is_taken_again),
        cmocka_unit_test(nothing_but_a_resume_moves_a_paused_sandbox),
        cmocka_unit_test(a_dead_pods_object_is_not_waited_for),
        cmocka_unit_test(a_pod_with_somebody_elses_finalizer_is_waited_for),
        cmocka_unit_test(a_pod_that_does_not_go_is_told_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
