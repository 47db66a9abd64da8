/* test_snapshots.c - CreateSnapshot, GetSnapshot, ListSnapshots and DeleteSnapshot over real gRPC; no controller runs, so each
 * snapshot is as far as the test says. Spec: contract/rest-api.md §12, crds.md §6. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "snapshot-svc/model/names.h"
#include "tests/unit/snapshot-svc/api/api_kit.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

#include <opensandbox/orchestrator/v1/orchestrator.pb-c.h>

#define ORCHESTRATOR (&opensandbox__orchestrator__v1__orchestrator__descriptor)
#define ID_1         "11111111-1111-4111-8111-111111111111"
#define ID_2         "22222222-2222-4222-8222-222222222222"
#define ID_3         "33333333-3333-4333-8333-333333333333"
#define NAME_1       "osb-snap-11111111111141118111111111111111"
#define NAME_2       "osb-snap-22222222222242228222222222222222"
#define NAME_3       "osb-snap-33333333333343338333333333333333"

typedef Opensandbox__Orchestrator__V1__Snapshot snapshot_message;
typedef Opensandbox__Orchestrator__V1__ListSnapshotsResponse list_message;

static void message_free(void *message)
{
    protobuf_c_message_free_unpacked(message, NULL);
}
DEFINE_FREEP(snapshot, snapshot_message, message_free)
DEFINE_FREEP(list, list_message, message_free)

static const struct api_given running = {.phase = "Succeed"};

/* ---- the calls ---- */

static int create(struct stage *stage, const char *id, const char *sandbox, const char *display_name,
                  snapshot_message **ret_snapshot, struct error *err)
{
    Opensandbox__Orchestrator__V1__CreateSnapshotRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__CREATE_SNAPSHOT_REQUEST__INIT;

    error_clear(err);
    request.id = (char *)id;
    request.sandbox = (char *)sandbox;
    request.display_name = (char *)display_name;
    return rpc_unary(stage->channel, ORCHESTRATOR, "CreateSnapshot", &request.base, ret_snapshot, NULL, err);
}

static void create_snapshot(struct stage *stage, const char *id, const char *sandbox,
                            const char *display_name)
{
    SCOPED(snapshot) snapshot_message *snapshot = NULL;
    struct error err = {0};
    assert_ok(create(stage, id, sandbox, display_name, &snapshot, &err));
}

static int get(struct rpc_channel *channel, const char *id, snapshot_message **ret_snapshot,
               struct error *err)
{
    Opensandbox__Orchestrator__V1__GetSnapshotRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__GET_SNAPSHOT_REQUEST__INIT;

    error_clear(err);
    request.id = (char *)id;
    return rpc_unary(channel, ORCHESTRATOR, "GetSnapshot", &request.base, ret_snapshot, NULL, err);
}

static int remove_snapshot(struct stage *stage, const char *id, struct error *err)
{
    Opensandbox__Orchestrator__V1__DeleteSnapshotRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__DELETE_SNAPSHOT_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;

    error_clear(err);
    request.id = (char *)id;
    if (rpc_unary(stage->channel, ORCHESTRATOR, "DeleteSnapshot", &request.base, &answer, NULL, err) < 0)
        return -1;
    message_free(answer);
    return 0;
}

/* "id id": what a list answers. */
static const char *ids_of_list(struct stage *stage, const char *sandbox, const char *display_name)
{
    Opensandbox__Orchestrator__V1__ListSnapshotsRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__LIST_SNAPSHOTS_REQUEST__INIT;
    SCOPED(list) list_message *list = NULL;
    static char ids[256];
    struct error err = {0};

    request.sandbox = (char *)sandbox;
    request.display_name = (char *)display_name;
    assert_ok(rpc_unary(stage->channel, ORCHESTRATOR, "ListSnapshots", &request.base, &list, NULL, &err));
    *ids = '\0';
    for (size_t i = 0; i < list->n_snapshots; i++) {
        strcat(ids, *ids ? " " : "");
        strncat(ids, list->snapshots[i]->id, 40);
    }
    return ids;
}

/* ---- what the controller would do ---- */

