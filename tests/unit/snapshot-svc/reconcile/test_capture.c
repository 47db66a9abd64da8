/* A pause whose pod is handed over before its image is pushed: both planners, from releasable to Paused, or back on the node that has the
 * files. And where restored pods go. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/pod_build.h"

#define SNAPSHOT (world->now.snapshot)
#define SANDBOX  (world->now.sandbox)

enum { SECOND_MS = 1000 };

static void done(struct world *world)
{
    if (world->broken_law)
        fail_msg("law broken: %s", world->broken_law);
    world_done(world);
}

/* Frozen, and its agent says that it can be released. */
static struct world *releasable(void)
{
    static struct world world;

    world_init(&world, "Succeed");
    world.hands_over = true;
    user_writes_files(&world);
    user_pauses(&world, PAUSE_TRUE);
    (void)pass_sandbox_once(&world);
    (void)pass_sandbox_once(&world);
    assert_string_equal(pass_snapshot_once(&world), "status(Committing) event(CreatedJob) commit(hold)");
    return &world;
}

static struct world *captured(void)
{
    struct world *world = releasable();

    assert_string_equal(pass_snapshot_once(world), "kill() status(Committing) event(Captured)");
    return world;
}

static struct world *captured_without_pods(void)
{
    struct world *world = captured();

    (void)pass_sandbox_once(world);
    kubelet_removes_deleted_pods(world);
    (void)pass_sandbox_once(world); /* counters, endpoints */
    return world;
}

/* Its upload has failed for good, and its node has the images. */
static struct world *kept(void)
{
    struct world *world = captured_without_pods();

    agent_fails_upload(world, "RegistryUnauthorized", false);
    assert_string_equal(pass_snapshot_once(world), "status(Committing) event(UploadFailed) keep()");
    assert_string_equal(pass_snapshot_once(world), "status(Failed) event(JobFailed)");
    return world;
}

/* ---- to Captured ---- */

static void a_pause_that_can_be_released_is_killed_and_then_said_to_be_captured(void **state)
{
    (void)state;
    struct world *world = captured();

    assert_true(world->commits[0].handed_over);
    assert_string_equal(phase_of(SNAPSHOT), "Committing");
    assert_string_equal(condition_text(SNAPSHOT, "Captured", "status"), "True");
    assert_string_equal(condition_text(SNAPSHOT, "Captured", "reason"), "HandedOver");
    assert_non_null(strstr(condition_text(SNAPSHOT, "Captured", "message"), "node-1"));
    assert_string_equal(text_at(SNAPSHOT, "status.path"), "Handover");
    assert_string_equal(text_at(SNAPSHOT, "status.progress.phase"), "Uploading");
    done(world);
}

static void a_crash_between_the_release_and_the_write_repeats_both(void **state)
{
    (void)state;
    struct world *world = releasable();
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    world_plan_snapshot(world, &world->now, false, &plan);
    assert_false(world_execute(world, &plan, 1));
    assert_true(world->commits[0].handed_over);
    assert_false(has_condition(SNAPSHOT, "Captured"));
    process_restarts(world);
    world->now_ms += 24 * 3600 * SECOND_MS; /* no deadline comes between */
    assert_string_equal(pass_snapshot_once(world), "commit(hold)");
    assert_string_equal(pass_snapshot_once(world), "kill() status(Committing) event(Captured)");
    done(world);
}

static void a_release_that_comes_too_late_fails_the_pause_and_nothing_is_lost(void **state)
{
    (void)state;
    struct world *world = releasable();

    agent_loses_hold(world);
    assert_string_equal(pass_snapshot_once(world), "status(Failed) event(JobFailed)");
    assert_non_null(strstr(condition_text(SNAPSHOT, "Failed", "message"), "HoldExpired"));
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    assert_int_equal(json_array_size(world->now.pods), 1);
    done(world);
}

