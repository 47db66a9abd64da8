/* Public snapshots at both doors. Contract rest-api.md §12, §15, §20 "Snapshots". */
#include "tests/wire/lifecycle/stand.h"

#include "opensandbox/lifecycle/v1/lifecycle.pb-c.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "shared/rpc/client.h"

#define LIFECYCLE (&opensandbox__lifecycle__v1__lifecycle__descriptor)

DEFINE_FREEP(channel, struct rpc_channel, rpc_channel_free)

static const struct fake_sandbox web = {.name = "web", .phase = "Succeed", .endpoints = "[\"10.0.0.7\"]"};
static const struct fake_sandbox asleep = {.name = "asleep", .phase = "Paused"};
static const struct fake_sandbox going_down = {.name = "going-down", .phase = "Pausing"};

#define ID(last) "5e0c0e6e-6f0a-4c39-9a67-5b9d4e1ad3b" last
#define BORN_MS  1763303070000

static const struct fake_snapshot ready = {
    .id = ID("1"),
    .sandbox = "web",
    .name = "before the upgrade",
    .phase = "Succeed",
    .restore_image = "registry/web-sandbox:snap-1@sha256:0",
    .image = "registry/web-sandbox:snap-1",
    .containers = 1,
    .created_ms = BORN_MS,
    .transition_ms = BORN_MS + 2000,
};
static const struct fake_snapshot working = {
    .id = ID("2"), .sandbox = "web", .name = "", .phase = "Committing", .created_ms = BORN_MS + 1000};
static const struct fake_snapshot failed = {
    .id = ID("3"),
    .sandbox = "db",
    .name = "",
    .phase = "Failed",
    .created_ms = BORN_MS + 1000,
    .failed_reason = "PodNotFound",
    .failed_message = "the sandbox has no pod",
    .transition_ms = BORN_MS + 3000,
};
static const struct fake_snapshot leaving = {
    .id = ID("4"), .sandbox = "db", .name = "", .phase = "Succeed", .deleting = true, .created_ms = BORN_MS};

static void put_all(const struct stand *stand)
{
    fake_put_snapshot(stand->fake, &ready);
    fake_put_snapshot(stand->fake, &working);
    fake_put_snapshot(stand->fake, &failed);
    fake_put_snapshot(stand->fake, &leaving);
}

/* -- create ---------------------------------------------------------------------------------------------------- */

static void a_snapshot_is_taken_on_and_its_place_is_told(void **state)
{
    static const char *const bodies[] = {NULL, "null", "{}", "{\"name\":null}", "{\"unknown\":[1]}"};
    struct stand *stand = *state;

    fake_put(stand->fake, &web);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        SCOPED_REPLY struct reply reply = ask(stand, "POST", "/v1/sandboxes/web/snapshots", bodies[i]);
        SCOPED(string) char *location = NULL;

        print_message("%s\n", bodies[i] ? bodies[i] : "(no body)");
        assert_int_equal(reply.http.status, 202);
        assert_string_equal(text_at(&reply, "sandboxId"), "web");
        assert_string_equal(text_at(&reply, "status.state"), "Creating");
        assert_string_equal(text_at(&reply, "status.reason"), "snapshot_accepted");
        assert_non_null(text_at(&reply, "status.lastTransitionAt"));
        assert_string_equal(text_at(&reply, "createdAt"), "2025-11-16T14:24:30Z");
        assert_null(json_path(reply.json, "name"));
        assert_int_equal(strlen(text_at(&reply, "id")), 36);
        location = xasprintf("/v1/snapshots/%s", text_at(&reply, "id"));
        assert_string_equal(http_response_header(&reply.http, "location"), location);
    }
    assert_int_equal(fake_snapshot_count(stand->fake), 5); /* nobody named its request: each is its own */
}

static void its_name_is_kept(void **state)
{
    struct stand *stand = *state;

    fake_put(stand->fake, &web);
    SCOPED_REPLY struct reply reply =
        ask(stand, "POST", "/sandboxes/web/snapshots", "{\"name\":\"before the upgrade\"}");
    assert_int_equal(reply.http.status, 202);
    assert_string_equal(text_at(&reply, "name"), "before the upgrade");
    assert_string_equal(fake_snapshot_of(stand->fake, text_at(&reply, "id")).name, "before the upgrade");
}

