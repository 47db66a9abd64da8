/* The REST door, row by row: status, code, text, headers. Contract rest-api.md §1, §2, §5 to §7, §10, §15, §20. */
#include "tests/wire/lifecycle/stand.h"

#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"

static const struct fake_sandbox web = {
    .name = "web",
    .phase = "Succeed",
    .endpoints = "[\"10.0.0.7\"]",
    .template_json = "{\"spec\":{\"containers\":[{\"image\":\"busybox\",\"command\":[\"sleep\",\"9\"]}]}}",
    .labels = {{"opensandbox.io/id", "web"}, {"team", "blue"}},
    .created_ms = 1763303070000,
};

#define CREATE(more)                                                                                         \
    "{\"image\":{\"uri\":\"busybox\"},\"entrypoint\":[\"sleep\",\"9\"],\"resourceLimits\":{}" more "}"

struct row {
    const char *method, *path, *body;
    int status;
    const char *code, *part;
};

static void check_rows(const struct stand *stand, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        SCOPED_REPLY struct reply reply = ask(stand, rows[i].method, rows[i].path, rows[i].body);

        print_message("%s %s %s\n", rows[i].method, rows[i].path, rows[i].body ? rows[i].body : "");
        assert_reply(&reply, rows[i].status, rows[i].code, rows[i].part);
        assert_string_equal(http_response_header(&reply.http, "content-type"), "application/json");
    }
}
#define CHECK(stand, rows) check_rows(stand, rows, sizeof(rows) / sizeof(rows[0]))

static void a_stranger_gets_401_before_anything_else_is_looked_at(void **state)
{
    static const struct {
        const char *method, *path;
    } rows[] = {
        {"POST", "/v1/sandboxes"},
        {"GET", "/v1/sandboxes"},
        {"GET", "/sandboxes/web"},
        {"DELETE", "/v1/sandboxes/web"},
        {"POST", "/v1/sandboxes/a/pause"},
        {"POST", "/v1/sandboxes/a/renew-expiration"},
        {"GET", "/v1/pools"},
        {"GET", "/v1/nowhere"},
        {"PUT", "/v1/sandboxes"},
        {"GET", "/healthz"},
        {"GET", "/v1/health"},
        {"GET", "/docsX"},
        {"GET", "/sandboxes/a/proxy/x"},
        {"GET", "/sandboxes/a/proxy/80/../x"},
        {"GET", "/sandboxes/a/proxy/80/%2e%2e/x"},
    };
    static const char *const wrong[] = {"OPEN-SANDBOX-API-KEY: stand-keyX", NULL};
    static const char *const empty[] = {"OPEN-SANDBOX-API-KEY;", NULL};

    (void)empty; /* curl cannot say an empty header through our client; the unit test does */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED_REPLY struct reply none = ask_with(*state, rows[i].method, rows[i].path, NULL, NULL);
        SCOPED_REPLY struct reply bad = ask_with(*state, rows[i].method, rows[i].path, NULL, wrong);

        print_message("%s %s\n", rows[i].method, rows[i].path);
        assert_reply(&none, 401, "MISSING_API_KEY", "OPEN-SANDBOX-API-KEY");
        assert_reply(&bad, 401, "INVALID_API_KEY", "invalid");
    }
}

static void health_and_proxy_paths_need_no_key(void **state)
{
    SCOPED_REPLY struct reply health = ask_with(*state, "GET", "/health", NULL, NULL);
    SCOPED_REPLY struct reply proxy = ask_with(*state, "GET", "/v1/sandboxes/a/proxy/8080/x", NULL, NULL);

    assert_int_equal(health.http.status, 200);
    assert_string_equal(strbuf_text(&health.http.body), "{\"status\":\"healthy\"}");
    assert_reply(&proxy, 404, "KUBERNETES::SANDBOX_NOT_FOUND", "not found");
}

