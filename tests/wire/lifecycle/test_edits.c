/* Renewals and metadata, through both doors. Contract rest-api.md §8, §9, §20. */
#include "tests/wire/lifecycle/stand.h"

#include "opensandbox/lifecycle/v1/lifecycle.pb-c.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "shared/rpc/client.h"

typedef Opensandbox__Lifecycle__V1__Sandbox sandbox_message;

#define LIFECYCLE (&opensandbox__lifecycle__v1__lifecycle__descriptor)

DEFINE_FREEP(channel, struct rpc_channel, rpc_channel_free)

static const struct fake_sandbox web = {
    .name = "web",
    .phase = "Succeed",
    .endpoints = "[\"10.0.0.7\"]",
    .template_json = "{\"spec\":{\"containers\":[{\"image\":\"busybox\",\"command\":[\"sleep\",\"9\"]}]}}",
    .labels = {{"opensandbox.io/id", "web"}, {"team", "blue"}, {"stage", "test"}},
    .created_ms = 1763303070000,
    .expires_ms = 4102444800000,
};

struct row {
    const char *path, *body;
    int status;
    const char *code, *part;
};

static void check_rows(const struct stand *stand, const char *method, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        SCOPED_REPLY struct reply reply = ask(stand, method, rows[i].path, rows[i].body);

        print_message("%s %s %s\n", method, rows[i].path, rows[i].body ? rows[i].body : "");
        assert_reply(&reply, rows[i].status, rows[i].code, rows[i].part);
    }
}
#define CHECK(stand, method, rows) check_rows(stand, method, rows, sizeof(rows) / sizeof(rows[0]))

/* -- renew ----------------------------------------------------------------------------------------------------- */

#define RENEW "/v1/sandboxes/web/renew-expiration"

static void a_renewal_answers_the_new_time_in_utc(void **state)
{
    static const struct {
        const char *given, *answered;
    } rows[] = {
        {"2090-01-02T03:04:05Z", "2090-01-02T03:04:05Z"},
        {"2090-01-02T03:04:05+02:00", "2090-01-02T01:04:05Z"},
        {"2090-01-02T03:04:05", "2090-01-02T03:04:05Z"},
        {"2090-01-02T03:04:05.000Z", "2090-01-02T03:04:05Z"},
        {"2090-01-02T03:04:05.123Z", "2090-01-02T03:04:06Z"}, /* whole seconds are written, and none is lost */
        {"2089-01-02T03:04:05Z", "2089-01-02T03:04:05Z"},     /* sooner is fine */
    };
    struct stand *stand = *state;

    fake_put(stand->fake, &web);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(string) char *body = xasprintf("{\"expiresAt\":\"%s\",\"unknown\":1}", rows[i].given);
        SCOPED(string) char *golden = xasprintf("{\"expiresAt\":\"%s\"}", rows[i].answered);
        SCOPED_REPLY struct reply reply = ask(stand, "POST", RENEW, body);

        assert_int_equal(reply.http.status, 200);
        assert_string_equal(strbuf_text(&reply.http.body), golden);
    }
    SCOPED_REPLY struct reply shown = ask(stand, "GET", "/v1/sandboxes/web", NULL);
    assert_string_equal(text_at(&shown, "expiresAt"), "2089-01-02T03:04:05Z");
}

static void a_paused_sandbox_is_renewed_like_any_other(void **state)
{
    struct stand *stand = *state;
    struct fake_sandbox paused = web;

    paused.phase = "Paused";
    fake_put(stand->fake, &paused);
    SCOPED_REPLY struct reply reply = ask(stand, "POST", RENEW, "{\"expiresAt\":\"2090-01-02T03:04:05Z\"}");
    assert_int_equal(reply.http.status, 200);
    assert_int_equal(fake_expiry_ms(stand->fake, "web"), 3787009445000);
    assert_int_equal(fake_calls(stand->fake, "RenewSandbox web"), 1);
}

