/* What operators are told of one sandbox, as text at the REST door and whole at the gRPC door; and the document of the
 * API. Contract rest-api.md §14, §17. */
#include "tests/wire/lifecycle/stand.h"

#include "opensandbox/lifecycle/v1/lifecycle.pb-c.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "shared/rpc/client.h"

typedef Opensandbox__Orchestrator__V1__SandboxDescription orch_description;
typedef Opensandbox__Orchestrator__V1__EventDescription orch_event;
typedef Opensandbox__Lifecycle__V1__SandboxDescription api_description;

#define LIFECYCLE (&opensandbox__lifecycle__v1__lifecycle__descriptor)
#define DIAGNOSE  "/v1/sandboxes/web/diagnostics/"

DEFINE_FREEP(channel, struct rpc_channel, rpc_channel_free)

static const struct fake_sandbox web = {
    .name = "web",
    .phase = "Succeed",
    .endpoints = "[\"10.0.0.7\"]",
    .labels = {{"opensandbox.io/id", "web"}, {"team", "blue"}},
    .conditions = {{"PauseFailed", NULL, "SnapshotFailed", "the registry said 503", 1763303071000}},
    .created_ms = 1763303070000,
};

/* -- one description for all tests ----------------------------------------------------------------------------- */

enum { EVENTS = 60 };

static Opensandbox__Orchestrator__V1__ContainerDescription container;
static Opensandbox__Orchestrator__V1__PodDescription pod;
static Opensandbox__Orchestrator__V1__SnapshotContainer image;
static Opensandbox__Orchestrator__V1__Snapshot snapshot;
static orch_event events[EVENTS];
static Opensandbox__Orchestrator__V1__ContainerDescription *containers[] = {&container};
static Opensandbox__Orchestrator__V1__PodDescription *pods[] = {&pod};
static Opensandbox__Orchestrator__V1__SnapshotContainer *images[] = {&image};
static Opensandbox__Orchestrator__V1__Snapshot *snapshots[] = {&snapshot};
static orch_event *event_list[EVENTS];
static char event_texts[EVENTS][24];

static void describe_events(void)
{
    for (int i = 0; i < EVENTS; i++) {
        opensandbox__orchestrator__v1__event_description__init(&events[i]);
        (void)snprintf(event_texts[i], sizeof(event_texts[i]), "event-%d.", i + 1);
        events[i].type = (char *)"Warning";
        events[i].reason = (char *)"Pulling";
        events[i].message = event_texts[i];
        events[i].object = (char *)"Pod/web-0";
        events[i].count = i == 0 ? 3 : 1;
        events[i].last_unix_ms = 1763303070000 + i * 1000;
        event_list[i] = &events[i];
    }
}

static const orch_description *the_description(void)
{
    static orch_description description;

    opensandbox__orchestrator__v1__container_description__init(&container);
    container.name = (char *)"sandbox";
    container.image = (char *)"busybox";
    container.state = (char *)"terminated";
    container.reason = (char *)"OOMKilled";
    container.exit_code = 137;
    container.restarts = 4;
    opensandbox__orchestrator__v1__pod_description__init(&pod);
    pod.name = (char *)"web-0";
    pod.phase = (char *)"Running";
    pod.node = (char *)"node-a";
    pod.ip = (char *)"10.0.0.7";
    pod.created_at_unix_ms = 1763303070000;
    pod.containers = containers;
    pod.n_containers = 1;
    opensandbox__orchestrator__v1__snapshot_container__init(&image);
    image.container = (char *)"sandbox";
    image.image_uri = (char *)"registry/web-sandbox:snap-gen1";
    image.image_digest = (char *)"sha256:abc";
    opensandbox__orchestrator__v1__snapshot__init(&snapshot);
    snapshot.name = (char *)"web-pause";
    snapshot.phase = (char *)"Succeed";
    snapshot.path = (char *)"Handover";
    snapshot.frozen_ms = 42;
    snapshot.size = 1000;
    snapshot.containers = images;
    snapshot.n_containers = 1;
    describe_events();
    opensandbox__orchestrator__v1__sandbox_description__init(&description);
    description.pods = pods;
    description.n_pods = 1;
    description.snapshots = snapshots;
    description.n_snapshots = 1;
    description.events = event_list;
    description.n_events = EVENTS;
    return &description;
}

