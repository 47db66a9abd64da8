/* test_node.c - pods of the store become pods of the agent, and what becomes of those is told in the store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "tests/unit/snapshot-svc/node/stage.h"

#define IMAGE "registry.example/app:1"

static int setup(void **state)
{
    *state = stage_new();
    return 0;
}

static int setup_started(void **state)
{
    (void)setup(state);
    stage_start(*state);
    return 0;
}

static int teardown(void **state)
{
    stage_free(*state);
    return 0;
}

static void await_phase(struct stage *stage, const char *pod, const char *phase)
{
    stage_await(stage, KIND_POD, pod, "status.phase", phase);
}

static void create_running(struct stage *stage, const char *pod)
{
    stage_create_pod(stage, pod, IMAGE);
    await_phase(stage, pod, "Running");
}

static const char *ready_of(const json_t *pod)
{
    size_t i;
    json_t *condition;

    json_array_foreach(json_path(pod, "status.conditions"), i, condition)
    {
        if (strcmp(json_path_string(condition, "type"), "Ready") == 0)
            return json_path_string(condition, "status");
    }
    return "absent";
}

/* ---- starting ---- */

static void a_new_pod_is_started_and_becomes_ready(void **state)
{
    struct stage *stage = *state;

    create_running(stage, "web-0");
    SCOPED(json) json_t *pod = stage_get(stage, KIND_POD, "web-0");
    assert_string_equal(ready_of(pod), "True");
    assert_string_equal(json_path_string(pod, "status.podIP"), "10.1.2.3");
    assert_string_equal(fake_runtime_last_run(stage->runtime)->containers[0]->image, IMAGE);
    assert_string_equal(fake_runtime_last_run(stage->runtime)->pod->uid,
                        json_path_string(pod, "metadata.uid"));
}

static void a_pod_of_a_node_that_does_not_exist_is_lost_and_can_be_deleted(void **state)
{
    struct stage *stage = *state;

    stage_create(stage, KIND_POD,
                 "{'metadata': {'name': 'there'}, 'spec': {'nodeName': 'elsewhere',"
                 " 'containers': [{'name': 'main', 'image': 'x'}]}}");
    stage_await(stage, KIND_POD, "there", "status.reason", "NodeLost");
    assert_int_equal(fake_runtime_runs(stage->runtime, "there"), 0);
    stage_delete(stage, KIND_POD, "there", 0);
    stage_await(stage, KIND_POD, "there", NULL, NULL);
}

static void pods_outlive_a_change_of_the_nodes_name(void **state)
{
    struct stage *stage = *state;

    create_running(stage, "web-0");
    stage_stop(stage);
    stage->kit->options.node = stage->node_name = "renamed";
    stage_start(stage);
    fake_runtime_exit(stage->runtime, "web-0", 0, "Completed");
    await_phase(stage, "web-0", "Succeeded");
}

static void pods_outlive_a_change_of_the_namespace_and_back(void **state)
{
    struct stage *stage = *state;

    create_running(stage, "web-0");
    stage_stop(stage);
    stage->kit->options.ns = stage->ns = "elsewhere";
    stage_start(stage);
    for (int i = 0; i < 3; i++) { /* the agent's list was worked through, and news of it */
        SCOPED(string) char *uid = xasprintf("3f6c-orphan-%d", i);
        fake_runtime_add(stage->runtime, uid, "elsewhere", uid);
        fake_runtime_await_stops(stage->runtime, uid, 1);
    }
    stage_stop(stage);
    stage->kit->options.ns = stage->ns = "test";
    stage_start(stage);
    create_running(stage, "other-0"); /* the list of the agent was worked through */
    fake_runtime_exit(stage->runtime, "web-0", 0, "Completed");
    await_phase(stage, "web-0", "Succeeded");
}

