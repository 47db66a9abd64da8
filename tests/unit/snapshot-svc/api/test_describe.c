/* test_describe.c - DescribeSandbox: the sandbox, its pods, its snapshots, and what happened to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "tests/unit/snapshot-svc/api/api_kit.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

#include <opensandbox/orchestrator/v1/orchestrator.pb-c.h>

#define ORCHESTRATOR (&opensandbox__orchestrator__v1__orchestrator__descriptor)

typedef Opensandbox__Orchestrator__V1__SandboxDescription description;

static void message_free(description *message)
{
    if (message)
        protobuf_c_message_free_unpacked(&message->base, NULL);
}
DEFINE_FREEP(description, description, message_free)

static int describe(struct stage *stage, const char *name, description **ret_description, struct error *err)
{
    Opensandbox__Orchestrator__V1__GetSandboxRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__GET_SANDBOX_REQUEST__INIT;

    request.name = (char *)name;
    return rpc_unary(stage->channel, ORCHESTRATOR, "DescribeSandbox", &request.base, ret_description, NULL,
                     err);
}

static description *described(struct stage *stage, const char *name)
{
    description *found = NULL;
    struct error err = {0};
    assert_ok(describe(stage, name, &found, &err));
    return found;
}

static void give(struct stage *stage)
{
    stage_create(
        stage, KIND_BATCH_SANDBOX,
        "{'metadata': {'name': 'web', 'labels': {'opensandbox.io/id': 'web'}}, 'spec': {'template': {}}}");
    stage_await_cached(stage, KIND_BATCH_SANDBOX, "web");
}

static void give_child(struct stage *stage, enum cluster_kind kind, const char *name, const char *spec)
{
    SCOPED(string) char *uid = stage_uid(stage, KIND_BATCH_SANDBOX, "web");
    SCOPED(string)
    char *json = xasprintf("{'metadata': {'name': '%s', 'ownerReferences': [{'apiVersion':"
                           " 'sandbox.opensandbox.io/v1alpha1', 'kind': 'BatchSandbox', 'name': 'web', 'uid':"
                           " '%s', 'controller': true}]}, 'spec': %s}",
                           name, uid, spec);
    stage_create(stage, kind, json);
    stage_await_cached(stage, kind, name);
}

static void give_event(struct stage *stage, const char *kind, const char *name, const char *uid,
                       const char *reason, int64_t at_unix_s)
{
    char at[RFC3339_SIZE];

    rfc3339_format(at_unix_s, at);
    SCOPED(string)
    char *json =
        xasprintf("{'metadata': {'generateName': 'e-'}, 'involvedObject': {'kind': '%s', 'namespace':"
                  " 'test', 'name': '%s', 'uid': '%s'}, 'type': 'Warning', 'reason': '%s', 'message':"
                  " 'it happened', 'count': 3, 'firstTimestamp': '%s', 'lastTimestamp': '%s'}",
                  kind, name, uid, reason, at, at);
    stage_create(stage, KIND_EVENT, json);
}

static int64_t now_s(void)
{
    return clock_realtime_ms() / 1000;
}

/* ---- sandbox, pods, snapshots ---- */

static void nobody_is_not_found(void **state)
{
    description *found = NULL;
    struct error err = {0};

    assert_refused(describe(*state, "web", &found, &err), ERR_NOT_FOUND);
    assert_string_equal(err.reason, "SandboxNotFound");
}

static void a_sandbox_alone_has_nothing_else(void **state)
{
    give(*state);
    SCOPED(description) description *found = described(*state, "web");
    assert_string_equal(found->sandbox->name, "web");
    assert_int_equal(found->n_pods + found->n_snapshots + found->n_events, 0);
}

