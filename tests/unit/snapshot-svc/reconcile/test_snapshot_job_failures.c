/* Contract controller-behaviour.md §8.2, §9; K19: commit Jobs that fail, die or do not start. */
#include "job_story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

/* ---- failure ---- */

static void a_failed_job_says_why_and_gets_an_unpause_job(void **state)
{
    (void)state;
    struct world *world = with_running_job();

    for (int i = 0; i < 4; i++) {
        job_pods_end(world, JOB_END_FAILURE);
        assert_string_equal(pass_snapshot_once(world), ""); /* the Job tries again */
        world->now_ms += 20 * SECOND_MS;
        job_controller_acts(world);
        job_pods_start(world);
    }
    assert_string_equal(pass_snapshot_once(world), ASK " status(Failed) event(JobFailed)");
    assert_string_equal(condition_text(SNAPSHOT, "Failed", "reason"), "CommitJobFailed");
    assert_string_equal(condition_text(SNAPSHOT, "Failed", "message"), "RegistryUnavailable: says the job");
    assert_string_equal(text_at(SNAPSHOT, "status.completionTime") + 19, "Z");
    done(world);
}

static void a_failure_that_will_come_again_does_not_wait_for_three_more(void **state)
{
    (void)state;
    struct world *world = with_running_job();

    job_pods_end(world, JOB_END_FOR_GOOD);
    assert_string_equal(pass_snapshot_once(world), "status(Committing) delete(" COMMIT_JOB ")");
    assert_string_equal(stopping(world), "RegistryDenied: says the job");
    assert_string_equal(phase_of(SNAPSHOT), "Committing");
    settles_as_failed(world, "RegistryDenied: says the job");
    done(world);
}

static void a_job_that_died_is_told_as_failed_when_its_pod_is_thawed(void **state)
{
    (void)state;
    struct world *world = with_dead_job();

    assert_string_equal(pass_snapshot_once(world), "status(Committing)");
    assert_string_equal(stopping(world), "says the Job controller");
    assert_non_null(job_named(world, COMMIT_JOB)); /* kept for whoever looks */
    settles_as_failed(world, "says the Job controller");
    done(world);
}

static void a_job_that_died_after_the_kill_has_succeeded(void **state)
{
    (void)state;
    struct world *world = with_dead_job();

    world->commits[0].state = AGENT_SUCCEEDED;
    world->commits[0].killed = true;
    (void)pass_snapshot_once(world);
    assert_string_equal(pass_snapshot_once(world), ASK);
    job_controller_acts(world);
    job_pods_start(world);
    job_controller_acts(world);
    assert_string_equal(pass_snapshot_once(world), "status(Succeed) event(JobSucceeded)");
    assert_memory_equal(image_digest(SNAPSHOT), "sha256:", 7);
    assert_false(has_condition(SNAPSHOT, "Stopping"));
    done(world);
}

static void a_node_that_does_not_answer_is_waited_for_as_long_as_a_commit_may_take(void **state)
{
    (void)state;
    struct world *world = with_dead_job();

    (void)pass_snapshot_once(world);
    assert_string_equal(pass_snapshot_once(world), ASK);
    job_controller_acts(world);
    world->now_ms += world->config.commit_timeout_ms + 29 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "");
    world->now_ms += 2 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "status(Failed) event(JobFailed)");
    done(world);
}

static void a_job_that_nobody_ends_is_given_up(void **state)
{
    (void)state;
    struct world *world = with_running_job();

    (void)pass_snapshot_once(world);
    world->now_ms += world->config.commit_timeout_ms + 31 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "status(Committing) delete(" COMMIT_JOB ")");
    settles_as_failed(world, "DeadlineExceeded: the Job did not end within --commit-job-timeout");
    done(world);
}