static void one_of_a_paused_sandbox_is_ready_at_once(void **state)
{
    struct stand *stand = *state;

    fake_put(stand->fake, &asleep);
    SCOPED_REPLY struct reply reply = ask(stand, "POST", "/v1/sandboxes/asleep/snapshots", NULL);
    assert_int_equal(reply.http.status, 202);
    assert_string_equal(text_at(&reply, "status.state"), "Ready");
    assert_string_equal(text_at(&reply, "status.reason"), "snapshot_runtime_ready");
}

static void what_cannot_be_taken_on_is_refused(void **state)
{
    static const struct {
        const char *sandbox, *body;
        int status;
        const char *code, *part;
    } rows[] = {
        // clang-format off
        {"none",       NULL,                404, "KUBERNETES::SANDBOX_NOT_FOUND",  "none"},
        {"going-down", NULL,                409, "SNAPSHOT::INVALID_SOURCE_STATE", "InvalidSourceState"},
        {"No_Name",    NULL,                404, "KUBERNETES::SANDBOX_NOT_FOUND",  "No_Name"},
        {"web",        "{\"name\":\"\"}",   422, "SANDBOX::INVALID_PARAMETER",     "name: want at least one character"},
        {"web",        "{\"name\":7}",      422, "SANDBOX::INVALID_PARAMETER",     "name: want a string"},
        {"web",        "[]",                422, "SANDBOX::INVALID_PARAMETER",     "want an object"},
        {"web",        "{\"name\":",        422, "SANDBOX::INVALID_PARAMETER",     "body"},
        // clang-format on
    };
    struct stand *stand = *state;

    fake_put(stand->fake, &web);
    fake_put(stand->fake, &going_down);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(string) char *path = xasprintf("/v1/sandboxes/%s/snapshots", rows[i].sandbox);
        SCOPED_REPLY struct reply reply = ask(stand, "POST", path, rows[i].body);

        print_message("%s %s\n", path, rows[i].body ? rows[i].body : "");
        assert_reply(&reply, rows[i].status, rows[i].code, rows[i].part);
    }
    assert_int_equal(fake_snapshot_count(stand->fake), 0);
}

static void a_name_has_a_limit(void **state)
{
    struct stand *stand = *state;
    char body[1200];

    fake_put(stand->fake, &web);
    (void)snprintf(body, sizeof(body), "{\"name\":\"%0*d\"}", 1025, 0);
    SCOPED_REPLY struct reply reply = ask(stand, "POST", "/v1/sandboxes/web/snapshots", body);
    assert_reply(&reply, 422, "SANDBOX::INVALID_PARAMETER", "at most 1024 bytes");
}

static void failures_behind_have_the_contracts_codes(void **state)
{
    static const struct {
        enum error_code code;
        int status;
        const char *public;
    } rows[] = {
        {ERR_UNSUPPORTED, 501, "SNAPSHOT::NOT_IMPLEMENTED"},
        {ERR_CONFLICT, 409, "SNAPSHOT::INVALID_SOURCE_STATE"},
        {ERR_UNAVAILABLE, 503, "KUBERNETES::INITIALIZATION_ERROR"},
        {ERR_INTERNAL, 500, "KUBERNETES::API_ERROR"},
    };
    struct stand *stand = *state;

    fake_put(stand->fake, &web);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fake_on_create_snapshot(stand->fake, rows[i].code, "the reason behind");
        SCOPED_REPLY struct reply reply = ask(stand, "POST", "/v1/sandboxes/web/snapshots", NULL);
        assert_reply(&reply, rows[i].status, rows[i].public, "the reason behind");
    }
}

static struct reply create_as(const struct stand *stand, const char *request_id, const char *sandbox,
                              const char *body)
{
    SCOPED(string) char *named = xasprintf("X-Request-ID: %s", request_id);
    SCOPED(string) char *path = xasprintf("/v1/sandboxes/%s/snapshots", sandbox);
    const char *const headers[] = {"OPEN-SANDBOX-API-KEY: " STAND_KEY, named, NULL};

    return ask_with(stand, "POST", path, body, headers);
}