static void an_image_that_cannot_be_pulled_is_told_and_tried_again_until_it_can(void **state)
{
    struct stage *stage = *state;

    fake_runtime_on_image(stage->runtime, IMAGE, ERR_UNAVAILABLE, "ErrImagePull", "no such host");
    stage->retry_first_ms = 20;
    stage_create_pod(stage, "web-0", IMAGE);
    stage_await_container(stage, "web-0", "state.waiting.reason", "ImagePullBackOff");
    stage_await_container(stage, "web-0", "state.waiting.message", "no such host");
    assert_true(fake_runtime_runs(stage->runtime, "web-0") >= 2);
    fake_runtime_on_image(stage->runtime, IMAGE, ERR_NONE, NULL, NULL);
    await_phase(stage, "web-0", "Running");
    assert_true(stage_events(stage, "web-0", "ErrImagePull") >= 2);
}

static void the_first_failed_pull_is_told_before_any_back_off(void **state)
{
    struct stage *stage = *state;

    stage->retry_first_ms = 3600 * 1000;
    stage_start(stage);
    fake_runtime_on_image(stage->runtime, IMAGE, ERR_UNAVAILABLE, "ErrImagePull", "no such host");
    stage_create_pod(stage, "web-0", IMAGE);
    stage_await_container(stage, "web-0", "state.waiting.reason", "ErrImagePull");
    await_phase(stage, "web-0", "Pending");
    assert_int_equal(fake_runtime_runs(stage->runtime, "web-0"), 1);
}

static void a_name_that_is_no_image_is_told_as_such(void **state)
{
    struct stage *stage = *state;

    fake_runtime_on_image(stage->runtime, "A B", ERR_INVALID, "ErrImagePull", "not a reference");
    stage_create_pod(stage, "web-0", "A B");
    stage_await_container(stage, "web-0", "state.waiting.reason", "InvalidImageName");
}

static void a_container_that_cannot_be_created_is_told_and_tried_again(void **state)
{
    struct stage *stage = *state;

    fake_runtime_on_image(stage->runtime, IMAGE, ERR_INTERNAL, "CreateContainerError", "no space");
    stage_create_pod(stage, "web-0", IMAGE);
    stage_await_container(stage, "web-0", "state.waiting.reason", "CreateContainerError");
    fake_runtime_await_runs(stage->runtime, "web-0", 3);
    fake_runtime_on_image(stage->runtime, IMAGE, ERR_NONE, NULL, NULL);
    await_phase(stage, "web-0", "Running");
}

static void news_of_a_pod_that_cannot_start_do_not_cut_its_back_off_short(void **state)
{
    struct stage *stage = *state;

    stage->retry_first_ms = 3600 * 1000;
    stage_start(stage);
    fake_runtime_on_image(stage->runtime, "broken", ERR_INTERNAL, "CreateContainerError", "no space");
    stage_create_pod(stage, "broken-0", "broken");
    stage_await_container(stage, "broken-0", "state.waiting.reason", "CreateContainerError");
    for (int i = 0; i < 5; i++) {
        SCOPED(string) char *name = xasprintf("web-%d", i);
        create_running(stage, name);
    }
    assert_int_equal(fake_runtime_runs(stage->runtime, "broken-0"), 1);
}

static void a_start_that_the_agent_says_was_cancelled_is_tried_again(void **state)
{
    struct stage *stage = *state;

    fake_runtime_on_image(stage->runtime, IMAGE, ERR_CANCELLED, "", "context canceled");
    stage_create_pod(stage, "web-0", IMAGE);
    fake_runtime_await_runs(stage->runtime, "web-0", 3);
    fake_runtime_on_image(stage->runtime, IMAGE, ERR_NONE, NULL, NULL);
    await_phase(stage, "web-0", "Running");
}

static void a_program_that_cannot_be_started_ends_the_pod(void **state)
{
    struct stage *stage = *state;

    fake_runtime_on_image(stage->runtime, IMAGE, ERR_INTERNAL, "RunContainerError", "exec: not found");
    stage_create_pod(stage, "web-0", IMAGE);
    await_phase(stage, "web-0", "Failed");
    stage_await(stage, KIND_POD, "web-0", "status.reason", "StartError");
    stage_await_container(stage, "web-0", "state.terminated.message", "exec: not found");
}

