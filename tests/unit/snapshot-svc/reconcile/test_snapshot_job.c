/* Contract controller-behaviour.md §8.2, §9; K10, K20, K32, K33: committing by a Job. */
#include "job_story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "snapshot-svc/model/names.h"

/* ---- who commits ---- */

static void who_commits_is_decided_before_anything_is_frozen_and_kept(void **state)
{
    (void)state;
    static const struct {
        enum commit_mode mode;
        bool agent_ready;
        const char *plan, *committer;
    } rows[] = {
        {COMMIT_MODE_AGENT, true, "status(Committing) event(CreatedJob) commit(hold)", "agent"},
        {COMMIT_MODE_AUTO, true, "status(Committing) event(CreatedJob) commit(hold)", "agent"},
        {COMMIT_MODE_JOB, true, BEGIN, "job"},
        {COMMIT_MODE_JOB, false, BEGIN, "job"},
        {COMMIT_MODE_AUTO, false, "status(Pending) event(AgentUnreachable)", ""},
        {COMMIT_MODE_AGENT, false, "status(Pending) event(AgentUnreachable)", ""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct world *world = with_mode(rows[i].mode);
        world->agent_ready = rows[i].agent_ready;
        assert_string_equal(pass_snapshot_once(world), rows[i].plan);
        assert_string_equal(text_at(SNAPSHOT, "status.committer"), rows[i].committer);
        if (*rows[i].committer) { /* whoever comes and goes now */
            world->config.commit_mode = COMMIT_MODE_AUTO;
            world->agent_ready = !rows[i].agent_ready;
            (void)pass_snapshot_once(world);
            assert_string_equal(text_at(SNAPSHOT, "status.committer"), rows[i].committer);
        }
        done(world);
    }
}

static void without_an_agent_a_job_commits_after_ten_seconds(void **state)
{
    (void)state;
    struct world *world = with_mode(COMMIT_MODE_AUTO);
    world->agent_ready = false;

    (void)pass_snapshot_once(world);
    world->now_ms += 9 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "");
    world->now_ms += 1 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), BEGIN);
    done(world);
}

static void an_agent_that_is_updated_meanwhile_commits(void **state)
{
    (void)state;
    struct world *world = with_mode(COMMIT_MODE_AGENT);
    world->agent_ready = false;

    (void)pass_snapshot_once(world);
    world->now_ms += 40 * SECOND_MS;
    world->agent_ready = true;
    assert_string_equal(pass_snapshot_once(world), "status(Committing) event(CreatedJob) commit(hold)");
    done(world);
}

static void an_agent_that_does_not_come_fails_the_snapshot_within_a_minute(void **state)
{
    (void)state;
    struct world *world = with_mode(COMMIT_MODE_AGENT);
    world->agent_ready = false;

    (void)pass_snapshot_once(world);
    world->now_ms += 60 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "status(Failed) event(AgentUnreachable)");
    assert_string_equal(condition_text(SNAPSHOT, "Failed", "reason"), "AgentUnreachable");
    assert_non_null(strstr(condition_text(SNAPSHOT, "Failed", "message"), "node-1"));
    done(world);
}

static void waiting_for_another_commit_does_not_use_up_the_patience_with_the_agent(void **state)
{
    (void)state;
    struct world *world = with_mode(COMMIT_MODE_AGENT);
    world->agent_ready = false;

    (void)pass_snapshot_once(world);
    world->now.public_snapshot =
        json_pack("{s:{s:s, s:s}, s:{s:s}, s:{s:s}}", "metadata", "name", "other", "uid", "uid-other", "spec",
                  "sandboxName", "demo", "status", "phase", "Committing");
    assert_string_equal(pass_snapshot_once(world), "status(Pending)");
    world->now_ms += 90 * SECOND_MS;
    json_object_set_new(json_object_get(world->now.public_snapshot, "status"), "phase",
                        json_string("Failed"));
    assert_string_equal(pass_snapshot_once(world), "status(Pending) event(AgentUnreachable)");
    done(world);
}

/* ---- success ---- */