static void an_agent_that_hands_nothing_over_is_waited_for_as_ever(void **state)
{
    (void)state;
    struct world *world = releasable();

    world->commits[0].releasable = false;
    assert_string_equal(pass_snapshot_once(world), "status(Committing)");
    assert_string_equal(pass_sandbox_once(world), "");
    agent_finishes(world, AGENT_SUCCEEDED, NULL);
    assert_string_equal(pass_snapshot_once(world), "status(Succeed) event(JobSucceeded)");
    assert_false(has_condition(SNAPSHOT, "Captured"));
    assert_string_equal(text_at(SNAPSHOT, "status.path"), "Hold");
    assert_string_equal(pass_sandbox_once(world), "kill() delete(demo-0)");
    done(world);
}

/* ---- the pods go while the upload goes on ---- */

static void the_pods_go_while_the_upload_goes_on(void **state)
{
    (void)state;
    struct world *world = captured();

    assert_string_equal(pass_sandbox_once(world), "status(Pausing) delete(demo-0)");
    assert_non_null(strstr(condition_text(SANDBOX, "Progressing", "message"), "Uploading"));
    kubelet_ends_deleted_pods(world);
    assert_string_equal(pass_sandbox_once(world), "status(Pausing) forget(demo-0) patch(endpoints)");
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Pausing"); /* the image is not pushed yet */
    assert_string_equal(pass_sandbox_once(world), "");
    agent_finishes(world, AGENT_SUCCEEDED, NULL);
    assert_string_equal(pass_snapshot_once(world), "status(Succeed) event(JobSucceeded)");
    assert_int_equal(status_number(SNAPSHOT, "frozenMs"), 7);
    assert_string_equal(pass_sandbox_once(world), "status(Paused) event(Paused)");
    done(world);
}

static void paused_waits_for_the_pods_even_when_the_upload_was_faster(void **state)
{
    (void)state;
    struct world *world = captured();

    agent_finishes(world, AGENT_SUCCEEDED, NULL);
    (void)pass_snapshot_once(world);
    assert_string_equal(pass_sandbox_once(world), "delete(demo-0)"); /* it is dead already */
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Pausing");
    kubelet_removes_deleted_pods(world);
    assert_string_equal(pass_sandbox_once(world), "status(Paused) event(Paused)");
    done(world);
}

static void a_success_is_the_first_that_a_new_leader_hears_of_the_handover(void **state)
{
    (void)state;
    struct world *world = releasable();
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    world_plan_snapshot(world, &world->now, false, &plan);
    (void)world_execute(world, &plan, 1);
    agent_finishes(world, AGENT_SUCCEEDED, NULL);
    assert_string_equal(pass_snapshot_once(world), "status(Succeed) event(JobSucceeded)");
    assert_true(has_condition(SNAPSHOT, "Captured")); /* so nobody asks for a second release */
    assert_string_equal(pass_sandbox_once(world), "delete(demo-0)");
    done(world);
}

static void a_pod_that_nobody_captured_is_left_alone_and_so_is_the_snapshot(void **state)
{
    (void)state;
    struct world *world = captured();

    json_object_set_new(json_object_get(first_pod(world), "metadata"), "uid", json_string("uid-replacement"));
    for (int succeeded = 0; succeeded < 2; succeeded++) {
        (void)pass_sandbox_once(world);
        assert_string_equal(phase_of(SANDBOX), "Pausing");
        assert_string_equal(text_at(first_pod(world), "metadata.deletionTimestamp"), "");
        assert_string_equal(text_at(SNAPSHOT, "metadata.deletionTimestamp"), "");
        agent_finishes(world, AGENT_SUCCEEDED, NULL);
        (void)pass_snapshot_once(world);
    }
    done(world);
}

static void a_resume_asked_for_meanwhile_is_done_afterwards(void **state)
{
    (void)state;
    struct world *world = captured();

    user_pauses(world, PAUSE_FALSE);
    (void)pass_sandbox_once(world);
    assert_string_equal(phase_of(SANDBOX), "Pausing");
    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    assert_null(SNAPSHOT);
    done(world);
}

