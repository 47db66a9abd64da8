/* test_pod_status.c - what the agent sees, in the words of a Pod's status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "snapshot-svc/node/pod_status.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

#define NOW 1875002400000 /* 2029-06-01T10:00:00Z */
#define POD                                                                                                  \
    "'metadata': {'name': 'web-0', 'uid': 'u-1'}, 'spec': {'containers': [{'name': 'main', 'image': 'a'},"   \
    " {'name': 'side', 'image': 'b'}]}"

typedef Opensandbox__Committer__V1__Container container_seen;

/* ---- a pod as an agent shows it: "R": running, "F": frozen, "W": waiting, a number: its exit code ---- */

struct sight {
    pod_seen pod;
    container_seen containers[2];
    container_seen *pointers[2];
};

static void fill_container(container_seen *container, const char *name, const char *state)
{
    opensandbox__committer__v1__container__init(container);
    container->name = (char *)name;
    container->id = "c0ffee";
    container->reason = "";
    container->started_at_unix_ms = NOW;
    if (*state == 'R')
        container->state = OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__RUNNING;
    else if (*state == 'F')
        container->state = OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__FROZEN;
    else if (*state == 'W')
        container->state = OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__WAITING;
    else {
        container->state = OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__EXITED;
        container->exit_code = *state - '0';
        container->reason = *state == '0' ? "Completed" : "Error";
        container->finished_at_unix_ms = NOW;
    }
}

static const pod_seen *sight(struct sight *sight, Opensandbox__Committer__V1__PodState state,
                             const char *main, const char *side)
{
    opensandbox__committer__v1__pod__init(&sight->pod);
    sight->pod.state = state;
    sight->pod.ip = "10.0.0.7";
    sight->pod.containers = sight->pointers;
    sight->pod.n_containers = 2;
    fill_container(&sight->containers[0], "main", main);
    fill_container(&sight->containers[1], "side", side);
    sight->pointers[0] = &sight->containers[0];
    sight->pointers[1] = &sight->containers[1];
    return &sight->pod;
}

#define STATE(name) OPENSANDBOX__COMMITTER__V1__POD_STATE__##name

static const char *condition_of(const json_t *status, const char *type)
{
    size_t i;
    json_t *condition;

    json_array_foreach(json_object_get(status, "conditions"), i, condition)
    {
        if (strcmp(json_path_string(condition, "type"), type) == 0)
            return json_path_string(condition, "status");
    }
    return "absent";
}

/* ---- the table ---- */

static const struct row {
    Opensandbox__Committer__V1__PodState state;
    const char *main, *side;
    const char *phase, *ready, *main_state, *reason;
    bool incomplete; /* RunPod has work to do */
} rows[] = {
    // clang-format off
    {STATE(STARTING), "W", "W", "Pending",   "False", "waiting",    NULL, true},
    {STATE(STARTING), "R", "W", "Pending",   "False", "running",    NULL, true},
    {STATE(READY),    "R", "R", "Running",   "True",  "running",    NULL, false},
    {STATE(READY),    "F", "F", "Running",   "True",  "running",    NULL, false},
    {STATE(READY),    "F", "R", "Running",   "True",  "running",    NULL, false},
    {STATE(ENDED),    "0", "R", "Running",   "False", "terminated", NULL, false},
    {STATE(ENDED),    "1", "R", "Running",   "False", "terminated", NULL, false},
    {STATE(ENDED),    "0", "0", "Succeeded", "False", "terminated", NULL, false},
    {STATE(ENDED),    "0", "1", "Failed",    "False", "terminated", NULL, false},
    {STATE(ENDED),    "1", "0", "Failed",    "False", "terminated", NULL, false},
    {STATE(ENDED),    "0", "W", "Failed",    "False", "terminated", NULL, false},
    {STATE(ENDED),    "R", "R", "Failed",    "False", "running",    "PodSandboxEnded", false},
    {STATE(ENDED),    "W", "W", "Failed",    "False", "waiting",    "PodSandboxEnded", true},
    // clang-format on
};

static void each_sight_is_its_phase(void **state)
{
    SCOPED(json) json_t *pod = quoted("{" POD "}");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct row *row = &rows[i];
        struct sight seen;
        SCOPED(json)
        json_t *status = pod_status_seen(pod, sight(&seen, row->state, row->main, row->side), NOW);
        const json_t *container = json_array_get(json_object_get(status, "containerStatuses"), 0);
        const char *reason = json_path_string(status, "reason");

        assert_string_equal(json_path_string(status, "phase"), row->phase);
        assert_string_equal(condition_of(status, "Ready"), row->ready);
        assert_non_null(json_object_get(json_object_get(container, "state"), row->main_state));
        assert_string_equal(reason ? reason : "", row->reason ? row->reason : "");
        assert_int_equal(pod_seen_is_incomplete(&seen.pod), row->incomplete);
    }
}

