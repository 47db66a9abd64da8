/* Logs of pods, and Events about an object, as the API server tells them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/strbuf.h"
#include "shared/json/json.h"
#include "snapshot-svc/cluster/kube/log_lines.h"
#include "tests/unit/snapshot-svc/cluster/kube/kube_kit.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

#define LOG  "/api/v1/namespaces/ns/pods/a/log"
#define AT_1 "2029-06-01T10:00:00.000000001Z "
#define AT_2 "2029-06-01T10:00:00.5Z "
#define AT_3 "2029-06-01T12:00:00+02:00 "
#define T    INT64_C(1875002400000000000)

/* What was told, as "nanoseconds since T:text|". */
struct diary {
    struct strbuf text;
    struct kube_kit *kit;
    struct cluster_log *log;
    bool stops, refuses; /* after the first line */
};

static void diary_done(struct diary *diary)
{
    strbuf_done(&diary->text);
}
#define SCOPED_DIARY __attribute__((cleanup(diary_done)))

static int write_down(void *self, int64_t time_unix_ns, const char *line, size_t length, struct error *err)
{
    struct diary *diary = self;

    if (time_unix_ns)
        strbuf_addf(&diary->text, "%lld:", (long long)(time_unix_ns - T));
    strbuf_append(&diary->text, line, length);
    strbuf_addc(&diary->text, '|');
    if (diary->stops)
        cluster_log_stop(diary->kit->cluster, diary->log);
    return diary->refuses ? error_set(err, ERR_CANCELLED, "the reader has gone") : 0;
}

static int read_log(struct kube_kit *kit, const struct cluster_log_request *request, struct diary *diary,
                    struct error *err)
{
    diary->kit = kit;
    assert_int_equal(cluster_log_open(kit->cluster, "ns", "a", request, &diary->log, err), 0);
    int done = cluster_log_run(kit->cluster, diary->log, write_down, diary, err);
    cluster_log_free(kit->cluster, diary->log);
    return done;
}

static const struct cluster_log_request all = {.container = "main"};

static void lines_are_told_with_their_time_however_they_are_cut(void **state)
{
    static const size_t pieces[] = {0, 1, 2, 7, 30};
    struct kube_kit *kit = *state;
    struct error err = {0};

    for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
        SCOPED_DIARY struct diary diary = {0};
        api_expects(
            kit->api, "GET " LOG "?container=main&timestamps=true HTTP",
            STREAM(AT_1 "one\n" AT_2 "\n" AT_3 "three and\tmore\n", .piece = pieces[i], .ends = true));
        assert_ok(read_log(kit, &all, &diary, &err));
        assert_string_equal(strbuf_text(&diary.text), "1:one|500000000:|0:three and\tmore|");
    }
    SCOPED(string) char *sent = api_request(kit->api, 0);
    assert_text_has(sent, "Accept: application/json, */*\r\n");
    assert_text_has(sent, "Authorization: Bearer " KIT_TOKEN "\r\n");
}

static void following_and_the_last_lines_are_asked_for(void **state)
{
    const struct cluster_log_request request = {.container = "a b&c", .follow = true, .tail_lines = 7};
    struct kube_kit *kit = *state;
    SCOPED_DIARY struct diary diary = {0};
    struct error err = {0};

    api_expects(kit->api, "GET " LOG "?container=a%20b%26c&timestamps=true&follow=true&tailLines=7 HTTP",
                STREAM("", .ends = true));
    assert_ok(read_log(kit, &request, &diary, &err));
    assert_string_equal(strbuf_text(&diary.text), "");
}

static void a_last_line_without_an_end_and_one_without_a_time_are_lines(void **state)
{
    struct kube_kit *kit = *state;
    SCOPED_DIARY struct diary diary = {0};
    struct error err = {0};

    api_expects(kit->api, "GET " LOG, STREAM("no time\n" AT_1 "half", .ends = true));
    assert_ok(read_log(kit, &all, &diary, &err));
    assert_string_equal(strbuf_text(&diary.text), "no time|1:half|");
}

static void a_refusal_is_told_in_the_servers_words(void **state)
{
    struct kube_kit *kit = *state;
    SCOPED_DIARY struct diary diary = {0};
    struct error err = {0};

    api_expects(kit->api, "GET " LOG,
                ANSWER(400,
                       "{\"kind\":\"Status\",\"code\":400,\"reason\":\"BadRequest\",\"message\":\"container"
                       " main is waiting to start\"}"));
    assert_refused(read_log(kit, &all, &diary, &err), ERR_INVALID);
    assert_text_has(err.text, "waiting to start");
    api_expects(kit->api, "GET " LOG,
                ANSWER(404, "{\"kind\":\"Status\",\"code\":404,\"reason\":\"NotFound\",\"message\":\"no "
                            "pod\",\"details\":{\"name\":\"a\",\"kind\":\"pods\"}}"));
    assert_refused(read_log(kit, &all, &diary, &err), ERR_NOT_FOUND);
}

static void a_stop_and_a_reader_who_has_gone_end_the_run(void **state)
{
    struct kube_kit *kit = *state;
    SCOPED_DIARY struct diary stops = {.stops = true}, refuses = {.refuses = true};
    struct error err = {0};

    api_expects(kit->api, "GET " LOG, STREAM(AT_1 "one\n"));
    assert_refused(read_log(kit, &all, &stops, &err), ERR_CANCELLED);
    api_expects(kit->api, "GET " LOG, STREAM(AT_1 "one\n"));
    assert_refused(read_log(kit, &all, &refuses, &err), ERR_CANCELLED);
}