static int setup(void **state)
{
    int outcome = stand_setup(state);
    struct stand *stand = *state;

    fake_put(stand->fake, &web);
    fake_describe_as(stand->fake, the_description());
    return outcome;
}

static const char *expect_text(const struct reply *reply, const char *deprecation)
{
    const char *header = http_response_header(&reply->http, "deprecation");

    assert_int_equal(reply->http.status, 200);
    assert_contains(http_response_header(&reply->http, "content-type"), "text/plain");
    if (deprecation)
        assert_string_equal(header, deprecation);
    else
        assert_null(header);
    return strbuf_text(&reply->http.body);
}

static unsigned count_of(const char *text, const char *part)
{
    unsigned count = 0;

    for (; (text = strstr(text, part)); text += strlen(part))
        count++;
    return count;
}

/* -- logs ------------------------------------------------------------------------------------------------------ */

static void logs_are_lines_with_their_time(void **state)
{
    static const struct fake_log lines[] = {{1763303070123, "first"}, {1763303071000, "second \xff"}};
    struct stand *stand = *state;

    fake_log_as(stand->fake, lines, 2);
    SCOPED_REPLY struct reply reply = ask(stand, "GET", DIAGNOSE "logs", NULL);
    assert_string_equal(expect_text(&reply, "true"), "2025-11-16T14:24:30.123Z first\n"
                                                     "2025-11-16T14:24:31.000Z second \xef\xbf\xbd\n");
}

static void a_tail_is_the_newest_lines(void **state)
{
    static struct fake_log lines[150];
    struct stand *stand = *state;

    for (size_t i = 0; i < 150; i++)
        lines[i] = (struct fake_log){1763303070000 + (int64_t)i, i == 149 ? "the last" : "a line"};
    fake_log_as(stand->fake, lines, 150);
    SCOPED_REPLY struct reply plain = ask(stand, "GET", DIAGNOSE "logs", NULL);
    SCOPED_REPLY struct reply few = ask(stand, "GET", DIAGNOSE "logs?tail=2", NULL);
    SCOPED_REPLY struct reply all = ask(stand, "GET", DIAGNOSE "logs?tail=10000", NULL);
    assert_int_equal(count_of(expect_text(&plain, "true"), "\n"), 100);
    assert_int_equal(count_of(expect_text(&few, "true"), "\n"), 2);
    assert_contains(expect_text(&few, "true"), "the last");
    assert_int_equal(count_of(expect_text(&all, "true"), "\n"), 150);
}

static void since_leaves_older_lines_out(void **state)
{
    struct stand *stand = *state;
    int64_t now_ms = clock_realtime_ms();
    const struct fake_log lines[] = {
        {now_ms - 3 * 86400000LL, "days ago"}, {now_ms - 7200000, "hours ago"}, {now_ms - 1000, "just now"}};
    static const struct {
        const char *since;
        unsigned lines;
    } rows[] = {{"10m", 1}, {"1h30m", 1}, {"3h", 2}, {"2d", 2}, {"4d", 3}, {"", 3}};

    fake_log_as(stand->fake, lines, 3);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(string) char *path = xasprintf(DIAGNOSE "logs?since=%s", rows[i].since);
        SCOPED_REPLY struct reply reply = ask(stand, "GET", path, NULL);

        print_message("%s\n", path);
        assert_int_equal(count_of(expect_text(&reply, "true"), "\n"), rows[i].lines);
        assert_contains(expect_text(&reply, "true"), "just now");
    }
}

static void no_lines_are_said_to_be_none(void **state)
{
    struct stand *stand = *state;

    fake_log_as(stand->fake, NULL, 0);
    SCOPED_REPLY struct reply reply = ask(stand, "GET", DIAGNOSE "logs", NULL);
    assert_string_equal(expect_text(&reply, "true"), "(no logs)\n");
}

