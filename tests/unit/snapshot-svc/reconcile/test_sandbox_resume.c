/* Contract controller-behaviour.md §4 (corrected table), §6; §17 "Resume". */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/clock.h"
#include "snapshot-svc/model/names.h"

#define SNAPSHOT (world->now.snapshot)
#define SANDBOX  (world->now.sandbox)

#define NO_FILES_DIGEST "sha256:0000000000000000000000000000000000000000000000000000000000000000"
#define SNAPSHOT_IMAGE  "registry:5000/snapshots/demo-main:snap-gen1@" NO_FILES_DIGEST

static struct world *paused(const char *snapshot_phase)
{
    static struct world world;

    world_init(&world, "Paused");
    user_pauses(&world, PAUSE_TRUE);
    (void)pass_sandbox_once(&world);
    if (snapshot_phase)
        (void)snapshot_appears(&world, snapshot_phase);
    return &world;
}

static struct world *resuming(const char *snapshot_phase)
{
    struct world *world = paused(snapshot_phase);

    user_pauses(world, PAUSE_FALSE);
    assert_string_equal(pass_sandbox_once(world), "status(Resuming) event(Resuming)");
    return world;
}

static struct world *resuming_with_pod(const char *pod_phase, bool ready, const char *waiting_reason)
{
    struct world *world = resuming("Succeed");

    (void)pass_sandbox_once(world);
    (void)pass_sandbox_once(world);
    kubelet_sets(first_pod(world), pod_phase, ready, waiting_reason);
    return world;
}

static void done(struct world *world)
{
    if (world->broken_law)
        fail_msg("law broken: %s", world->broken_law);
    world_done(world);
}

static const json_t *template_spec(const struct world *world)
{
    return json_object_get(json_object_get(json_object_get(SANDBOX, "spec"), "template"), "spec");
}

static const char *container_image(const json_t *pod_spec)
{
    return text_at(json_array_get(json_object_get(pod_spec, "containers"), 0), "image");
}

/* ---- start ---- */

static void a_wish_to_resume_is_acknowledged_before_anything_happens(void **state)
{
    (void)state;
    struct world *world = resuming("Succeed");

    assert_int_equal(status_number(SANDBOX, "pauseObservedGeneration"), 3);
    assert_string_equal(condition_text(SANDBOX, "Progressing", "reason"), "ResumeInProgress");
    assert_int_equal(json_array_size(world->now.pods), 0);
    done(world);
}

static void the_images_are_written_first_and_the_pod_is_made_from_the_object_that_has_them(void **state)
{
    (void)state;
    struct world *world = resuming("Succeed");

    assert_string_equal(pass_sandbox_once(world), "patch(sandbox)");
    assert_string_equal(container_image(template_spec(world)), SNAPSHOT_IMAGE);
    assert_int_equal(json_array_size(world->now.pods), 0);
    assert_string_equal(pass_sandbox_once(world), "status(Resuming) create(demo-0) event(SuccessfulCreate)");
    assert_string_equal(container_image(json_object_get(first_pod(world), "spec")), SNAPSHOT_IMAGE);
    assert_true(json_is_false(json_object_get(json_object_get(SANDBOX, "spec"), "pause")));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(SANDBOX, "spec"), "replicas")), 1);
    done(world);
}

static void a_stale_copy_makes_no_pod_from_the_old_image(void **state)
{
    (void)state;
    struct world *world = resuming("Succeed");
    struct picture stale = picture_copy(&world->now);
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    (void)pass_sandbox_once(world);
    world_plan_sandbox(world, &stale, &plan);
    assert_false(world_execute(world, &plan, SIZE_MAX));
    assert_int_equal(json_array_size(world->now.pods), 0);
    picture_done(&stale);
    done(world);
}

static void the_pull_secret_is_added_once_and_others_stay(void **state)
{
    (void)state;
    struct world *world = paused("Succeed");
    json_t *spec = (json_t *)template_spec(world);

    json_object_set_new(spec, "imagePullSecrets", json_pack("[{s:s}]", "name", "mine"));
    for (int cycle = 0; cycle < 2; cycle++) {
        user_pauses(world, PAUSE_FALSE);
        world_settles(world);
        user_pauses(world, PAUSE_TRUE);
        world_settles(world);
    }
    const json_t *secrets = json_object_get(template_spec(world), "imagePullSecrets");
    assert_int_equal(json_array_size(secrets), 2);
    assert_string_equal(text_at(json_array_get(secrets, 0), "name"), "mine");
    assert_string_equal(text_at(json_array_get(secrets, 1), "name"), "pull-secret");
    done(world);
}