/* A law: who has ended stays as it ended, whatever is or is not seen of it later. */
static void an_end_is_never_told_otherwise(void **state)
{
    struct stage *stage = *state;

    fake_runtime_on_image(stage->runtime, "broken", ERR_INTERNAL, "RunContainerError", "exec: not found");
    stage_create_pod(stage, "broken-0", "broken");
    await_phase(stage, "broken-0", "Failed");
    create_running(stage, "done-0");
    fake_runtime_exit(stage->runtime, "done-0", 0, "Completed");
    await_phase(stage, "done-0", "Succeeded");
    fake_runtime_vanish(stage->runtime, "done-0");
    stage_stop(stage);
    stage_start(stage);
    create_running(stage, "other-0"); /* the list of the agent was worked through */

    stage_await(stage, KIND_POD, "broken-0", "status.reason", "StartError");
    stage_await(stage, KIND_POD, "done-0", "status.phase", "Succeeded");
    assert_int_equal(fake_runtime_runs(stage->runtime, "broken-0"), 1);
    assert_int_equal(stage_events(stage, "broken-0", "ContainerGone"), 0);
    assert_int_equal(stage_events(stage, "done-0", "ContainerGone"), 0);
}

static void a_start_that_containerd_cut_off_is_no_word_about_the_program(void **state)
{
    struct stage *stage = *state;

    fake_runtime_on_image(stage->runtime, IMAGE, ERR_UNAVAILABLE, "RunContainerError", "containerd is away");
    stage_create_pod(stage, "web-0", IMAGE);
    fake_runtime_await_runs(stage->runtime, "web-0", 3);
    await_phase(stage, "web-0", "Pending");
    fake_runtime_on_image(stage->runtime, IMAGE, ERR_NONE, NULL, NULL);
    await_phase(stage, "web-0", "Running");
}

static void a_template_that_cannot_be_honoured_is_refused_with_the_member_named(void **state)
{
    struct stage *stage = *state;

    stage_create(stage, KIND_POD,
                 "{'metadata': {'name': 'web-0'}, 'spec': {'hostNetwork': true,"
                 " 'containers': [{'name': 'main', 'image': 'x'}]}}");
    await_phase(stage, "web-0", "Failed");
    SCOPED(json) json_t *pod = stage_get(stage, KIND_POD, "web-0");
    assert_string_equal(json_path_string(pod, "status.reason"), "InvalidPod");
    assert_non_null(strstr(json_path_string(pod, "status.message"), "spec.hostNetwork"));
    assert_int_equal(fake_runtime_runs(stage->runtime, "web-0"), 0);
}

static void a_probe_is_ignored_and_an_event_says_so(void **state)
{
    struct stage *stage = *state;

    stage_create(stage, KIND_POD,
                 "{'metadata': {'name': 'web-0'}, 'spec': {'containers': [{'name': 'main', 'image': 'x',"
                 " 'livenessProbe': {'exec': {'command': ['true']}}}]}}");
    await_phase(stage, "web-0", "Running");
    assert_int_equal(stage_events(stage, "web-0", "TemplateMembersIgnored"), 1);
}

static void pull_secrets_go_along_and_a_missing_one_is_told(void **state)
{
    static const char config[] = "{\"auths\":{\"registry.example\":{\"auth\":\"dTpw\"}}}";
    struct stage *stage = *state;

    stage_create_secret(stage, "creds", config);
    stage_create(
        stage, KIND_POD,
        "{'metadata': {'name': 'web-0'}, 'spec': {'imagePullSecrets': [{'name': 'creds'}, {'name': 'lost'}],"
        " 'containers': [{'name': 'main', 'image': 'x'}]}}");
    await_phase(stage, "web-0", "Running");
    const Opensandbox__Committer__V1__RunPodRequest *request = fake_runtime_last_run(stage->runtime);
    assert_int_equal(request->n_pull_secrets, 1);
    assert_int_equal(request->pull_secrets[0].len, strlen(config));
    assert_memory_equal(request->pull_secrets[0].data, config, strlen(config));
    assert_int_equal(stage_events(stage, "web-0", "FailedToRetrieveImagePullSecret"), 1);
}