static void long_logs_are_cut_at_their_old_end(void **state)
{
    enum { LINES = 3000, LENGTH = 1000 };
    static struct fake_log lines[LINES];
    static char line[LENGTH + 1];
    struct stand *stand = *state;

    memset(line, 'x', LENGTH);
    for (size_t i = 0; i < LINES; i++)
        lines[i] = (struct fake_log){1763303070000 + (int64_t)i, i == LINES - 1 ? "the last" : line};
    fake_log_as(stand->fake, lines, LINES);
    SCOPED_REPLY struct reply reply = ask(stand, "GET", DIAGNOSE "logs?tail=10000", NULL);
    const char *text = expect_text(&reply, "true");
    assert_in_range(strlen(text), (1 << 20) - 2 * LENGTH, 1 << 20);
    assert_int_equal(strncmp(text, "2025-", 5), 0); /* it begins with a whole line */
    assert_contains(text + strlen(text) - 20, "the last");
}

static void a_line_without_an_end_is_cut(void **state)
{
    enum { LENGTH = 3 << 20 };
    struct stand *stand = *state;
    SCOPED(string) char *line = xcalloc(1, LENGTH + 1);
    const struct fake_log lines[] = {{1763303070000, line}, {1763303070000, "the last"}};

    memset(line, 'x', LENGTH);
    fake_log_as(stand->fake, lines, 2);
    SCOPED_REPLY struct reply reply = ask(stand, "GET", DIAGNOSE "logs", NULL);
    assert_in_range(strlen(expect_text(&reply, "true")), 64 << 10, 65 << 10);
    assert_contains(expect_text(&reply, "true"), "the last");
}

/* -- events, inspect, summary ---------------------------------------------------------------------------------- */

static void events_are_the_newest_ones_oldest_first(void **state)
{
    SCOPED_REPLY struct reply plain = ask(*state, "GET", DIAGNOSE "events", NULL);
    SCOPED_REPLY struct reply two = ask(*state, "GET", DIAGNOSE "events?limit=2", NULL);
    SCOPED_REPLY struct reply all = ask(*state, "GET", DIAGNOSE "events?limit=500", NULL);

    assert_int_equal(count_of(expect_text(&plain, "true"), "\n"), 50);
    assert_string_equal(expect_text(&two, "true"),
                        "[2025-11-16T14:25:28Z] Warning  Pulling              Pod/web-0: event-59.\n"
                        "[2025-11-16T14:25:29Z] Warning  Pulling              Pod/web-0: event-60.\n");
    assert_int_equal(count_of(expect_text(&all, "true"), "\n"), EVENTS);
    assert_contains(expect_text(&all, "true"), "event-1. (3 times)\n");
}

static void an_inspection_tells_all_parts(void **state)
{
    static const char *const parts[] = {
        "Sandbox ID:     web\n",
        "State:          Running\n",
        "Pod Name:       web-0\n",
        "Node:           node-a\n",
        "Pod IP:         10.0.0.7\n",
        "  sandbox:\n",
        "    Restart Count:  4\n",
        "    State:          terminated (exit=137, reason=OOMKilled)\n",
        "  PauseFailed: True (reason=SnapshotFailed)\n    Message: the registry said 503\n",
        "  team=blue\n",
        "  web-pause: Succeed\n    sandbox: registry/web-sandbox:snap-gen1 sha256:abc\n",
    };
    SCOPED_REPLY struct reply reply = ask(*state, "GET", DIAGNOSE "inspect", NULL);

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        assert_contains(expect_text(&reply, NULL), parts[i]);
}

static void a_summary_has_all_three(void **state)
{
    SCOPED_REPLY struct reply reply = ask(*state, "GET", DIAGNOSE "summary?tail=5&event_limit=1", NULL);
    const char *text = expect_text(&reply, NULL);

    assert_contains(text, "Sandbox ID: web\n");
    assert_contains(text, "INSPECT\n");
    assert_contains(text, "Pod Name:       web-0\n");
    assert_contains(text, "EVENTS\n");
    assert_int_equal(count_of(text, "event-"), 1);
    assert_contains(text, "LOGS\n");
    assert_contains(text, "hello from the log");
}

static void a_summary_hides_why_a_part_is_missing(void **state)
{
    struct stand *stand = *state;

    fake_on_logs(stand->fake, ERR_INTERNAL, "dial unix /run/secret.sock: boom");
    SCOPED_REPLY struct reply reply = ask(stand, "GET", DIAGNOSE "summary", NULL);
    const char *text = expect_text(&reply, NULL);
    assert_contains(text, "Pod Name:       web-0\n");
    assert_contains(text, "[error] Failed to collect log diagnostics.\n");
    assert_lacks(text, "secret.sock");
}

