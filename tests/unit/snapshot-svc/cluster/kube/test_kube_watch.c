/* Watches over a connection that misbehaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "tests/unit/snapshot-svc/cluster/kube/kube_kit.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

#define PODS  "/api/v1/namespaces/ns/pods"
#define WATCH "GET " PODS "?watch=true&allowWatchBookmarks=true&timeoutSeconds="
#define EVENT(type, name, version)                                                                           \
    "{\"type\":\"" type "\",\"object\":{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" version  \
    "\"}}}\n"

/* What a watch has told, as "+a ~a -a @9". */
struct diary {
    char text[256];
    struct kube_kit *kit;
    struct cluster_watch *watch;
    bool stops; /* after the first event */
};

static void write_down(void *self, enum watch_event_type type, json_t *object)
{
    struct diary *diary = self;
    static const char marks[] = {
        [WATCH_ADDED] = '+', [WATCH_MODIFIED] = '~', [WATCH_DELETED] = '-', [WATCH_BOOKMARK] = '@'};
    const char *path = type == WATCH_BOOKMARK ? "metadata.resourceVersion" : "metadata.name";
    size_t length = strlen(diary->text);

    snprintf(diary->text + length, sizeof(diary->text) - length, "%s%c%s", length ? " " : "", marks[type],
             json_path_string(object, path));
    if (diary->stops)
        cluster_watch_stop(diary->kit->cluster, diary->watch);
}

static struct error watch(struct kube_kit *kit, struct diary *diary)
{
    struct error err = {0};

    diary->kit = kit;
    assert_ok(cluster_watch_open(kit->cluster, KIND_POD, "ns", "a=b", "7", &diary->watch, &err));
    assert_int_equal(cluster_watch_run(kit->cluster, diary->watch, write_down, diary, &err), -1);
    cluster_watch_free(kit->cluster, diary->watch);
    return err;
}

static void assert_end(struct error end, enum error_code code, const char *text)
{
    if (end.code != code)
        fail_msg("%s: %s", error_code_name(end.code), end.text);
    assert_text_has(end.text, text);
}

static void events_are_told_however_they_are_cut(void **state)
{
    struct kube_kit *kit = *state;
    static const size_t pieces[] = {0, 1, 2, 7, 64};

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct diary diary = {0};
        api_expects(kit->api, WATCH,
                    STREAM(EVENT("ADDED", "a", "8") EVENT("MODIFIED", "a", "9") "\n" EVENT(
                               "BOOKMARK", "", "12") EVENT("DELETED", "a", "13"),
                           .piece = pieces[i], .ends = true));
        assert_end(watch(kit, &diary), ERR_UNAVAILABLE, "ended the watch");
        assert_string_equal(diary.text, "+a ~a @12 -a");
    }
    SCOPED(string) char *sent = api_request(kit->api, 0);
    assert_text_has(sent, "&resourceVersion=7&labelSelector=a%3Db HTTP/1.1\r\n");
    assert_text_has(sent, "Authorization: Bearer " KIT_TOKEN "\r\n");
}

static void a_connection_that_breaks_ends_the_watch_without_half_an_event(void **state)
{
    struct kube_kit *kit = *state;
    struct diary diary = {0};

    api_expects(kit->api, WATCH, STREAM(EVENT("ADDED", "a", "8") "{\"type\":\"ADDED\",\"obj", .cut = true));
    assert_end(watch(kit, &diary), ERR_UNAVAILABLE, "GET http://127.0.0.1");
    assert_string_equal(diary.text, "+a");
}

static void an_old_version_is_expired_however_it_is_said(void **state)
{
    static const char gone[] =
        "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\",\"message\":\"too old\"}";
    static const char event[] =
        "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":\"Gone\","
        "\"message\":\"too old\"}}\n";
    struct kube_kit *kit = *state;
    struct diary diary = {0};

    api_expects(kit->api, WATCH, STREAM(event));
    struct error end = watch(kit, &diary);
    assert_end(end, ERR_PRECONDITION, "too old");
    assert_string_equal(end.reason, "Expired");

    api_expects(kit->api, WATCH, ANSWER(410, gone));
    end = watch(kit, &diary);
    assert_end(end, ERR_PRECONDITION, "too old");
    assert_string_equal(end.reason, "Expired");
}