static void routes_exist_under_both_prefixes(void **state)
{
    struct stand *stand = *state;

    fake_put(stand->fake, &web);
    SCOPED_REPLY struct reply plain = ask(stand, "GET", "/sandboxes/web", NULL);
    SCOPED_REPLY struct reply prefixed = ask(stand, "GET", "/v1/sandboxes/web", NULL);
    assert_int_equal(plain.http.status, 200);
    assert_string_equal(strbuf_text(&plain.http.body), strbuf_text(&prefixed.http.body));
}

static void unknown_routes_and_methods_have_a_code_and_a_message(void **state)
{
    static const struct row rows[] = {
        {"GET", "/v1/nowhere", NULL, 404, "GENERAL::NOT_FOUND", "/v1/nowhere"},
        {"GET", "/", NULL, 404, "GENERAL::NOT_FOUND", "Not Found"},
        {"GET", "/v1/v1/sandboxes", NULL, 404, "GENERAL::NOT_FOUND", "Not Found"},
        {"GET", "/v1/sandboxes/", NULL, 404, "GENERAL::NOT_FOUND", "Not Found"},
        {"PUT", "/v1/sandboxes", NULL, 405, "GENERAL::METHOD_NOT_ALLOWED", "Method Not Allowed"},
        {"GET", "/v1/sandboxes/a/pause", NULL, 405, "GENERAL::METHOD_NOT_ALLOWED", "Method Not Allowed"},
    };

    CHECK(*state, rows);
}

static void a_request_id_comes_back_and_is_made_when_absent(void **state)
{
    static const char *const given[] = {"X-Request-ID:   from the client ", NULL};
    static const char *const blank[] = {"X-Request-ID:   ", NULL};
    SCOPED_REPLY struct reply echoed = ask_with(*state, "GET", "/v1/sandboxes", NULL, given);
    SCOPED_REPLY struct reply made = ask_with(*state, "GET", "/health", NULL, blank);
    const char *id = http_response_header(&made.http, "x-request-id");

    assert_int_equal(echoed.http.status, 401);
    assert_string_equal(http_response_header(&echoed.http, "x-request-id"), "from the client");
    assert_int_equal(strlen(id), 32);
    assert_int_equal(strspn(id, "0123456789abcdef"), 32);
}

static void browsers_may_call_from_anywhere(void **state)
{
    static const char *const preflight[] = {"Origin: https://app.example",
                                            "Access-Control-Request-Method: POST",
                                            "Access-Control-Request-Headers: open-sandbox-api-key", NULL};
    static const char *const simple[] = {"Origin: https://app.example", NULL};
    SCOPED_REPLY struct reply asked = ask_with(*state, "OPTIONS", "/v1/sandboxes", NULL, preflight);
    SCOPED_REPLY struct reply refused = ask_with(*state, "GET", "/v1/sandboxes", NULL, simple);

    assert_int_equal(asked.http.status, 200);
    assert_string_equal(http_response_header(&asked.http, "access-control-allow-origin"),
                        "https://app.example");
    assert_string_equal(http_response_header(&asked.http, "access-control-allow-headers"),
                        "open-sandbox-api-key");
    assert_string_equal(http_response_header(&asked.http, "access-control-allow-credentials"), "true");
    assert_int_equal(refused.http.status, 401);
    assert_string_equal(http_response_header(&refused.http, "access-control-allow-origin"),
                        "https://app.example");
}