/* ---- uploads that fail ---- */

static void an_upload_that_may_come_through_is_told_once_and_waited_for(void **state)
{
    (void)state;
    struct world *world = captured_without_pods();

    agent_fails_upload(world, "RegistryUnreachable", true);
    assert_string_equal(pass_snapshot_once(world), "status(Committing) event(UploadFailed)");
    assert_string_equal(text_at(SNAPSHOT, "status.progress.phase"), "RegistryUnreachable");
    world->now_ms += 899 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "");
    agent_finishes(world, AGENT_SUCCEEDED, NULL);
    assert_string_equal(pass_snapshot_once(world), "status(Succeed) event(JobSucceeded)");
    assert_string_equal(pass_sandbox_once(world), "status(Paused) event(Paused)");
    done(world);
}

static void an_upload_that_takes_too_long_is_kept_on_its_node(void **state)
{
    (void)state;
    struct world *world = captured_without_pods();

    world->now_ms += 900 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "keep()");
    assert_string_equal(pass_snapshot_once(world), "status(Failed) event(JobFailed)");
    assert_non_null(strstr(condition_text(SNAPSHOT, "Failed", "message"), "--upload-timeout"));
    done(world);
}

static void a_kept_snapshot_says_what_failed_and_where_the_files_are(void **state)
{
    (void)state;
    struct world *world = kept();
    const json_t *container =
        json_array_get(json_object_get(json_object_get(SNAPSHOT, "status"), "containers"), 0);

    assert_string_equal(condition_text(SNAPSHOT, "Failed", "reason"), "CommitJobFailed");
    assert_string_equal(condition_text(SNAPSHOT, "Failed", "message"),
                        "RegistryUnauthorized: says the agent; its files are on node node-1");
    assert_string_equal(text_at(SNAPSHOT, "status.keptOnNode"), "node-1");
    assert_memory_equal(text_at(container, "imageDigest"), "sha256:", 7);
    done(world);
}

static void a_failed_pause_comes_back_on_the_node_that_has_the_files(void **state)
{
    (void)state;
    struct world *world = kept();

    assert_string_equal(pass_sandbox_once(world), "status(Resuming) event(PauseFailed)");
    assert_string_equal(condition_text(SANDBOX, "PauseFailed", "reason"), "SnapshotFailed");
    assert_non_null(strstr(condition_text(SANDBOX, "PauseFailed", "message"), "node-1"));
    assert_non_null(strstr(condition_text(SANDBOX, "Progressing", "message"), "node-1"));
    assert_string_equal(pass_sandbox_once(world), "patch(sandbox)");
    assert_string_equal(annotation_of(SANDBOX, ANNOTATION_REQUIRED_NODE), "node-1");
    assert_string_equal(annotation_of(SANDBOX, ANNOTATION_RESUME_NODE), "");
    assert_non_null(strstr(pass_sandbox_once(world), "create(demo-0)"));
    kubelet_sets(first_pod(world), "Running", true, NULL);
    assert_non_null(strstr(pass_sandbox_once(world), "status(Succeed) event(Resumed) delete(demo-pause)"));
    assert_true(has_condition(SANDBOX, "PauseFailed"));
    assert_string_equal(pass_snapshot_once(world), "patch(snapshot)");
    assert_null(SNAPSHOT);
    assert_false(world->commits[0].discarded); /* it runs on that image, and its next pause begins with it */
    assert_int_equal(json_integer_value(json_path(first_pod(world), "hidden.files")), world->truth);
    (void)pass_sandbox_once(world);
    assert_string_equal(pass_sandbox_once(world), ""); /* and stays there, without another pause */
    done(world);
}

static void the_next_pause_of_a_sandbox_that_came_back_is_free_of_its_node(void **state)
{
    (void)state;
    struct world *world = kept();

    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    user_bridges(world, PAUSE_TRUE);
    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Paused");
    user_pauses(world, PAUSE_FALSE);
    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    assert_string_equal(annotation_of(SANDBOX, ANNOTATION_REQUIRED_NODE), "");
    assert_string_equal(annotation_of(SANDBOX, ANNOTATION_RESUME_NODE), "node-1");
    done(world);
}

