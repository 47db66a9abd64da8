/* test_orchestrator.c - the Orchestrator service over real gRPC, on a store and an agent that runs pods in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/strbuf.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "tests/unit/snapshot-svc/api/api_kit.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

#include <opensandbox/orchestrator/v1/orchestrator.pb-c.h>

#define ORCHESTRATOR (&opensandbox__orchestrator__v1__orchestrator__descriptor)
#define TEMPLATE     "{\"spec\":{\"containers\":[{\"name\":\"main\",\"image\":\"busybox\"}]}}"

typedef Opensandbox__Orchestrator__V1__Sandbox sandbox_message;
typedef Opensandbox__Orchestrator__V1__CreateSandboxRequest create_request;
typedef Opensandbox__Orchestrator__V1__GetSandboxRequest get_request;
typedef Opensandbox__Orchestrator__V1__ListSandboxesResponse list_response;
typedef Opensandbox__Orchestrator__V1__ListSandboxesRequest list_request;
typedef Opensandbox__Orchestrator__V1__ListSandboxesRequest__LabelsEntry list_label;
typedef Opensandbox__Orchestrator__V1__ExecSandboxEvent exec_event;
typedef Opensandbox__Orchestrator__V1__SandboxLogsEvent logs_event;

static void message_free(void *message)
{
    protobuf_c_message_free_unpacked(message, NULL);
}
DEFINE_FREEP(sandbox, sandbox_message, message_free)
DEFINE_FREEP(list, list_response, message_free)
DEFINE_FREEP(stream, struct rpc_stream, rpc_stream_free)

static int setup(void **state)
{
    struct stage *stage = stage_new();

    stage->with_door = true;
    stage_start(stage);
    *state = stage;
    return 0;
}

static int teardown(void **state)
{
    stage_free(*state);
    return 0;
}

/* ---- calls ---- */

static int create(struct stage *stage, const char *name, const char *template_json,
                  sandbox_message **ret_sandbox, struct error *err)
{
    Opensandbox__Orchestrator__V1__CreateSandboxRequest__LabelsEntry label =
        OPENSANDBOX__ORCHESTRATOR__V1__CREATE_SANDBOX_REQUEST__LABELS_ENTRY__INIT;
    Opensandbox__Orchestrator__V1__CreateSandboxRequest__LabelsEntry *labels[] = {&label};
    create_request request = OPENSANDBOX__ORCHESTRATOR__V1__CREATE_SANDBOX_REQUEST__INIT;

    label.key = "opensandbox.io/id";
    label.value = (char *)name;
    request.name = (char *)name;
    request.labels = labels;
    request.n_labels = 1;
    request.expire_time_unix_ms = 1893456000123;
    request.template_json = (char *)template_json;
    return rpc_unary(stage->channel, ORCHESTRATOR, "CreateSandbox", &request.base, ret_sandbox, NULL, err);
}

static void create_sandbox(struct stage *stage, const char *name)
{
    SCOPED(sandbox) sandbox_message *sandbox = NULL;
    struct error err = {0};
    assert_ok(create(stage, name, TEMPLATE, &sandbox, &err));
}

static int get(struct stage *stage, const char *name, sandbox_message **ret_sandbox, struct error *err)
{
    get_request request = OPENSANDBOX__ORCHESTRATOR__V1__GET_SANDBOX_REQUEST__INIT;

    request.name = (char *)name;
    return rpc_unary(stage->channel, ORCHESTRATOR, "GetSandbox", &request.base, ret_sandbox, NULL, err);
}

static int remove_sandbox(struct stage *stage, const char *name, struct error *err)
{
    Opensandbox__Orchestrator__V1__DeleteSandboxRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__DELETE_SANDBOX_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;

    request.name = (char *)name;
    int done = rpc_unary(stage->channel, ORCHESTRATOR, "DeleteSandbox", &request.base, &answer, NULL, err);
    message_free(done == 0 ? answer : NULL);
    return done;
}

static struct rpc_stream *watch(struct stage *stage, const char *name)
{
    get_request request = OPENSANDBOX__ORCHESTRATOR__V1__GET_SANDBOX_REQUEST__INIT;
    const struct rpc_call_options options = {.timeout_ms = 20000};
    struct rpc_stream *stream;
    struct error err = {0};