static void bad_create_bodies_are_422_with_a_detail(void **state)
{
    static const struct row rows[] = {
        {"POST", "/v1/sandboxes", NULL, 422, "SANDBOX::INVALID_PARAMETER", "body"},
        {"POST", "/v1/sandboxes", "{", 422, "SANDBOX::INVALID_PARAMETER", "body"},
        {"POST", "/v1/sandboxes", "[]", 422, "SANDBOX::INVALID_PARAMETER", "want"},
        {"POST", "/v1/sandboxes", "{\"timeout\":10}", 422, "SANDBOX::INVALID_PARAMETER",
         "timeout: want at least 60"},
        {"POST", "/v1/sandboxes", CREATE(",\"timeout\":0"), 422, "SANDBOX::INVALID_PARAMETER", "timeout"},
        {"POST", "/v1/sandboxes", CREATE(",\"timeout\":\"soon\""), 422, "SANDBOX::INVALID_PARAMETER",
         "timeout"},
        {"POST", "/v1/sandboxes", CREATE(",\"metadata\":{\"a\":1}"), 422, "SANDBOX::INVALID_PARAMETER",
         "metadata"},
        {"POST", "/v1/sandboxes", "{\"image\":{\"uri\":\" \"},\"entrypoint\":[\"a\"],\"resourceLimits\":{}}",
         422, "SANDBOX::INVALID_PARAMETER", "image"},
        {"POST", "/v1/sandboxes", CREATE(",\"volumes\":[{\"name\":\"a\",\"mountPath\":\"/a\"}]"), 422,
         "SANDBOX::INVALID_PARAMETER", "volumes[0]: want exactly one"},
        {"POST", "/v1/sandboxes",
         CREATE(",\"volumes\":[{\"name\":\"a\",\"mountPath\":\"/a\",\"host\":{\"path\":\"/s\"},\"pvc\":{"
                "\"claimName\":\"c\"}}]"),
         422, "SANDBOX::INVALID_PARAMETER", "volumes[0]: want exactly one of host, pvc and ossfs, got 2"},
        {"POST", "/v1/sandboxes",
         CREATE(",\"volumes\":[{\"name\":\"a\",\"mountPath\":\"/"
                "a\",\"pvc\":{\"claimName\":\"c\",\"storage\":\"1G\"}}]"),
         422, "SANDBOX::INVALID_PARAMETER", "volumes[0].pvc.storage"},
        {"POST", "/v1/sandboxes",
         CREATE(",\"volumes\":[{\"name\":\"a\",\"mountPath\":\"/"
                "a\",\"pvc\":{\"claimName\":\"c\",\"createIfNotExists\":"
                "\"no\"}}]"),
         422, "SANDBOX::INVALID_PARAMETER", "volumes[0].pvc.createIfNotExists"},
        {"POST", "/v1/sandboxes",
         "{\"image\":{\"uri\":\"b\",\"auth\":{\"username\":\"u\"}},\"entrypoint\":[\"a\"],\"resourceLimits\":"
         "{}}",
         422, "SANDBOX::INVALID_PARAMETER", "image.auth.password"},
        {"POST", "/v1/sandboxes",
         "{\"image\":{\"uri\":\"b\",\"auth\":{\"username\":\" \",\"password\":\"p\"}},\"entrypoint\":[\"a\"],"
         "\"resourceLimits\":{}}",
         422, "SANDBOX::INVALID_PARAMETER", "image.auth.username"},
        {"POST", "/v1/sandboxes", "{\"image\":{\"uri\":\"b\"},\"resourceLimits\":{}}", 422,
         "SANDBOX::INVALID_PARAMETER", "entrypoint: required"},
        {"POST", "/v1/sandboxes", "{\"image\":{\"uri\":\"b\"},\"entrypoint\":[],\"resourceLimits\":{}}", 422,
         "SANDBOX::INVALID_PARAMETER", "entrypoint"},
        {"POST", "/v1/sandboxes", "{\"image\":{\"uri\":\"b\"},\"entrypoint\":[\"a\"]}", 422,
         "SANDBOX::INVALID_PARAMETER", "resourceLimits: required"},
        {"POST", "/v1/sandboxes", CREATE(",\"snapshotId\":\"s\""), 422, "SANDBOX::INVALID_PARAMETER",
         "got both"},
        {"POST", "/v1/sandboxes", "{\"snapshotId\":\"  \",\"resourceLimits\":{}}", 422,
         "SANDBOX::INVALID_PARAMETER", "got none"},
        {"POST", "/v1/sandboxes", "{\"extensions\":{\"poolRef\":\"p\"},\"snapshotId\":\"s\"}", 422,
         "SANDBOX::INVALID_PARAMETER", "snapshotId"},
        {"POST", "/v1/sandboxes",
         "{\"extensions\":{\"poolRef\":\"p\"},\"credentialProxy\":{\"enabled\":true}}", 422,
         "SANDBOX::INVALID_PARAMETER", "credentialProxy"},
        {"POST", "/v1/sandboxes", CREATE(",\"credentialProxy\":{\"enabled\":true}"), 422,
         "SANDBOX::INVALID_PARAMETER", "needs networkPolicy"},
        {"GET", "/v1/sandboxes?page=0", NULL, 422, "SANDBOX::INVALID_PARAMETER", "page"},
        {"GET", "/v1/sandboxes?page=x", NULL, 422, "SANDBOX::INVALID_PARAMETER", "page"},
        {"GET", "/v1/sandboxes?pageSize=201", NULL, 422, "SANDBOX::INVALID_PARAMETER",
         "pageSize: want 1 to 200"},
        {"GET", "/v1/sandboxes/web/endpoints/http", NULL, 422, "SANDBOX::INVALID_PARAMETER", "port"},
        {"GET", "/v1/sandboxes/web/endpoints/80?use_server_proxy=maybe", NULL, 422,
         "SANDBOX::INVALID_PARAMETER", "use_server_proxy"},
    };

    CHECK(*state, rows);
    SCOPED_REPLY struct reply reply =
        ask(*state, "POST", "/v1/sandboxes", CREATE(",\"volumes\":[{\"name\":\"a\",\"mountPath\":\"/a\"}]"));
    SCOPED(string)
    char *loc = json_text(json_object_get(json_array_get(json_object_get(reply.json, "detail"), 0), "loc"));
    assert_string_equal(loc, "[\"body\",\"volumes\",0]");
}