static void a_repeated_request_gets_the_same_snapshot(void **state)
{
    struct stand *stand = *state;

    fake_put(stand->fake, &web);
    fake_put(stand->fake, &asleep);
    SCOPED_REPLY struct reply first = create_as(stand, "try-1", "web", "{\"name\":\"n\"}");
    SCOPED_REPLY struct reply again = create_as(stand, "try-1", "web", "{\"name\":\"n\"}");
    SCOPED_REPLY struct reply other = create_as(stand, "try-2", "web", "{\"name\":\"n\"}");
    SCOPED_REPLY struct reply renamed = create_as(stand, "try-1", "web", "{\"name\":\"m\"}");
    SCOPED_REPLY struct reply moved = create_as(stand, "try-1", "asleep", "{\"name\":\"n\"}");

    assert_int_equal(first.http.status, 202);
    assert_int_equal(again.http.status, 202);
    assert_string_equal(text_at(&again, "id"), text_at(&first, "id"));
    assert_string_not_equal(text_at(&other, "id"), text_at(&first, "id"));
    assert_int_equal(text_at(&first, "id")[14], '4'); /* a UUID of version 4 */
    assert_reply(&renamed, 400, "SANDBOX::INVALID_PARAMETER",
                 "X-Request-ID is that of another request, use a new one: snapshot");
    assert_reply(&moved, 400, "SANDBOX::INVALID_PARAMETER",
                 "X-Request-ID is that of another request, use a new one: snapshot");
    assert_int_equal(fake_snapshot_count(stand->fake), 2);
}

/* -- get ------------------------------------------------------------------------------------------------------- */

static void each_state_is_told_with_its_reason(void **state)
{
    static const struct {
        const char *id, *state, *reason, *message, *since;
    } rows[] = {
        // clang-format off
        {ID("1"), "Ready",    "snapshot_runtime_ready",       "Snapshot is ready",         "2025-11-16T14:24:32Z"},
        {ID("2"), "Creating", "snapshot_runtime_in_progress", "Snapshot is being created", "2025-11-16T14:24:31Z"},
        {ID("3"), "Failed",   "PodNotFound",                  "the sandbox has no pod",    "2025-11-16T14:24:33Z"},
        {ID("4"), "Deleting", "snapshot_deleting",            "Snapshot is being deleted", "2025-11-16T14:24:30Z"},
        // clang-format on
    };
    struct stand *stand = *state;

    put_all(stand);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(string) char *path = xasprintf("/v1/snapshots/%s", rows[i].id);
        SCOPED_REPLY struct reply reply = ask(stand, "GET", path, NULL);

        assert_int_equal(reply.http.status, 200);
        assert_string_equal(text_at(&reply, "id"), rows[i].id);
        assert_string_equal(text_at(&reply, "status.state"), rows[i].state);
        assert_string_equal(text_at(&reply, "status.reason"), rows[i].reason);
        assert_string_equal(text_at(&reply, "status.message"), rows[i].message);
        assert_string_equal(text_at(&reply, "status.lastTransitionAt"), rows[i].since);
    }
}

static void a_snapshot_that_is_not_there_is_404(void **state)
{
    static const char *const ids[] = {ID("9"),
                                      "no-uuid",
                                      "%2e%2e",
                                      "a%2Fb",
                                      "a%00b",
                                      "x%20y",
                                      "0123456789012345678901234567890123456789012345678901234567890123"};

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        SCOPED(string) char *path = xasprintf("/v1/snapshots/%s", ids[i]);
        SCOPED_REPLY struct reply get = ask(*state, "GET", path, NULL);
        SCOPED_REPLY struct reply delete = ask(*state, "DELETE", path, NULL);

        assert_reply(&get, 404, "SNAPSHOT::NOT_FOUND", "not found");
        assert_reply(&delete, 404, "SNAPSHOT::NOT_FOUND", "not found");
    }
}

/* -- list ------------------------------------------------------------------------------------------------------ */