/* A failed pod of the Job, besides the world's own. */
static json_t *add_failed_pod(struct world *world, const char *created, const char *message)
{
    json_t *pod = json_deep_copy(first_job_pod(world));

    json_object_set_new(json_object_get(pod, "metadata"), "creationTimestamp", json_string(created));
    json_object_set_new(pod, "status",
                        json_pack("{s:s, s:[{s:s, s:{s:{s:i, s:s}}}]}", "phase", "Failed",
                                  "containerStatuses", "name", "commit", "state", "terminated", "exitCode", 1,
                                  "message", message));
    json_array_append_new(world->now.job_pods, pod);
    return pod;
}

static void fail_job(struct world *world, int failed)
{
    json_object_set_new(json_array_get(world->now.jobs, 0), "status",
                        json_pack("{s:i, s:[{s:s, s:s, s:s}]}", "failed", failed, "conditions", "type",
                                  "Failed", "status", "True", "message", "says the Job controller"));
}

#define WHY(REASON) "{\"reason\":\"" REASON "\",\"message\":\"why\",\"retryable\":true}"

static void the_newest_pod_tells_why(void **state)
{
    (void)state;
    struct world *world = with_job();

    (void)add_failed_pod(world, "2030-03-17T17:47:00Z", WHY("First"));
    (void)add_failed_pod(world, "2030-03-17T17:48:00Z", WHY("Last"));
    (void)add_failed_pod(world, "2030-03-17T17:47:30Z", WHY("Second"));
    json_array_remove(world->now.job_pods, 0);
    fail_job(world, 3);
    assert_string_equal(pass_snapshot_once(world), ASK " status(Failed) event(JobFailed)");
    assert_string_equal(condition_text(SNAPSHOT, "Failed", "message"), "Last: why");
    done(world);
}

static void a_pod_that_is_counted_but_not_seen_may_have_left_something_frozen(void **state)
{
    (void)state;
    struct world *world = with_job();

    (void)add_failed_pod(world, "2030-03-17T17:47:00Z", WHY("First"));
    json_array_remove(world->now.job_pods, 0);
    fail_job(world, 2);
    assert_string_equal(pass_snapshot_once(world), "status(Committing)");
    assert_string_equal(stopping(world), "First: why");
    assert_string_equal(pass_snapshot_once(world), ASK);
    done(world);
}

static void the_runtimes_words_and_the_pods_reason_are_told_when_the_program_said_nothing(void **state)
{
    (void)state;
    struct world *world = with_job();
    (void)add_failed_pod(world, "2030-03-17T17:47:00Z", "exec: no such file");
    json_array_remove(world->now.job_pods, 0);
    fail_job(world, 1);
    assert_string_equal(pass_snapshot_once(world), "status(Committing)");
    assert_string_equal(stopping(world), "exec: no such file");
    done(world);

    world = with_job();
    json_object_set_new(
        add_failed_pod(world, "2030-03-17T17:47:00Z", ""), "status",
        json_pack("{s:s, s:s, s:s}", "phase", "Failed", "reason", "Evicted", "message", "disk"));
    json_array_remove(world->now.job_pods, 0);
    fail_job(world, 1);
    assert_string_equal(pass_snapshot_once(world), "status(Committing)");
    assert_string_equal(stopping(world), "Evicted: disk");
    done(world);
}

static void a_crash_after_the_decision_to_stop_still_stops(void **state)
{
    (void)state;
    struct world *world = with_running_job();
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    job_pods_end(world, JOB_END_FOR_GOOD);
    world_plan_snapshot(world, &world->now, false, &plan);
    assert_false(world_execute(world, &plan, 1));
    assert_string_equal(pass_snapshot_once(world), "delete(" COMMIT_JOB ")");
    done(world);
}

static void the_pods_of_a_stopped_job_are_waited_for_but_not_for_ever(void **state)
{
    (void)state;
    struct world *world = with_running_job();

    fail_job(world, 0);
    assert_string_equal(pass_snapshot_once(world), "status(Committing)");
    assert_string_equal(pass_snapshot_once(world), "");
    world->now_ms += 120 * SECOND_MS; /* its node is lost */
    assert_string_equal(pass_snapshot_once(world), ASK);
    done(world);
}