static void without_a_pull_secret_none_is_added(void **state)
{
    (void)state;
    struct world *world = resuming("Succeed");

    world->config.resume_pull_secret = "";
    (void)pass_sandbox_once(world);
    assert_null(json_object_get(template_spec(world), "imagePullSecrets"));
    done(world);
}

static void a_container_without_a_snapshot_keeps_its_image(void **state)
{
    (void)state;
    struct world *world = resuming("Succeed");

    json_array_append_new(json_object_get(template_spec(world), "containers"),
                          json_pack("{s:s, s:s}", "name", "sidecar", "image", "proxy:1"));
    (void)pass_sandbox_once(world);
    const json_t *sidecar = json_array_get(json_object_get(template_spec(world), "containers"), 1);
    assert_string_equal(text_at(sidecar, "image"), "proxy:1");
    done(world);
}

static void what_the_status_names_is_what_runs(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *digest, *image;
    } rows[] = {
        {"r/a:t", NO_FILES_DIGEST, "r/a:t@" NO_FILES_DIGEST}, /* ours */
        {"r/bad:t", "", "r/bad:t"},                           /* a user replaced the entry */
        {"r/a@" NO_FILES_DIGEST, "sha256:other", "r/a@" NO_FILES_DIGEST},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct world *world = resuming("Succeed");
        json_object_set_new(json_object_get(SNAPSHOT, "status"), "containers",
                            json_pack("[{s:s, s:s, s:s}]", "containerName", "main", "imageUri", rows[i].uri,
                                      "imageDigest", rows[i].digest));
        (void)pass_sandbox_once(world);
        assert_string_equal(container_image(template_spec(world)), rows[i].image);
        done(world);
    }
}

static void a_shard_patch_does_not_boot_the_old_image(void **state) /* K31 */
{
    (void)state;
    struct world *world = paused("Succeed");

    user_edits(world, "shardPatches",
               json_pack("[{s:{s:[{s:s, s:s}]}}]", "spec", "containers", "name", "main", "image", "old:1"));
    user_pauses(world, PAUSE_FALSE);
    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    assert_string_equal(container_image(json_object_get(first_pod(world), "spec")), SNAPSHOT_IMAGE);
    /* nor later, when the snapshot is gone and the pod has to be made again */
    json_array_clear(world->now.pods);
    world_settles(world);
    assert_string_equal(container_image(json_object_get(first_pod(world), "spec")), SNAPSHOT_IMAGE);
    done(world);
}

/* ---- without a usable snapshot ---- */

static void a_missing_snapshot_leads_back_to_paused(void **state)
{
    (void)state;
    struct world *world = resuming(NULL);

    assert_string_equal(pass_sandbox_once(world), "status(Paused) event(ResumeFailed)");
    assert_string_equal(condition_text(SANDBOX, "ResumeFailed", "reason"), "SnapshotNotFound");
    assert_string_equal(condition_text(SANDBOX, "ResumeFailed", "message"), "SandboxSnapshot not found");
    assert_int_equal(status_number(SANDBOX, "pauseObservedGeneration"), 3);
    assert_string_equal(pass_sandbox_once(world), "");
    done(world);
}

static void a_missing_snapshot_with_a_ready_pod_is_a_success(void **state)
{
    (void)state;
    struct world *world = resuming(NULL);

    (void)kubelet_adds_pod(world, 0, "Running", true);
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    assert_false(has_condition(SANDBOX, "ResumeFailed"));
    assert_false(has_condition(SANDBOX, "PodFailed"));
    done(world);
}

static void a_pod_being_deleted_does_not_complete_a_resume(void **state)
{
    (void)state;
    struct world *world = resuming(NULL);

    user_deletes(world, kubelet_adds_pod(world, 0, "Running", true));
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Resuming"); /* nor is it Paused while there is a pod */
    kubelet_removes_deleted_pods(world);
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Paused");
    done(world);
}

static void a_snapshot_that_is_not_ready_is_named_with_its_phase(void **state)
{
    (void)state;
    static const char *const phases[] = {"", "Pending", "Committing", "Failed"};

    for (size_t i = 0; i < 4; i++) {
        struct world *world = resuming(phases[i]);
        (void)pass_sandbox_once(world);
        assert_string_equal(phase_of(SANDBOX), "Paused");
        assert_string_equal(condition_text(SANDBOX, "ResumeFailed", "reason"), "SnapshotNotReady");
        const char *message = condition_text(SANDBOX, "ResumeFailed", "message");
        assert_non_null(strstr(message, "snapshot not ready: phase="));
        assert_non_null(strstr(message, phases[i]));
        done(world);
    }
}