/* JSON with ' in the place of ". The cache has it when this answers. */
static void set_status(struct stage *stage, const char *name, const char *status)
{
    SCOPED(json) json_t *patch = quotedf("{'status': %s}", status);
    SCOPED(json) json_t *written = NULL;
    struct error err = {0};

    assert_ok(cluster_patch_status(stage->kit->cluster, KIND_SANDBOX_SNAPSHOT, "test", name, patch, NULL,
                                   &written, &err));
    assert_ok(informer_apply(stage->service.informers[KIND_SANDBOX_SNAPSHOT], written, &err));
}

static void finish_deletion(struct stage *stage, const char *name)
{
    SCOPED(json) json_t *patch = quoted("{'metadata': {'finalizers': []}}");
    struct error err = {0};

    assert_ok(
        cluster_patch(stage->kit->cluster, KIND_SANDBOX_SNAPSHOT, "test", name, patch, NULL, NULL, &err));
    stage_await(stage, KIND_SANDBOX_SNAPSHOT, name, NULL, NULL);
}

static void give_pause_snapshot(struct stage *stage, const char *sandbox, const char *status)
{
    SCOPED(json) json_t *owner = stage_get(stage, KIND_BATCH_SANDBOX, sandbox);
    SCOPED(string) char *name = name_internal_snapshot(sandbox);
    SCOPED(json) json_t *object = owned_by(snapshot_named(name, sandbox), owner);
    struct error err = {0};

    assert_ok(cluster_create(stage->kit->cluster, KIND_SANDBOX_SNAPSHOT, "test", object, NULL, &err));
    set_status(stage, name, status);
}

/* ---- create ---- */

static void a_snapshot_is_an_object_with_three_labels_and_no_owner(void **state)
{
    struct stage *stage = *state;
    SCOPED(snapshot) snapshot_message *snapshot = NULL;
    struct error err = {0};

    api_give_sandbox(stage, "web", running);
    assert_ok(create(stage, ID_1, "web", "before the upgrade", &snapshot, &err));
    assert_string_equal(snapshot->id, ID_1);
    assert_string_equal(snapshot->name, NAME_1);
    assert_string_equal(snapshot->sandbox, "web");
    assert_string_equal(snapshot->display_name, "before the upgrade");
    assert_string_equal(snapshot->phase, "");
    assert_true(snapshot->created_at_unix_ms > 0);
    assert_string_equal(snapshot->restore_image, "");

    SCOPED(json) json_t *object = stage_get(stage, KIND_SANDBOX_SNAPSHOT, NAME_1);
    SCOPED(json)
    json_t *labels =
        quoted("{'opensandbox.io/snapshot-id': '" ID_1 "',"
               " 'opensandbox.io/source-sandbox-id': 'web', 'opensandbox.io/snapshot-scope': 'public'}");
    SCOPED(json) json_t *spec = quoted("{'sandboxName': 'web'}");
    SCOPED(json) json_t *sandbox = stage_get(stage, KIND_BATCH_SANDBOX, "web");
    const json_t *annotations = json_path(object, "metadata.annotations");
    assert_true(json_equal(json_path(object, "metadata.labels"), labels));
    assert_true(json_equal(json_object_get(object, "spec"), spec));
    assert_null(json_path(object, "metadata.ownerReferences"));
    assert_string_equal(json_string_value(json_object_get(annotations, ANNOTATION_DISPLAY_NAME)),
                        "before the upgrade");
    assert_string_equal(json_string_value(json_object_get(annotations, ANNOTATION_SOURCE_UID)),
                        json_path_string(sandbox, "metadata.uid"));
}

static void an_id_that_is_no_uuid_names_its_object_by_a_hash(void **state)
{
    struct stage *stage = *state;
    SCOPED(snapshot) snapshot_message *snapshot = NULL;
    struct error err = {0};

    api_give_sandbox(stage, "web", running);
    create_snapshot(stage, "abc", "web", "");
    assert_ok(get(stage->channel, "abc", &snapshot, &err));
    assert_string_equal(snapshot->id, "abc");
    assert_string_equal(snapshot->name, "osb-snap-ba7816bf8f01cfea414140de5dae2223");
    assert_string_equal(snapshot->display_name, "");
}