static void its_pods_are_told_with_what_their_containers_do(void **state)
{
    struct stage *stage = *state;
    SCOPED(json)
    json_t *status = quoted(
        "{'status': {'phase': 'Pending', 'podIP': '10.0.0.7', 'initContainerStatuses': [{'name': 'install',"
        " 'restartCount': 1, 'state': {'terminated': {'exitCode': 3, 'reason': 'Error'}}}],"
        " 'containerStatuses': [{'name': 'main', 'ready': true, 'restartCount': 2, 'state': {'waiting':"
        " {'reason': 'ImagePullBackOff', 'message': 'no such image'}}}]}}");
    struct error err = {0};

    give(stage);
    give_child(stage, KIND_POD, "web-0",
               "{'initContainers': [{'name': 'install', 'image': 'execd'}], 'containers': [{'name': 'main',"
               " 'image': 'busybox'}, {'name': 'side', 'image': 'x'}]}");
    stage_create_pod(stage, "other-0", "busybox");
    assert_ok(cluster_patch_status(stage->kit->cluster, KIND_POD, "test", "web-0", status, NULL, NULL, &err));
    stage_await(stage, KIND_POD, "web-0", "status.phase", "Pending");
    SCOPED(description) description *found = NULL;
    do { /* until the cache has the status */
        description_freep(&found);
        found = described(stage, "web");
    } while (strcmp(found->pods[0]->phase, "Pending") != 0);
    assert_int_equal(found->n_pods, 1);
    const Opensandbox__Orchestrator__V1__PodDescription *pod = found->pods[0];
    assert_string_equal(pod->name, "web-0");
    assert_string_equal(pod->node, "here");
    assert_string_equal(pod->ip, "10.0.0.7");
    assert_true(pod->created_at_unix_ms > 0);
    assert_int_equal(pod->n_containers, 3);
    assert_string_equal(pod->containers[0]->name, "install");
    assert_string_equal(pod->containers[0]->state, "terminated");
    assert_int_equal(pod->containers[0]->exit_code, 3);
    assert_string_equal(pod->containers[1]->image, "busybox");
    assert_string_equal(pod->containers[1]->reason, "ImagePullBackOff");
    assert_string_equal(pod->containers[1]->message, "no such image");
    assert_int_equal(pod->containers[1]->restarts, 2);
    assert_true(pod->containers[1]->ready);
    assert_string_equal(pod->containers[2]->state, "");
}

static void give_public_snapshot(struct stage *stage, const char *name, const char *id, const char *source)
{
    SCOPED(string)
    char *json =
        xasprintf("{'metadata': {'name': '%s', 'labels': {'opensandbox.io/snapshot-id': '%s',"
                  " 'opensandbox.io/source-sandbox-id': '%s', 'opensandbox.io/snapshot-scope': 'public'}},"
                  " 'spec': {'sandboxName': '%s'}}",
                  name, id, source, source);
    stage_create(stage, KIND_SANDBOX_SNAPSHOT, json);
    stage_await_cached(stage, KIND_SANDBOX_SNAPSHOT, name);
}

static void the_internal_snapshot_comes_before_the_public_ones(void **state)
{
    struct stage *stage = *state;
    SCOPED(json)
    json_t *status = quoted("{'status': {'phase': 'Failed', 'path': 'Hold', 'pathMessage': 'two containers',"
                            " 'frozenMs': 42, 'keptOnNode': 'here'}}");
    struct error err = {0};

    give(stage);
    give_child(stage, KIND_SANDBOX_SNAPSHOT, "web-pause", "{'sandboxName': 'web'}");
    assert_ok(cluster_patch_status(stage->kit->cluster, KIND_SANDBOX_SNAPSHOT, "test", "web-pause", status,
                                   NULL, NULL, &err));
    give_public_snapshot(stage, "osb-snap-1", "one", "web");
    give_public_snapshot(stage, "osb-snap-2", "two", "other");
    SCOPED(description) description *found = NULL;
    do { /* until the cache has the status */
        description_freep(&found);
        found = described(stage, "web");
    } while (found->snapshots[0]->frozen_ms == 0);
    assert_int_equal(found->n_snapshots, 2);
    assert_string_equal(found->snapshots[0]->name, "web-pause");
    assert_string_equal(found->snapshots[0]->path, "Hold");
    assert_string_equal(found->snapshots[0]->path_message, "two containers");
    assert_int_equal(found->snapshots[0]->frozen_ms, 42);
    assert_string_equal(found->snapshots[0]->kept_on_node, "here");
    assert_string_equal(found->snapshots[1]->id, "one");
}

/* ---- events ---- */