static void a_malformed_renewal_is_422(void **state)
{
    static const struct row rows[] = {
        {RENEW, NULL, 422, "SANDBOX::INVALID_PARAMETER", "body"},
        {RENEW, "{}", 422, "SANDBOX::INVALID_PARAMETER", "expiresAt"},
        {RENEW, "{\"expiresAt\":null}", 422, "SANDBOX::INVALID_PARAMETER", "expiresAt"},
        {RENEW, "{\"expiresAt\":\"tomorrow\"}", 422, "SANDBOX::INVALID_PARAMETER", "expiresAt"},
        {RENEW, "{\"expiresAt\":\"2090-13-02T03:04:05Z\"}", 422, "SANDBOX::INVALID_PARAMETER", "expiresAt"},
        {RENEW, "{\"expiresAt\":1}", 422, "SANDBOX::INVALID_PARAMETER", "expiresAt"},
        {RENEW, "[]", 422, "SANDBOX::INVALID_PARAMETER", "want an object"},
        {"/v1/sandboxes/none/renew-expiration", "{}", 422, "SANDBOX::INVALID_PARAMETER", "expiresAt"},
    };
    struct stand *stand = *state;

    fake_put(stand->fake, &web);
    CHECK(stand, "POST", rows);
    assert_int_equal(fake_calls(stand->fake, "RenewSandbox web"), 0);
}

static void the_past_is_400_before_anybody_is_asked_and_no_expiry_is_409(void **state)
{
    static const struct row rows[] = {
        {RENEW, "{\"expiresAt\":\"2020-01-01T00:00:00Z\"}", 400, "DOCKER::INVALID_EXPIRATION", "future"},
        {RENEW, "{\"expiresAt\":\"1970-01-01T00:00:00Z\"}", 400, "DOCKER::INVALID_EXPIRATION", "future"},
        {"/v1/sandboxes/none/renew-expiration", "{\"expiresAt\":\"2020-01-01T00:00:00Z\"}", 400,
         "DOCKER::INVALID_EXPIRATION", "future"},
        {"/v1/sandboxes/none/renew-expiration", "{\"expiresAt\":\"2090-01-01T00:00:00Z\"}", 404,
         "KUBERNETES::SANDBOX_NOT_FOUND", "none"},
        {"/v1/sandboxes/manual/renew-expiration", "{\"expiresAt\":\"2090-01-01T00:00:00Z\"}", 409,
         "DOCKER::INVALID_EXPIRATION", "never expires"},
    };
    struct stand *stand = *state;
    struct fake_sandbox manual = web;

    manual.name = "manual";
    manual.expires_ms = 0;
    fake_put(stand->fake, &web);
    fake_put(stand->fake, &manual);
    CHECK(stand, "POST", rows);
    assert_int_equal(fake_calls(stand->fake, "RenewSandbox web"), 0);
    assert_int_equal(fake_expiry_ms(stand->fake, "manual"), 0);
}

/* -- metadata -------------------------------------------------------------------------------------------------- */

#define METADATA "/v1/sandboxes/web/metadata"

static void a_patch_sets_replaces_and_removes(void **state)
{
    static const struct {
        const char *patch, *metadata;
    } rows[] = {
        {"{}", "{\"stage\":\"test\",\"team\":\"blue\"}"},
        {"{\"owner\":\"ann\"}", "{\"owner\":\"ann\",\"stage\":\"test\",\"team\":\"blue\"}"},
        {"{\"team\":\"red\"}", "{\"owner\":\"ann\",\"stage\":\"test\",\"team\":\"red\"}"},
        {"{\"team\":null,\"never-there\":null}", "{\"owner\":\"ann\",\"stage\":\"test\"}"},
        {"{\"owner\":null,\"stage\":\"\",\"new\":\"x\"}", "{\"new\":\"x\",\"stage\":\"\"}"},
    };
    struct stand *stand = *state;

    fake_put(stand->fake, &web);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED_REPLY struct reply reply = ask(stand, "PATCH", METADATA, rows[i].patch);

        print_message("%s\n", rows[i].patch);
        assert_int_equal(reply.http.status, 200);
        SCOPED(string) char *metadata = json_canonical(json_object_get(reply.json, "metadata"));
        assert_string_equal(metadata, rows[i].metadata);
        assert_string_equal(text_at(&reply, "id"), "web"); /* its own label survives */
        assert_string_equal(text_at(&reply, "status.state"), "Running");
    }
    assert_int_equal(fake_calls(stand->fake, "LabelSandbox web"), 4); /* {} asks for nothing */
}