static void the_source_is_named_by_its_id_and_the_object_by_its_name(void **state) /* legacy names */
{
    struct stage *stage = *state;
    SCOPED(json)
    json_t *label = quoted("{'metadata': {'labels': {'opensandbox.io/id': 'old'}}}");
    SCOPED(snapshot) snapshot_message *snapshot = NULL;
    struct error err = {0};

    api_give_sandbox(stage, "sandbox-old", running);
    assert_ok(cluster_patch(stage->kit->cluster, KIND_BATCH_SANDBOX, "test", "sandbox-old", label, NULL, NULL,
                            &err));
    assert_ok(create(stage, ID_1, "old", "", &snapshot, &err));
    assert_string_equal(snapshot->sandbox, "old");
    SCOPED(json) json_t *object = stage_get(stage, KIND_SANDBOX_SNAPSHOT, NAME_1);
    assert_string_equal(json_path_string(object, "spec.sandboxName"), "sandbox-old");
    create_snapshot(stage, ID_1, "old", ""); /* and is known again */
}

static void there_is_no_snapshot_of_nobody(void **state)
{
    struct stage *stage = *state;
    SCOPED(snapshot) snapshot_message *snapshot = NULL;
    struct error err = {0};

    assert_refused(create(stage, ID_1, "nobody", "", &snapshot, &err), ERR_NOT_FOUND);
    assert_string_equal(err.reason, "SandboxNotFound");
    assert_refused(create(stage, "", "web", "", &snapshot, &err), ERR_INVALID);
}

static void a_source_that_neither_runs_nor_is_paused_is_refused_with_its_state(void **state)
{
    struct stage *stage = *state;
    SCOPED(snapshot) snapshot_message *snapshot = NULL;
    struct error err = {0};

    api_give_sandbox(stage, "web", (struct api_given){.phase = "Pausing", .pause = "true"});
    assert_refused(create(stage, ID_1, "web", "", &snapshot, &err), ERR_PRECONDITION);
    assert_string_equal(err.reason, "InvalidSourceState");
    assert_text_has(err.text, "phase Pausing");
    SCOPED(json) json_t *object = stage_get(stage, KIND_SANDBOX_SNAPSHOT, NAME_1);
    assert_null(object);
}

static void a_paused_source_needs_the_snapshot_of_its_pause(void **state)
{
    struct stage *stage = *state;
    SCOPED(snapshot) snapshot_message *snapshot = NULL;
    struct error err = {0};

    api_give_sandbox(stage, "web", (struct api_given){.phase = "Paused", .pause = "true"});
    assert_refused(create(stage, ID_1, "web", "", &snapshot, &err), ERR_PRECONDITION);
    assert_text_has(err.text, "phase Paused");
    give_pause_snapshot(stage, "web", "{'phase': 'Succeed'}");
    create_snapshot(stage, ID_1, "web", "");
}

/* ---- repeated ---- */

static void the_same_request_answers_with_the_snapshot_that_is_there(void **state)
{
    struct stage *stage = *state;
    SCOPED(snapshot) snapshot_message *again = NULL;
    struct error err = {0};

    api_give_sandbox(stage, "web", running);
    create_snapshot(stage, ID_1, "web", "one");
    set_status(stage, NAME_1, "{'phase': 'Failed'}");
    stage_delete(stage, KIND_BATCH_SANDBOX, "web", 0); /* whatever became of its source */
    assert_ok(create(stage, ID_1, "web", "one", &again, &err));
    assert_string_equal(again->phase, "Failed");
}