/* -- refusals -------------------------------------------------------------------------------------------------- */

static void what_is_asked_wrongly_is_refused(void **state)
{
    static const struct {
        const char *path;
        int status;
        const char *code, *part;
    } rows[] = {
        // clang-format off
        {DIAGNOSE "logs?tail=0",                422, "SANDBOX::INVALID_PARAMETER",    "tail: want 1 to 10000"},
        {DIAGNOSE "logs?tail=10001",            422, "SANDBOX::INVALID_PARAMETER",    "tail: want 1 to 10000"},
        {DIAGNOSE "logs?tail=x",                422, "SANDBOX::INVALID_PARAMETER",    "tail: want a whole number"},
        {DIAGNOSE "logs?since=soon",            422, "SANDBOX::INVALID_PARAMETER",    "since: want a duration like 10m"},
        {DIAGNOSE "logs?since=-5m",             422, "SANDBOX::INVALID_PARAMETER",    "since: want a duration like 10m"},
        {DIAGNOSE "logs?since=9999999999d",     422, "SANDBOX::INVALID_PARAMETER",    "since: want a duration like 10m"},
        {DIAGNOSE "events?limit=0",             422, "SANDBOX::INVALID_PARAMETER",    "limit: want 1 to 500"},
        {DIAGNOSE "events?limit=501",           422, "SANDBOX::INVALID_PARAMETER",    "limit: want 1 to 500"},
        {DIAGNOSE "summary?event_limit=501",    422, "SANDBOX::INVALID_PARAMETER",    "event_limit: want 1 to 500"},
        {DIAGNOSE "logs?scope=container",       501, "DIAGNOSTICS_NOT_IMPLEMENTED",   "scope"},
        {DIAGNOSE "events?scope=",              501, "DIAGNOSTICS_NOT_IMPLEMENTED",   "scope"},
        {DIAGNOSE "weather",                    404, "GENERAL::NOT_FOUND",            "weather"},
        {"/v1/sandboxes/no/diagnostics/events", 404, "KUBERNETES::SANDBOX_NOT_FOUND", "no"},
        {"/v1/sandboxes/A_B/diagnostics/logs",  404, "KUBERNETES::SANDBOX_NOT_FOUND", "A_B"},
        // clang-format on
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED_REPLY struct reply reply = ask(*state, "GET", rows[i].path, NULL);

        print_message("%s\n", rows[i].path);
        assert_reply(&reply, rows[i].status, rows[i].code, rows[i].part);
    }
}

static void a_sandbox_without_a_pod_is_none_to_them(void **state)
{
    static const char *const kinds[] = {"logs", "events", "inspect", "summary"};
    struct stand *stand = *state;

    fake_describe_as(stand->fake, NULL);
    fake_on_logs(stand->fake, ERR_PRECONDITION, "sandbox \"web\" has no running pod");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        SCOPED(string) char *path = xasprintf(DIAGNOSE "%s", kinds[i]);
        SCOPED_REPLY struct reply reply = ask(stand, "GET", path, NULL);

        assert_reply(&reply, 404, "KUBERNETES::SANDBOX_NOT_FOUND", "No pod found for sandbox web");
    }
}

static void a_backend_without_logs_says_so(void **state)
{
    struct stand *stand = *state;

    fake_on_logs(stand->fake, ERR_UNSUPPORTED, "logs: use kubectl logs");
    SCOPED_REPLY struct reply logs = ask(stand, "GET", DIAGNOSE "logs", NULL);
    SCOPED_REPLY struct reply summary = ask(stand, "GET", DIAGNOSE "summary", NULL);
    assert_reply(&logs, 501, "DIAGNOSTICS_NOT_IMPLEMENTED", "kubectl logs");
    assert_contains(expect_text(&summary, NULL), "(logs are not available on this backend)\n");
}

/* -- the gRPC door --------------------------------------------------------------------------------------------- */