static void the_checks_of_a_patch_come_in_the_contracts_order(void **state)
{
    static const struct row rows[] = {
        {METADATA, NULL, 422, "SANDBOX::INVALID_PARAMETER", "body"},
        {METADATA, "[]", 422, "SANDBOX::INVALID_PARAMETER", "want an object"},
        {METADATA, "null", 422, "SANDBOX::INVALID_PARAMETER", "want an object"},
        {METADATA, "{\"a\":1}", 422, "SANDBOX::INVALID_PARAMETER", "want a string or null"},
        {METADATA, "{\"a\":true}", 422, "SANDBOX::INVALID_PARAMETER", "want a string or null"},
        {METADATA, "{\"a\":{}}", 422, "SANDBOX::INVALID_PARAMETER", "want a string or null"},
        {"/v1/sandboxes/none/metadata", "{\"opensandbox.io/id\":\"x\"}", 404, "KUBERNETES::SANDBOX_NOT_FOUND",
         "none"},
        {METADATA, "{\"opensandbox.io/id\":\"x\"}", 400, "INVALID_METADATA_LABEL", "reserved"},
        {METADATA, "{\"opensandbox.io/id\":null}", 400, "INVALID_METADATA_LABEL", "reserved"},
        {METADATA, "{\"bad key\":\"x\",\"opensandbox.io/id\":null}", 400, "INVALID_METADATA_LABEL",
         "reserved"},
        {METADATA, "{\"bad key\":\"x\"}", 400, "SANDBOX::INVALID_METADATA_LABEL", "bad key"},
        {METADATA, "{\"name\":\"Demo Test\"}", 400, "SANDBOX::INVALID_METADATA_LABEL", "name"},
        {METADATA, "{\"name\":\"line\\n\"}", 400, "SANDBOX::INVALID_METADATA_LABEL", "name"},
    };
    struct stand *stand = *state;

    fake_put(stand->fake, &web);
    CHECK(stand, "PATCH", rows);
    assert_int_equal(fake_calls(stand->fake, "LabelSandbox web"), 0);
}

static void only_what_is_set_is_checked(void **state)
{
    struct stand *stand = *state;
    struct fake_sandbox old = web;

    old.labels[3][0] = "Some Old Key"; /* of times with other rules */
    old.labels[3][1] = "with blanks";
    fake_put(stand->fake, &old);
    SCOPED_REPLY struct reply kept = ask(stand, "PATCH", METADATA, "{\"a\":\"b\"}");
    assert_int_equal(kept.http.status, 200);
    SCOPED_REPLY struct reply removed = ask(stand, "PATCH", METADATA, "{\"Some Old Key\":null}");
    assert_int_equal(removed.http.status, 200);
    assert_null(json_object_get(json_object_get(removed.json, "metadata"), "Some Old Key"));
}

/* -- gRPC ------------------------------------------------------------------------------------------------------ */

static struct rpc_channel *dial(const struct stand *stand)
{
    SCOPED(string) char *address = xasprintf("127.0.0.1:%d", stand->grpc_port);
    struct rpc_channel_options options = {
        .name = "lifecycle-svc", .header_key = "open-sandbox-api-key", .header_value = STAND_KEY};

    return rpc_channel_new(address, &options);
}

static int renew(struct rpc_channel *channel, const char *id, int64_t seconds,
                 Opensandbox__Lifecycle__V1__RenewSandboxResponse **ret_answer, struct error *err)
{
    Opensandbox__Lifecycle__V1__RenewSandboxRequest request =
        OPENSANDBOX__LIFECYCLE__V1__RENEW_SANDBOX_REQUEST__INIT;
    Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

    request.id = (char *)id;
    at.seconds = seconds;
    if (seconds)
        request.expires_at = &at;
    return rpc_unary(channel, LIFECYCLE, "RenewSandbox", &request.base, ret_answer, NULL, err);
}

static void grpc_renews_with_the_same_codes(void **state)
{
    struct stand *stand = *state;
    SCOPED(channel) struct rpc_channel *channel = dial(stand);
    Opensandbox__Lifecycle__V1__RenewSandboxResponse *answer;
    struct fake_sandbox manual = web;
    struct error err = {0};

    manual.name = "manual";
    manual.expires_ms = 0;
    fake_put(stand->fake, &web);
    fake_put(stand->fake, &manual);
    assert_ok(renew(channel, "web", 3787009445, &answer, &err), &err);
    assert_int_equal(answer->expires_at->seconds, 3787009445);
    protobuf_c_message_free_unpacked(&answer->base, NULL);
    assert_fails(renew(channel, "web", 0, &answer, &err), &err, ERR_INVALID, "expires_at: required");
    assert_fails(renew(channel, "web", INT64_MAX, &answer, &err), &err, ERR_INVALID, "9999");
    assert_fails(renew(channel, "web", 1000, &answer, &err), &err, ERR_INVALID, "future");
    assert_string_equal(err.reason, "DOCKER::INVALID_EXPIRATION");
    error_clear(&err);
    assert_fails(renew(channel, "manual", 3787009445, &answer, &err), &err, ERR_PRECONDITION,
                 "never expires");
    assert_string_equal(err.reason, "DOCKER::INVALID_EXPIRATION");
    error_clear(&err);
    assert_fails(renew(channel, "none", 3787009445, &answer, &err), &err, ERR_NOT_FOUND, "none");
    assert_string_equal(err.reason, "KUBERNETES::SANDBOX_NOT_FOUND");
}