static void a_job_that_succeeded_gives_the_digests(void **state)
{
    (void)state;
    struct world *world = with_running_job();

    assert_string_equal(pass_snapshot_once(world), "status(Committing)");
    assert_string_equal(text_at(SNAPSHOT, "status.progress.phase"), "Committing");
    job_pods_end(world, JOB_END_SUCCESS);
    job_controller_acts(world);
    assert_string_equal(pass_snapshot_once(world), "status(Succeed) event(JobSucceeded)");
    assert_memory_equal(image_digest(SNAPSHOT), "sha256:", 7);
    assert_true(world->commits[0].killed);
    assert_string_equal(condition_text(SNAPSHOT, "Ready", "reason"), "SnapshotReady");
    done(world);
}

static void set_message(struct world *world, const char *message)
{
    json_t *status = json_array_get(
        json_object_get(json_object_get(first_job_pod(world), "status"), "containerStatuses"), 0);
    json_t *ended = json_object_get(json_object_get(status, "state"), "terminated");

    if (message)
        json_object_set_new(ended, "message", json_string(message));
    else
        json_object_del(ended, "message");
}

static void a_result_that_cannot_be_read_leaves_the_tag(void **state) /* K33 */
{
    (void)state;
    static const char *const messages[] = {
        NULL,
        "",
        "{\"containers\":[{\"name\":\"main\",\"image\":\"reg",
        "[1,2]",
        "{\"containers\":7}",
        "{\"containers\":[{\"name\":\"other\",\"digest\":\"sha256:1\"}]}",
        "{\"containers\":[{\"name\":\"main\",\"digest\":\"\"}]}",
        "{\"containers\":[{\"digest\":\"sha256:1\"}]}",
    };

    for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
        struct world *world = with_running_job();
        job_pods_end(world, JOB_END_SUCCESS);
        set_message(world, messages[i]);
        job_controller_acts(world);
        assert_string_equal(pass_snapshot_once(world), "status(Succeed) event(JobSucceeded)");
        assert_string_equal(image_digest(SNAPSHOT), "");
        done(world);
    }
}

static void a_success_waits_for_the_pod_that_tells_it(void **state)
{
    (void)state;
    struct world *world = with_running_job();

    job_pods_end(world, JOB_END_SUCCESS);
    job_controller_acts(world);
    SCOPED(json) json_t *pods = json_deep_copy(world->now.job_pods);
    json_array_clear(world->now.job_pods);
    assert_string_equal(pass_snapshot_once(world), "");
    json_array_extend(world->now.job_pods, pods);
    assert_string_equal(pass_snapshot_once(world), "status(Succeed) event(JobSucceeded)");
    assert_string_not_equal(image_digest(SNAPSHOT), "");
    done(world);
}

static void a_success_whose_pod_is_gone_is_still_one(void **state)
{
    (void)state;
    struct world *world = with_running_job();

    job_pods_end(world, JOB_END_SUCCESS);
    job_controller_acts(world);
    json_array_clear(world->now.job_pods);
    world->now_ms += 10 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "status(Succeed) event(JobSucceeded)");
    done(world);
}

static void a_job_gone_by_its_ttl_is_made_again_and_answers_the_same(void **state) /* K10 */
{
    (void)state;
    struct world *world = with_running_job();

    job_pods_end(world, JOB_END_SUCCESS);
    job_controller_acts(world);
    jobs_expire(world);
    world->now_ms += 3600 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "create(" COMMIT_JOB ") event(CreatedJob)");
    job_controller_acts(world);
    job_pods_start(world);
    job_controller_acts(world);
    assert_string_equal(pass_snapshot_once(world), "status(Succeed) event(JobSucceeded)");
    assert_int_equal(world->commit_count, 1);
    done(world);
}

static void after_a_jobs_commit_no_agent_is_asked_to_kill(void **state)
{
    (void)state;
    struct world *world = with_running_job();

    job_pods_end(world, JOB_END_SUCCESS);
    job_controller_acts(world);
    (void)pass_snapshot_once(world);
    user_pauses(world, PAUSE_TRUE);
    json_object_set_new(json_object_get(world->now.sandbox, "status"), "phase", json_string("Pausing"));
    const char *plan = pass_sandbox_once(world);
    assert_non_null(strstr(plan, "delete(demo-0)"));
    assert_null(strstr(plan, "kill()"));
    done(world);
}

