#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "committer-agent/node/log_reader.h"
#include "shared/base/alloc.h"
#include "shared/base/strbuf.h"

#define AT "2016-10-06T00:17:09.000000001Z "

struct log_file {
    char path[64];
    FILE *file;
};

static int make_file(void **state)
{
    struct log_file *log = xcalloc(1, sizeof(*log));

    strcpy(log->path, "/tmp/stasis-log.XXXXXX");
    log->file = fdopen(mkstemp(log->path), "w");
    assert_non_null(log->file);
    *state = log;
    return 0;
}

static int remove_file(void **state)
{
    struct log_file *log = *state;

    fclose(log->file);
    unlink(log->path);
    free(log);
    return 0;
}

static void append(struct log_file *log, const char *text)
{
    assert_true(fputs(text, log->file) >= 0);
    assert_int_equal(fflush(log->file), 0);
}

/* "out:text|err:text|" */
static int collect(void *self, const struct log_line *line, struct error *err)
{
    (void)err;
    strbuf_adds(self, line->is_stderr ? "err:" : "out:");
    strbuf_append(self, line->text, line->length);
    strbuf_adds(self, "|");
    return 0;
}

static void assert_tail(struct log_file *log, int64_t lines, const char *expected)
{
    SCOPED(log_reader) struct log_reader *reader = NULL;
    SCOPED_STRBUF struct strbuf seen = STRBUF_INIT;
    struct log_sink sink = {.line = collect, .self = &seen};
    struct error err = {0};

    assert_int_equal(log_reader_open(log->path, lines, &reader, &err), 0);
    assert_int_equal(log_reader_drain(reader, &sink, &err), 0);
    assert_int_equal(log_reader_finish(reader, &sink, &err), 0);
    assert_string_equal(strbuf_text(&seen), expected);
}

static void parts_are_put_together_for_each_stream(void **state)
{
    append(*state, AT "stdout P a\n" AT "stderr P x\n" AT "stdout F b\n" AT "stderr F y\n");
    assert_tail(*state, 0, "out:ab|err:xy|");
}

static void a_tail_counts_lines_not_records(void **state)
{
    append(*state, AT "stdout F one\n" AT "stdout P tw\n" AT "stdout F o\n" AT "stderr F three\n");
    assert_tail(*state, 1, "err:three|");
    assert_tail(*state, 2, "out:two|err:three|");
    assert_tail(*state, 3, "out:one|out:two|err:three|");
    assert_tail(*state, 4, "out:one|out:two|err:three|");
    assert_tail(*state, 1000, "out:one|out:two|err:three|");
}

static void an_empty_log_has_no_lines(void **state)
{
    assert_tail(*state, 0, "");
    assert_tail(*state, 5, "");
}

static void what_is_no_record_is_passed_over(void **state)
{
    append(*state, "rubbish\n\n" AT "stdout F one\n" AT "std\n" AT "stdout F two\n");
    assert_tail(*state, 0, "out:one|out:two|");
    assert_tail(*state, 1, "out:two|");
}

static void a_part_that_is_never_ended_is_a_line_at_the_end(void **state)
{
    append(*state, AT "stdout F one\n" AT "stdout P tw\n");
    assert_tail(*state, 0, "out:one|out:tw|");
}

static void a_growing_log_is_read_record_by_record(void **state)
{
    struct log_file *log = *state;
    SCOPED(log_reader) struct log_reader *reader = NULL;
    SCOPED_STRBUF struct strbuf seen = STRBUF_INIT;
    struct log_sink sink = {.line = collect, .self = &seen};
    struct error err = {0};

    assert_int_equal(log_reader_open(log->path, 0, &reader, &err), 0);
    append(log, AT "stdout F o");
    assert_int_equal(log_reader_drain(reader, &sink, &err), 0);
    assert_string_equal(strbuf_text(&seen), "");
    append(log, "ne\n" AT "stdout P t");
    assert_int_equal(log_reader_drain(reader, &sink, &err), 0);
    assert_string_equal(strbuf_text(&seen), "out:one|");
    append(log, "w\n" AT "stdout F o\n");
    assert_int_equal(log_reader_drain(reader, &sink, &err), 0);
    assert_string_equal(strbuf_text(&seen), "out:one|out:two|");
}

static void a_line_without_end_comes_in_bounded_pieces(void **state)
{
    struct log_file *log = *state;
    SCOPED(log_reader) struct log_reader *reader = NULL;
    SCOPED_STRBUF struct strbuf seen = STRBUF_INIT;
    struct log_sink sink = {.line = collect, .self = &seen};
    struct error err = {0};
    char part[16001];
    size_t total = 0;

    memset(part, 'x', sizeof(part) - 1);
    part[sizeof(part) - 1] = '\0';
    for (; total < 3 * LOG_LINE_MAX_BYTES; total += sizeof(part) - 1) {
        append(log, AT "stdout P ");
        append(log, part);
        append(log, "\n");
    }
    assert_int_equal(log_reader_open(log->path, 0, &reader, &err), 0);
    assert_int_equal(log_reader_drain(reader, &sink, &err), 0);
    assert_int_equal(log_reader_finish(reader, &sink, &err), 0);
    size_t pieces = 0;
    for (const char *c = strbuf_text(&seen); *c; c++)
        pieces += *c == '|';
    assert_true(pieces >= 3);
    assert_int_equal(seen.length, total + pieces * strlen("out:|"));
}

/* A law: a tail of n lines is the end of the whole, for every n, wherever the blocks end. */
static void every_tail_is_the_end_of_the_whole(void **state)
{
    struct log_file *log = *state;
    enum { LINES = 400 };
    struct strbuf expected[LINES + 1];
    char text[300];
    unsigned seed = 7;

    memset(expected, 0, sizeof(expected));
    for (int i = 0; i < LINES; i++) {
        int length = (int)((seed = seed * 1103515245 + 12345) >> 16) % 200;
        bool split = (seed >> 8) % 3 == 0;
        memset(text, 'a' + i % 26, (size_t)length);
        text[length] = '\0';
        SCOPED(string)
        char *records = split ? xasprintf(AT "stdout P %s\n" AT "stdout F .\n", text)
                              : xasprintf(AT "stdout F %s.\n", text);
        append(log, records);
        for (int n = LINES - i; n <= LINES; n++)
            strbuf_addf(&expected[n], "out:%s.|", text);
    }
    for (int n = 1; n <= LINES; n++) {
        assert_tail(log, n, strbuf_text(&expected[n]));
        strbuf_done(&expected[n]);
    }
}

static void only_regular_files_are_read(void **state)
{
    SCOPED(log_reader) struct log_reader *reader = NULL;
    struct error err = {0};

    (void)state;
    assert_int_equal(log_reader_open("/tmp/no-such-log", 0, &reader, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(log_reader_open("/dev/null", 0, &reader, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
}

#define LOG_TEST(test) cmocka_unit_test_setup_teardown(test, make_file, remove_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(parts_are_put_together_for_each_stream),
        LOG_TEST(a_tail_counts_lines_not_records),
        LOG_TEST(an_empty_log_has_no_lines),
        LOG_TEST(what_is_no_record_is_passed_over),
        LOG_TEST(a_part_that_is_never_ended_is_a_line_at_the_end),
        LOG_TEST(a_growing_log_is_read_record_by_record),
        LOG_TEST(a_line_without_end_comes_in_bounded_pieces),
        LOG_TEST(every_tail_is_the_end_of_the_whole),
        LOG_TEST(only_regular_files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