static void meaningless_creates_are_400_with_the_contracts_code(void **state)
{
    static const struct row rows[] = {
        {"POST", "/v1/sandboxes", CREATE(",\"extensions\":{\"access.renew.extend.seconds\":\"299\"}"), 400,
         "SANDBOX::INVALID_PARAMETER", "300 to 86400"},
        {"POST", "/v1/sandboxes", CREATE(",\"metadata\":{\"opensandbox.io/x\":\"1\"}"), 400,
         "SANDBOX::INVALID_METADATA_LABEL", "reserved"},
        {"POST", "/v1/sandboxes", CREATE(",\"metadata\":{\"name\":\"Demo Test\"}"), 400,
         "SANDBOX::INVALID_METADATA_LABEL", "name"},
        {"POST", "/v1/sandboxes", CREATE(",\"platform\":{\"os\":\"Windows\",\"arch\":\"amd64\"}"), 400,
         "SANDBOX::INVALID_PARAMETER", "windows"},
        {"POST", "/v1/sandboxes", CREATE(",\"timeout\":9000000000000"), 400, "SANDBOX::INVALID_PARAMETER",
         "timeout"},
        {"POST", "/v1/sandboxes", CREATE(",\"secureAccess\":true"), 400, "SANDBOX::INVALID_PARAMETER",
         "secureAccess"},
        {"POST", "/v1/sandboxes", CREATE(",\"networkPolicy\":{\"egress\":[]}"), 400,
         "SANDBOX::INVALID_PARAMETER", "egress policy is not configured"},
        {"POST", "/v1/sandboxes",
         CREATE(",\"volumes\":[{\"name\":\"a\",\"mountPath\":\"/a\",\"host\":{\"path\":\"/srv\"}}]"), 400,
         "VOLUME::HOST_PATH_NOT_ALLOWED", "--allowed-host-paths"},
        {"POST", "/v1/sandboxes",
         CREATE(",\"volumes\":[{\"name\":\"a\",\"mountPath\":\"/a\",\"pvc\":{\"claimName\":\"C\"}}]"), 400,
         "VOLUME::INVALID_PVC_NAME", "pvc.claimName"},
        {"POST", "/v1/sandboxes",
         CREATE(",\"volumes\":[{\"name\":\"opensandbox-bin\",\"mountPath\":\"/"
                "a\",\"pvc\":{\"claimName\":\"c\"}}]"),
         400, "SANDBOX::INVALID_PARAMETER", "opensandbox-bin"},
        {"POST", "/v1/sandboxes",
         CREATE(",\"volumes\":[{\"name\":\"a\",\"mountPath\":\"/a\",\"ossfs\":{\"bucket\":\"b\"}}]"), 400,
         "SANDBOX::INVALID_PARAMETER", "ossfs: not supported"},
        {"POST", "/v1/sandboxes",
         CREATE(",\"networkPolicy\":{\"egress\":[]},\"credentialProxy\":{\"enabled\":true}"), 400,
         "SANDBOX::INVALID_PARAMETER", "egress policy is not configured"},
        {"POST", "/v1/sandboxes", CREATE(",\"resourceRequests\":{\"gpu\":\"all\"}"), 400,
         "SANDBOX::INVALID_PARAMETER", "resourceRequests.gpu"},
        {"POST", "/v1/sandboxes", CREATE(",\"extensions\":{\"poolRef\":\"p\"}"), 501,
         "KUBERNETES::POOL_NOT_SUPPORTED", "pools"},
        {"GET", "/v1/sandboxes?metadata=team", NULL, 400, "INVALID_METADATA_FORMAT", "bad query field"},
        {"GET", "/v1/sandboxes/web/endpoints/70000", NULL, 400, "DOCKER::INVALID_PORT", "70000"},
        {"GET", "/v1/sandboxes/web/endpoints/80?use_server_proxy=true&expires=5", NULL, 400,
         "SANDBOX::INVALID_PARAMETER", "use_server_proxy cannot be combined with expires"},
        {"GET", "/v1/sandboxes/web/endpoints/80?expires=5", NULL, 400, "SANDBOX::INVALID_PARAMETER",
         "gateway"},
    };

    CHECK(*state, rows);
}