static void an_id_that_means_something_else_is_taken(void **state)
{
    struct stage *stage = *state;
    SCOPED(snapshot) snapshot_message *snapshot = NULL;
    struct error err = {0};

    api_give_sandbox(stage, "web", running);
    api_give_sandbox(stage, "db", running);
    create_snapshot(stage, ID_1, "web", "one");
    assert_refused(create(stage, ID_1, "db", "one", &snapshot, &err), ERR_EXISTS);
    assert_string_equal(err.reason, "SnapshotConflict");
    assert_refused(create(stage, ID_1, "web", "two", &snapshot, &err), ERR_EXISTS);
    assert_string_equal(err.reason, "RequestMismatch");
    stage_create(stage, KIND_SANDBOX_SNAPSHOT,
                 "{'metadata': {'name': '" NAME_2 "'}, 'spec': {'sandboxName': 'web'}}");
    assert_refused(create(stage, ID_2, "web", "", &snapshot, &err), ERR_EXISTS);
}

/* ---- get ---- */

#define CONTAINER(name)                                                                                      \
    "{'containerName': '" name "', 'imageUri': 'r:5000/" name ":t', 'imageDigest': 'sha256:0d'}"

static const struct restore {
    const char *status, *image;
} restores[] = {
    {"{'phase': 'Succeed', 'containers': [" CONTAINER("a") ", " CONTAINER("sandbox") "]}",
     "r:5000/sandbox:t@sha256:0d"},
    {"{'phase': 'Succeed', 'containers': [" CONTAINER("main") "]}", "r:5000/main:t@sha256:0d"},
    {"{'phase': 'Succeed', 'containers': [{'containerName': 'main', 'imageUri': 'r:5000/main:t'}]}",
     "r:5000/main:t"},
    {"{'phase': 'Succeed', 'containers': [" CONTAINER("a") ", " CONTAINER("b") "]}", ""},
    {"{'phase': 'Succeed'}", ""},
    {"{'phase': 'Committing', 'containers': [" CONTAINER("main") "]}", ""},
    {"{'phase': 'Failed', 'keptOnNode': 'n', 'containers': [" CONTAINER("main") "]}", ""},
};

static void what_a_restored_sandbox_runs_is_told_where_it_is_certain(void **state)
{
    struct stage *stage = *state;

    stage->service.resume_pull_secret = "pull";
    api_give_sandbox(stage, "web", running);
    create_snapshot(stage, ID_1, "web", "");
    for (size_t i = 0; i < sizeof(restores) / sizeof(*restores); i++) {
        SCOPED(snapshot) snapshot_message *snapshot = NULL;
        struct error err = {0};
        set_status(stage, NAME_1, "null");
        set_status(stage, NAME_1, restores[i].status);
        assert_ok(get(stage->channel, ID_1, &snapshot, &err));
        assert_string_equal(snapshot->restore_image, restores[i].image);
        assert_string_equal(snapshot->pull_secret, *restores[i].image ? "pull" : "");
        assert_int_equal(snapshot->container_count, snapshot->n_containers);
    }
}

static void what_is_not_public_is_not_there(void **state)
{
    struct stage *stage = *state;
    SCOPED(snapshot) snapshot_message *snapshot = NULL;
    struct error err = {0};

    assert_refused(get(stage->channel, ID_1, &snapshot, &err), ERR_NOT_FOUND);
    assert_string_equal(err.reason, "SnapshotNotFound");
    stage_create(stage, KIND_SANDBOX_SNAPSHOT,
                 "{'metadata': {'name': '" NAME_1 "'}, 'spec': {'sandboxName': 'web'}}");
    stage_await_cached(stage, KIND_SANDBOX_SNAPSHOT, NAME_1);
    assert_refused(get(stage->channel, ID_1, &snapshot, &err), ERR_NOT_FOUND);
    assert_refused(remove_snapshot(stage, ID_1, &err), ERR_NOT_FOUND);
    assert_string_equal(err.reason, "SnapshotNotFound");
    assert_string_equal(ids_of_list(stage, "", ""), "");
}

static void a_replica_that_has_not_heard_of_it_yet_finds_it_all_the_same(void **state)
{
    struct stage *stage = *state;
    struct replica *replica = replica_new(stage); /* its caches never start */
    SCOPED(snapshot) snapshot_message *snapshot = NULL;
    struct error err = {0};

    api_give_sandbox(stage, "web", running);
    create_snapshot(stage, ID_1, "web", "");
    assert_ok(get(replica_channel(replica), ID_1, &snapshot, &err));
    replica_free(replica);
}