static void a_description_is_told_whole(void **state)
{
    struct stand *stand = *state;
    SCOPED(string) char *address = xasprintf("127.0.0.1:%d", stand->grpc_port);
    struct rpc_channel_options options = {
        .name = "lifecycle-svc", .header_key = "open-sandbox-api-key", .header_value = STAND_KEY};
    SCOPED(channel) struct rpc_channel *channel = rpc_channel_new(address, &options);
    Opensandbox__Lifecycle__V1__GetSandboxRequest request =
        OPENSANDBOX__LIFECYCLE__V1__GET_SANDBOX_REQUEST__INIT;
    api_description *told;
    struct error err = {0};

    request.id = (char *)"web";
    assert_ok(rpc_unary(channel, LIFECYCLE, "DescribeSandbox", &request.base, &told, NULL, &err), &err);
    assert_string_equal(told->sandbox->status->state, "Running");
    assert_string_equal(told->conditions[0]->type, "PauseFailed");
    assert_int_equal(told->conditions[0]->last_transition_at->seconds, 1763303071);
    assert_string_equal(told->pods[0]->node, "node-a");
    assert_string_equal(told->pods[0]->containers[0]->reason, "OOMKilled");
    assert_int_equal(told->pods[0]->containers[0]->exit_code, 137);
    assert_string_equal(told->snapshots[0]->name, "web-pause");
    assert_string_equal(told->snapshots[0]->images[0]->digest, "sha256:abc");
    assert_int_equal(told->snapshots[0]->frozen_ms, 42);
    assert_null(told->snapshots[0]->started_at);
    assert_int_equal(told->n_events, EVENTS);
    assert_string_equal(told->events[0]->object, "Pod/web-0");
    assert_int_equal(told->events[0]->count, 3);
    protobuf_c_message_free_unpacked(&told->base, NULL);

    request.id = (char *)"no";
    assert_fails(rpc_unary(channel, LIFECYCLE, "DescribeSandbox", &request.base, &told, NULL, &err), &err,
                 ERR_NOT_FOUND, "no");
    assert_string_equal(err.reason, "KUBERNETES::SANDBOX_NOT_FOUND");
}

/* -- the document ---------------------------------------------------------------------------------------------- */

static void the_document_needs_no_key_and_has_one_place(void **state)
{
    static const char *const guarded[] = {"/openapi.jsonX", "/openapi.json/", "/v1/openapi.json", "/openapi"};
    SCOPED_REPLY struct reply reply = ask_with(*state, "GET", "/openapi.json", NULL, NULL);

    assert_int_equal(reply.http.status, 200);
    assert_string_equal(http_response_header(&reply.http, "content-type"), "application/json");
    assert_string_equal(text_at(&reply, "openapi"), "3.0.3");
    assert_non_null(json_object_get(json_object_get(reply.json, "paths"), "/snapshots/{snapshotId}"));
    for (size_t i = 0; i < sizeof(guarded) / sizeof(guarded[0]); i++) {
        SCOPED_REPLY struct reply refused = ask_with(*state, "GET", guarded[i], NULL, NULL);
        assert_reply(&refused, 401, "MISSING_API_KEY", "missing");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(logs_are_lines_with_their_time, setup),
        cmocka_unit_test_setup(a_tail_is_the_newest_lines, setup),
        cmocka_unit_test_setup(since_leaves_older_lines_out, setup),
        cmocka_unit_test_setup(no_lines_are_said_to_be_none, setup),
        cmocka_unit_test_setup(long_logs_are_cut_at_their_old_end, setup),
        cmocka_unit_test_setup(a_line_without_an_end_is_cut, setup),
        cmocka_unit_test_setup(events_are_the_newest_ones_oldest_first, setup),
        cmocka_unit_test_setup(an_inspection_tells_all_parts, setup),
        cmocka_unit_test_setup(a_summary_has_all_three, setup),
        cmocka_unit_test_setup(a_summary_hides_why_a_part_is_missing, setup),
        cmocka_unit_test_setup(what_is_asked_wrongly_is_refused, setup),
        cmocka_unit_test_setup(a_sandbox_without_a_pod_is_none_to_them, setup),
        cmocka_unit_test_setup(a_backend_without_logs_says_so, setup),
        cmocka_unit_test_setup(a_description_is_told_whole, setup),
        cmocka_unit_test_setup(the_document_needs_no_key_and_has_one_place, setup),
    };

    return cmocka_run_group_tests(tests, stand_setup_group, stand_teardown_group);
}
