#include "snapshot-svc/cluster/kube/scan.h"

#include "snapshot-svc/cluster/kube/frames.h"
#include "tests/unit/testing.h"

static struct json_span span(const char *text)
{
    return (struct json_span){text, strlen(text)};
}

static void members_are_found_whatever_stands_around_them(void **state)
{
    static const struct {
        const char *text, *value; /* NULL: not found */
    } rows[] = {
        {"{\"m\":1}", "1"},
        {" { \"a\" : {\"m\":2,\"x\":[{}]} , \"m\" : [1, {\"m\":\"]}\"}] } trailing", "[1, {\"m\":\"]}\"}]"},
        {"{\"a\":\"\\\"m\\\":3\",\"m\":\"\\\\\"}", "\"\\\\\""},
        {"{\"a\":true,\"m\":null}", "null"},
        {"{\"m\":", NULL},
        {"{\"m\":[1", NULL},
        {"{\"m\":\"x", NULL},
        {"{\"m\"}", NULL},
        {"{\"a\":1 \"m\":2}", NULL},
        {"{\"a\":,\"m\":2}", NULL},
        {"{\"a\"", NULL},
        {"[\"m\"]", NULL},
        {"{}", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct json_span value = {NULL, 0};
        bool found = json_scan_member(span(rows[i].text), "m", &value);
        assert_int_equal(found, rows[i].value != NULL);
        if (found) {
            assert_int_equal(value.length, strlen(rows[i].value));
            assert_memory_equal(value.at, rows[i].value, value.length);
        }
    }
}

static void elements_come_one_by_one_until_the_end_or_the_break(void **state)
{
    static const struct {
        const char *text;
        int count;
        bool whole;
    } rows[] = {
        {"[]", 0, true},    {" [ ] ", 0, true}, {"[1]", 1, true},  {"[{},[],\"]\" , 4]", 4, true},
        {"[1,2", 2, false}, {"[1,", 1, false},  {"[{", 0, false},  {"[1 2]", 1, false},
        {"{}", 0, false},   {"", 0, false},     {"[,]", 0, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct json_span rest = span(rows[i].text), element;
        bool whole = false;
        int count = 0;
        while (json_scan_element(&rest, &element, &whole))
            count++;
        assert_int_equal(count, rows[i].count);
        assert_int_equal(whole, rows[i].whole);
    }
}

/* ---- frames ---- */

static int join(void *self, const char *line, size_t length, struct error *err)
{
    (void)err;
    strncat(self, line, length);
    strcat(self, "|");
    return 0;
}

static void lines_are_the_same_however_they_come(void **state)
{
    static const char text[] = "one\n\ntwo\r\n\r\nthree\nrest";
    struct error err = {0};

    (void)state;
    for (size_t piece = 1; piece <= sizeof(text); piece++) {
        struct frames frames;
        char joined[64] = "";
        frames_init(&frames, 100);
        for (size_t at = 0; at < strlen(text); at += piece) {
            size_t left = strlen(text) - at;
            assert_ok(frames_feed(&frames, text + at, left < piece ? left : piece, join, joined, &err), &err);
        }
        assert_string_equal(joined, "one|two|three|");
        frames_done(&frames);
    }
}

static void a_line_may_have_its_length_and_no_more(void **state)
{
    static const char *const fitting = "0123456789\n0123456789\n";
    struct error err = {0};

    (void)state;
    for (size_t piece = 1; piece <= 24; piece++) {
        struct frames frames;
        char joined[64] = "";
        frames_init(&frames, 10);
        for (size_t at = 0; at < strlen(fitting); at += piece) {
            size_t left = strlen(fitting) - at;
            assert_ok(frames_feed(&frames, fitting + at, left < piece ? left : piece, join, joined, &err),
                      &err);
        }
        assert_fails(frames_feed(&frames, "01234567890\n", 12, join, joined, &err), &err, ERR_EXHAUSTED,
                     "10 bytes");
        error_clear(&err);
        frames_done(&frames);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_whatever_stands_around_them),
        cmocka_unit_test(elements_come_one_by_one_until_the_end_or_the_break),
        cmocka_unit_test(lines_are_the_same_however_they_come),
        cmocka_unit_test(a_line_may_have_its_length_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