static void what_is_no_event_ends_the_watch(void **state)
{
    static const char *const lines[] = {
        "<html>a proxy's page</html>\n",
        "{\"type\":\"ADDED\"}\n",
        "{\"type\":\"RENAMED\",\"object\":{}}\n",
        "{\"object\":{}}\n",
        "[]\n",
        "{\"type\":\"ERROR\",\"object\":{}}\n",
        "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":500,\"message\":\"etcd is gone\"}}\n",
    };
    struct kube_kit *kit = *state;

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct diary diary = {0};
        api_expects(kit->api, WATCH, STREAM(lines[i]));
        assert_end(watch(kit, &diary), ERR_UNAVAILABLE, "");
        assert_string_equal(diary.text, "");
    }
}

static void an_object_that_cannot_be_read_is_left_out_but_its_end_is_told(void **state)
{
    struct kube_kit *kit = *state;
    struct diary diary = {0};

    api_expects(kit->api, WATCH,
                STREAM("{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"big\"},\"x\":"
                       "99999999999999999999}}\n"
                       "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"big\"},\"x\":"
                       "99999999999999999999}}\n" EVENT("ADDED", "b", "9"),
                       .ends = true));
    assert_end(watch(kit, &diary), ERR_UNAVAILABLE, "");
    assert_string_equal(diary.text, "-big +b");
}

static void a_line_without_an_end_is_not_gathered_for_ever(void **state)
{
    struct kube_kit *kit = *state;
    struct diary diary = {0};

    api_expects(kit->api, WATCH, STREAM(EVENT("ADDED", "a", "8") "{\"type\":", .padding = 9 << 20));
    struct error end = watch(kit, &diary);
    assert_end(end, ERR_PRECONDITION, "longer than"); /* a list may get past it, the same watch would not */
    assert_string_equal(end.reason, "Expired");
    assert_string_equal(diary.text, "+a");
}

static void who_may_not_watch_is_told_which_rule_is_missing(void **state)
{
    struct kube_kit *kit = *state;
    struct diary diary = {0};

    api_expects(
        kit->api, WATCH,
        ANSWER(403,
               "{\"kind\":\"Status\",\"code\":403,\"reason\":\"Forbidden\",\"message\":\"pods is forbidden: "
               "User \\\"x\\\" cannot watch resource\"}"));
    assert_end(watch(kit, &diary), ERR_DENIED, "RBAC must allow watch on pods (API group \"\")");
}

static void a_handler_can_stop_its_watch(void **state)
{
    struct kube_kit *kit = *state;
    struct diary diary = {.stops = true};

    api_expects(kit->api, WATCH, STREAM(EVENT("ADDED", "a", "8") EVENT("ADDED", "b", "9")));
    assert_end(watch(kit, &diary), ERR_CANCELLED, "");
    assert_string_equal(diary.text, "+a");
}

static void a_stop_interrupts_a_silent_watch_from_another_thread(void **state)
{
    static const struct api_step silences[] = {{.never = true}, {.status = 200, .is_stream = true}};
    struct kube_kit *kit = *state;

    for (size_t i = 0; i < 2; i++) {
        struct diary diary = {0};
        /* on a connection that was there: curl's timers of a new one would wake it before long */
        api_expects(kit->api, WATCH, STREAM("\n", .ends = true));
        (void)watch(kit, &diary);
        api_expects(kit->api, "GET " PODS "?limit",
                    ANSWER(200, "{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[]}"));
        api_expects(kit->api, WATCH, silences[i]);
        struct watcher *watcher = watcher_start(kit->cluster, KIND_POD, "ns", NULL);
        api_await_requests(kit->api, 3 * (i + 1));
        int64_t stopped_at_ms = clock_monotonic_ms();
        cluster_watch_stop(kit->cluster, watcher->watch);
        assert_end(watcher_wait_end(watcher), ERR_CANCELLED, "");
        assert_true(clock_monotonic_ms() - stopped_at_ms <
                    3000); /* curl by itself would wake after five seconds */
        watcher_stop(watcher);
    }
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, kube_kit_setup, kube_kit_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(events_are_told_however_they_are_cut),
        TEST(a_connection_that_breaks_ends_the_watch_without_half_an_event),
        TEST(an_old_version_is_expired_however_it_is_said),
        TEST(what_is_no_event_ends_the_watch),
        TEST(an_object_that_cannot_be_read_is_left_out_but_its_end_is_told),
        TEST(a_line_without_an_end_is_not_gathered_for_ever),
        TEST(who_may_not_watch_is_told_which_rule_is_missing),
        TEST(a_handler_can_stop_its_watch),
        TEST(a_stop_interrupts_a_silent_watch_from_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