static void a_jobs_pause_keeps_the_files(void **state)
{
    (void)state;
    struct world *world = with_mode(COMMIT_MODE_JOB);
    json_decref(SNAPSHOT);
    SNAPSHOT = NULL;

    user_writes_files(world);
    user_pauses(world, PAUSE_TRUE);
    world_settles(world);
    assert_string_equal(phase_of(world->now.sandbox), "Paused");
    user_pauses(world, PAUSE_FALSE);
    world_settles(world);
    assert_string_equal(phase_of(world->now.sandbox), "Succeed");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(first_pod(world), "hidden"), "files")),
        world->truth);
    done(world);
}

/* ---- whose Job ---- */

/* A Job of our name that succeeded once. */
static void add_old_job(struct world *world, const char *owner_uid, const char *key)
{
    json_array_append_new(
        world->now.jobs,
        json_pack("{s:{s:s, s:s, s:s, s:s, s:{s:s}, s:[{s:s, s:s, s:s, s:s, s:b}]}, s:{s:i}}", "metadata",
                  "name", COMMIT_JOB, "namespace", "default", "uid", "uid-old-job", "resourceVersion", "1",
                  "annotations", ANNOTATION_COMMIT_KEY, key, "ownerReferences", "apiVersion",
                  "sandbox.opensandbox.io/v1alpha1", "kind", "SandboxSnapshot", "name", "demo-pause", "uid",
                  owner_uid, "controller", 1, "status", "succeeded", 1));
}

static void a_job_of_the_same_name_goes_first(void **state) /* K32 */
{
    (void)state;
    static const struct {
        const char *owner_uid, *key;
    } rows[] = {
        {"uid-of-the-former-snapshot", "uid-of-the-former-snapshot.1"},
        {"uid-of-the-former-snapshot", "uid-snap.1"}, /* it says so */
        {"uid-snap", "uid-snap.7"},                   /* of another attempt */
        {"uid-snap", ""},                             /* of another controller */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct world *world = with_mode(COMMIT_MODE_JOB);
        add_old_job(world, rows[i].owner_uid, rows[i].key);
        assert_string_equal(pass_snapshot_once(world), "delete(" COMMIT_JOB ")");
        assert_string_equal(pass_snapshot_once(world), ""); /* asked to go already */
        job_controller_acts(world);
        assert_string_equal(pass_snapshot_once(world), BEGIN);

        json_array_clear(world->now.jobs); /* the same, seen while Committing */
        add_old_job(world, rows[i].owner_uid, rows[i].key);
        assert_string_equal(pass_snapshot_once(world), "delete(" COMMIT_JOB ")");
        done(world);
    }
}

static void a_pod_of_a_job_that_is_gone_is_waited_for(void **state)
{
    (void)state;
    struct world *world = with_running_job();

    json_array_clear(world->now.jobs);
    assert_string_equal(pass_snapshot_once(world), "");
    json_object_set_new(json_object_get(SNAPSHOT, "status"), "phase", json_string("Pending"));
    assert_string_equal(pass_snapshot_once(world), "");
    done(world);
}

static void an_old_copy_of_the_snapshot_does_not_remove_its_own_job(void **state)
{
    (void)state;
    struct world *world = with_mode(COMMIT_MODE_JOB);
    struct picture old = picture_copy(&world->now);
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    (void)pass_snapshot_once(world);
    json_decref(old.jobs);
    old.jobs = json_deep_copy(world->now.jobs);
    world_plan_snapshot(world, &old, false, &plan);
    assert_int_equal(plan.count, 0);
    picture_done(&old);
    done(world);
}

static void a_crash_before_the_job_is_made_is_healed_by_the_next_pass(void **state)
{
    (void)state;
    struct world *world = with_mode(COMMIT_MODE_JOB);
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    world_plan_snapshot(world, &world->now, false, &plan);
    assert_false(world_execute(world, &plan, 1));
    assert_string_equal(pass_snapshot_once(world), "create(" COMMIT_JOB ") event(CreatedJob)");
    assert_string_equal(pass_snapshot_once(world), "");
    done(world);
}

/* ---- deletion (K20) ---- */