/* The last digits of the ids on the page, in order. */
static void expect_items(const struct stand *stand, const char *query, const char *digits, int total)
{
    SCOPED(string) char *path = xasprintf("/v1/snapshots%s", query);
    SCOPED_REPLY struct reply reply = ask(stand, "GET", path, NULL);
    const json_t *items = json_object_get(reply.json, "items");
    char found[16] = "";

    print_message("%s\n", path);
    assert_int_equal(reply.http.status, 200);
    for (size_t i = 0; i < json_array_size(items); i++)
        found[i] = json_path_string(json_array_get(items, i), "id")[35];
    assert_string_equal(found, digits);
    assert_int_equal(json_integer_value(json_path(reply.json, "pagination.totalItems")), total);
}

static void a_list_is_filtered_sorted_and_paged(void **state)
{
    struct stand *stand = *state;

    put_all(stand);
    expect_items(stand, "", "3241", 4);
    expect_items(stand, "?sandboxId=web", "21", 2);
    expect_items(stand, "?sandboxId=web&state=Ready", "1", 1);
    expect_items(stand, "?state=Ready&state=Failed", "31", 2);
    expect_items(stand, "?state=Deleting", "4", 1);
    expect_items(stand, "?state=ready", "", 0); /* its case counts */
    expect_items(stand, "?name=before+the%20upgrade", "1", 1);
    expect_items(stand, "?name=before", "", 0);
    expect_items(stand, "?sandboxId=none", "", 0);
    expect_items(stand, "?unknown=x", "3241", 4);
    expect_items(stand, "?pageSize=3", "324", 4);
    expect_items(stand, "?pageSize=3&page=2", "1", 4);
    expect_items(stand, "?pageSize=3&page=3", "", 4);
    expect_items(stand, "?page=2147483647&pageSize=200", "", 4);
}

static void pages_tell_where_they_are(void **state)
{
    struct stand *stand = *state;
    SCOPED_REPLY struct reply empty = ask(stand, "GET", "/v1/snapshots", NULL);

    put_all(stand);
    SCOPED_REPLY struct reply first = ask(stand, "GET", "/v1/snapshots?pageSize=3", NULL);
    assert_int_equal(json_integer_value(json_path(first.json, "pagination.page")), 1);
    assert_int_equal(json_integer_value(json_path(first.json, "pagination.pageSize")), 3);
    assert_int_equal(json_integer_value(json_path(first.json, "pagination.totalPages")), 2);
    assert_true(json_is_true(json_path(first.json, "pagination.hasNextPage")));
    assert_int_equal(json_array_size(json_object_get(empty.json, "items")), 0);
    assert_int_equal(json_integer_value(json_path(empty.json, "pagination.pageSize")), 20);
    assert_int_equal(json_integer_value(json_path(empty.json, "pagination.totalPages")), 0);
}

static void pages_have_bounds(void **state)
{
    static const char *const queries[] = {"page=0",     "page=-1",      "page=x",
                                          "pageSize=0", "pageSize=201", "page=2147483648"};

    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        SCOPED(string) char *path = xasprintf("/v1/snapshots?%s", queries[i]);
        SCOPED_REPLY struct reply reply = ask(*state, "GET", path, NULL);

        assert_reply(&reply, 422, "SANDBOX::INVALID_PARAMETER", "want");
    }
}

/* -- delete ---------------------------------------------------------------------------------------------------- */

static void a_finished_snapshot_can_be_deleted_and_is_gone(void **state)
{
    static const char *const ids[] = {ID("1"), ID("3"), ID("4")};
    struct stand *stand = *state;

    put_all(stand);
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        SCOPED(string) char *path = xasprintf("/v1/snapshots/%s", ids[i]);
        SCOPED_REPLY struct reply first = ask(stand, "DELETE", path, NULL);
        SCOPED_REPLY struct reply again = ask(stand, "DELETE", path, NULL);

        assert_int_equal(first.http.status, 204);
        assert_int_equal(first.http.body.length, 0);
        assert_reply(&again, 404, "SNAPSHOT::NOT_FOUND", "not found");
    }
}

static void one_that_is_still_made_cannot_be_deleted(void **state)
{
    struct stand *stand = *state;

    put_all(stand);
    SCOPED_REPLY struct reply reply = ask(stand, "DELETE", "/v1/snapshots/" ID("2"), NULL);
    assert_reply(&reply, 409, "SNAPSHOT::INVALID_STATE", "InvalidState");
    assert_int_equal(fake_snapshot_count(stand->fake), 4);
}