    request.name = (char *)name;
    assert_ok(rpc_stream_open(stage->channel, ORCHESTRATOR, "WatchSandbox", &request.base, &stream, &options,
                              &err));
    return stream;
}

static void patch_status(struct stage *stage, enum cluster_kind kind, const char *name, const char *status)
{
    SCOPED(json) json_t *patch = quoted(status);
    struct error err = {0};
    assert_ok(cluster_patch_status(stage->kit->cluster, kind, "test", name, patch, NULL, NULL, &err));
}

static sandbox_message *next(struct rpc_stream *stream)
{
    sandbox_message *sandbox = NULL;
    struct error err = {0};

    if (rpc_stream_next(stream, &sandbox, &err) != 1)
        fail_msg("the watch ended: %s", err.text);
    return sandbox;
}

static void create_snapshot(struct stage *stage, const char *sandbox)
{
    SCOPED(string) char *uid = stage_uid(stage, KIND_BATCH_SANDBOX, sandbox);
    SCOPED(string)
    char *json =
        xasprintf("{'metadata': {'name': '%s-pause', 'ownerReferences': [{'apiVersion':"
                  " 'sandbox.opensandbox.io/v1alpha1', 'kind': 'BatchSandbox', 'name': '%s', 'uid': '%s',"
                  " 'controller': true}]}, 'spec': {'sandboxName': '%s'}}",
                  sandbox, sandbox, uid, sandbox);
    stage_create(stage, KIND_SANDBOX_SNAPSHOT, json);
}

/* ---- create ---- */

static void a_created_sandbox_is_a_batchsandbox_of_one_replica(void **state)
{
    struct stage *stage = *state;
    SCOPED(sandbox) sandbox_message *sandbox = NULL;
    struct error err = {0};

    assert_ok(create(stage, "web", TEMPLATE, &sandbox, &err));
    assert_string_equal(sandbox->name, "web");
    assert_string_equal(sandbox->namespace_, "test");
    assert_string_equal(sandbox->template_json, TEMPLATE);
    assert_int_equal(sandbox->expire_time_unix_ms, 1893456000000);
    assert_true(sandbox->created_at_unix_ms > 0);
    SCOPED(json) json_t *stored = stage_get(stage, KIND_BATCH_SANDBOX, "web");
    assert_int_equal(json_integer_value(json_path(stored, "spec.replicas")), 1);
    assert_string_equal(json_path_string(stored, "spec.expireTime"), "2030-01-01T00:00:00Z");
    assert_null(json_path(stored, "spec.pause"));
}