static void events_of_all_its_objects_are_told_oldest_first(void **state)
{
    struct stage *stage = *state;
    int64_t now = now_s() + 100;

    give(stage);
    give_child(stage, KIND_POD, "web-0", "{'containers': [{'name': 'main', 'image': 'x'}]}");
    give_child(stage, KIND_SANDBOX_SNAPSHOT, "web-pause", "{'sandboxName': 'web'}");
    SCOPED(string) char *sandbox = stage_uid(stage, KIND_BATCH_SANDBOX, "web");
    SCOPED(string) char *pod = stage_uid(stage, KIND_POD, "web-0");
    SCOPED(string) char *snapshot = stage_uid(stage, KIND_SANDBOX_SNAPSHOT, "web-pause");
    give_event(stage, "SandboxSnapshot", "web-pause", snapshot, "Third", now + 3);
    give_event(stage, "BatchSandbox", "web", sandbox, "First", now + 1);
    give_event(stage, "Job", "web-pause-commit", "9", "Fourth", now + 4);
    give_event(stage, "Pod", "web-0", pod, "Second", now + 2);
    SCOPED(description) description *found = described(stage, "web");
    static const char *const reasons[] = {"First", "Second", "Third", "Fourth"};
    assert_int_equal(found->n_events, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(found->events[i]->reason, reasons[i]);
    assert_string_equal(found->events[1]->object, "Pod/web-0");
    assert_string_equal(found->events[1]->type, "Warning");
    assert_string_equal(found->events[1]->message, "it happened");
    assert_int_equal(found->events[1]->count, 3);
    assert_int_equal(found->events[1]->last_unix_ms, (now + 2) * 1000);
}

static void events_of_others_are_not_told(void **state)
{
    struct stage *stage = *state;

    give(stage);
    give_event(stage, "BatchSandbox", "webs", "1", "Another", now_s());
    give_event(stage, "Pod", "web-1", "2", "Another", now_s());
    give_event(stage, "BatchSandbox", "web", "3", "OfAnEarlierSandbox", now_s());
    SCOPED(description) description *found = described(stage, "web");
    assert_int_equal(found->n_events, 0);
}

static void a_pod_that_is_gone_is_still_told_of_unless_it_was_an_earlier_sandboxes(void **state)
{
    struct stage *stage = *state;

    give(stage);
    give_event(stage, "Pod", "web-0", "gone", "BackOff", now_s() + 1);
    give_event(stage, "Pod", "web-0", "older", "Killing", now_s() - 3600);
    SCOPED(description) description *found = described(stage, "web");
    assert_int_equal(found->n_events, 1);
    assert_string_equal(found->events[0]->reason, "BackOff");
}

static void of_many_events_the_newest_are_told(void **state)
{
    struct stage *stage = *state;
    int64_t now = now_s() + 10;

    give(stage);
    SCOPED(string) char *uid = stage_uid(stage, KIND_BATCH_SANDBOX, "web");
    for (int i = 0; i < 90; i++) { /* the local cluster keeps 100 of an object */
        SCOPED(string) char *reason = xasprintf("R%d", i);
        give_event(stage, "BatchSandbox", "web", uid, reason, now + i);
        give_event(stage, "Pod", "web-0", "gone", reason, now + i);
        give_event(stage, "Job", "web-pause-commit", "job", reason, now + i);
    }
    SCOPED(description) description *found = described(stage, "web");
    assert_int_equal(found->n_events, 200);
    assert_string_equal(found->events[199]->reason, "R89");
    for (size_t i = 1; i < 200; i++)
        assert_true(found->events[i - 1]->last_unix_ms <= found->events[i]->last_unix_ms);
}

static void a_long_message_is_cut_at_a_character(void **state)
{
    struct stage *stage = *state;
    char message[2000 + 1];

    for (int i = 0; i < 1000; i++)
        memcpy(message + 2 * i, "é", 2);
    message[2000] = '\0';
    message[0] = 'x';
    message[1] = 'x';
    memmove(message + 1, message + 2, 1999); /* so that the limit falls into a character */
    give(stage);
    SCOPED(string) char *uid = stage_uid(stage, KIND_BATCH_SANDBOX, "web");
    SCOPED(string)
    char *json = xasprintf("{'metadata': {'generateName': 'e-'}, 'involvedObject': {'kind': 'BatchSandbox',"
                           " 'namespace': 'test', 'name': 'web', 'uid': '%s'}, 'message': '%s'}",
                           uid, message);
    stage_create(stage, KIND_EVENT, json);
    SCOPED(description) description *found = described(stage, "web");
    assert_int_equal(strlen(found->events[0]->message), 1023);
    assert_int_equal(found->events[0]->count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(nobody_is_not_found),
        TEST(a_sandbox_alone_has_nothing_else),
        TEST(its_pods_are_told_with_what_their_containers_do),
        TEST(the_internal_snapshot_comes_before_the_public_ones),
        TEST(events_of_all_its_objects_are_told_oldest_first),
        TEST(events_of_others_are_not_told),
        TEST(a_pod_that_is_gone_is_still_told_of_unless_it_was_an_earlier_sandboxes),
        TEST(of_many_events_the_newest_are_told),
        TEST(a_long_message_is_cut_at_a_character),
    };

    log_setup("test", LOG_LEVEL_MAX, LOG_FORMAT_JSON);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