static void without_the_orchestrator_every_route_says_so(void **state)
{
    static const struct {
        const char *method, *path;
    } rows[] = {
        {"POST", "/v1/sandboxes/web/snapshots"},
        {"GET", "/v1/snapshots"},
        {"GET", "/v1/snapshots/" ID("1")},
        {"DELETE", "/v1/snapshots/" ID("1")},
    };
    struct stand *stand = *state;

    fake_be_away(stand->fake, true);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED_REPLY struct reply reply = ask(stand, rows[i].method, rows[i].path, NULL);
        assert_reply(&reply, 503, "KUBERNETES::INITIALIZATION_ERROR", "try again");
    }
}

/* -- the gRPC door --------------------------------------------------------------------------------------------- */

static struct rpc_channel *dial(const struct stand *stand)
{
    SCOPED(string) char *address = xasprintf("127.0.0.1:%d", stand->grpc_port);
    struct rpc_channel_options options = {
        .name = "lifecycle-svc", .header_key = "open-sandbox-api-key", .header_value = STAND_KEY};

    return rpc_channel_new(address, &options);
}

static void the_grpc_door_makes_and_repeats(void **state)
{
    struct stand *stand = *state;
    SCOPED(channel) struct rpc_channel *channel = dial(stand);
    Opensandbox__Lifecycle__V1__CreateSnapshotRequest request =
        OPENSANDBOX__LIFECYCLE__V1__CREATE_SNAPSHOT_REQUEST__INIT;
    Opensandbox__Lifecycle__V1__Snapshot *first, *again;
    struct error err = {0};

    fake_put(stand->fake, &web);
    request.sandbox_id = (char *)"web";
    request.name = (char *)"n";
    request.request_id = (char *)"try-1";
    assert_ok(rpc_unary(channel, LIFECYCLE, "CreateSnapshot", &request.base, &first, NULL, &err), &err);
    assert_ok(rpc_unary(channel, LIFECYCLE, "CreateSnapshot", &request.base, &again, NULL, &err), &err);
    assert_string_equal(first->id, again->id);
    assert_string_equal(first->sandbox_id, "web");
    assert_string_equal(first->name, "n");
    assert_string_equal(first->status->state, "Creating");
    assert_string_equal(first->status->reason, "snapshot_accepted");
    protobuf_c_message_free_unpacked(&first->base, NULL);
    protobuf_c_message_free_unpacked(&again->base, NULL);

    SCOPED_REPLY struct reply rest = create_as(stand, "try-1", "web", "{\"name\":\"n\"}");
    assert_int_equal(rest.http.status, 202); /* both doors make the same name of a request */
    assert_int_equal(fake_snapshot_count(stand->fake), 1);

    request.sandbox_id = (char *)"none";
    assert_fails(rpc_unary(channel, LIFECYCLE, "CreateSnapshot", &request.base, &again, NULL, &err), &err,
                 ERR_NOT_FOUND, "none");
    assert_string_equal(err.reason, "KUBERNETES::SANDBOX_NOT_FOUND");
}