static void a_deletion_in_the_middle_of_a_commit_thaws_by_the_unpause_job(void **state)
{
    (void)state;
    struct world *world = with_running_job();

    job_pods_end(world, JOB_END_DEATH);
    user_deletes(world, SNAPSHOT);
    assert_string_equal(pass_snapshot_once(world), "delete(" COMMIT_JOB ")");
    job_controller_acts(world);
    assert_true(anything_is_frozen(world));
    assert_string_equal(pass_snapshot_once(world), ASK);
    job_controller_acts(world);
    assert_string_equal(pass_snapshot_once(world), ""); /* until it has ended */
    job_pods_start(world);
    job_controller_acts(world);
    assert_string_equal(pass_snapshot_once(world), "delete(" UNPAUSE ") patch(snapshot)");
    assert_null(SNAPSHOT);
    assert_false(anything_is_frozen(world));
    done(world);
}

static void a_pod_that_goes_anyway_needs_no_unpause_job(void **state)
{
    (void)state;
    struct world *world = with_running_job();

    user_deletes(world, first_pod(world));
    user_deletes(world, SNAPSHOT);
    assert_string_equal(pass_snapshot_once(world), "delete(" COMMIT_JOB ")");
    job_controller_acts(world);
    assert_string_equal(pass_snapshot_once(world), "patch(snapshot)");
    assert_null(SNAPSHOT);
    done(world);
}

static void a_node_that_does_not_answer_does_not_keep_a_deleted_snapshot_for_ever(void **state)
{
    (void)state;
    struct world *world = with_running_job();

    user_deletes(world, SNAPSHOT);
    (void)pass_snapshot_once(world);
    assert_string_equal(pass_snapshot_once(world), "");
    world->now_ms += 120 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "patch(snapshot)");
    done(world);
}

static void jobs_of_a_finished_snapshot_go_with_it(void **state)
{
    (void)state;
    struct world *world = with_running_job();

    job_pods_end(world, JOB_END_SUCCESS);
    job_controller_acts(world);
    (void)pass_snapshot_once(world);
    json_array_clear(world->now.pods);
    user_deletes(world, SNAPSHOT);
    assert_string_equal(pass_snapshot_once(world), "delete(" COMMIT_JOB ")");
    job_controller_acts(world);
    assert_string_equal(pass_snapshot_once(world), "patch(snapshot)");
    done(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_commits_is_decided_before_anything_is_frozen_and_kept),
        cmocka_unit_test(without_an_agent_a_job_commits_after_ten_seconds),
        cmocka_unit_test(an_agent_that_is_updated_meanwhile_commits),
        cmocka_unit_test(an_agent_that_does_not_come_fails_the_snapshot_within_a_minute),
        cmocka_unit_test(waiting_for_another_commit_does_not_use_up_the_patience_with_the_agent),
        cmocka_unit_test(a_job_that_succeeded_gives_the_digests),
        cmocka_unit_test(a_result_that_cannot_be_read_leaves_the_tag),
        cmocka_unit_test(a_success_waits_for_the_pod_that_tells_it),
        cmocka_unit_test(a_success_whose_pod_is_gone_is_still_one),
        cmocka_unit_test(a_job_gone_by_its_ttl_is_made_again_and_answers_the_same),
        cmocka_unit_test(after_a_jobs_commit_no_agent_is_asked_to_kill),
        cmocka_unit_test(a_jobs_pause_keeps_the_files),
        cmocka_unit_test(a_pod_of_a_job_that_is_gone_is_waited_for),
        cmocka_unit_test(a_job_of_the_same_name_goes_first),
        cmocka_unit_test(an_old_copy_of_the_snapshot_does_not_remove_its_own_job),
        cmocka_unit_test(a_crash_before_the_job_is_made_is_healed_by_the_next_pass),
        cmocka_unit_test(a_deletion_in_the_middle_of_a_commit_thaws_by_the_unpause_job),
        cmocka_unit_test(a_pod_that_goes_anyway_needs_no_unpause_job),
        cmocka_unit_test(a_node_that_does_not_answer_does_not_keep_a_deleted_snapshot_for_ever),
        cmocka_unit_test(jobs_of_a_finished_snapshot_go_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
