/* Commit Jobs through the real controllers on a real store: what is observed, woken, carried out and remembered. */
#include "tests/unit/testing.h"

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "snapshot-svc/controller/refusals.h"
#include "tests/unit/snapshot-svc/controller/kit.h"

#define PAUSE  "{\"spec\":{\"pause\":true}}"
#define RESUME "{\"spec\":{\"pause\":false}}"
#define DIGEST "sha256:1111111111111111111111111111111111111111111111111111111111111111"

static struct kit *with_jobs(enum commit_mode mode)
{
    struct kit *kit = kit_new();

    kit->runs_jobs = true;
    kit->job_message = "{\"containers\":[{\"name\":\"main\",\"image\":\"i\",\"digest\":\"" DIGEST "\"}]}";
    kit->options.config.commit_mode = mode;
    kit->options.config.job = (struct commit_job_config){.image = "committer:1",
                                                         .containerd_socket = "/run/containerd.sock",
                                                         .containerd_root = "/var/lib/containerd"};
    kit_begin(kit);
    kit_create_sandbox(kit, "demo");
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
    return kit;
}

static void a_sandbox_is_paused_and_resumed_by_jobs_alone(void **state)
{
    (void)state;
    struct kit *kit = with_jobs(COMMIT_MODE_JOB);

    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Paused");
    SCOPED(json) json_t *snapshot = kit_get(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause");
    assert_string_equal(json_path_string(snapshot, "status.committer"), "job");
    assert_string_equal(
        json_path_string(json_array_get(json_path(snapshot, "status.containers"), 0), "imageDigest"), DIGEST);
    assert_int_equal(fake_committer_seen(kit->agent).commit_calls, 0);
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", RESUME);
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Succeed");
    kit_await_gone(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause");
    kit_await_gone(kit, KIND_JOB, "demo-pause-commit");
    kit_free(kit);
}

static void a_certain_failure_fails_the_pause_at_once(void **state)
{
    (void)state;
    struct kit *kit = with_jobs(COMMIT_MODE_JOB);

    kit->job_exit_code = 1;
    kit->job_message = "{\"reason\":\"RegistryUnauthorized\",\"message\":\"401\",\"retryable\":false}";
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
    kit_await_condition(kit, KIND_BATCH_SANDBOX, "demo", "PauseFailed", "SnapshotFailed");
    SCOPED(json) json_t *snapshot = kit_get(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause");
    assert_string_equal(
        json_path_string(json_array_get(json_path(snapshot, "status.conditions"), 0), "message"),
        "RegistryUnauthorized: 401");
    SCOPED(json) json_t *job = kit_get(kit, KIND_JOB, "demo-pause-commit");
    assert_null(job);
    kit_free(kit);
}

static void an_agent_that_comes_wakes_the_snapshot_that_waits_for_it(void **state)
{
    (void)state;
    struct kit *kit = with_jobs(COMMIT_MODE_AGENT);
    SCOPED(string) char *address = xasprintf("unix:%s", kit->socket);

    agents_drop(kit->service.agents, KIT_NODE);
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
    kit_await_event(kit, "demo-pause", "AgentUnreachable");
    kit_await_phase(kit, KIND_SANDBOX_SNAPSHOT, "demo-pause", "Pending");
    agents_put(kit->service.agents, KIT_NODE, address);
    kit_await_phase(kit, KIND_BATCH_SANDBOX, "demo", "Paused"); /* a minute before its patience ends */
    kit_free(kit);
}

static void a_job_that_is_refused_fails_the_pause_with_the_clusters_words(void **state)
{
    (void)state;
    struct kit *kit = with_jobs(COMMIT_MODE_JOB);

    kit->cluster.refuses_jobs = true;
    kit_patch(kit, KIND_BATCH_SANDBOX, "demo", PAUSE);
    kit_await_condition(kit, KIND_BATCH_SANDBOX, "demo", "PauseFailed", "SnapshotFailed");
    kit_await_event(kit, "demo-pause", "FailedCreateJob");
    SCOPED(json) json_t *sandbox = kit_get(kit, KIND_BATCH_SANDBOX, "demo");
    SCOPED(string) char *text = json_text(json_path(sandbox, "status.conditions"));
    assert_non_null(strstr(text, "exceeded quota"));
    kit_free(kit);
}

static void a_refusal_is_remembered_until_its_owner_is_gone(void **state)
{
    (void)state;
    SCOPED(refusals) struct refusals *refusals = refusals_new();

    refusals_put(refusals, "uid-1", "exceeded quota");
    refusals_put(refusals, "uid-1", "forbidden");
    refusals_put(refusals, NULL, "nobody's");
    SCOPED(string) char *text = refusals_get(refusals, "uid-1"), *other = refusals_get(refusals, "uid-2");
    assert_string_equal(text, "forbidden");
    assert_null(other);
    refusals_forget(refusals, "uid-1");
    SCOPED(string) char *forgotten = refusals_get(refusals, "uid-1");
    assert_null(forgotten);
    refusals_put(refusals, "uid-3", "stays until the end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sandbox_is_paused_and_resumed_by_jobs_alone),
        cmocka_unit_test(a_certain_failure_fails_the_pause_at_once),
        cmocka_unit_test(an_agent_that_comes_wakes_the_snapshot_that_waits_for_it),
        cmocka_unit_test(a_job_that_is_refused_fails_the_pause_with_the_clusters_words),
        cmocka_unit_test(a_refusal_is_remembered_until_its_owner_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