static void a_taken_name_and_a_bad_template_are_refused(void **state)
{
    struct stage *stage = *state;
    sandbox_message *sandbox = NULL;
    struct error err = {0};

    create_sandbox(stage, "web");
    assert_int_equal(create(stage, "web", TEMPLATE, &sandbox, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_int_equal(create(stage, "web-2", "[]", &sandbox, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(create(stage, "web-2", "{", &sandbox, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(create(stage, "Not A Name", TEMPLATE, &sandbox, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
}

static void who_created_a_sandbox_can_read_it_at_once(void **state)
{
    SCOPED(sandbox) sandbox_message *sandbox = NULL;
    struct error err = {0};

    for (int i = 0; i < 20; i++) {
        SCOPED(string) char *name = xasprintf("web-%d", i);
        create_sandbox(*state, name);
        sandbox_freep(&sandbox);
        assert_ok(get(*state, name, &sandbox, &err));
    }
}

/* ---- get, list ---- */

static void a_sandbox_is_found_by_its_legacy_name(void **state)
{
    SCOPED(sandbox) sandbox_message *sandbox = NULL;
    struct error err = {0};

    create_sandbox(*state, "sandbox-old");
    assert_ok(get(*state, "old", &sandbox, &err));
    assert_string_equal(sandbox->name, "sandbox-old");
}

static void an_unknown_sandbox_is_not_found(void **state)
{
    sandbox_message *sandbox = NULL;
    struct error err = {0};

    assert_int_equal(get(*state, "nobody", &sandbox, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(err.reason, "SandboxNotFound");
    assert_int_equal(remove_sandbox(*state, "nobody", &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void the_view_tells_phase_conditions_and_snapshot(void **state)
{
    struct stage *stage = *state;
    struct error err = {0};
    SCOPED(sandbox) sandbox_message *sandbox = NULL;

    create_sandbox(stage, "web");
    SCOPED(stream) struct rpc_stream *stream = watch(stage, "web");
    create_snapshot(stage, "web");
    patch_status(stage, KIND_BATCH_SANDBOX, "web",
                 "{'status': {" COUNTERS
                 ", 'phase': 'Pausing', 'conditions': [{'type': 'Progressing', 'status':"
                 " 'True', 'reason': 'Pausing', 'lastTransitionTime': '2029-06-01T10:00:00Z'}]}}");
    patch_status(
        stage, KIND_SANDBOX_SNAPSHOT, "web-pause",
        "{'status': {'phase': 'Committing', 'attempts': 2, 'progress': {'phase': 'Pushing', 'bytesRead': 5,"
        " 'bytesTotal': 9}, 'containers': [{'containerName': 'main', 'imageUri': 'r/x:snap-gen1'}]}}");
    do {
        sandbox_freep(&sandbox);
        sandbox = next(stream);
    } while (strcmp(sandbox->phase, "Pausing") != 0 || !sandbox->snapshot || !sandbox->snapshot->progress);

    assert_string_equal(sandbox->phase, "Pausing");
    assert_int_equal(sandbox->n_conditions, 1);
    assert_string_equal(sandbox->conditions[0]->reason, "Pausing");
    assert_int_equal(sandbox->conditions[0]->last_transition_unix_ms, 1875002400000);
    assert_string_equal(sandbox->snapshot->phase, "Committing");
    assert_string_equal(sandbox->snapshot->progress->phase, "Pushing");
    assert_int_equal(sandbox->snapshot->progress->bytes_total, 9);
    assert_int_equal(sandbox->snapshot->attempts, 2);

    SCOPED(sandbox) sandbox_message *got = NULL;
    assert_ok(get(stage, "web", &got, &err));
    assert_string_equal(got->snapshot->name, "web-pause");
}

static void a_snapshot_of_another_owner_is_not_shown(void **state)
{
    struct stage *stage = *state;
    SCOPED(sandbox) sandbox_message *sandbox = NULL;
    struct error err = {0};

    create_sandbox(stage, "web");
    stage_create(stage, KIND_SANDBOX_SNAPSHOT,
                 "{'metadata': {'name': 'web-pause'}, 'spec': {'sandboxName': 'web'}}");
    stage_await_cached(stage, KIND_SANDBOX_SNAPSHOT, "web-pause");
    assert_ok(get(stage, "web", &sandbox, &err));
    assert_null(sandbox->snapshot);
}

static void the_list_has_the_sandboxes_that_carry_an_id(void **state)
{
    struct stage *stage = *state;
    Opensandbox__Orchestrator__V1__ListSandboxesRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__LIST_SANDBOXES_REQUEST__INIT;
    SCOPED(list) list_response *list = NULL;
    struct error err = {0};

    create_sandbox(stage, "web");
    create_sandbox(stage, "db");
    stage_create(stage, KIND_BATCH_SANDBOX, "{'metadata': {'name': 'no-id'}, 'spec': {'template': {}}}");
    stage_await_cached(stage, KIND_BATCH_SANDBOX, "no-id");
    assert_ok(rpc_unary(stage->channel, ORCHESTRATOR, "ListSandboxes", &request.base, &list, NULL, &err));
    assert_int_equal(list->n_sandboxes, 2);
}

static void await_phase(struct stage *stage, const char *name, const char *phase)
{
    SCOPED(stream) struct rpc_stream *stream = watch(stage, name);

    for (bool there = false; !there;) {
        SCOPED(sandbox) sandbox_message *sandbox = next(stream);
        there = strcmp(sandbox->phase, phase) == 0;
    }
}

/* Names of a part of the list, newest first; *ret_total of all that match. */
static char *names_of(struct stage *stage, const list_request *request, int64_t *ret_total)
{
    SCOPED(list) list_response *list = NULL;
    struct strbuf names = STRBUF_INIT;
    struct error err = {0};

    assert_ok(rpc_unary(stage->channel, ORCHESTRATOR, "ListSandboxes", &request->base, &list, NULL, &err));
    for (size_t i = 0; i < list->n_sandboxes; i++)
        (void)strbuf_addf(&names, "%s ", list->sandboxes[i]->name);
    *ret_total = list->total;
    return names.length ? strbuf_take(&names) : xstrdup("");
}

static void assert_listed(struct stage *stage, const list_request *request, const char *names, int64_t total)
{
    int64_t found = -1;
    SCOPED(string) char *listed = names_of(stage, request, &found);

    assert_string_equal(listed, names);
    assert_int_equal(found, total);
}

/* All of them within one second, most likely: then names decide. */
static void a_list_is_filtered_and_cut_where_the_sandboxes_are(void **state)
{
    struct stage *stage = *state;
    list_request request = OPENSANDBOX__ORCHESTRATOR__V1__LIST_SANDBOXES_REQUEST__INIT;
    list_label label = OPENSANDBOX__ORCHESTRATOR__V1__LIST_SANDBOXES_REQUEST__LABELS_ENTRY__INIT,
               *labels[] = {&label};
    char *paused[] = {"PAUSED"}, *unknown[] = {"sleeping"};
    SCOPED(list) list_response *list = NULL;
    struct error err = {0};

    create_sandbox(stage, "web");
    create_sandbox(stage, "db");
    patch_status(stage, KIND_BATCH_SANDBOX, "db", "{'status': {" COUNTERS ", 'phase': 'Paused'}}");
    await_phase(stage, "db", "Paused");

    request.states = paused;
    request.n_states = 1;
    assert_listed(stage, &request, "db ", 1);
    request.states = unknown;
    assert_listed(stage, &request, "", 0);
    request.n_states = 0;
    request.labels = labels;
    request.n_labels = 1;
    label.key = (char *)"opensandbox.io/id";
    label.value = (char *)"web";
    assert_listed(stage, &request, "web ", 1);
    label.value = (char *)"we";
    assert_listed(stage, &request, "", 0);
    request.n_labels = 0;
    request.take = 1;
    int64_t total = 0;
    SCOPED(string) char *first = names_of(stage, &request, &total);
    assert_int_equal(total, 2);
    request.skip = 1;
    assert_listed(stage, &request, strcmp(first, "db ") == 0 ? "web " : "db ", 2);
    request.skip = 2;
    assert_listed(stage, &request, "", 2);
    request.skip = -1;
    assert_int_equal(
        rpc_unary(stage->channel, ORCHESTRATOR, "ListSandboxes", &request.base, &list, NULL, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
}

/* ---- delete, watch ---- */

static void who_deleted_reads_it_gone_at_once(void **state)
{
    struct stage *stage = *state;

    for (int i = 0; i < 50; i++) {
        SCOPED(string) char *name = xasprintf("web-%d", i);
        SCOPED(sandbox) sandbox_message *sandbox = NULL;
        struct error err = {0};
        create_sandbox(stage, name);
        stage_await_cached(stage, KIND_BATCH_SANDBOX, name);
        assert_ok(remove_sandbox(stage, name, &err));
        assert_int_equal(get(stage, name, &sandbox, &err), -1);
        assert_int_equal(err.code, ERR_NOT_FOUND);
    }
}

/* By a replica that no watch tells anything: it waits to be told, and then answers all the same. */
static void who_deletes_waits_for_the_cache_but_not_for_ever(void **state)
{
    struct stage *stage = *state;
    struct replica *replica = replica_new(stage);
    Opensandbox__Orchestrator__V1__CreateSandboxRequest create =
        OPENSANDBOX__ORCHESTRATOR__V1__CREATE_SANDBOX_REQUEST__INIT;
    Opensandbox__Orchestrator__V1__DeleteSandboxRequest delete =
        OPENSANDBOX__ORCHESTRATOR__V1__DELETE_SANDBOX_REQUEST__INIT;
    SCOPED(sandbox) sandbox_message *created = NULL;
    ProtobufCMessage *deleted = NULL;
    struct error err = {0};

    create.name = delete.name = "web";
    create.template_json = "{}";
    assert_ok(rpc_unary(replica_channel(replica), ORCHESTRATOR, "CreateSandbox", &create.base, &created, NULL,
                        &err));
    const int64_t began_ms = clock_monotonic_ms();
    assert_ok(rpc_unary(replica_channel(replica), ORCHESTRATOR, "DeleteSandbox", &delete.base, &deleted, NULL,
                        &err));
    assert_true(clock_monotonic_ms() - began_ms >= 1000);
    message_free(deleted);
    replica_free(replica);
}

static void a_watch_tells_each_change_and_ends_when_the_sandbox_is_gone(void **state)
{
    struct stage *stage = *state;
    SCOPED(sandbox) sandbox_message *sandbox = NULL;
    struct error err = {0};

    create_sandbox(stage, "web");
    SCOPED(stream) struct rpc_stream *stream = watch(stage, "web");
    sandbox = next(stream);
    assert_string_equal(sandbox->phase, "");
    patch_status(stage, KIND_BATCH_SANDBOX, "web", "{'status': {" COUNTERS ", 'phase': 'Pending'}}");
    sandbox_freep(&sandbox);
    sandbox = next(stream);
    assert_string_equal(sandbox->phase, "Pending");
    assert_ok(remove_sandbox(stage, "web", &err));
    sandbox_freep(&sandbox);
    assert_int_equal(rpc_stream_next(stream, &sandbox, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void a_watch_of_an_unknown_sandbox_is_not_found(void **state)
{
    SCOPED(stream) struct rpc_stream *stream = watch(*state, "nobody");
    sandbox_message *sandbox = NULL;
    struct error err = {0};

    assert_int_equal(rpc_stream_next(stream, &sandbox, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

/* A law: whatever was missed on the way, the last state is told. */
static void a_slow_reader_still_gets_the_last_state(void **state)
{
    struct stage *stage = *state;
    SCOPED(sandbox) sandbox_message *sandbox = NULL;
    int messages = 0;

    create_sandbox(stage, "web");
    SCOPED(stream) struct rpc_stream *stream = watch(stage, "web");
    for (int i = 0; i < 200; i++) {
        SCOPED(string)
        char *status =
            xasprintf("{'status': {" COUNTERS ", 'phase': 'Pending', 'observedGeneration': %d}}", i);
        patch_status(stage, KIND_BATCH_SANDBOX, "web", status);
    }
    patch_status(stage, KIND_BATCH_SANDBOX, "web", "{'status': {" COUNTERS ", 'phase': 'Succeed'}}");
    do {
        sandbox_freep(&sandbox);
        sandbox = next(stream);
        messages++;
    } while (strcmp(sandbox->phase, "Succeed") != 0);
    assert_true(messages <= 202);
}

static void a_stopping_server_ends_watches_at_once(void **state)
{
    struct stage *stage = *state;
    struct error err = {0};

    create_sandbox(stage, "web");
    SCOPED(stream) struct rpc_stream *stream = watch(stage, "web");
    SCOPED(sandbox) sandbox_message *sandbox = next(stream);
    rpc_server_stop(stage->server, 3600 * 1000);
    sandbox_freep(&sandbox);
    assert_int_equal(rpc_stream_next(stream, &sandbox, &err), -1);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
}

/* ---- exec, logs ---- */

static void give_running_pod(struct stage *stage, const char *sandbox)
{
    create_sandbox(stage, sandbox);
    SCOPED(string) char *uid = stage_uid(stage, KIND_BATCH_SANDBOX, sandbox);
    SCOPED(string)
    char *json =
        xasprintf("{'metadata': {'name': '%s-0', 'ownerReferences': [{'apiVersion':"
                  " 'sandbox.opensandbox.io/v1alpha1', 'kind': 'BatchSandbox', 'name': '%s', 'uid': '%s',"
                  " 'controller': true}]}, 'spec': {'containers': [{'name': 'main', 'image': 'x'}]}}",
                  sandbox, sandbox, uid);
    SCOPED(string) char *pod = xasprintf("%s-0", sandbox);
    stage_create(stage, KIND_POD, json);
    stage_await(stage, KIND_POD, pod, "status.phase", "Running");
}

static int exec_next(struct rpc_stream *stream, exec_event **event, struct error *err)
{
    return rpc_stream_next(stream, event, err);
}

static struct rpc_stream *exec(struct stage *stage, const char *sandbox)
{
    static char *command[] = {"cat", "-n"};
    Opensandbox__Orchestrator__V1__ExecSandboxRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__EXEC_SANDBOX_REQUEST__INIT;
    struct rpc_stream *stream;
    struct error err = {0};

    request.name = (char *)sandbox;
    request.command = command;
    request.n_command = 2;
    request.stdin = (ProtobufCBinaryData){.data = (uint8_t *)"hello", .len = 5};
    assert_ok(rpc_stream_open(stage->channel, ORCHESTRATOR, "Exec", &request.base, &stream, NULL, &err));
    return stream;
}

static void exec_passes_input_output_and_exit_code(void **state)
{
    struct stage *stage = *state;
    struct error err = {0};
    exec_event *event = NULL;

    give_running_pod(stage, "web");
    SCOPED(stream) struct rpc_stream *stream = exec(stage, "web");
    assert_int_equal(exec_next(stream, &event, &err), 1);
    assert_memory_equal(event->stdout.data, "hello", 5);
    message_free(event);
    assert_int_equal(exec_next(stream, &event, &err), 1);
    assert_memory_equal(event->stderr.data, "cat", 3);
    message_free(event);
    assert_int_equal(exec_next(stream, &event, &err), 1);
    assert_int_equal(event->exit_code, 7);
    message_free(event);
    assert_int_equal(exec_next(stream, &event, &err), 0);
    assert_string_equal(fake_runtime_last_command(stage->runtime), "cat");
}

static void exec_without_a_running_pod_is_refused(void **state)
{
    struct error err = {0};
    exec_event *event = NULL;

    create_sandbox(*state, "web");
    SCOPED(stream) struct rpc_stream *stream = exec(*state, "web");
    assert_int_equal(exec_next(stream, &event, &err), -1);
    assert_int_equal(err.code, ERR_PRECONDITION);
    assert_string_equal(err.reason, "NoRunningPod");
}

static void logs_pass_the_lines_that_were_asked_for(void **state)
{
    struct stage *stage = *state;
    Opensandbox__Orchestrator__V1__SandboxLogsRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__SANDBOX_LOGS_REQUEST__INIT;
    SCOPED(stream) struct rpc_stream *stream = NULL;
    struct error err = {0};
    logs_event *event = NULL;

    give_running_pod(stage, "web");
    request.name = "web";
    request.tail_lines = 2;
    assert_ok(rpc_stream_open(stage->channel, ORCHESTRATOR, "Logs", &request.base, &stream, NULL, &err));
    assert_int_equal(rpc_stream_next(stream, &event, &err), 1);
    assert_memory_equal(event->line.data, "line 1", 6);
    message_free(event);
    assert_int_equal(rpc_stream_next(stream, &event, &err), 1);
    assert_true(event->stderr);
    assert_int_equal(event->time_unix_ns, 2);
    message_free(event);
    assert_int_equal(rpc_stream_next(stream, &event, &err), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_created_sandbox_is_a_batchsandbox_of_one_replica),
        TEST(a_taken_name_and_a_bad_template_are_refused),
        TEST(who_created_a_sandbox_can_read_it_at_once),
        TEST(a_sandbox_is_found_by_its_legacy_name),
        TEST(an_unknown_sandbox_is_not_found),
        TEST(the_view_tells_phase_conditions_and_snapshot),
        TEST(a_snapshot_of_another_owner_is_not_shown),
        TEST(the_list_has_the_sandboxes_that_carry_an_id),
        TEST(a_list_is_filtered_and_cut_where_the_sandboxes_are),
        TEST(who_deleted_reads_it_gone_at_once),
        TEST(who_deletes_waits_for_the_cache_but_not_for_ever),
        TEST(a_watch_tells_each_change_and_ends_when_the_sandbox_is_gone),
        TEST(a_watch_of_an_unknown_sandbox_is_not_found),
        TEST(a_slow_reader_still_gets_the_last_state),
        TEST(a_stopping_server_ends_watches_at_once),
        TEST(exec_passes_input_output_and_exit_code),
        TEST(exec_without_a_running_pod_is_refused),
        TEST(logs_pass_the_lines_that_were_asked_for),
    };

    log_setup("test", LOG_LEVEL_MAX, LOG_FORMAT_JSON);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