static void pods_go_first_when_the_upload_failed_before_they_did(void **state)
{
    (void)state;
    struct world *world = captured();

    agent_fails_upload(world, "RegistryDenied", false);
    (void)pass_snapshot_once(world);
    (void)pass_snapshot_once(world);
    assert_string_equal(pass_sandbox_once(world), "delete(demo-0)");
    assert_string_equal(phase_of(SANDBOX), "Pausing");
    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    done(world);
}

/* ---- its node is away ---- */

static void no_deadline_gives_up_the_only_copy(void **state)
{
    (void)state;
    struct world *world = captured_without_pods();

    world->agent_ready = false;
    assert_string_equal(pass_snapshot_once(world), "status(Committing) event(AgentUnreachable)");
    assert_string_equal(text_at(SNAPSHOT, "status.progress.phase"), "WaitingForAgent");
    for (int day = 0; day < 3; day++) {
        world->now_ms += 24LL * 3600 * SECOND_MS;
        assert_string_equal(pass_snapshot_once(world), "");
        assert_string_equal(pass_sandbox_once(world), "");
        process_restarts(world);
        assert_string_equal(pass_snapshot_once(world), "commit(hold)");
    }
    assert_string_equal(phase_of(SANDBOX), "Pausing");
    world->agent_ready = true;
    assert_string_equal(pass_snapshot_once(world), "keep()");
    world_settles(world);
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    done(world);
}

static void an_agent_that_does_not_know_the_files_is_asked_on(void **state)
{
    (void)state;
    struct world *world = captured_without_pods();

    world->commits[0].handed_over = false; /* its state folder is lost */
    world->commits[0].state = AGENT_FAILED;
    world->commits[0].reason = "CommitLost";
    assert_string_equal(pass_snapshot_once(world), "status(Committing) event(UploadFailed) keep()");
    assert_string_equal(text_at(SNAPSHOT, "status.progress.phase"), "CommitLost");
    assert_string_equal(pass_snapshot_once(world), "keep()");
    assert_string_equal(phase_of(SNAPSHOT), "Committing");
    assert_string_equal(phase_of(SANDBOX), "Pausing");
    done(world);
}

static void a_commit_that_may_have_been_handed_over_is_not_given_up(void **state)
{
    (void)state;
    struct world *world = releasable();

    world->commits[0].releasable = false;
    world->commits[0].in_doubt = true;
    world->now_ms += 24LL * 3600 * SECOND_MS;
    world->agent_ready = false;
    assert_string_equal(pass_snapshot_once(world), "status(Committing) event(AgentUnreachable)");
    assert_string_equal(pass_snapshot_once(world), "");
    world->agent_ready = true;
    assert_string_equal(pass_snapshot_once(world), "");
    world->commits[0].in_doubt = false; /* it runs, says its agent */
    assert_non_null(strstr(pass_snapshot_once(world), "status(Failed)"));
    done(world);
}

/* ---- being deleted ---- */

static void a_sandbox_deleted_meanwhile_lets_its_files_go(void **state)
{
    (void)state;
    struct world *world = captured();

    user_deletes(world, SANDBOX);
    assert_string_equal(pass_snapshot_once(world), "discard() patch(snapshot)");
    assert_true(world->commits[0].discarded);
    assert_null(SNAPSHOT);
    done(world);
}

static void a_sandbox_deleted_before_it_came_back_lets_what_was_kept_go(void **state)
{
    (void)state;
    struct world *world = kept();

    user_deletes(world, SANDBOX);
    assert_string_equal(pass_snapshot_once(world), "discard() patch(snapshot)");
    assert_true(world->commits[0].discarded);
    assert_null(SNAPSHOT);
    done(world);
}

