/* The gRPC door gives the same answers as the REST door, in its own words. */
#include "tests/wire/lifecycle/stand.h"

#include "opensandbox/lifecycle/v1/lifecycle.pb-c.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"
#include "shared/rpc/client.h"

typedef Opensandbox__Lifecycle__V1__Sandbox sandbox_message;
typedef Opensandbox__Lifecycle__V1__SandboxEvent event_message;

#define LIFECYCLE (&opensandbox__lifecycle__v1__lifecycle__descriptor)

DEFINE_FREEP(channel, struct rpc_channel, rpc_channel_free)
DEFINE_FREEP(stream, struct rpc_stream, rpc_stream_free)

static const struct fake_sandbox web = {
    .name = "web",
    .phase = "Succeed",
    .endpoints = "[\"10.0.0.7\"]",
    .template_json = "{\"spec\":{\"containers\":[{\"image\":\"busybox\",\"command\":[\"sleep\"]}]}}",
    .labels = {{"opensandbox.io/id", "web"}, {"team", "blue"}},
    .created_ms = 1763303070500,
};

static struct rpc_channel *dial(const struct stand *stand, const char *key)
{
    SCOPED(string) char *address = xasprintf("127.0.0.1:%d", stand->grpc_port);
    struct rpc_channel_options options = {
        .name = "lifecycle-svc", .header_key = key ? "open-sandbox-api-key" : NULL, .header_value = key};

    return rpc_channel_new(address, &options);
}

static int get(struct rpc_channel *channel, const char *id, sandbox_message **ret_sandbox, struct error *err)
{
    Opensandbox__Lifecycle__V1__GetSandboxRequest request =
        OPENSANDBOX__LIFECYCLE__V1__GET_SANDBOX_REQUEST__INIT;

    request.id = (char *)id;
    return rpc_unary(channel, LIFECYCLE, "GetSandbox", &request.base, ret_sandbox, NULL, err);
}

static void every_method_wants_the_key(void **state)
{
    static const char *const unary[] = {"CreateSandbox", "GetSandbox",   "ListSandboxes",
                                        "DeleteSandbox", "PauseSandbox", "ResumeSandbox"};
    static const char *const streams[] = {"WatchSandbox", "Exec", "Logs"};
    SCOPED(channel) struct rpc_channel *stranger = dial(*state, NULL);
    SCOPED(channel) struct rpc_channel *liar = dial(*state, "wrong");
    struct error err = {0};

    for (size_t i = 0; i < sizeof(unary) / sizeof(unary[0]); i++) {
        const ProtobufCMethodDescriptor *method =
            protobuf_c_service_descriptor_get_method_by_name(LIFECYCLE, unary[i]);
        ProtobufCMessage *request = xcalloc(1, method->input->sizeof_message), *answer;

        protobuf_c_message_init(method->input, request);
        assert_fails(rpc_unary(stranger, LIFECYCLE, unary[i], request, &answer, NULL, &err), &err,
                     ERR_UNAUTHENTICATED, "missing");
        assert_string_equal(err.reason, "MISSING_API_KEY");
        assert_fails(rpc_unary(liar, LIFECYCLE, unary[i], request, &answer, NULL, &err), &err,
                     ERR_UNAUTHENTICATED, "invalid");
        free(request);
    }
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
        const ProtobufCMethodDescriptor *method =
            protobuf_c_service_descriptor_get_method_by_name(LIFECYCLE, streams[i]);
        ProtobufCMessage *request = xcalloc(1, method->input->sizeof_message), *answer;
        SCOPED(stream) struct rpc_stream *stream = NULL;

        protobuf_c_message_init(method->input, request);
        assert_ok(rpc_stream_open(stranger, LIFECYCLE, streams[i], request, &stream, NULL, &err), &err);
        assert_fails(rpc_stream_next(stream, &answer, &err), &err, ERR_UNAUTHENTICATED, "missing");
        free(request);
    }
}