static void create_with_claim(struct stage *stage, const char *name)
{
    SCOPED(string)
    char *json = xasprintf(
        "{'metadata': {'name': '%s'}, 'spec': {'volumes': [{'name': 'data', 'persistentVolumeClaim':"
        " {'claimName': 'data'}}], 'containers': [{'name': 'main', 'image': 'x',"
        "   'volumeMounts': [{'name': 'data', 'mountPath': '/data'}]}]}}",
        name);
    stage_create(stage, KIND_POD, json);
}

static void an_empty_dir_lives_as_long_as_its_pod(void **state)
{
    struct stage *stage = *state;

    stage_create(stage, KIND_POD,
                 "{'metadata': {'name': 'web-0'}, 'spec': {'volumes': [{'name': 'scratch', 'emptyDir': {}}],"
                 " 'containers': [{'name': 'main', 'image': 'x',"
                 "   'volumeMounts': [{'name': 'scratch', 'mountPath': '/tmp/x'}]}]}}");
    await_phase(stage, "web-0", "Running");
    SCOPED(string) char *uid = stage_uid(stage, KIND_POD, "web-0");
    SCOPED(string) char *folder = xasprintf("%s/%s", stage->volumes_dir, uid);
    SCOPED(string) char *scratch = xasprintf("%s/scratch", folder);
    SCOPED(string) char *nested = xasprintf("%s/nested", scratch);
    const Opensandbox__Committer__V1__ContainerSpec *container =
        fake_runtime_last_run(stage->runtime)->containers[0];
    assert_string_equal(container->mounts[0]->host_path, scratch);
    assert_string_equal(container->mounts[0]->container_path, "/tmp/x");
    assert_int_equal(mkdir(nested, 0700), 0);

    stage_delete(stage, KIND_POD, "web-0", 0);
    stage_await(stage, KIND_POD, "web-0", NULL, NULL);
    assert_int_equal(access(folder, F_OK), -1);
}

static void a_volume_by_claim_outlives_its_pods_and_is_shared_by_them(void **state)
{
    static const char *const names[] = {"first-0", "second-0"};
    struct stage *stage = *state;
    SCOPED(string) char *folder = xasprintf("%s/test/data", stage->claims_dir);
    SCOPED(string) char *kept = xasprintf("%s/kept", folder);

    stage_create(stage, KIND_VOLUME_CLAIM,
                 "{'metadata': {'name': 'data'}, 'spec': {'accessModes': ['ReadWriteOnce']}}");
    for (size_t i = 0; i < 2; i++) {
        create_with_claim(stage, names[i]);
        await_phase(stage, names[i], "Running");
        assert_string_equal(fake_runtime_last_run(stage->runtime)->containers[0]->mounts[0]->host_path,
                            folder);
        assert_int_equal(mkdir(kept, 0700), i == 0 ? 0 : -1);
        stage_delete(stage, KIND_POD, names[i], 0);
        stage_await(stage, KIND_POD, names[i], NULL, NULL);
    }
    assert_int_equal(access(kept, F_OK), 0);
}

static void a_pod_waits_for_a_claim_that_is_not_there(void **state)
{
    struct stage *stage = *state;
    SCOPED(string) char *folder = xasprintf("%s/test/data", stage->claims_dir);

    create_with_claim(stage, "web-0");
    stage_await_container(stage, "web-0", "state.waiting.message",
                          "persistentvolumeclaim \"data\" not found");
    assert_int_equal(access(folder, F_OK), -1);
    stage_create(stage, KIND_VOLUME_CLAIM,
                 "{'metadata': {'name': 'data'}, 'spec': {'accessModes': ['ReadWriteOnce']}}");
    await_phase(stage, "web-0", "Running");
}

/* ---- running ---- */

static void a_container_that_ends_well_ends_the_pod_well(void **state)
{
    struct stage *stage = *state;

    create_running(stage, "web-0");
    fake_runtime_exit(stage->runtime, "web-0", 0, "Completed");
    await_phase(stage, "web-0", "Succeeded");
    stage_await_container(stage, "web-0", "state.terminated.reason", "Completed");
}