static void what_this_version_lacks_is_501(void **state)
{
    static const struct row rows[] = {
        {"GET", "/v1/pools/p", NULL, 501, "KUBERNETES::POOL_NOT_SUPPORTED", "not supported"},
    };

    CHECK(*state, rows);
}

static void an_unknown_sandbox_is_404_on_every_route(void **state)
{
    static const struct row rows[] = {
        {"GET", "/v1/sandboxes/none", NULL, 404, "KUBERNETES::SANDBOX_NOT_FOUND", "none"},
        {"DELETE", "/v1/sandboxes/none", NULL, 404, "KUBERNETES::SANDBOX_NOT_FOUND", "none"},
        {"POST", "/v1/sandboxes/none/pause", NULL, 404, "KUBERNETES::SANDBOX_NOT_FOUND", "none"},
        {"POST", "/v1/sandboxes/none/resume", NULL, 404, "KUBERNETES::SANDBOX_NOT_FOUND", "none"},
        {"GET", "/v1/sandboxes/none/endpoints/80", NULL, 404, "KUBERNETES::SANDBOX_NOT_FOUND", "none"},
        {"GET", "/v1/sandboxes/No%2FSuch", NULL, 404, "KUBERNETES::SANDBOX_NOT_FOUND", "No/Such"},
    };

    CHECK(*state, rows);
}

static void a_sandbox_is_shown_without_its_null_members(void **state)
{
    struct stand *stand = *state;

    fake_put(stand->fake, &web);
    SCOPED_REPLY struct reply reply = ask(stand, "GET", "/v1/sandboxes/web", NULL);
    SCOPED(string) char *text = json_canonical(reply.json);
    assert_string_equal(
        text, "{\"createdAt\":\"2025-11-16T14:24:30Z\",\"entrypoint\":[\"sleep\",\"9\"],\"id\":\"web\","
              "\"image\":{\"uri\":\"busybox\"},\"metadata\":{\"team\":\"blue\"},\"status\":{"
              "\"lastTransitionAt\":\"2025-11-16T14:24:30Z\",\"message\":\"Sandbox is running\","
              "\"reason\":\"RUNNING\",\"state\":\"Running\"}}");
}