static void a_sandbox_has_every_member(void **state)
{
    struct stand *stand = *state;
    SCOPED(channel) struct rpc_channel *channel = dial(stand, STAND_KEY);
    sandbox_message *sandbox;
    struct error err = {0};

    fake_put(stand->fake, &web);
    assert_ok(get(channel, "web", &sandbox, &err), &err);
    assert_string_equal(sandbox->id, "web");
    assert_string_equal(sandbox->status->state, "Running");
    assert_string_equal(sandbox->status->reason, "RUNNING");
    assert_string_equal(sandbox->image->uri, "busybox");
    assert_string_equal(sandbox->metadata[0]->value, "blue");
    assert_int_equal(sandbox->created_at->seconds, 1763303070);
    assert_int_equal(sandbox->created_at->nanos, 500000000);
    assert_null(sandbox->expires_at);
    protobuf_c_message_free_unpacked(&sandbox->base, NULL);
}

/* Contract rest-api.md §3.3 forbids it for REST alone. */
static void a_create_says_what_the_sandbox_was_made_from(void **state)
{
    struct stand *stand = *state;
    SCOPED(channel) struct rpc_channel *channel = dial(stand, STAND_KEY);
    Opensandbox__Lifecycle__V1__CreateSandboxRequest create =
        OPENSANDBOX__LIFECYCLE__V1__CREATE_SANDBOX_REQUEST__INIT;
    Opensandbox__Lifecycle__V1__Image image = OPENSANDBOX__LIFECYCLE__V1__IMAGE__INIT;
    const struct fake_snapshot ready = {.id = "snap-1",
                                        .phase = "Succeed",
                                        .restore_image = "reg/snap:1@sha256:abc",
                                        .pull_secret = "",
                                        .containers = 1};
    const struct fake_sandbox restored = {
        .phase = "Succeed",
        .endpoints = "[\"10.0.0.9\"]",
        .labels = {{"opensandbox.io/id", "web"}, {"opensandbox.io/snapshot-id", "snap-1"}}};
    char *command[] = {"run"};
    sandbox_message *sandbox;
    struct error err = {0};

    create.entrypoint = command;
    create.n_entrypoint = 1;
    image.uri = (char *)"busybox:1";
    create.image = &image;
    assert_ok(rpc_unary(channel, LIFECYCLE, "CreateSandbox", &create.base, &sandbox, NULL, &err), &err);
    assert_string_equal(sandbox->image->uri, "busybox:1");
    assert_string_equal(sandbox->snapshot_id, "");
    protobuf_c_message_free_unpacked(&sandbox->base, NULL);

    fake_put_snapshot(stand->fake, &ready);
    fake_on_create(stand->fake, &restored);
    create.image = NULL;
    create.snapshot_id = (char *)"snap-1";
    assert_ok(rpc_unary(channel, LIFECYCLE, "CreateSandbox", &create.base, &sandbox, NULL, &err), &err);
    assert_null(sandbox->image);
    assert_string_equal(sandbox->snapshot_id, "snap-1");
    protobuf_c_message_free_unpacked(&sandbox->base, NULL);
}

typedef Opensandbox__Lifecycle__V1__Snapshot snapshot_message;

static void next_snapshot_is(struct rpc_stream *stream, const char *wanted_state)
{
    snapshot_message *snapshot = NULL;
    struct error err = {0};

    if (rpc_stream_next(stream, &snapshot, &err) != 1)
        fail_msg("the watch ended: %s", err.text);
    assert_string_equal(snapshot->id, "snap-1");
    assert_string_equal(snapshot->status->state, wanted_state);
    protobuf_c_message_free_unpacked(&snapshot->base, NULL);
}