static void an_agent_that_stays_away_does_not_keep_a_deleted_snapshot(void **state)
{
    (void)state;
    struct world *world = captured();

    user_deletes(world, SANDBOX);
    world->now_ms += 121 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "patch(snapshot)");
    assert_null(SNAPSHOT);
    done(world);
}

/* ---- where restored pods go ---- */

#define PREFERRED_1                                                                                          \
    "{\"weight\":100,\"preference\":{\"matchExpressions\":[{\"key\":\"kubernetes.io/"                        \
    "hostname\",\"operator\":\"In\",\"values\":[\"n1\"]}]}}"
#define REQUIRED_1 "{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[\"n1\"]}"
#define PREFERS    "preferredDuringSchedulingIgnoredDuringExecution"
#define REQUIRES   "requiredDuringSchedulingIgnoredDuringExecution"
#define SSD        "\"matchExpressions\":[{\"key\":\"disk\",\"operator\":\"In\",\"values\":[\"ssd\"]}]"

struct place {
    const char *name, *annotation, *image, *affinity, *want;
    bool has_scheduler;
};

static const struct place places[] = {
    {"a wish", ANNOTATION_RESUME_NODE, "i:1", NULL, "{\"nodeAffinity\":{\"" PREFERS "\":[" PREFERRED_1 "]}}",
     true},
    {"a need", ANNOTATION_REQUIRED_NODE, "i:1", NULL,
     "{\"nodeAffinity\":{\"" REQUIRES "\":{\"nodeSelectorTerms\":[{\"matchFields\":[" REQUIRED_1 "]}]}}}",
     true},
    {"beside the user's wish", ANNOTATION_RESUME_NODE, "i:1",
     "{\"nodeAffinity\":{\"" PREFERS "\":[{\"weight\":7}]}}",
     "{\"nodeAffinity\":{\"" PREFERS "\":[{\"weight\":7}," PREFERRED_1 "]}}", true},
    {"within each of the user's needs", ANNOTATION_REQUIRED_NODE, "i:1",
     "{\"podAffinity\":{},\"nodeAffinity\":{\"" REQUIRES "\":{\"nodeSelectorTerms\":[{" SSD "},{}]}}}",
     "{\"podAffinity\":{},\"nodeAffinity\":{\"" REQUIRES "\":{\"nodeSelectorTerms\":[{" SSD
     ",\"matchFields\":[" REQUIRED_1 "]},{}]}}}",
     true},
    {"not on the only node there is", ANNOTATION_RESUME_NODE, "i:1", NULL, "null", false},
    {"not with another image than the restored one", ANNOTATION_REQUIRED_NODE, "i:2", NULL, "null", true},
    {"what the API server will refuse stays", ANNOTATION_RESUME_NODE, "i:1", "7", "7", true},
};

static void a_restored_pod_goes_where_its_images_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        const struct place *place = &places[i];
        SCOPED(json)
        json_t *object = json_pack("{s:{s:s, s:s, s:{s:s, s:s}}, s:{s:i, s:{s:{s:[{s:s, s:s, s:s}]}}}}",
                                   "metadata", "name", "demo", "uid", "u", "annotations",
                                   ANNOTATION_RESTORED_IMAGES, "{\"main\":\"i:1\"}", place->annotation, "n1",
                                   "spec", "replicas", 1, "template", "spec", "containers", "name", "main",
                                   "image", place->image, "imagePullPolicy", "Always");
        SCOPED(json) json_t *want = json_loads(place->want, JSON_DECODE_ANY, NULL), *pod = NULL;
        json_t *spec = json_path(object, "spec.template.spec");
        SCOPED_BATCHSANDBOX struct batchsandbox sandbox = {0};
        struct error err = {0};

        if (place->affinity)
            json_object_set_new(spec, "affinity", json_loads(place->affinity, JSON_DECODE_ANY, NULL));
        SCOPED(json) json_t *before = json_deep_copy(spec);
        assert_int_equal(batchsandbox_read(object, &sandbox, &err), 0);
        assert_int_equal(pod_build(&sandbox, 0, place->has_scheduler, &pod, &err), 0);
        const json_t *got = json_path(pod, "spec.affinity");
        if (!json_equal(got, want) && !(json_is_null(want) && !got))
            fail_msg("%s: got %s", place->name, json_dumps(got, JSON_ENCODE_ANY));
        assert_true(json_equal(before, spec)); /* the template keeps what its user wrote */
        const char *policy =
            json_path_string(json_array_get(json_path(pod, "spec.containers"), 0), "imagePullPolicy");
        const bool is_kept =
            strcmp(place->annotation, ANNOTATION_REQUIRED_NODE) == 0 && strcmp(place->image, "i:1") == 0;
        assert_string_equal(policy, is_kept ? "IfNotPresent" : "Always"); /* no registry has it */
    }
}