static void a_snapshot_without_images_does_not_boot_the_old_files(void **state)
{
    (void)state;
    struct world *world = resuming("Succeed");

    json_object_set_new(json_object_get(SNAPSHOT, "status"), "containers", json_array());
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Paused");
    assert_string_equal(condition_text(SANDBOX, "ResumeFailed", "reason"), "SnapshotNotReady");
    done(world);
}

static void a_snapshot_of_somebody_else_is_not_resumed(void **state) /* K11 */
{
    (void)state;
    struct world *world = resuming("Succeed");

    json_object_del(json_object_get(SNAPSHOT, "metadata"), "ownerReferences");
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Paused");
    assert_string_equal(condition_text(SANDBOX, "ResumeFailed", "reason"), "SnapshotNotOwned");
    done(world);
}

static void after_a_failed_resume_null_then_false_tries_again(void **state)
{
    (void)state;
    struct world *world = resuming("Pending");

    (void)pass_sandbox_once(world);
    json_object_set_new(json_object_get(SNAPSHOT, "metadata"), "deletionTimestamp",
                        json_string("2030-01-01T00:00:00Z"));
    json_decref(SNAPSHOT);
    SNAPSHOT = NULL;
    (void)snapshot_appears(world, "Succeed");
    assert_string_equal(pass_sandbox_once(world), ""); /* nobody asked again */
    user_bridges(world, PAUSE_FALSE);
    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    assert_false(has_condition(SANDBOX, "ResumeFailed"));
    done(world);
}

/* ---- finish ---- */

static void a_ready_pod_completes_the_resume_and_the_snapshot_goes_at_once(void **state)
{
    (void)state;
    struct world *world = resuming_with_pod("Running", true, NULL);

    assert_string_equal(pass_sandbox_once(world),
                        "status(Succeed) event(Resumed) delete(demo-pause) patch(endpoints)");
    assert_string_equal(pass_snapshot_once(world), "patch(snapshot)"); /* nothing to thaw, no agent asked */
    assert_null(SNAPSHOT);
    assert_string_equal(pass_sandbox_once(world), "");
    done(world);
}

static void a_failed_deletion_of_the_snapshot_is_tried_again(void **state)
{
    (void)state;
    struct world *world = resuming_with_pod("Running", true, NULL);
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    world_plan_sandbox(world, &world->now, &plan);
    assert_false(world_execute(world, &plan, 2)); /* the process dies after the status */
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    assert_string_equal(pass_sandbox_once(world), "delete(demo-pause) patch(endpoints)");
    done(world);
}

static void a_pod_that_is_not_ready_yet_is_waited_for(void **state)
{
    (void)state;
    struct world *world = resuming_with_pod("Running", false, NULL);

    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Resuming");
    assert_string_equal(pass_sandbox_once(world), "");
    done(world);
}

static void a_failing_pod_fails_the_resume_and_keeps_the_snapshot(void **state)
{
    (void)state;
    struct world *world = resuming_with_pod("Pending", false, "ImagePullBackOff");

    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Failed");
    assert_string_equal(condition_text(SANDBOX, "ResumeFailed", "reason"), "ImagePullBackOff");
    assert_string_equal(
        condition_text(SANDBOX, "ResumeFailed", "message"),
        "1/1 observed pods failed during resume; primary reason=ImagePullBackOff; sample pod=demo-0");
    assert_true(has_condition(SANDBOX, "PodFailed"));
    assert_false(has_condition(SANDBOX, "Progressing"));
    assert_string_equal(text_at(SNAPSHOT, "metadata.deletionTimestamp"), "");
    assert_string_equal(pass_sandbox_once(world), ""); /* and it is not tried again by itself */
    done(world);
}

static void a_tampered_image_fails_the_resume_and_retains_the_snapshot(void **state)
{
    (void)state;
    struct world *world = paused("Succeed");

    json_object_set_new(json_object_get(SNAPSHOT, "status"), "containers",
                        json_pack("[{s:s, s:s}]", "containerName", "main", "imageUri", "invalid/image:bad"));
    user_pauses(world, PAUSE_FALSE);
    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Failed");
    assert_true(has_condition(SANDBOX, "ResumeFailed"));
    assert_non_null(SNAPSHOT);
    assert_string_equal(phase_of(SNAPSHOT), "Succeed");
    done(world);
}