/* ---- list ---- */

static void a_list_is_in_order_and_by_source_and_name(void **state)
{
    struct stage *stage = *state;

    api_give_sandbox(stage, "web", running);
    api_give_sandbox(stage, "db", running);
    create_snapshot(stage, ID_2, "web",
                    "daily"); /* all within a second, which is as fine as their times are */
    create_snapshot(stage, ID_1, "web", "");
    create_snapshot(stage, ID_3, "db", "daily");
    for (const char *const *name = (const char *const[]){NAME_1, NAME_2, NAME_3, NULL}; *name; name++) {
        SCOPED(json) json_t *object = stage_get(stage, KIND_SANDBOX_SNAPSHOT, *name);
        json_object_set_new(
            json_object_get(object, "metadata"), "creationTimestamp",
            json_string(strcmp(*name, NAME_1) == 0 ? "2030-01-01T00:00:01Z" : "2030-01-01T00:00:00Z"));
        json_object_set_new(json_object_get(object, "metadata"), "resourceVersion", json_string("1000000"));
        struct error err = {0};
        assert_ok(informer_apply(stage->service.informers[KIND_SANDBOX_SNAPSHOT], object, &err));
    }
    assert_string_equal(ids_of_list(stage, "", ""), ID_1 " " ID_3 " " ID_2);
    assert_string_equal(ids_of_list(stage, "web", ""), ID_1 " " ID_2);
    assert_string_equal(ids_of_list(stage, "", "daily"), ID_3 " " ID_2);
    assert_string_equal(ids_of_list(stage, "db", "daily"), ID_3);
    assert_string_equal(ids_of_list(stage, "we", ""), "");
}

/* ---- delete ---- */

static void what_is_being_made_is_not_deleted(void **state)
{
    struct stage *stage = *state;
    static const char *const phases[] = {"null", "{'phase': 'Pending'}", "{'phase': 'Committing'}"};

    api_give_sandbox(stage, "web", running);
    create_snapshot(stage, ID_1, "web", "");
    for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
        struct error err = {0};
        set_status(stage, NAME_1, phases[i]);
        assert_refused(remove_snapshot(stage, ID_1, &err), ERR_PRECONDITION);
        assert_string_equal(err.reason, "InvalidState");
    }
    SCOPED(json) json_t *object = stage_get(stage, KIND_SANDBOX_SNAPSHOT, NAME_1);
    assert_null(json_path(object, "metadata.deletionTimestamp"));
}

static void what_is_made_is_deleted_and_may_be_asked_for_twice(void **state)
{
    struct stage *stage = *state;
    static const char *const phases[] = {"{'phase': 'Succeed'}", "{'phase': 'Failed'}"};

    api_give_sandbox(stage, "web", running);
    for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
        struct error err = {0};
        create_snapshot(stage, ID_1, "web", "");
        set_status(stage, NAME_1, phases[i]);
        assert_ok(remove_snapshot(stage, ID_1, &err));
        SCOPED(json) json_t *object = stage_get(stage, KIND_SANDBOX_SNAPSHOT, NAME_1);
        assert_non_null(json_path(object, "metadata.deletionTimestamp"));
        assert_ok(remove_snapshot(stage, ID_1, &err));
        finish_deletion(stage, NAME_1);
        assert_refused(remove_snapshot(stage, ID_1, &err), ERR_NOT_FOUND);
        assert_string_equal(err.reason, "SnapshotNotFound");
    }
}

static void what_somebody_else_deletes_while_it_is_made_may_be_deleted(void **state)
{
    struct stage *stage = *state;
    struct error err = {0};

    api_give_sandbox(stage, "web", running);
    create_snapshot(stage, ID_1, "web", "");
    set_status(stage, NAME_1, "{'phase': 'Committing'}");
    stage_delete(stage, KIND_SANDBOX_SNAPSHOT, NAME_1, 0);
    assert_ok(remove_snapshot(stage, ID_1, &err));
}

/* ---- watch ---- */