/* An init container and a main one; "main" is the init container's name for sight(), so it comes first. */
static void each_sight_of_init_containers_is_its_phase(void **state)
{
    static const struct {
        Opensandbox__Committer__V1__PodState state;
        const char *init, *main;
        const char *phase, *initialized, *init_state, *main_reason;
        bool init_ready, incomplete;
    } inits[] = {
        {STATE(STARTING), "W", "W", "Pending", "False", "waiting", "PodInitializing", false, true},
        {STATE(STARTING), "R", "W", "Pending", "False", "running", "PodInitializing", false, true},
        {STATE(STARTING), "0", "W", "Pending", "True", "terminated", "ContainerCreating", true, true},
        {STATE(READY), "0", "R", "Running", "True", "terminated", NULL, true, false},
        {STATE(ENDED), "3", "W", "Failed", "False", "terminated", "PodInitializing", false, false},
        {STATE(ENDED), "0", "1", "Failed", "True", "terminated", NULL, true, false},
        {STATE(ENDED), "0", "W", "Failed", "True", "terminated", "ContainerCreating", true, false},
        {STATE(ENDED), "W", "W", "Failed", "False", "waiting", "PodInitializing", false, true},
    };
    SCOPED(json)
    json_t *pod =
        quoted("{'metadata': {'name': 'web-0', 'uid': 'u-1'}, 'spec': {'initContainers': [{'name': 'main',"
               " 'image': 'a'}], 'containers': [{'name': 'side', 'image': 'b'}]}}");

    (void)state;
    for (size_t i = 0; i < sizeof(inits) / sizeof(*inits); i++) {
        struct sight seen;
        (void)sight(&seen, inits[i].state, inits[i].init, inits[i].main);
        seen.containers[0].init = true;
        SCOPED(json) json_t *status = pod_status_seen(pod, &seen.pod, NOW);
        const json_t *init = json_array_get(json_object_get(status, "initContainerStatuses"), 0);
        const json_t *main_container = json_array_get(json_object_get(status, "containerStatuses"), 0);
        const char *reason = json_path_string(main_container, "state.waiting.reason");
        assert_string_equal(json_path_string(status, "phase"), inits[i].phase);
        assert_string_equal(condition_of(status, "Initialized"), inits[i].initialized);
        assert_non_null(json_object_get(json_object_get(init, "state"), inits[i].init_state));
        assert_int_equal(json_is_true(json_object_get(init, "ready")), inits[i].init_ready);
        assert_string_equal(reason ? reason : "", inits[i].main_reason ? inits[i].main_reason : "");
        assert_int_equal(pod_seen_is_incomplete(&seen.pod), inits[i].incomplete);
    }
}

static void the_status_tells_address_image_and_times(void **state)
{
    struct sight seen;
    SCOPED(json) json_t *pod = quoted("{" POD "}");
    SCOPED(json) json_t *status = pod_status_seen(pod, sight(&seen, STATE(ENDED), "3", "R"), NOW);
    const json_t *main_container = json_array_get(json_object_get(status, "containerStatuses"), 0);
    const json_t *side = json_array_get(json_object_get(status, "containerStatuses"), 1);

    (void)state;
    assert_string_equal(json_path_string(status, "podIP"), "10.0.0.7");
    assert_string_equal(json_path_string(status, "startTime"), "2029-06-01T10:00:00Z");
    assert_string_equal(json_path_string(main_container, "image"), "a");
    assert_string_equal(json_path_string(main_container, "containerID"), "containerd://c0ffee");
    assert_int_equal(json_integer_value(json_path(main_container, "state.terminated.exitCode")), 3);
    assert_string_equal(json_path_string(main_container, "state.terminated.reason"), "Error");
    assert_string_equal(json_path_string(side, "state.running.startedAt"), "2029-06-01T10:00:00Z");
    assert_true(json_is_true(json_object_get(side, "ready")));
    assert_false(json_is_true(json_object_get(main_container, "ready")));
}

/* ---- times and patches ---- */