static void a_retry_from_failed_replaces_the_broken_pod(void **state) /* K6 */
{
    (void)state;
    struct world *world = resuming_with_pod("Pending", false, "ErrImagePull");

    (void)pass_sandbox_once(world);
    user_bridges(world, PAUSE_FALSE);
    assert_string_equal(pass_sandbox_once(world), "patch(sandbox) delete(demo-0)");
    assert_string_equal(phase_of(SANDBOX), "Failed");
    kubelet_removes_deleted_pods(world);
    assert_string_equal(pass_sandbox_once(world), "status(Resuming) event(Resuming) patch(endpoints)");
    assert_false(has_condition(SANDBOX, "ResumeFailed"));
    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    assert_null(SNAPSHOT);
    done(world);
}

static void a_retry_on_an_old_copy_of_the_sandbox_deletes_nothing(void **state)
{
    (void)state;
    struct world *world = resuming_with_pod("Pending", false, "ErrImagePull");
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    (void)pass_sandbox_once(world);
    user_bridges(world, PAUSE_FALSE);
    struct picture old = picture_copy(&world->now);
    kubelet_sets(first_pod(world), "Running", true, NULL);
    (void)pass_sandbox_once(world); /* it came up by itself */
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    world_plan_sandbox(world, &old, &plan);
    assert_false(world_execute(world, &plan, SIZE_MAX));
    assert_string_equal(text_at(first_pod(world), "metadata.deletionTimestamp"), "");
    picture_done(&old);
    done(world);
}

/* The kubelet may not have seen the pull Secret yet when it pulls for the first time. */
static void a_first_pull_that_fails_is_told_but_only_the_second_fails_the_resume(void **state)
{
    (void)state;
    struct world *world = resuming_with_pod("Pending", false, "ErrImagePull");
    char created[RFC3339_SIZE];

    json_object_set_new(json_object_get(first_pod(world), "metadata"), "creationTimestamp",
                        json_string(rfc3339_format(world->now_ms / 1000, created)));
    assert_non_null(strstr(pass_sandbox_once(world), "event(ImagePullRetry)"));
    assert_string_equal(phase_of(SANDBOX), "Resuming");
    assert_false(has_condition(SANDBOX, "ResumeFailed"));
    world->now_ms += 14 * 1000;
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Resuming");
    world->now_ms += 1000;
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Failed");
    assert_string_equal(condition_text(SANDBOX, "ResumeFailed", "reason"), "ErrImagePull");
    done(world);
}

static void a_pod_that_recovers_completes_the_failed_resume(void **state) /* K6 */
{
    (void)state;
    struct world *world = resuming_with_pod("Pending", false, "ErrImagePull");

    (void)pass_sandbox_once(world);
    kubelet_sets(first_pod(world), "Running", true, NULL);
    assert_string_equal(pass_sandbox_once(world),
                        "status(Succeed) event(Resumed) delete(demo-pause) patch(endpoints)");
    assert_false(has_condition(SANDBOX, "ResumeFailed"));
    assert_false(has_condition(SANDBOX, "PodFailed"));
    done(world);
}

static void a_pause_of_a_failed_resume_does_not_drop_the_only_good_snapshot(void **state)
{
    (void)state;
    struct world *world = resuming_with_pod("Running", false, "CrashLoopBackOff");

    (void)pass_sandbox_once(world);
    user_pauses(world, PAUSE_TRUE);
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Failed");
    assert_true(has_condition(SANDBOX, "PauseFailed"));
    assert_string_equal(text_at(SNAPSHOT, "metadata.deletionTimestamp"), "");
    done(world);
}

static void a_pause_asked_for_while_resuming_is_executed_after_succeed(void **state)
{
    (void)state;
    struct world *world = resuming_with_pod("Running", false, NULL);

    user_pauses(world, PAUSE_TRUE);
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Resuming");
    kubelet_sets(first_pod(world), "Running", true, NULL);
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    assert_int_not_equal(
        status_number(SANDBOX, "pauseObservedGeneration"),
        json_integer_value(json_object_get(json_object_get(SANDBOX, "metadata"), "generation")));
    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Paused");
    done(world);
}

static void our_own_template_patch_is_acknowledged_and_is_no_wish(void **state)
{
    (void)state;
    struct world *world = resuming_with_pod("Pending", false, "ErrImagePull");

    assert_int_equal(status_number(SANDBOX, "pauseObservedGeneration"), 4);
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Failed");
    assert_string_equal(pass_sandbox_once(world), ""); /* no retry out of thin air */
    done(world);
}

/* ---- other steady phases ---- */