static void a_container_that_fails_fails_the_pod_with_its_reason(void **state)
{
    struct stage *stage = *state;

    create_running(stage, "web-0");
    fake_runtime_exit(stage->runtime, "web-0", 137, "OOMKilled");
    await_phase(stage, "web-0", "Failed");
    stage_await_container(stage, "web-0", "state.terminated.reason", "OOMKilled");
    assert_int_equal(fake_runtime_runs(stage->runtime, "web-0"), 1);
}

static void a_sandbox_that_ends_fails_the_pod(void **state)
{
    struct stage *stage = *state;

    create_running(stage, "web-0");
    fake_runtime_end_sandbox(stage->runtime, "web-0");
    stage_await(stage, KIND_POD, "web-0", "status.reason", "PodSandboxEnded");
}

static void containers_that_vanish_are_told_as_gone_and_never_started_again(void **state)
{
    struct stage *stage = *state;

    create_running(stage, "web-0");
    fake_runtime_vanish(stage->runtime, "web-0");
    stage_await(stage, KIND_POD, "web-0", "status.reason", "ContainerGone");
    await_phase(stage, "web-0", "Failed");
    assert_int_equal(fake_runtime_runs(stage->runtime, "web-0"), 1);
}

static void what_is_only_rumoured_to_be_gone_is_looked_at_again(void **state)
{
    struct stage *stage = *state;

    create_running(stage, "web-0");
    for (int i = 0; i < 5; i++)
        fake_runtime_rumour_gone(stage->runtime, "web-0");
    create_running(stage, "web-1"); /* told after it on the same stream */
    fake_runtime_exit(stage->runtime, "web-0", 0, "Completed");
    await_phase(stage, "web-0", "Succeeded");
    assert_int_equal(stage_events(stage, "web-0", "ContainerGone"), 0);
    assert_int_equal(fake_runtime_runs(stage->runtime, "web-0"), 1);
}

/* ---- ending ---- */

static void a_deleted_pod_is_stopped_with_its_grace_and_then_goes(void **state)
{
    struct stage *stage = *state;

    create_running(stage, "web-0");
    SCOPED(string) char *uid = stage_uid(stage, KIND_POD, "web-0");
    stage_delete(stage, KIND_POD, "web-0", 7);
    stage_await(stage, KIND_POD, "web-0", NULL, NULL);
    fake_runtime_await_stops(stage->runtime, uid, 1);
    assert_int_equal(fake_runtime_last_grace_ms(stage->runtime), 7000);
}

static void a_pod_stays_in_the_store_until_its_containers_are_really_gone(void **state)
{
    struct stage *stage = *state;

    create_running(stage, "web-0");
    SCOPED(string) char *uid = stage_uid(stage, KIND_POD, "web-0");
    fake_runtime_fail_stops(stage->runtime, true);
    stage_delete(stage, KIND_POD, "web-0", 0);
    fake_runtime_await_stops(stage->runtime, uid, 2);
    SCOPED(json) json_t *pod = stage_get(stage, KIND_POD, "web-0");
    assert_non_null(pod);
    fake_runtime_fail_stops(stage->runtime, false);
    stage_await(stage, KIND_POD, "web-0", NULL, NULL);
}

static void a_pod_deleted_while_it_starts_is_not_waited_for(void **state)
{
    struct stage *stage = *state;

    fake_runtime_hold_starts(stage->runtime, true);
    stage_create_pod(stage, "web-0", IMAGE);
    fake_runtime_await_runs(stage->runtime, "web-0", 1);
    stage_delete(stage, KIND_POD, "web-0", 0);
    fake_runtime_await_cancelled_runs(stage->runtime, 1);
    stage_await(stage, KIND_POD, "web-0", NULL, NULL);
}

static void a_pod_that_never_started_can_be_deleted(void **state)
{
    struct stage *stage = *state;

    fake_runtime_on_image(stage->runtime, IMAGE, ERR_UNAVAILABLE, "ErrImagePull", "no such host");
    stage_create_pod(stage, "web-0", IMAGE);
    stage_await_container(stage, "web-0", "state.waiting.reason", "ImagePullBackOff");
    stage_delete(stage, KIND_POD, "web-0", 0);
    stage_await(stage, KIND_POD, "web-0", NULL, NULL);
}