static void a_job_that_succeeds_while_it_is_stopped_has_succeeded(void **state)
{
    (void)state;
    struct world *world = with_running_job();

    world->now_ms += world->config.commit_timeout_ms + 31 * SECOND_MS;
    SCOPED_PLAN struct plan plan = PLAN_INIT;
    world_plan_snapshot(world, &world->now, false, &plan);
    assert_false(world_execute(world, &plan, 1));
    job_pods_end(world, JOB_END_SUCCESS);
    job_controller_acts(world);
    assert_string_equal(pass_snapshot_once(world), "status(Succeed) event(JobSucceeded)");
    assert_string_not_equal(image_digest(SNAPSHOT), "");
    done(world);
}

static void an_unpause_job_in_trouble_is_waited_for_when_something_may_be_frozen(void **state)
{
    (void)state;
    struct world *world = with_dead_job();

    (void)pass_snapshot_once(world);
    assert_string_equal(pass_snapshot_once(world), ASK);
    job_controller_acts(world);
    size_t last = json_array_size(world->now.job_pods) - 1;
    json_object_set_new(json_array_get(world->now.job_pods, last), "status",
                        json_pack("{s:s, s:[{s:s, s:{s:{s:s}}}]}", "phase", "Pending", "containerStatuses",
                                  "name", "commit", "state", "waiting", "reason",
                                  "CreateContainerConfigError"));
    assert_string_equal(pass_snapshot_once(world), "");
    done(world);
}

/* ---- Jobs that do not start (K19) ---- */

static void a_pod_that_cannot_start_says_so_at_once_and_fails_in_time(void **state)
{
    (void)state;
    static const struct {
        const char *reason;
        int patience_s;
    } rows[] = {
        {"ErrImagePull", 20},    {"ImagePullBackOff", 20},          {"CreateContainerError", 20},
        {"InvalidImageName", 0}, {"CreateContainerConfigError", 0}, {"ErrImageNeverPull", 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct world *world = with_job();
        SCOPED(string) char *message = xasprintf("%s: says the kubelet", rows[i].reason);
        job_pods_wait(world, rows[i].reason);
        if (rows[i].patience_s) {
            assert_string_equal(pass_snapshot_once(world), "status(Committing) event(JobPodNotStarting)");
            assert_string_equal(text_at(SNAPSHOT, "status.progress.phase"), rows[i].reason);
            assert_string_equal(pass_snapshot_once(world), "");
            world->now_ms += rows[i].patience_s * SECOND_MS;
        }
        assert_string_equal(pass_snapshot_once(world), "status(Committing) delete(" COMMIT_JOB ")");
        job_controller_acts(world);
        assert_string_equal(pass_snapshot_once(world), ASK);
        job_controller_acts(world);
        job_pods_wait(world, rows[i].reason); /* what kept the one from starting keeps the other */
        assert_string_equal(pass_snapshot_once(world), "status(Failed) event(JobFailed)");
        assert_string_equal(condition_text(SNAPSHOT, "Failed", "message"), message);
        done(world);
    }
}

static void a_full_node_is_told(void **state)
{
    (void)state;
    struct world *world = with_job();

    json_object_set_new(json_object_get(first_job_pod(world), "status"), "conditions",
                        json_pack("[{s:s, s:s, s:s, s:s}]", "type", "PodScheduled", "status", "False",
                                  "reason", "Unschedulable", "message", "Too many pods"));
    assert_string_equal(pass_snapshot_once(world), "status(Committing) event(JobPodNotStarting)");
    world->now_ms += 20 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "status(Committing) delete(" COMMIT_JOB ")");
    assert_string_equal(stopping(world), "Unschedulable: Too many pods");
    done(world);
}

static void a_job_without_pods_is_told_and_given_up(void **state)
{
    (void)state;
    struct world *world = with_mode(COMMIT_MODE_JOB);

    (void)pass_snapshot_once(world);
    world->now_ms += 9 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "");
    world->now_ms += 1 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "status(Committing) event(JobPodNotStarting)");
    world->now_ms += 50 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "status(Committing) delete(" COMMIT_JOB ")");
    assert_non_null(strstr(stopping(world), "PodNotCreated: Job " COMMIT_JOB));
    done(world);
}