DEFINE_FREEP(stream, struct rpc_stream, rpc_stream_free)

static struct rpc_stream *watch(struct stage *stage, const char *id)
{
    Opensandbox__Orchestrator__V1__GetSnapshotRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__GET_SNAPSHOT_REQUEST__INIT;
    const struct rpc_call_options options = {.timeout_ms = 20000};
    struct rpc_stream *stream;
    struct error err = {0};

    request.id = (char *)id;
    assert_ok(rpc_stream_open(stage->channel, ORCHESTRATOR, "WatchSnapshot", &request.base, &stream, &options,
                              &err));
    return stream;
}

static void next_is_in(struct rpc_stream *stream, const char *id, const char *phase)
{
    SCOPED(snapshot) snapshot_message *snapshot = NULL;
    struct error err = {0};

    if (rpc_stream_next(stream, &snapshot, &err) != 1)
        fail_msg("the watch ended: %s", err.text);
    assert_string_equal(snapshot->id, id);
    assert_string_equal(snapshot->phase, phase);
}

static void ends_with_not_found(struct rpc_stream *stream)
{
    snapshot_message *snapshot;
    struct error err = {0};

    assert_int_equal(rpc_stream_next(stream, &snapshot, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(err.reason, "SnapshotNotFound");
}

static void a_watch_tells_each_change_and_ends_when_the_snapshot_is_gone(void **state)
{
    struct stage *stage = *state;
    struct error err = {0};

    api_give_sandbox(stage, "web", running);
    create_snapshot(stage, ID_1, "web", "");
    create_snapshot(stage, ID_2, "web", "");
    SCOPED(stream) struct rpc_stream *stream = watch(stage, ID_1);
    next_is_in(stream, ID_1, "");
    set_status(stage, NAME_2, "{'phase': 'Pending'}"); /* another one's change is no event */
    set_status(stage, NAME_1, "{'phase': 'Committing'}");
    next_is_in(stream, ID_1, "Committing");
    set_status(stage, NAME_1, "{'phase': 'Failed'}");
    next_is_in(stream, ID_1, "Failed");
    assert_ok(remove_snapshot(stage, ID_1, &err));
    next_is_in(stream, ID_1, "Failed"); /* being deleted */
    finish_deletion(stage, NAME_1);
    ends_with_not_found(stream);
}

static void a_watch_of_what_is_no_public_snapshot_is_not_found(void **state)
{
    struct stage *stage = *state;

    api_give_sandbox(stage, "web", running);
    give_pause_snapshot(stage, "web", "{'phase': 'Succeed'}");
    SCOPED(stream) struct rpc_stream *unknown = watch(stage, ID_1);
    SCOPED(stream) struct rpc_stream *internal = watch(stage, "web-pause");
    ends_with_not_found(unknown);
    ends_with_not_found(internal);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, api_setup, api_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_snapshot_is_an_object_with_three_labels_and_no_owner),
        TEST(an_id_that_is_no_uuid_names_its_object_by_a_hash),
        TEST(the_source_is_named_by_its_id_and_the_object_by_its_name),
        TEST(there_is_no_snapshot_of_nobody),
        TEST(a_source_that_neither_runs_nor_is_paused_is_refused_with_its_state),
        TEST(a_paused_source_needs_the_snapshot_of_its_pause),
        TEST(the_same_request_answers_with_the_snapshot_that_is_there),
        TEST(an_id_that_means_something_else_is_taken),
        TEST(what_a_restored_sandbox_runs_is_told_where_it_is_certain),
        TEST(what_is_not_public_is_not_there),
        TEST(a_replica_that_has_not_heard_of_it_yet_finds_it_all_the_same),
        TEST(a_list_is_in_order_and_by_source_and_name),
        TEST(what_is_being_made_is_not_deleted),
        TEST(what_somebody_else_deletes_while_it_is_made_may_be_deleted),
        TEST(what_is_made_is_deleted_and_may_be_asked_for_twice),
        TEST(a_watch_tells_each_change_and_ends_when_the_snapshot_is_gone),
        TEST(a_watch_of_what_is_no_public_snapshot_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