static void a_name_may_be_used_again_for_another_pod(void **state)
{
    struct stage *stage = *state;

    for (int round = 0; round < 3; round++) {
        create_running(stage, "web-0");
        stage_delete(stage, KIND_POD, "web-0", 0);
        stage_await(stage, KIND_POD, "web-0", NULL, NULL);
    }
}

/* ---- restarts ---- */

static void a_running_pod_is_adopted_after_a_restart(void **state)
{
    struct stage *stage = *state;

    create_running(stage, "web-0");
    stage_stop(stage);
    stage_start(stage);
    create_running(stage, "web-1");
    fake_runtime_exit(stage->runtime, "web-0", 3, "Error");
    await_phase(stage, "web-0", "Failed");
    assert_int_equal(fake_runtime_runs(stage->runtime, "web-0"), 1);
}

static void what_happened_while_nobody_looked_is_told_after_a_restart(void **state)
{
    struct stage *stage = *state;

    create_running(stage, "ended-0");
    create_running(stage, "gone-0");
    stage_stop(stage);
    fake_runtime_exit(stage->runtime, "ended-0", 0, "Completed");
    fake_runtime_vanish(stage->runtime, "gone-0");
    stage_start(stage);
    await_phase(stage, "ended-0", "Succeeded");
    stage_await(stage, KIND_POD, "gone-0", "status.reason", "ContainerGone");
}

static void a_start_that_a_crash_cut_off_goes_on(void **state)
{
    struct stage *stage = *state;

    fake_runtime_hold_starts(stage->runtime, true);
    stage_create_pod(stage, "web-0", IMAGE);
    fake_runtime_await_runs(stage->runtime, "web-0", 1);
    stage_stop(stage);
    fake_runtime_hold_starts(stage->runtime, false);
    stage_start(stage);
    await_phase(stage, "web-0", "Running");
}

static void a_deletion_that_a_crash_cut_off_goes_on(void **state)
{
    struct stage *stage = *state;

    create_running(stage, "web-0");
    SCOPED(string) char *uid = stage_uid(stage, KIND_POD, "web-0");
    fake_runtime_fail_stops(stage->runtime, true);
    stage_delete(stage, KIND_POD, "web-0", 0);
    fake_runtime_await_stops(stage->runtime, uid, 1);
    stage_stop(stage);
    fake_runtime_fail_stops(stage->runtime, false);
    stage_start(stage);
    stage_await(stage, KIND_POD, "web-0", NULL, NULL);
}

static void a_pod_that_the_store_does_not_know_is_stopped(void **state)
{
    struct stage *stage = *state;

    fake_runtime_add(stage->runtime, "3f6c-orphan", "test", "old-0");
    stage_start(stage);
    fake_runtime_await_stops(stage->runtime, "3f6c-orphan", 1);
}

/* ---- the agent goes away ---- */

static void a_pod_waits_for_an_agent_that_is_away(void **state)
{
    struct stage *stage = *state;

    fake_runtime_go_away(stage->runtime);
    stage_create_pod(stage, "web-0", IMAGE);
    fake_runtime_serve(stage->runtime);
    await_phase(stage, "web-0", "Running");
}

static void the_loss_of_the_agent_says_nothing_about_its_pods(void **state)
{
    struct stage *stage = *state;

    create_running(stage, "web-0");
    create_running(stage, "web-1");
    fake_runtime_go_away(stage->runtime);
    fake_runtime_exit(stage->runtime, "web-1", 1, "Error");
    fake_runtime_serve(stage->runtime);
    await_phase(stage, "web-1", "Failed");
    await_phase(stage, "web-0", "Running");
    assert_int_equal(fake_runtime_runs(stage->runtime, "web-0"), 1);
}