static void the_grpc_door_reads_and_deletes(void **state)
{
    struct stand *stand = *state;
    SCOPED(channel) struct rpc_channel *channel = dial(stand);
    Opensandbox__Lifecycle__V1__GetSnapshotRequest get =
        OPENSANDBOX__LIFECYCLE__V1__GET_SNAPSHOT_REQUEST__INIT;
    Opensandbox__Lifecycle__V1__DeleteSnapshotRequest delete =
        OPENSANDBOX__LIFECYCLE__V1__DELETE_SNAPSHOT_REQUEST__INIT;
    Opensandbox__Lifecycle__V1__Snapshot *snapshot;
    ProtobufCMessage *answer;
    struct error err = {0};

    put_all(stand);
    get.id = delete.id = (char *)ID("1");
    assert_ok(rpc_unary(channel, LIFECYCLE, "GetSnapshot", &get.base, &snapshot, NULL, &err), &err);
    assert_string_equal(snapshot->status->state, "Ready");
    assert_int_equal(snapshot->created_at->seconds, BORN_MS / 1000);
    assert_int_equal(snapshot->n_images, 1);
    assert_string_equal(snapshot->images[0]->uri, "registry/web-sandbox:snap-1");
    assert_null(snapshot->progress);
    protobuf_c_message_free_unpacked(&snapshot->base, NULL);

    assert_ok(rpc_unary(channel, LIFECYCLE, "DeleteSnapshot", &delete.base, &answer, NULL, &err), &err);
    protobuf_c_message_free_unpacked(answer, NULL);
    assert_fails(rpc_unary(channel, LIFECYCLE, "GetSnapshot", &get.base, &snapshot, NULL, &err), &err,
                 ERR_NOT_FOUND, "not found");
    assert_string_equal(err.reason, "SNAPSHOT::NOT_FOUND");
    delete.id = (char *)ID("2");
    assert_fails(rpc_unary(channel, LIFECYCLE, "DeleteSnapshot", &delete.base, &answer, NULL, &err), &err,
                 ERR_PRECONDITION, "InvalidState");
    assert_string_equal(err.reason, "SNAPSHOT::INVALID_STATE");
}

static void the_grpc_door_lists(void **state)
{
    static char *states[] = {(char *)"Ready", (char *)"Creating"};
    struct stand *stand = *state;
    SCOPED(channel) struct rpc_channel *channel = dial(stand);
    Opensandbox__Lifecycle__V1__ListSnapshotsRequest request =
        OPENSANDBOX__LIFECYCLE__V1__LIST_SNAPSHOTS_REQUEST__INIT;
    Opensandbox__Lifecycle__V1__ListSnapshotsResponse *page;
    struct error err = {0};

    put_all(stand);
    request.sandbox_id = (char *)"web";
    request.states = states;
    request.n_states = 2;
    request.page_size = 1;
    assert_ok(rpc_unary(channel, LIFECYCLE, "ListSnapshots", &request.base, &page, NULL, &err), &err);
    assert_int_equal(page->n_items, 1);
    assert_string_equal(page->items[0]->id, ID("2"));
    assert_int_equal(page->pagination->total_items, 2);
    assert_true(page->pagination->has_next_page);
    protobuf_c_message_free_unpacked(&page->base, NULL);
    request.page_size = 201;
    assert_fails(rpc_unary(channel, LIFECYCLE, "ListSnapshots", &request.base, &page, NULL, &err), &err,
                 ERR_INVALID, "page_size");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_snapshot_is_taken_on_and_its_place_is_told, stand_setup),
        cmocka_unit_test_setup(its_name_is_kept, stand_setup),
        cmocka_unit_test_setup(one_of_a_paused_sandbox_is_ready_at_once, stand_setup),
        cmocka_unit_test_setup(what_cannot_be_taken_on_is_refused, stand_setup),
        cmocka_unit_test_setup(a_name_has_a_limit, stand_setup),
        cmocka_unit_test_setup(failures_behind_have_the_contracts_codes, stand_setup),
        cmocka_unit_test_setup(a_repeated_request_gets_the_same_snapshot, stand_setup),
        cmocka_unit_test_setup(each_state_is_told_with_its_reason, stand_setup),
        cmocka_unit_test_setup(a_snapshot_that_is_not_there_is_404, stand_setup),
        cmocka_unit_test_setup(a_list_is_filtered_sorted_and_paged, stand_setup),
        cmocka_unit_test_setup(pages_tell_where_they_are, stand_setup),
        cmocka_unit_test_setup(pages_have_bounds, stand_setup),
        cmocka_unit_test_setup(a_finished_snapshot_can_be_deleted_and_is_gone, stand_setup),
        cmocka_unit_test_setup(one_that_is_still_made_cannot_be_deleted, stand_setup),
        cmocka_unit_test_setup(without_the_orchestrator_every_route_says_so, stand_setup),
        cmocka_unit_test_setup(the_grpc_door_makes_and_repeats, stand_setup),
        cmocka_unit_test_setup(the_grpc_door_reads_and_deletes, stand_setup),
        cmocka_unit_test_setup(the_grpc_door_lists, stand_setup),
    };

    return cmocka_run_group_tests(tests, stand_setup_group, stand_teardown_group);
}
