/* The controllers on a real store, with the real planners and an agent that speaks gRPC. */
#include "tests/unit/testing.h"

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "tests/unit/snapshot-svc/controller/kit.h"

#define PAUSE  "{\"spec\":{\"pause\":true}}"
#define RESUME "{\"spec\":{\"pause\":false}}"

static int set_up(void **state)
{
    struct kit *kit = kit_new();

    kit_begin(kit);
    *state = kit;
    return 0;
}

static int tear_down(void **state)
{
    kit_free(*state);
    return 0;
}

/* ---- saying what the tests mean ---- */

static void restart(struct kit *kit)
{
    kit_end(kit);
    kit_begin(kit);
}

static void run_demo(struct kit *kit)
{
    kit_create_sandbox(kit, "demo");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
}

static char *commit_key(struct kit *kit, const char *snapshot)
{
    SCOPED(json) json_t *object = kit_get(kit, KIND_SANDBOX_SNAPSHOT, snapshot);

    return xasprintf("%s.%d", json_path_string(object, "metadata.uid"),
                     (int)json_integer_value(json_path(object, "status.attempts")));
}

static void pause_demo_until_the_agent_works(struct kit *kit)
{
    unsigned calls = fake_committer_seen(kit->agent).commit_calls;

    fake_committer_plans(kit->agent, FAKE_WAITS);
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
    fake_committer_await_calls(kit->agent, calls + 1);
    kit_await_phase(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause", "Committing");
}

static char *image_of_demo(struct kit *kit)
{
    SCOPED(json) json_t *pod = kit_get(kit, KIND_POD, "demo-0");

    assert_non_null(pod);
    return xstrdup(json_path_string(json_array_get(json_path(pod, "spec.containers"), 0), "image"));
}

static void assert_demo_runs_what_was_committed(struct kit *kit)
{
    SCOPED(string) char *image = image_of_demo(kit);
    SCOPED(string)
    char *wanted =
        xasprintf("registry:5000/snapshots/demo-main:snap-gen1@%s", fake_committer_seen(kit->agent).digest);

    assert_string_equal(image, wanted);
}

static void assert_pod_stays(struct kit *kit)
{
    SCOPED(json) json_t *pod = kit_get(kit, KIND_POD, "demo-0");

    assert_non_null(pod);
    assert_null(json_path(pod, "metadata.deletionTimestamp"));
}

/* ---- a life ---- */

static void a_sandbox_gets_its_pod_and_runs(void **state)
{
    struct kit *kit = *state;

    run_demo(kit);
    SCOPED(json) json_t *pod = kit_get(kit, KIND_POD, "demo-0");
    assert_non_null(pod);
    kit_await_event(kit, "demo", "SuccessfulCreate");
}

static void a_pause_frees_the_pod_and_a_resume_brings_its_files_back(void **state)
{
    struct kit *kit = *state;

    run_demo(kit);
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Paused");
    kit_await_gone(kit, KIND_POD, "demo-0");
    assert_string_equal(fake_committer_seen(kit->agent).hold, "hold");

    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", RESUME);
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
    kit_await_gone(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause");
    assert_demo_runs_what_was_committed(kit);
    kit_await_event(kit, "demo", "Pausing");
    kit_await_event(kit, "demo", "Paused");
    kit_await_event(kit, "demo", "Resumed");
    assert_int_equal(fake_committer_seen(kit->agent).commits_begun, 1);
}

static void the_second_pause_has_a_tag_of_its_own(void **state)
{
    struct kit *kit = *state;

    run_demo(kit);
    for (int cycle = 1; cycle <= 2; cycle++) {
        SCOPED(string) char *tag = xasprintf("snap-gen%d@", cycle);
        kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
        kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Paused");
        kit_patch(kit, KIND_BATCH_SANDBOX, "demo", RESUME);
        kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
        SCOPED(string) char *image = image_of_demo(kit);
        assert_contains(image, tag);
    }
}

static void a_resume_asked_for_while_it_pauses_comes_after_the_pause(void **state)
{
    struct kit *kit = *state;

    run_demo(kit);
    pause_demo_until_the_agent_works(kit);
    SCOPED(string) char *key = commit_key(kit, "demo-pause");
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", RESUME);
    fake_committer_succeeds(kit->agent, key);
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
    kit_await_gone(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause");
    assert_demo_runs_what_was_committed(kit);
}

static void many_sandboxes_pause_side_by_side(void **state)
{
    enum { SANDBOXES = 12 };
    struct kit *kit = *state;

    for (int i = 0; i < SANDBOXES; i++) {
        SCOPED(string) char *name = xasprintf("box-%d", i);
        kit_create_sandbox(kit, name);
    }
    for (int i = 0; i < SANDBOXES; i++) {
        SCOPED(string) char *name = xasprintf("box-%d", i);
        kit_await_phase(kit, KIND_BATCH_SANDBOX, name, "Succeed");
        kit_patch(kit, KIND_BATCH_SANDBOX, name, PAUSE);
    }
    for (int i = 0; i < SANDBOXES; i++) {
        SCOPED(string) char *name = xasprintf("box-%d", i);
        kit_await_phase(kit, KIND_BATCH_SANDBOX, name, "Paused");
    }
    assert_int_equal(fake_committer_seen(kit->agent).commits_begun, SANDBOXES);
}

/* ---- what the agent does ---- */

static void progress_reaches_the_status(void **state)
{
    struct kit *kit = *state;

    run_demo(kit);
    pause_demo_until_the_agent_works(kit);
    SCOPED(string) char *key = commit_key(kit, "demo-pause");
    fake_committer_progresses(kit->agent, key, 4096);
    for (json_int_t seen = 0; seen != 4096;) {
        kit_await_phase(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause", "Committing");
        SCOPED(json) json_t *snapshot = kit_get(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause");
        seen = json_integer_value(json_path(snapshot, "status.progress.bytesRead"));
    }
    fake_committer_succeeds(kit->agent, key);
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Paused");
}

static void a_failed_commit_leaves_the_sandbox_running(void **state)
{
    struct kit *kit = *state;

    run_demo(kit);
    fake_committer_plans(kit->agent, FAKE_FAILS);
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
    kit_await_condition(kit, KIND_BATCH_SANDBOX, "demo", "PauseFailed", "SnapshotFailed");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
    assert_pod_stays(kit);
}

/* The containers ran on after the capture: the image is older than the files, so it must not be used. */
static void a_hold_that_ran_out_before_the_release_keeps_the_pod(void **state)
{
    struct kit *kit = *state;

    run_demo(kit);
    fake_committer_loses_holds(kit->agent);
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
    kit_await_condition(kit, KIND_BATCH_SANDBOX, "demo", "PauseFailed", "SnapshotFailed");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
    assert_pod_stays(kit);
}

static void a_hold_that_ran_out_while_we_were_away_keeps_the_pod(void **state)
{
    struct kit *kit = *state;

    run_demo(kit);
    pause_demo_until_the_agent_works(kit);
    SCOPED(string) char *key = commit_key(kit, "demo-pause");
    kit_end(kit);
    fake_committer_succeeds(kit->agent, key);
    fake_committer_hold_runs_out(kit->agent, key);
    kit_begin(kit);
    kit_await_condition(kit, KIND_BATCH_SANDBOX, "demo", "PauseFailed", "SnapshotFailed");
    assert_pod_stays(kit);
}

static void a_restart_attaches_to_the_commit_under_way(void **state)
{
    struct kit *kit = *state;

    run_demo(kit);
    pause_demo_until_the_agent_works(kit);
    SCOPED(string) char *key = commit_key(kit, "demo-pause");
    restart(kit);
    fake_committer_await_calls(kit->agent, 2);
    fake_committer_succeeds(kit->agent, key);
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Paused");
    assert_int_equal(fake_committer_seen(kit->agent).commits_begun, 1);
}

static void an_agent_that_is_away_is_waited_for(void **state)
{
    struct kit *kit = *state;

    run_demo(kit);
    fake_committer_stop(kit->agent);
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
    kit_await_phase(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause", "Committing");
    fake_committer_start(kit->agent);
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Paused");
}

/* ---- snapshots of their own ---- */

static void a_public_snapshot_thaws_and_leaves_the_sandbox_alone(void **state)
{
    struct kit *kit = *state;

    run_demo(kit);
    kit_create(kit, KIND_SANDBOX_SNAPSHOT,
               "{\"apiVersion\":\"sandbox.opensandbox.io/v1alpha1\",\"kind\":\"SandboxSnapshot\","
               "\"metadata\":{\"name\":\"shot\"},\"spec\":{\"sandboxName\":\"demo\"}}");
    kit_await_phase(kit, KIND_SANDBOX_SNAPSHOT, "shot", "Succeed");
    assert_string_equal(fake_committer_seen(kit->agent).hold, "thaw");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
}

static void a_snapshot_of_nobody_fails_and_says_so(void **state)
{
    struct kit *kit = *state;

    kit_create(kit, KIND_SANDBOX_SNAPSHOT,
               "{\"apiVersion\":\"sandbox.opensandbox.io/v1alpha1\",\"kind\":\"SandboxSnapshot\","
               "\"metadata\":{\"name\":\"shot\"},\"spec\":{\"sandboxName\":\"nobody\"}}");
    kit_await_condition(kit, KIND_SANDBOX_SNAPSHOT, "shot", "Failed", "BatchSandboxLookupFailed");
    assert_int_equal(fake_committer_seen(kit->agent).commit_calls, 0);
}

static void a_snapshot_deleted_under_way_is_cancelled_and_goes(void **state)
{
    struct kit *kit = *state;

    run_demo(kit);
    fake_committer_plans(kit->agent, FAKE_WAITS);
    kit_create(kit, KIND_SANDBOX_SNAPSHOT,
               "{\"apiVersion\":\"sandbox.opensandbox.io/v1alpha1\",\"kind\":\"SandboxSnapshot\","
               "\"metadata\":{\"name\":\"shot\"},\"spec\":{\"sandboxName\":\"demo\"}}");
    fake_committer_await_calls(kit->agent, 1);
    kit_delete(kit, KIND_SANDBOX_SNAPSHOT, "shot");
    kit_await_gone(kit, KIND_SANDBOX_SNAPSHOT, "shot");
    assert_true(fake_committer_seen(kit->agent).cancels >= 1);
}

static void a_pause_waits_for_a_snapshot_of_the_same_pod(void **state)
{
    struct kit *kit = *state;

    run_demo(kit);
    fake_committer_plans(kit->agent, FAKE_WAITS);
    kit_create(kit, KIND_SANDBOX_SNAPSHOT,
               "{\"apiVersion\":\"sandbox.opensandbox.io/v1alpha1\",\"kind\":\"SandboxSnapshot\","
               "\"metadata\":{\"name\":\"shot\"},\"spec\":{\"sandboxName\":\"demo\"}}");
    fake_committer_await_calls(kit->agent, 1);
    kit_await_phase(kit, KIND_SANDBOX_SNAPSHOT, "shot", "Committing");
    SCOPED(string) char *key = commit_key(kit, "shot");
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
    kit_await_phase(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause", "Pending");
    fake_committer_plans(kit->agent, FAKE_SUCCEEDS);
    fake_committer_succeeds(kit->agent, key);
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Paused");
    kit_await_phase(kit, KIND_SANDBOX_SNAPSHOT, "shot", "Succeed");
}

static void create_snapshot(struct kit *kit, const char *name)
{
    SCOPED(string)
    char *text = xasprintf("{\"apiVersion\":\"sandbox.opensandbox.io/v1alpha1\",\"kind\":\"SandboxSnapshot\","
                           "\"metadata\":{\"name\":\"%s\"},\"spec\":{\"sandboxName\":\"demo\"}}",
                           name);
    kit_create(kit, KIND_SANDBOX_SNAPSHOT, text);
}

static void a_snapshot_of_a_paused_sandbox_refers_to_the_image_of_its_pause(void **state)
{
    struct kit *kit = *state;

    run_demo(kit);
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Paused");
    const unsigned commits = fake_committer_seen(kit->agent).commits_begun;
    create_snapshot(kit, "shot");
    kit_await_phase(kit, KIND_SANDBOX_SNAPSHOT, "shot", "Succeed");
    SCOPED(json) json_t *shot = kit_get(kit, KIND_SANDBOX_SNAPSHOT, "shot");
    SCOPED(json) json_t *pause = kit_get(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause");
    assert_true(json_equal(json_path(shot, "status.containers"), json_path(pause, "status.containers")));
    assert_string_equal(json_path_string(shot, "status.path"), "Reference");
    assert_int_equal(fake_committer_seen(kit->agent).commits_begun, commits);
    kit_delete(kit, KIND_BATCH_SANDBOX, "demo");
    kit_await_gone(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause");
    kit_await_phase(kit, KIND_SANDBOX_SNAPSHOT, "shot", "Succeed");
    kit_delete(kit, KIND_SANDBOX_SNAPSHOT, "shot");
    kit_await_gone(kit, KIND_SANDBOX_SNAPSHOT, "shot");
}

static const char *const shots[] = {"shot-0", "shot-1", "shot-2", "shot-3", "shot-4", "shot-5"};
enum { SHOTS = sizeof(shots) / sizeof(*shots) };

static unsigned shots_in_phase(struct kit *kit, const char *phase)
{
    unsigned count = 0;

    for (size_t i = 0; i < SHOTS; i++) {
        SCOPED(json) json_t *shot = kit_get(kit, KIND_SANDBOX_SNAPSHOT, shots[i]);
        const char *is = json_path_string(shot, "status.phase");
        count += is && strcmp(is, phase) == 0;
    }
    return count;
}

static bool each_shot_has_a_phase(struct kit *kit, const void *context)
{
    (void)context;
    return shots_in_phase(kit, "Committing") + shots_in_phase(kit, "Pending") == SHOTS;
}

static void of_many_snapshots_of_one_sandbox_one_is_committed_at_a_time(void **state) /* K21 */
{
    struct kit *kit = *state;

    run_demo(kit);
    fake_committer_plans(kit->agent, FAKE_WAITS);
    for (size_t i = 0; i < SHOTS; i++)
        create_snapshot(kit, shots[i]);
    kit_await(kit, each_shot_has_a_phase, NULL, "a phase of each snapshot");
    assert_int_equal(shots_in_phase(kit, "Committing"), 1);
}

static void snapshots_and_a_pause_of_one_sandbox_take_turns(void **state) /* A17 */
{
    struct kit *kit = *state;

    run_demo(kit);
    for (size_t i = 0; i < SHOTS; i++)
        create_snapshot(kit, shots[i]);
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
    for (size_t i = 0; i < SHOTS; i++)
        kit_await_phase(kit, KIND_SANDBOX_SNAPSHOT, shots[i], "Succeed");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Paused");
}

/* ---- the push Secret ---- */

static void begin_with_push_secret(struct kit *kit)
{
    kit_end(kit);
    kit->options.config.snapshot_push_secret = "push";
    kit_begin(kit);
    run_demo(kit);
}

static void the_push_secret_goes_to_the_agent(void **state)
{
    struct kit *kit = *state;

    kit_write_secret(kit, "push", ".dockerconfigjson", "{\"auths\":{\"registry:5000\":{\"auth\":\"dTpw\"}}}");
    begin_with_push_secret(kit);
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Paused");
    assert_string_equal(fake_committer_seen(kit->agent).docker_config,
                        "{\"auths\":{\"registry:5000\":{\"auth\":\"dTpw\"}}}");
}

static void a_bad_push_secret_fails_before_anything_is_frozen(void **state)
{
    static const struct {
        const char *key, *content, *reason;
    } cases[] = {
        {NULL, NULL, "PushSecretNotFound"},
        {"password", "x", "PushSecretInvalid"},
        {".dockerconfigjson", "not json", "PushSecretInvalid"},
        {".dockerconfigjson", "{\"auths\":{\"elsewhere:5000\":{}}}", "PushSecretInvalid"},
    };
    struct kit *kit = *state;

    begin_with_push_secret(kit);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (cases[i].key)
            kit_write_secret(kit, "push", cases[i].key, cases[i].content);
        kit_create(kit, KIND_SANDBOX_SNAPSHOT,
                   "{\"apiVersion\":\"sandbox.opensandbox.io/v1alpha1\",\"kind\":\"SandboxSnapshot\","
                   "\"metadata\":{\"name\":\"shot\"},\"spec\":{\"sandboxName\":\"demo\"}}");
        kit_await_condition(kit, KIND_SANDBOX_SNAPSHOT, "shot", "Failed", cases[i].reason);
        kit_delete(kit, KIND_SANDBOX_SNAPSHOT, "shot");
        kit_await_gone(kit, KIND_SANDBOX_SNAPSHOT, "shot");
    }
    assert_int_equal(fake_committer_seen(kit->agent).commit_calls, 0);
}

/* ---- ends, and what is in the way ---- */

static void a_deleted_sandbox_takes_everything_with_it(void **state)
{
    struct kit *kit = *state;

    run_demo(kit);
    pause_demo_until_the_agent_works(kit);
    kit_delete(kit, KIND_BATCH_SANDBOX, "demo");
    kit_await_gone(kit, KIND_BATCH_SANDBOX, "demo");
    kit_await_gone(kit, KIND_POD, "demo-0");
    kit_await_gone(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause");
    assert_true(fake_committer_seen(kit->agent).discards >= 1); /* it may be told twice */
}

static void a_sandbox_whose_time_is_over_is_deleted(void **state)
{
    struct kit *kit = *state;
    char soon[RFC3339_SIZE];

    run_demo(kit);
    rfc3339_format(clock_realtime_ms() / 1000 + 1, soon);
    SCOPED(string) char *patch = xasprintf("{\"spec\":{\"expireTime\":\"%s\"}}", soon);
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", patch);
    kit_await_gone(kit, KIND_BATCH_SANDBOX, "demo");
    kit_await_gone(kit, KIND_POD, "demo-0");
}

static void a_pod_of_somebody_else_is_not_taken(void **state)
{
    struct kit *kit = *state;

    kit_create(kit, KIND_POD,
               "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"demo-0\"},"
               "\"spec\":{\"containers\":[{\"name\":\"main\",\"image\":\"other:1\"}]}}");
    kit_create_sandbox(kit, "demo");
    kit_await_event(kit, "demo", "FailedCreate");
    kit_delete(kit, KIND_POD, "demo-0"); /* tried again until the way is free */
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
}

static void a_failing_pod_is_told_with_its_reason(void **state)
{
    struct kit *kit = *state;

    kit->waiting_reason = "ImagePullBackOff";
    kit_create_sandbox(kit, "demo");
    kit_await_condition(kit, KIND_BATCH_SANDBOX, "demo", "PodFailed", "ImagePullBackOff");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Failed");
}

static void paused_is_said_only_when_the_pod_is_gone(void **state)
{
    struct kit *kit = *state;

    run_demo(kit);
    kit->pods_keep_their_finalizer = true;
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
    kit_await_phase(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause", "Succeed");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Pausing");
    restart(kit);
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Pausing");
    kit_patch(kit, KIND_POD, "demo-0", "{\"metadata\":{\"finalizers\":[]}}");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Paused");
}

static void edits_of_others_do_not_stop_it(void **state)
{
    struct kit *kit = *state;

    run_demo(kit);
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
    for (int i = 0; i < 30; i++) {
        SCOPED(string) char *patch = xasprintf("{\"metadata\":{\"annotations\":{\"x\":\"%d\"}}}", i);
        kit_patch(kit, KIND_BATCH_SANDBOX, "demo", patch);
    }
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Paused");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_sandbox_gets_its_pod_and_runs),
        TEST(a_pause_frees_the_pod_and_a_resume_brings_its_files_back),
        TEST(the_second_pause_has_a_tag_of_its_own),
        TEST(a_resume_asked_for_while_it_pauses_comes_after_the_pause),
        TEST(many_sandboxes_pause_side_by_side),
        TEST(progress_reaches_the_status),
        TEST(a_failed_commit_leaves_the_sandbox_running),
        TEST(a_hold_that_ran_out_before_the_release_keeps_the_pod),
        TEST(a_hold_that_ran_out_while_we_were_away_keeps_the_pod),
        TEST(a_restart_attaches_to_the_commit_under_way),
        TEST(an_agent_that_is_away_is_waited_for),
        TEST(a_public_snapshot_thaws_and_leaves_the_sandbox_alone),
        TEST(a_snapshot_of_nobody_fails_and_says_so),
        TEST(a_snapshot_deleted_under_way_is_cancelled_and_goes),
        TEST(a_pause_waits_for_a_snapshot_of_the_same_pod),
        TEST(a_snapshot_of_a_paused_sandbox_refers_to_the_image_of_its_pause),
        TEST(of_many_snapshots_of_one_sandbox_one_is_committed_at_a_time),
        TEST(snapshots_and_a_pause_of_one_sandbox_take_turns),
        TEST(the_push_secret_goes_to_the_agent),
        TEST(a_bad_push_secret_fails_before_anything_is_frozen),
        TEST(a_deleted_sandbox_takes_everything_with_it),
        TEST(a_sandbox_whose_time_is_over_is_deleted),
        TEST(a_pod_of_somebody_else_is_not_taken),
        TEST(a_failing_pod_is_told_with_its_reason),
        TEST(paused_is_said_only_when_the_pod_is_gone),
        TEST(edits_of_others_do_not_stop_it),
    };
    return cmocka_run_group_tests_name("controller", tests, NULL, NULL);
}