static void a_sandbox_that_is_being_deleted_is_stopping(void **state)
{
    struct stand *stand = *state;
    struct fake_sandbox leaving = web;

    leaving.deleting = true;
    fake_put(stand->fake, &leaving);
    SCOPED_REPLY struct reply reply = ask(stand, "GET", "/v1/sandboxes/web", NULL);
    assert_string_equal(text_at(&reply, "status.state"), "Stopping");
}

static void a_failed_pause_shows_in_the_message_of_a_running_sandbox(void **state)
{
    struct stand *stand = *state;
    struct fake_sandbox failed = web;

    failed.conditions[0] =
        (struct fake_condition){"PauseFailed", NULL, "PushFailed", "registry answered 401", 0};
    fake_put(stand->fake, &failed);
    SCOPED_REPLY struct reply reply = ask(stand, "GET", "/v1/sandboxes/web", NULL);
    assert_string_equal(text_at(&reply, "status.state"), "Running");
    assert_string_equal(text_at(&reply, "status.reason"), "RUNNING");
    assert_contains(text_at(&reply, "status.message"), "registry answered 401");
}

static void pause_and_resume_answer_202_with_content_length_0(void **state)
{
    static const char *const paths[] = {"/v1/sandboxes/web/pause", "/v1/sandboxes/web/resume"};
    static const char *const key_only[] = {"OPEN-SANDBOX-API-KEY: " STAND_KEY, NULL};
    struct stand *stand = *state;

    fake_put(stand->fake, &web);
    for (size_t i = 0; i < 2; i++) {
        SCOPED_REPLY struct reply typed = ask(stand, "POST", paths[i], NULL);
        SCOPED_REPLY struct reply bare = ask_with(stand, "POST", paths[i], NULL, key_only);

        assert_int_equal(typed.http.status, 202);
        assert_int_equal(bare.http.status, 202);
        assert_string_equal(http_response_header(&typed.http, "content-length"), "0");
        assert_null(http_response_header(&typed.http, "transfer-encoding"));
    }
    assert_int_equal(fake_calls(stand->fake, "PauseSandbox web"), 2);
    assert_int_equal(fake_calls(stand->fake, "ResumeSandbox web"), 2);
}

static void refused_pauses_and_resumes_are_409_with_the_orchestrators_text(void **state)
{
    static const struct {
        const char *verb;
        enum error_code code;
        const char *text;
    } rows[] = {
        {"pause", ERR_PRECONDITION, "sandbox is already paused"},
        {"pause", ERR_PRECONDITION, "operation in progress"},
        {"pause", ERR_PRECONDITION, "sandbox is being created"},
        {"resume", ERR_PRECONDITION, "expected Paused, got Running"},
        {"resume", ERR_PRECONDITION, "sandbox is not available"},
        {"pause", ERR_CONFLICT, "somebody was first"},
    };
    struct stand *stand = *state;

    fake_put(stand->fake, &web);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(string) char *path = xasprintf("/v1/sandboxes/web/%s", rows[i].verb);
        fake_on_pause(stand->fake, rows[i].code, rows[i].text);
        SCOPED_REPLY struct reply reply = ask(stand, "POST", path, NULL);
        assert_reply(&reply, 409, "KUBERNETES::INVALID_STATE", rows[i].text);
    }
    fake_on_pause(stand->fake, ERR_INTERNAL, "etcd is on fire");
    SCOPED_REPLY struct reply broken = ask(stand, "POST", "/v1/sandboxes/web/pause", NULL);
    assert_reply(&broken, 500, "KUBERNETES::API_ERROR", "etcd is on fire");
}

static void delete_answers_204_without_a_body(void **state)
{
    struct stand *stand = *state;

    fake_put(stand->fake, &web);
    SCOPED_REPLY struct reply reply = ask(stand, "DELETE", "/v1/sandboxes/web", NULL);
    assert_int_equal(reply.http.status, 204);
    assert_int_equal(reply.http.body.length, 0);
    assert_int_equal(fake_calls(stand->fake, "DeleteSandbox web"), 1);
}