static void what_did_not_change_keeps_its_time_and_writes_nothing(void **state)
{
    struct sight seen;
    SCOPED(json) json_t *pod = quoted("{" POD "}");
    SCOPED(json) json_t *first = pod_status_seen(pod, sight(&seen, STATE(READY), "R", "R"), NOW);

    (void)state;
    json_object_set(pod, "status", first);
    SCOPED(json) json_t *again = pod_status_seen(pod, sight(&seen, STATE(READY), "F", "R"), NOW + 60000);
    assert_true(json_equal(first, again));
    assert_null(pod_status_patch(pod, again));
}

static void a_patch_takes_away_what_is_no_longer_so(void **state)
{
    struct sight seen;
    SCOPED(json) json_t *pod = quoted("{" POD ", 'status': {'phase': 'Pending', 'reason': 'Odd'}}");
    SCOPED(json) json_t *status = pod_status_seen(pod, sight(&seen, STATE(READY), "R", "R"), NOW);
    SCOPED(json) json_t *patch = pod_status_patch(pod, status);
    SCOPED(json) json_t *patched = json_merge_patch(json_deep_copy(pod), patch);

    (void)state;
    assert_string_equal(json_path_string(patch, "metadata.uid"), "u-1");
    assert_true(json_is_null(json_path(patch, "status.reason")));
    assert_true(json_equal(json_object_get(patched, "status"), status));
}

/* ---- pods that do not run ---- */

static void a_waiting_pod_says_why_in_every_container(void **state)
{
    SCOPED(json) json_t *pod = quoted("{" POD "}");
    SCOPED(json) json_t *status = pod_status_waiting(pod, "ErrImagePull", "no such host", NOW);

    (void)state;
    assert_string_equal(json_path_string(status, "phase"), "Pending");
    for (size_t i = 0; i < 2; i++) {
        const json_t *container = json_array_get(json_object_get(status, "containerStatuses"), i);
        assert_string_equal(json_path_string(container, "state.waiting.reason"), "ErrImagePull");
        assert_string_equal(json_path_string(container, "state.waiting.message"), "no such host");
    }
    json_object_set(pod, "status", status);
    assert_false(pod_has_started(pod));
    assert_false(pod_object_has_ended(pod));
}

static void a_lost_pod_keeps_what_was_known_of_its_containers(void **state)
{
    struct sight seen;
    SCOPED(json) json_t *pod = quoted("{" POD "}");
    SCOPED(json) json_t *running = pod_status_seen(pod, sight(&seen, STATE(ENDED), "0", "R"), NOW);

    (void)state;
    json_object_set(pod, "status", running);
    assert_true(pod_has_started(pod));
    SCOPED(json) json_t *status = pod_status_failed(pod, "ContainerGone", "gone", 137, NOW + 1000);
    const json_t *ended = json_array_get(json_object_get(status, "containerStatuses"), 0);
    const json_t *lost = json_array_get(json_object_get(status, "containerStatuses"), 1);
    assert_string_equal(json_path_string(status, "phase"), "Failed");
    assert_string_equal(json_path_string(status, "podIP"), "10.0.0.7");
    assert_string_equal(json_path_string(ended, "state.terminated.reason"), "Completed");
    assert_string_equal(json_path_string(lost, "state.terminated.reason"), "ContainerGone");
    assert_int_equal(json_integer_value(json_path(lost, "state.terminated.exitCode")), 137);
    json_object_set(pod, "status", status);
    assert_true(pod_object_has_ended(pod));
}

static void an_invalid_pod_never_had_containers(void **state)
{
    SCOPED(json) json_t *pod = quoted("{" POD "}");
    SCOPED(json) json_t *status = pod_status_failed(pod, "InvalidPod", "spec.hostNetwork: ...", -1, NOW);

    (void)state;
    assert_int_equal(json_array_size(json_object_get(status, "containerStatuses")), 0);
    assert_string_equal(json_path_string(status, "reason"), "InvalidPod");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_sight_is_its_phase),
        cmocka_unit_test(each_sight_of_init_containers_is_its_phase),
        cmocka_unit_test(the_status_tells_address_image_and_times),
        cmocka_unit_test(what_did_not_change_keeps_its_time_and_writes_nothing),
        cmocka_unit_test(a_patch_takes_away_what_is_no_longer_so),
        cmocka_unit_test(a_waiting_pod_says_why_in_every_container),
        cmocka_unit_test(a_lost_pod_keeps_what_was_known_of_its_containers),
        cmocka_unit_test(an_invalid_pod_never_had_containers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