static int patch(struct rpc_channel *channel, const char *key, const char *value, char *removed,
                 sandbox_message **ret_sandbox, struct error *err)
{
    Opensandbox__Lifecycle__V1__PatchMetadataRequest request =
        OPENSANDBOX__LIFECYCLE__V1__PATCH_METADATA_REQUEST__INIT;
    Opensandbox__Lifecycle__V1__PatchMetadataRequest__SetEntry entry =
        OPENSANDBOX__LIFECYCLE__V1__PATCH_METADATA_REQUEST__SET_ENTRY__INIT;
    Opensandbox__Lifecycle__V1__PatchMetadataRequest__SetEntry *set[] = {&entry};

    entry.key = (char *)key;
    entry.value = (char *)value;
    request.id = (char *)"web";
    request.set = set;
    request.n_set = 1;
    request.remove = &removed;
    request.n_remove = 1;
    return rpc_unary(channel, LIFECYCLE, "PatchMetadata", &request.base, ret_sandbox, NULL, err);
}

static void grpc_patches_metadata_with_the_same_codes(void **state)
{
    struct stand *stand = *state;
    SCOPED(channel) struct rpc_channel *channel = dial(stand);
    char stage[] = "stage", team[] = "team";
    sandbox_message *sandbox;
    struct error err = {0};

    fake_put(stand->fake, &web);
    assert_ok(patch(channel, "team", "red", stage, &sandbox, &err), &err);
    assert_int_equal(sandbox->n_metadata, 1);
    assert_string_equal(sandbox->metadata[0]->value, "red");
    protobuf_c_message_free_unpacked(&sandbox->base, NULL);
    assert_fails(patch(channel, "team", "red", team, &sandbox, &err), &err, ERR_INVALID, "same request");
    assert_fails(patch(channel, "opensandbox.io/id", "x", stage, &sandbox, &err), &err, ERR_INVALID,
                 "reserved");
    assert_string_equal(err.reason, "INVALID_METADATA_LABEL");
}

static void grpc_tells_the_endpoint(void **state)
{
    struct stand *stand = *state;
    SCOPED(channel) struct rpc_channel *channel = dial(stand);
    Opensandbox__Lifecycle__V1__GetEndpointRequest request =
        OPENSANDBOX__LIFECYCLE__V1__GET_ENDPOINT_REQUEST__INIT;
    Opensandbox__Lifecycle__V1__Endpoint *endpoint;
    struct error err = {0};

    fake_put(stand->fake, &web);
    request.id = (char *)"web";
    request.port = 44772;
    assert_ok(rpc_unary(channel, LIFECYCLE, "GetEndpoint", &request.base, &endpoint, NULL, &err), &err);
    assert_string_equal(endpoint->endpoint, "10.0.0.7:44772");
    protobuf_c_message_free_unpacked(&endpoint->base, NULL);
    request.port = 0;
    assert_fails(rpc_unary(channel, LIFECYCLE, "GetEndpoint", &request.base, &endpoint, NULL, &err), &err,
                 ERR_INVALID, "port");
    assert_string_equal(err.reason, "DOCKER::INVALID_PORT");
}

#define WITH_STAND(test) cmocka_unit_test_setup(test, stand_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STAND(a_renewal_answers_the_new_time_in_utc),
        WITH_STAND(a_paused_sandbox_is_renewed_like_any_other),
        WITH_STAND(a_malformed_renewal_is_422),
        WITH_STAND(the_past_is_400_before_anybody_is_asked_and_no_expiry_is_409),
        WITH_STAND(a_patch_sets_replaces_and_removes),
        WITH_STAND(the_checks_of_a_patch_come_in_the_contracts_order),
        WITH_STAND(only_what_is_set_is_checked),
        WITH_STAND(grpc_renews_with_the_same_codes),
        WITH_STAND(grpc_patches_metadata_with_the_same_codes),
        WITH_STAND(grpc_tells_the_endpoint),
    };
    return cmocka_run_group_tests(tests, stand_setup_group, stand_teardown_group);
}