static void a_job_leaves_nothing_unpacked_so_its_node_is_no_better_than_others(void **state)
{
    (void)state;
    static const struct {
        const char *committer, *node;
    } rows[] = {{"agent", "node-1"}, {"job", ""}};

    for (size_t i = 0; i < 2; i++) {
        static struct world now;
        struct world *world = &now;
        world_init(world, "Paused");
        user_pauses(world, PAUSE_TRUE);
        (void)pass_sandbox_once(world);
        json_object_set_new(json_object_get(snapshot_appears(world, "Succeed"), "status"), "committer",
                            json_string(rows[i].committer));
        user_pauses(world, PAUSE_FALSE);
        (void)pass_sandbox_once(world);
        (void)pass_sandbox_once(world);
        assert_string_equal(annotation_of(SANDBOX, ANNOTATION_RESUME_NODE), rows[i].node);
        done(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_that_can_be_released_is_killed_and_then_said_to_be_captured),
        cmocka_unit_test(a_crash_between_the_release_and_the_write_repeats_both),
        cmocka_unit_test(a_release_that_comes_too_late_fails_the_pause_and_nothing_is_lost),
        cmocka_unit_test(an_agent_that_hands_nothing_over_is_waited_for_as_ever),
        cmocka_unit_test(the_pods_go_while_the_upload_goes_on),
        cmocka_unit_test(paused_waits_for_the_pods_even_when_the_upload_was_faster),
        cmocka_unit_test(a_success_is_the_first_that_a_new_leader_hears_of_the_handover),
        cmocka_unit_test(a_pod_that_nobody_captured_is_left_alone_and_so_is_the_snapshot),
        cmocka_unit_test(a_resume_asked_for_meanwhile_is_done_afterwards),
        cmocka_unit_test(an_upload_that_may_come_through_is_told_once_and_waited_for),
        cmocka_unit_test(an_upload_that_takes_too_long_is_kept_on_its_node),
        cmocka_unit_test(a_kept_snapshot_says_what_failed_and_where_the_files_are),
        cmocka_unit_test(a_failed_pause_comes_back_on_the_node_that_has_the_files),
        cmocka_unit_test(the_next_pause_of_a_sandbox_that_came_back_is_free_of_its_node),
        cmocka_unit_test(pods_go_first_when_the_upload_failed_before_they_did),
        cmocka_unit_test(no_deadline_gives_up_the_only_copy),
        cmocka_unit_test(an_agent_that_does_not_know_the_files_is_asked_on),
        cmocka_unit_test(a_commit_that_may_have_been_handed_over_is_not_given_up),
        cmocka_unit_test(a_sandbox_deleted_meanwhile_lets_its_files_go),
        cmocka_unit_test(a_sandbox_deleted_before_it_came_back_lets_what_was_kept_go),
        cmocka_unit_test(an_agent_that_stays_away_does_not_keep_a_deleted_snapshot),
        cmocka_unit_test(a_restored_pod_goes_where_its_images_are),
        cmocka_unit_test(a_job_leaves_nothing_unpacked_so_its_node_is_no_better_than_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