static void containers_that_vanished_with_the_agent_are_missed_in_its_next_list(void **state)
{
    struct stage *stage = *state;

    create_running(stage, "web-0");
    create_running(stage, "web-1");
    fake_runtime_go_away(stage->runtime);
    fake_runtime_vanish(stage->runtime, "web-1");
    fake_runtime_serve(stage->runtime);
    stage_await(stage, KIND_POD, "web-1", "status.reason", "ContainerGone");
    await_phase(stage, "web-0", "Running");
}

static void a_frozen_container_is_still_a_running_and_ready_one(void **state)
{
    struct stage *stage = *state;

    create_running(stage, "web-0");
    SCOPED(json) json_t *before = stage_get(stage, KIND_POD, "web-0");
    fake_runtime_freeze(stage->runtime, "web-0", true);
    fake_runtime_freeze(stage->runtime, "web-0", false);
    create_running(stage, "web-1"); /* told after it on the same stream */
    SCOPED(json) json_t *after = stage_get(stage, KIND_POD, "web-0");
    assert_true(json_equal(before, after));
}

int main(void)
{
#define TEST(name)      cmocka_unit_test_setup_teardown(name, setup_started, teardown)
#define UNSTARTED(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_new_pod_is_started_and_becomes_ready),
        TEST(a_pod_of_a_node_that_does_not_exist_is_lost_and_can_be_deleted),
        TEST(pods_outlive_a_change_of_the_nodes_name),
        TEST(pods_outlive_a_change_of_the_namespace_and_back),
        TEST(an_image_that_cannot_be_pulled_is_told_and_tried_again_until_it_can),
        UNSTARTED(the_first_failed_pull_is_told_before_any_back_off),
        TEST(a_name_that_is_no_image_is_told_as_such),
        TEST(a_container_that_cannot_be_created_is_told_and_tried_again),
        UNSTARTED(news_of_a_pod_that_cannot_start_do_not_cut_its_back_off_short),
        TEST(a_start_that_the_agent_says_was_cancelled_is_tried_again),
        TEST(a_program_that_cannot_be_started_ends_the_pod),
        TEST(an_end_is_never_told_otherwise),
        TEST(a_start_that_containerd_cut_off_is_no_word_about_the_program),
        TEST(a_template_that_cannot_be_honoured_is_refused_with_the_member_named),
        TEST(a_probe_is_ignored_and_an_event_says_so),
        TEST(pull_secrets_go_along_and_a_missing_one_is_told),
        TEST(an_empty_dir_lives_as_long_as_its_pod),
        TEST(a_volume_by_claim_outlives_its_pods_and_is_shared_by_them),
        TEST(a_pod_waits_for_a_claim_that_is_not_there),
        TEST(a_container_that_ends_well_ends_the_pod_well),
        TEST(a_container_that_fails_fails_the_pod_with_its_reason),
        TEST(a_sandbox_that_ends_fails_the_pod),
        TEST(containers_that_vanish_are_told_as_gone_and_never_started_again),
        TEST(what_is_only_rumoured_to_be_gone_is_looked_at_again),
        TEST(a_deleted_pod_is_stopped_with_its_grace_and_then_goes),
        TEST(a_pod_stays_in_the_store_until_its_containers_are_really_gone),
        TEST(a_pod_deleted_while_it_starts_is_not_waited_for),
        TEST(a_pod_that_never_started_can_be_deleted),
        TEST(a_name_may_be_used_again_for_another_pod),
        TEST(a_running_pod_is_adopted_after_a_restart),
        TEST(what_happened_while_nobody_looked_is_told_after_a_restart),
        TEST(a_start_that_a_crash_cut_off_goes_on),
        TEST(a_deletion_that_a_crash_cut_off_goes_on),
        UNSTARTED(a_pod_that_the_store_does_not_know_is_stopped),
        TEST(a_pod_waits_for_an_agent_that_is_away),
        TEST(the_loss_of_the_agent_says_nothing_about_its_pods),
        TEST(containers_that_vanished_with_the_agent_are_missed_in_its_next_list),
        TEST(a_frozen_container_is_still_a_running_and_ready_one),
    };

    log_setup("test", LOG_LEVEL_MAX, LOG_FORMAT_JSON);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