static void a_volume_that_does_not_mount_is_told_and_waited_for(void **state)
{
    (void)state;
    struct world *world = with_job();

    world->now_ms += 30 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "status(Committing) event(JobPodNotStarting)");
    world->now_ms += 300 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "");
    job_pods_start(world);
    assert_string_equal(pass_snapshot_once(world), "status(Committing)");
    done(world);
}

static void a_pod_that_starts_after_all_commits(void **state)
{
    (void)state;
    struct world *world = with_job();

    job_pods_wait(world, "ErrImagePull");
    (void)pass_snapshot_once(world);
    job_pods_start(world);
    job_pods_end(world, JOB_END_SUCCESS);
    job_controller_acts(world);
    world->now_ms += 20 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "status(Succeed) event(JobSucceeded)");
    done(world);
}

static void a_pod_on_its_way_out_is_no_trouble_and_neither_is_the_pause_between_two_tries(void **state)
{
    (void)state;
    struct world *world = with_job();

    job_pods_wait(world, "InvalidImageName");
    json_object_set_new(json_object_get(first_job_pod(world), "metadata"), "deletionTimestamp",
                        json_string("2030-03-17T17:46:40Z"));
    assert_string_equal(pass_snapshot_once(world), "");
    json_array_clear(world->now.job_pods);
    json_object_set_new(json_object_get(json_array_get(world->now.jobs, 0), "status"), "failed",
                        json_integer(1));
    world->now_ms += 90 * SECOND_MS;
    assert_string_equal(pass_snapshot_once(world), "");
    done(world);
}

static void a_job_that_the_cluster_refuses_fails_the_snapshot_with_its_words(void **state)
{
    (void)state;
    struct world *world = with_mode(COMMIT_MODE_JOB);

    world->jobs_refused = true;
    (void)pass_snapshot_once(world);
    assert_string_equal(pass_snapshot_once(world), "status(Committing)");
    assert_string_equal(pass_snapshot_once(world), "status(Failed) event(JobFailed)");
    assert_string_equal(condition_text(SNAPSHOT, "Failed", "message"), "exceeded quota: jobs");
    done(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_pod_tells_why),
        cmocka_unit_test(a_pod_that_is_counted_but_not_seen_may_have_left_something_frozen),
        cmocka_unit_test(the_runtimes_words_and_the_pods_reason_are_told_when_the_program_said_nothing),
        cmocka_unit_test(a_crash_after_the_decision_to_stop_still_stops),
        cmocka_unit_test(the_pods_of_a_stopped_job_are_waited_for_but_not_for_ever),
        cmocka_unit_test(a_job_that_succeeds_while_it_is_stopped_has_succeeded),
        cmocka_unit_test(an_unpause_job_in_trouble_is_waited_for_when_something_may_be_frozen),
        cmocka_unit_test(a_pod_on_its_way_out_is_no_trouble_and_neither_is_the_pause_between_two_tries),
        cmocka_unit_test(a_failed_job_says_why_and_gets_an_unpause_job),
        cmocka_unit_test(a_failure_that_will_come_again_does_not_wait_for_three_more),
        cmocka_unit_test(a_job_that_died_is_told_as_failed_when_its_pod_is_thawed),
        cmocka_unit_test(a_job_that_died_after_the_kill_has_succeeded),
        cmocka_unit_test(a_node_that_does_not_answer_is_waited_for_as_long_as_a_commit_may_take),
        cmocka_unit_test(a_job_that_nobody_ends_is_given_up),
        cmocka_unit_test(a_pod_that_cannot_start_says_so_at_once_and_fails_in_time),
        cmocka_unit_test(a_full_node_is_told),
        cmocka_unit_test(a_job_without_pods_is_told_and_given_up),
        cmocka_unit_test(a_volume_that_does_not_mount_is_told_and_waited_for),
        cmocka_unit_test(a_pod_that_starts_after_all_commits),
        cmocka_unit_test(a_job_that_the_cluster_refuses_fails_the_snapshot_with_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