static void a_leftover_false_on_a_running_sandbox_is_only_acknowledged(void **state) /* K2 */
{
    (void)state;
    static const char *const phases[] = {"Succeed", "Pending", "Failed"};

    for (size_t i = 0; i < 3; i++) {
        static struct world world[1];
        world_init(world, phases[i]);
        user_pauses(world, PAUSE_FALSE);
        (void)pass_sandbox_once(world);
        assert_string_equal(phase_of(SANDBOX), "Succeed"); /* what its pod says */
        assert_int_equal(status_number(SANDBOX, "pauseObservedGeneration"), 2);
        user_edits(world, "expireTime", json_string("2099-01-01T00:00:00Z"));
        kubelet_sets(first_pod(world), "Running", false, NULL);
        (void)pass_sandbox_once(world);
        assert_string_equal(phase_of(SANDBOX), "Pending");
        done(world);
    }
}

static void a_sandbox_created_with_pause_false_just_starts(void **state) /* K2 */
{
    (void)state;
    static struct world world[1];

    world_init(world, "");
    user_pauses(world, PAUSE_FALSE);
    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    done(world);
}

static void a_sandbox_that_ran_and_then_failed_cannot_resume_from_older_files(void **state)
{
    (void)state;
    struct world *world = resuming_with_pod("Running", true, NULL);
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    world_plan_sandbox(world, &world->now, &plan);
    assert_false(world_execute(world, &plan, 1)); /* Succeed is written, the snapshot is still there */
    user_writes_files(world);
    kubelet_sets(first_pod(world), "Running", false, "CrashLoopBackOff");
    assert_int_equal(strncmp(pass_sandbox_once(world), "delete(demo-pause) status(Failed)", 33), 0);
    done(world);
}

static void a_lost_status_does_not_boot_the_old_files(void **state)
{
    (void)state;
    struct world *world = paused("Succeed");

    json_object_del(SANDBOX, "status");
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Paused");
    assert_int_equal(json_array_size(world->now.pods), 0);
    user_pauses(world, PAUSE_FALSE);
    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    assert_string_equal(container_image(json_object_get(first_pod(world), "spec")), SNAPSHOT_IMAGE);
    done(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wish_to_resume_is_acknowledged_before_anything_happens),
        cmocka_unit_test(the_images_are_written_first_and_the_pod_is_made_from_the_object_that_has_them),
        cmocka_unit_test(a_stale_copy_makes_no_pod_from_the_old_image),
        cmocka_unit_test(the_pull_secret_is_added_once_and_others_stay),
        cmocka_unit_test(without_a_pull_secret_none_is_added),
        cmocka_unit_test(a_container_without_a_snapshot_keeps_its_image),
        cmocka_unit_test(what_the_status_names_is_what_runs),
        cmocka_unit_test(a_shard_patch_does_not_boot_the_old_image),
        cmocka_unit_test(a_missing_snapshot_leads_back_to_paused),
        cmocka_unit_test(a_missing_snapshot_with_a_ready_pod_is_a_success),
        cmocka_unit_test(a_pod_being_deleted_does_not_complete_a_resume),
        cmocka_unit_test(a_snapshot_that_is_not_ready_is_named_with_its_phase),
        cmocka_unit_test(a_snapshot_without_images_does_not_boot_the_old_files),
        cmocka_unit_test(a_snapshot_of_somebody_else_is_not_resumed),
        cmocka_unit_test(after_a_failed_resume_null_then_false_tries_again),
        cmocka_unit_test(a_ready_pod_completes_the_resume_and_the_snapshot_goes_at_once),
        cmocka_unit_test(a_failed_deletion_of_the_snapshot_is_tried_again),
        cmocka_unit_test(a_pod_that_is_not_ready_yet_is_waited_for),
        cmocka_unit_test(a_failing_pod_fails_the_resume_and_keeps_the_snapshot),
        cmocka_unit_test(a_tampered_image_fails_the_resume_and_retains_the_snapshot),
        cmocka_unit_test(a_retry_from_failed_replaces_the_broken_pod),
        cmocka_unit_test(a_retry_on_an_old_copy_of_the_sandbox_deletes_nothing),
        cmocka_unit_test(a_first_pull_that_fails_is_told_but_only_the_second_fails_the_resume),
        cmocka_unit_test(a_pod_that_recovers_completes_the_failed_resume),
        cmocka_unit_test(a_pause_of_a_failed_resume_does_not_drop_the_only_good_snapshot),
        cmocka_unit_test(a_pause_asked_for_while_resuming_is_executed_after_succeed),
        cmocka_unit_test(our_own_template_patch_is_acknowledged_and_is_no_wish),
        cmocka_unit_test(a_leftover_false_on_a_running_sandbox_is_only_acknowledged),
        cmocka_unit_test(a_sandbox_created_with_pause_false_just_starts),
        cmocka_unit_test(a_sandbox_that_ran_and_then_failed_cannot_resume_from_older_files),
        cmocka_unit_test(a_lost_status_does_not_boot_the_old_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