static void a_connection_that_breaks_is_no_end(void **state)
{
    struct kube_kit *kit = *state;
    SCOPED_DIARY struct diary diary = {0};
    struct error err = {0};

    api_expects(kit->api, "GET " LOG, STREAM(AT_1 "one\n", .cut = true));
    assert_refused(read_log(kit, &all, &diary, &err), ERR_UNAVAILABLE);
    assert_string_equal(strbuf_text(&diary.text), "1:one|");
}

static void a_pod_name_that_is_none_is_never_sent(void **state)
{
    struct kube_kit *kit = *state;
    struct cluster_log *log = NULL;
    struct error err = {0};

    assert_refused(cluster_log_open(kit->cluster, "ns", "../secrets/x", &all, &log, &err), ERR_INVALID);
    assert_int_equal(api_request_count(kit->api), 0);
}

/* ---- long lines; no server needed ---- */

static void feed_text(struct log_lines *lines, size_t length)
{
    SCOPED(string) char *text = xcalloc(length + 1, 1);
    struct error err = {0};

    memset(text, 'x', length);
    assert_ok(log_lines_feed(lines, text, length, &err));
}

static size_t told(const struct diary *diary)
{
    size_t pieces = 0;

    for (const char *c = strbuf_text(&diary->text); *c; c++)
        pieces += *c == '|';
    return pieces;
}

/* A law: whatever is printed, a piece is no longer than the bound, all have the line's time, and nothing is lost. */
static void a_line_without_bound_comes_in_pieces_of_one_time(void **state)
{
    SCOPED_DIARY struct diary diary = {0};
    struct log_lines lines;
    size_t length = 3 * LOG_PIECE_MAX_BYTES;
    struct error err = {0};

    (void)state;
    log_lines_init(&lines, write_down, &diary);
    assert_ok(log_lines_feed(&lines, AT_1, strlen(AT_1), &err));
    feed_text(&lines, length);
    assert_ok(log_lines_feed(&lines, "\n" AT_2 "next\n", strlen("\n" AT_2 "next\n"), &err));
    assert_ok(log_lines_end(&lines, &err));
    log_lines_done(&lines);
    assert_int_equal(told(&diary), 5);
    assert_int_equal(diary.text.length, length + 4 * strlen("1:|") + strlen("500000000:next|"));
    assert_text_has(strbuf_text(&diary.text), "|1:x");
    assert_text_has(strbuf_text(&diary.text), "|500000000:next|");
}

/* The end of a line that fills a piece exactly is not another, empty line. */
static void a_line_as_long_as_a_piece_is_told_whole(void **state)
{
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        SCOPED_DIARY struct diary diary = {0};
        struct log_lines lines;
        struct error err = {0};
        log_lines_init(&lines, write_down, &diary);
        feed_text(&lines, LOG_PIECE_MAX_BYTES - 1 + more);
        assert_ok(log_lines_feed(&lines, "\n", 1, &err));
        assert_ok(log_lines_end(&lines, &err));
        log_lines_done(&lines);
        assert_int_equal(told(&diary), 1);
    }
}

/* ---- events ---- */

static void events_are_asked_for_by_the_name_of_their_object(void **state)
{
    struct kube_kit *kit = *state;
    char *names[] = {"web", "web-0"};
    SCOPED(json) json_t *events = NULL;
    struct error err = {0};

    api_expects(
        kit->api, "GET /api/v1/namespaces/ns/events?limit=500&fieldSelector=involvedObject.name%3Dweb HTTP",
        ANSWER(200, "{\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[{\"metadata\":{\"name\":\"a\"}},"
                    "{\"metadata\":{\"name\":\"b\"}}]}"));
    api_expects(
        kit->api, "GET /api/v1/namespaces/ns/events?limit=500&fieldSelector=involvedObject.name%3Dweb-0 HTTP",
        ANSWER(200,
               "{\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[{\"metadata\":{\"name\":\"c\"}}]}"));
    assert_ok(cluster_events_about(kit->cluster, "ns", names, 2, &events, &err));
    assert_int_equal(json_array_size(events), 3);
    assert_string_equal(json_path_string(json_array_get(events, 2), "metadata.name"), "c");
}

static void events_that_cannot_be_read_are_none(void **state)
{
    struct kube_kit *kit = *state;
    char *names[] = {"web"};
    json_t *events = NULL;
    struct error err = {0};

    api_expects(kit->api, "GET /api/v1/namespaces/ns/events", ANSWER(403, "{}"));
    assert_refused(cluster_events_about(kit->cluster, "ns", names, 1, &events, &err), ERR_DENIED);
    assert_null(events);
}

int main(void)
{
#define KUBE_TEST(test) cmocka_unit_test_setup_teardown(test, kube_kit_setup, kube_kit_teardown)
    const struct CMUnitTest tests[] = {
        KUBE_TEST(lines_are_told_with_their_time_however_they_are_cut),
        KUBE_TEST(following_and_the_last_lines_are_asked_for),
        KUBE_TEST(a_last_line_without_an_end_and_one_without_a_time_are_lines),
        KUBE_TEST(a_refusal_is_told_in_the_servers_words),
        KUBE_TEST(a_stop_and_a_reader_who_has_gone_end_the_run),
        KUBE_TEST(a_connection_that_breaks_is_no_end),
        KUBE_TEST(a_pod_name_that_is_none_is_never_sent),
        cmocka_unit_test(a_line_without_bound_comes_in_pieces_of_one_time),
        cmocka_unit_test(a_line_as_long_as_a_piece_is_told_whole),
        KUBE_TEST(events_are_asked_for_by_the_name_of_their_object),
        KUBE_TEST(events_that_cannot_be_read_are_none),
    };
    return cmocka_run_group_tests_name("cluster/kube logs and events", tests, NULL, NULL);
}