static void put_many(struct fake_orchestrator *fake)
{
    static const char *const names[] = {"s1", "s2", "s3", "s4", "s5"};
    static const char *const phases[] = {"Succeed", "Paused", "Succeed", "Failed", "Paused"};

    for (int i = 0; i < 5; i++) {
        struct fake_sandbox sandbox = {
            .name = names[i],
            .phase = phases[i],
            .created_ms = 1763303070000 + i * 1000,
            .labels = {{"opensandbox.io/id", NULL}, {"team", i % 2 ? "red" : "blue"}, {"note", ""}}};
        fake_put(fake, &sandbox);
    }
}

static void lists_filter_sort_and_page(void **state)
{
    static const struct {
        const char *query, *ids;
        int total, pages;
        bool next;
    } rows[] = {
        {"", "s5 s4 s3 s2 s1", 5, 1, false},
        {"?pageSize=2", "s5 s4", 5, 3, true},
        {"?pageSize=2&page=3", "s1", 5, 3, false},
        {"?pageSize=2&page=9", "", 5, 3, false},
        {"?state=Running&state=paused", "s5 s3 s2 s1", 4, 1, false},
        {"?state=Nothing", "", 0, 0, false},
        {"?metadata=team%3Dblue", "s5 s3 s1", 3, 1, false},
        {"?metadata=team%3Dblue%26note%3D", "s5 s3 s1", 3, 1, false},
        {"?metadata=team%253Dx%3Dy", "", 0, 0, false},
        {"?metadata=team%3Dblue&state=Paused", "s5", 1, 1, false},
        {"?unknown=1", "s5 s4 s3 s2 s1", 5, 1, false},
    };
    struct stand *stand = *state;

    put_many(stand->fake);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(string) char *path = xasprintf("/v1/sandboxes%s", rows[i].query);
        SCOPED_REPLY struct reply reply = ask(stand, "GET", path, NULL);
        SCOPED_STRBUF struct strbuf ids = STRBUF_INIT;
        size_t at;
        json_t *item;

        print_message("%s\n", path);
        assert_int_equal(reply.http.status, 200);
        json_array_foreach(json_object_get(reply.json, "items"), at, item)
            strbuf_addf(&ids, "%s%s", at ? " " : "", json_path_string(item, "id"));
        assert_string_equal(strbuf_text(&ids), rows[i].ids);
        assert_int_equal(json_integer_value(json_path(reply.json, "pagination.totalItems")), rows[i].total);
        assert_int_equal(json_integer_value(json_path(reply.json, "pagination.totalPages")), rows[i].pages);
        assert_int_equal(json_is_true(json_path(reply.json, "pagination.hasNextPage")), rows[i].next);
    }
}

static void an_orchestrator_that_is_away_is_503_on_every_route(void **state)
{
    static const struct row rows[] = {
        {"GET", "/v1/sandboxes", NULL, 503, "KUBERNETES::INITIALIZATION_ERROR",
         "snapshot-svc cannot be reached"},
        {"GET", "/v1/sandboxes/web", NULL, 503, "KUBERNETES::INITIALIZATION_ERROR", "cannot be reached"},
        {"POST", "/v1/sandboxes/web/pause", NULL, 503, "KUBERNETES::INITIALIZATION_ERROR",
         "cannot be reached"},
        {"DELETE", "/v1/sandboxes/web", NULL, 503, "KUBERNETES::INITIALIZATION_ERROR", "cannot be reached"},
        {"GET", "/v1/sandboxes/web/endpoints/80", NULL, 503, "KUBERNETES::INITIALIZATION_ERROR",
         "cannot be reached"},
        {"POST", "/v1/sandboxes", CREATE(), 503, "KUBERNETES::INITIALIZATION_ERROR", "cannot be reached"},
    };
    struct stand *stand = *state;

    fake_be_away(stand->fake, true);
    CHECK(stand, rows);
}