static void a_watch_of_a_snapshot_tells_its_states_until_it_is_gone(void **state)
{
    struct stand *stand = *state;
    SCOPED(channel) struct rpc_channel *channel = dial(stand, STAND_KEY);
    Opensandbox__Lifecycle__V1__GetSnapshotRequest get_request =
        OPENSANDBOX__LIFECYCLE__V1__GET_SNAPSHOT_REQUEST__INIT;
    Opensandbox__Lifecycle__V1__DeleteSnapshotRequest delete_request =
        OPENSANDBOX__LIFECYCLE__V1__DELETE_SNAPSHOT_REQUEST__INIT;
    struct fake_snapshot snapshot = {.id = "snap-1", .phase = "Pending", .sandbox = "web", .containers = 1};
    struct rpc_stream *stream;
    ProtobufCMessage *answer;
    struct error err = {0};

    fake_put_snapshot(stand->fake, &snapshot);
    get_request.id = delete_request.id = (char *)"snap-1";
    assert_ok(rpc_stream_open(channel, LIFECYCLE, "WatchSnapshot", &get_request.base, &stream, NULL, &err),
              &err);
    next_snapshot_is(stream, "Creating");
    snapshot.phase = "Succeed";
    snapshot.restore_image = "reg/snap:1@sha256:abc";
    fake_put_snapshot(stand->fake, &snapshot);
    next_snapshot_is(stream, "Ready");
    assert_ok(rpc_unary(channel, LIFECYCLE, "DeleteSnapshot", &delete_request.base, &answer, NULL, &err),
              &err);
    protobuf_c_message_free_unpacked(answer, NULL);
    assert_int_equal(rpc_stream_next(stream, &answer, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(err.reason, "SNAPSHOT::NOT_FOUND");
    rpc_stream_free(stream);
}

static void failures_carry_class_and_contract_code(void **state)
{
    struct stand *stand = *state;
    SCOPED(channel) struct rpc_channel *channel = dial(stand, STAND_KEY);
    Opensandbox__Lifecycle__V1__PauseSandboxRequest pause =
        OPENSANDBOX__LIFECYCLE__V1__PAUSE_SANDBOX_REQUEST__INIT;
    Opensandbox__Lifecycle__V1__ListSandboxesRequest list =
        OPENSANDBOX__LIFECYCLE__V1__LIST_SANDBOXES_REQUEST__INIT;
    Opensandbox__Lifecycle__V1__CreateSandboxRequest create =
        OPENSANDBOX__LIFECYCLE__V1__CREATE_SANDBOX_REQUEST__INIT;
    ProtobufCMessage *answer;
    sandbox_message *sandbox;
    struct error err = {0};

    assert_fails(get(channel, "none", &sandbox, &err), &err, ERR_NOT_FOUND, "none");
    assert_string_equal(err.reason, "KUBERNETES::SANDBOX_NOT_FOUND");
    fake_put(stand->fake, &web);
    fake_on_pause(stand->fake, ERR_PRECONDITION, "operation in progress");
    pause.id = (char *)"web";
    assert_fails(rpc_unary(channel, LIFECYCLE, "PauseSandbox", &pause.base, &answer, NULL, &err), &err,
                 ERR_PRECONDITION, "operation in progress");
    assert_string_equal(err.reason, "KUBERNETES::INVALID_STATE");
    list.page_size = 201;
    assert_fails(rpc_unary(channel, LIFECYCLE, "ListSandboxes", &list.base, &answer, NULL, &err), &err,
                 ERR_INVALID, "page_size");
    assert_fails(rpc_unary(channel, LIFECYCLE, "CreateSandbox", &create.base, &answer, NULL, &err), &err,
                 ERR_INVALID, "image");
    fake_be_away(stand->fake, true);
    assert_fails(get(channel, "web", &sandbox, &err), &err, ERR_UNAVAILABLE,
                 "snapshot-svc cannot be reached");
}

static void a_cancelled_create_leaves_no_sandbox_behind(void **state)
{
    struct stand *stand = *state;
    SCOPED(channel) struct rpc_channel *channel = dial(stand, STAND_KEY);
    Opensandbox__Lifecycle__V1__CreateSandboxRequest create =
        OPENSANDBOX__LIFECYCLE__V1__CREATE_SANDBOX_REQUEST__INIT;
    Opensandbox__Lifecycle__V1__Image image = OPENSANDBOX__LIFECYCLE__V1__IMAGE__INIT;
    struct rpc_call_options soon = {.timeout_ms = 300};
    char *command[] = {"sleep"};
    sandbox_message *sandbox;
    struct error err = {0};

    fake_on_create(stand->fake, &(struct fake_sandbox){.phase = "Pending", .endpoints = ""});
    image.uri = (char *)"busybox";
    create.image = &image;
    create.entrypoint = command;
    create.n_entrypoint = 1;
    assert_fails(rpc_unary(channel, LIFECYCLE, "CreateSandbox", &create.base, &sandbox, &soon, &err), &err,
                 ERR_TIMEOUT, "");
    fake_await_deleted(stand->fake, fake_await_created(stand->fake));
}

static event_message *next(struct rpc_stream *stream)
{
    struct error err = {0};
    event_message *event;

    if (rpc_stream_next(stream, &event, &err) != 1)
        fail_msg("the watch ended: %s", err.text);
    return event;
}

static void a_watch_shows_progress_images_and_hidden_failures(void **state)
{
    struct stand *stand = *state;
    SCOPED(channel) struct rpc_channel *channel = dial(stand, STAND_KEY);
    Opensandbox__Lifecycle__V1__GetSandboxRequest request =
        OPENSANDBOX__LIFECYCLE__V1__GET_SANDBOX_REQUEST__INIT;
    SCOPED(stream) struct rpc_stream *stream = NULL;
    struct fake_sandbox working = web, failed = web;
    struct error err = {0};
    event_message *event;

    fake_put(stand->fake, &web);
    request.id = (char *)"web";
    assert_ok(rpc_stream_open(channel, LIFECYCLE, "WatchSandbox", &request.base, &stream, NULL, &err), &err);
    event = next(stream);
    assert_string_equal(event->sandbox->status->state, "Running");
    assert_null(event->progress);
    assert_string_equal(event->failed_condition, "");
    protobuf_c_message_free_unpacked(&event->base, NULL);

    working.phase = "Pausing";
    working.progress_phase = "Pushing";
    working.bytes_pushed = 77;
    working.image = "reg/web:1";
    fake_put(stand->fake, &working);
    event = next(stream);
    assert_string_equal(event->progress->phase, "Pushing");
    assert_int_equal(event->progress->bytes_pushed, 77);
    assert_string_equal(event->images[0]->uri, "reg/web:1");
    protobuf_c_message_free_unpacked(&event->base, NULL);

    failed.conditions[0] = (struct fake_condition){"PauseFailed", NULL, "PushFailed", "401", 5000};
    fake_put(stand->fake, &failed);
    event = next(stream);
    assert_string_equal(event->failed_condition, "PauseFailed");
    assert_string_equal(event->failed_reason, "PushFailed");
    assert_int_equal(event->failed_at->seconds, 5);
    protobuf_c_message_free_unpacked(&event->base, NULL);

    fake_remove(stand->fake, "web");
    assert_fails(rpc_stream_next(stream, &event, &err), &err, ERR_NOT_FOUND, "web");
    assert_string_equal(err.reason, "KUBERNETES::SANDBOX_NOT_FOUND");
}

static void a_watcher_that_leaves_ends_the_watch_behind_it(void **state)
{
    struct stand *stand = *state;
    SCOPED(channel) struct rpc_channel *channel = dial(stand, STAND_KEY);
    Opensandbox__Lifecycle__V1__GetSandboxRequest request =
        OPENSANDBOX__LIFECYCLE__V1__GET_SANDBOX_REQUEST__INIT;
    struct rpc_stream *stream = NULL;
    struct error err = {0};

    fake_put(stand->fake, &web);
    request.id = (char *)"web";
    assert_ok(rpc_stream_open(channel, LIFECYCLE, "WatchSandbox", &request.base, &stream, NULL, &err), &err);
    fake_await_watchers(stand->fake, 1);
    rpc_stream_free(stream);
    fake_await_watchers(stand->fake, 0);
}

#define WITH_STAND(test) cmocka_unit_test_setup(test, stand_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STAND(every_method_wants_the_key),
        WITH_STAND(a_sandbox_has_every_member),
        WITH_STAND(a_create_says_what_the_sandbox_was_made_from),
        WITH_STAND(a_watch_of_a_snapshot_tells_its_states_until_it_is_gone),
        WITH_STAND(failures_carry_class_and_contract_code),
        WITH_STAND(a_cancelled_create_leaves_no_sandbox_behind),
        WITH_STAND(a_watch_shows_progress_images_and_hidden_failures),
        WITH_STAND(a_watcher_that_leaves_ends_the_watch_behind_it),
    };
    return cmocka_run_group_tests(tests, stand_setup_group, stand_teardown_group);
}
