#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "committer-agent/node/log_record.h"

#define TIME    "2016-10-06T00:17:09.669794202Z"
#define TIME_NS 1475713029669794202

struct example {
    const char *line;
    bool understood;
    int64_t time_unix_ns;
    bool is_stderr, is_partial;
    const char *text;
};

static const struct example examples[] = {
    {TIME " stdout F hello world", true, TIME_NS, false, false, "hello world"},
    {TIME " stderr F problem", true, TIME_NS, true, false, "problem"},
    {TIME " stdout P a part", true, TIME_NS, false, true, "a part"},
    {TIME " stdout P:other:tags a part", true, TIME_NS, false, true, "a part"},
    {TIME " stdout F ", true, TIME_NS, false, false, ""},
    {TIME " stdout F", true, TIME_NS, false, false, ""},
    {TIME " stdout F  two  spaces ", true, TIME_NS, false, false, " two  spaces "},
    {"2016-10-06T02:17:09.669794202+02:00 stdout F x", true, TIME_NS, false, false, "x"},
    {"2016-10-06T00:17:09Z stdout F x", true, 1475713029000000000, false, false, "x"},
    {"2016-10-06T00:17:09.5Z stdout F x", true, 1475713029500000000, false, false, "x"},
    {"", false, 0, false, false, ""},
    {"no record", false, 0, false, false, ""},
    {TIME, false, 0, false, false, ""},
    {TIME " ", false, 0, false, false, ""},
    {TIME " stdout", false, 0, false, false, ""},
    {TIME " stdin F x", false, 0, false, false, ""},
    {TIME " stdout X x", false, 0, false, false, ""},
    {TIME " stdout Full x", false, 0, false, false, ""},
    {"yesterday stdout F x", false, 0, false, false, ""},
    {" stdout F x", false, 0, false, false, ""},
};
enum { EXAMPLE_COUNT = sizeof(examples) / sizeof(examples[0]) };

static void a_record_is_read_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLE_COUNT; i++) {
        const struct example *example = &examples[i];
        struct log_record record = {0};

        print_message("  %s\n", example->line);
        assert_int_equal(log_record_parse(example->line, strlen(example->line), &record),
                         example->understood);
        if (!example->understood)
            continue;
        assert_int_equal(record.time_unix_ns, example->time_unix_ns);
        assert_int_equal(record.is_stderr, example->is_stderr);
        assert_int_equal(record.is_partial, example->is_partial);
        assert_int_equal(record.length, strlen(example->text));
        assert_memory_equal(record.text, example->text, record.length);
    }
}

static void the_head_alone_tells_whether_a_line_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLE_COUNT; i++) {
        int expected = !examples[i].understood ? -1 : !examples[i].is_partial;
        assert_int_equal(log_record_ends_line(examples[i].line, strlen(examples[i].line)), expected);
    }
    const char *next = TIME " stdout F x\n" TIME " stdout P y";
    assert_int_equal(log_record_ends_line(next, strlen(next)), 1);
    assert_int_equal(log_record_ends_line("cut\n" TIME " stdout F x", 20), -1);
}

/* A law: no beginning of a record, cut anywhere, is read past its end or makes a text out of nothing. */
static void every_cut_of_a_record_is_safe(void **state)
{
    const char *line = TIME " stdout F hello";

    (void)state;
    for (size_t length = 0; length <= strlen(line); length++) {
        struct log_record record = {0};
        if (log_record_parse(line, length, &record)) {
            assert_true(record.text >= line && record.text + record.length == line + length);
            assert_true(length >= strlen(TIME " stdout F"));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_read_or_refused),
        cmocka_unit_test(the_head_alone_tells_whether_a_line_ends),
        cmocka_unit_test(every_cut_of_a_record_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