static void an_event_report_is_taken_in_silence(void **state)
{
    SCOPED_REPLY struct reply reply =
        ask(*state, "POST", "/v1/metrics/events", "{\"eventType\":\"sandbox.create\"}");

    assert_int_equal(reply.http.status, 204);
}

static void a_body_of_more_than_a_mebibyte_is_413(void **state)
{
    SCOPED(string) char *body = xcalloc(1, (1 << 20) + 2);

    memset(body, ' ', (1 << 20) + 1);
    SCOPED_REPLY struct reply reply = ask(*state, "POST", "/v1/sandboxes", body);
    assert_reply(&reply, 413, "GENERAL::PAYLOAD_TOO_LARGE", "1 MiB");
}

static void read_to_end(int fd, struct strbuf *answer)
{
    char piece[4096];
    ssize_t length;

    while ((length = read(fd, piece, sizeof(piece))) > 0)
        strbuf_append(answer, piece, (size_t)length);
}

static void assert_refused_as_mine(const struct stand *stand, const char *what, const char *status)
{
    SCOPED(string)
    char *request = xasprintf("POST /v1/sandboxes HTTP/1.1\r\nHost: h\r\nX-Request-ID:  mine \r\n"
                              "Origin: https://a.example\r\n%s\r\n\r\n",
                              what);
    SCOPED_STRBUF struct strbuf answer = STRBUF_INIT;
    SCOPED(fd) int fd = dial_and_say(stand, request);

    read_to_end(fd, &answer);
    assert_contains(strbuf_text(&answer), status);
    assert_contains(strbuf_text(&answer), "X-Request-ID: mine\r\n");
    assert_contains(strbuf_text(&answer), "Access-Control-Allow-Origin: https://a.example\r\n");
}

static void what_the_http_server_refuses_carries_the_callers_request_id(void **state)
{
    SCOPED(string) char *long_header = xasprintf("X-Long: %040000d", 0);

    assert_refused_as_mine(*state, "Content-Length: 1048577\r\nExpect: 100-continue", "HTTP/1.1 413 ");
    assert_refused_as_mine(*state, long_header, "HTTP/1.1 431 ");
}

#define WITH_STAND(test) cmocka_unit_test_setup(test, stand_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STAND(a_stranger_gets_401_before_anything_else_is_looked_at),
        WITH_STAND(health_and_proxy_paths_need_no_key),
        WITH_STAND(routes_exist_under_both_prefixes),
        WITH_STAND(unknown_routes_and_methods_have_a_code_and_a_message),
        WITH_STAND(a_request_id_comes_back_and_is_made_when_absent),
        WITH_STAND(browsers_may_call_from_anywhere),
        WITH_STAND(bad_create_bodies_are_422_with_a_detail),
        WITH_STAND(meaningless_creates_are_400_with_the_contracts_code),
        WITH_STAND(what_this_version_lacks_is_501),
        WITH_STAND(an_unknown_sandbox_is_404_on_every_route),
        WITH_STAND(a_sandbox_is_shown_without_its_null_members),
        WITH_STAND(a_sandbox_that_is_being_deleted_is_stopping),
        WITH_STAND(a_failed_pause_shows_in_the_message_of_a_running_sandbox),
        WITH_STAND(pause_and_resume_answer_202_with_content_length_0),
        WITH_STAND(refused_pauses_and_resumes_are_409_with_the_orchestrators_text),
        WITH_STAND(delete_answers_204_without_a_body),
        WITH_STAND(lists_filter_sort_and_page),
        WITH_STAND(an_orchestrator_that_is_away_is_503_on_every_route),
        WITH_STAND(an_event_report_is_taken_in_silence),
        WITH_STAND(a_body_of_more_than_a_mebibyte_is_413),
        WITH_STAND(what_the_http_server_refuses_carries_the_callers_request_id),
    };
    return cmocka_run_group_tests(tests, stand_setup_group, stand_teardown_group);
}
