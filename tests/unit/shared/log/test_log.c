#include "shared/log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <unistd.h>

#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "tests/unit/testing.h"

/* ---- what was written ---- */

static int log_fd; /* an anonymous file that the log writes to */
static char output[65536];

static const char *written(void)
{
    ssize_t got = pread(log_fd, output, sizeof(output) - 1, 0);
    assert_true(got >= 0);
    output[got] = '\0';
    return output;
}

static void forget(void)
{
    assert_int_equal(ftruncate(log_fd, 0), 0);
    assert_int_equal(lseek(log_fd, 0, SEEK_SET), 0);
}

static int begin(void **state)
{
    FILE *file = tmpfile();
    *state = file;
    log_fd = fileno(file);
    log_set_output(log_fd);
    log_setup("snapshot-svc", LOG_INFO, LOG_FORMAT_JSON);
    return 0;
}

static int end(void **state)
{
    log_set_output(STDERR_FILENO);
    return fclose(*state);
}

/* The one line, as JSON: that it parses is half of what these tests want. */
static json_t *written_json(void)
{
    struct error err;
    json_t *line = NULL;
    const char *text = written();
    assert_int_equal(strchr(text, '\n') - text, strlen(text) - 1);
    assert_ok(json_parse(text, strlen(text), "line", &line, &err), &err);
    return line;
}

static void assert_matches(const char *text, const char *pattern)
{
    regex_t regex;
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    int matched = regexec(&regex, text, 0, NULL, 0);
    regfree(&regex);
    if (matched != 0)
        print_error("want \"%s\" to match %s\n", text, pattern);
    assert_int_equal(matched, 0);
}

/* ---- JSON ---- */

static void a_line_has_time_level_service_message_and_fields_in_order(void **state)
{
    (void)state;
    log_info("layer pushed", log_u64("bytes", UINT64_MAX), log_i64("left", INT64_MIN), log_bool("last", true),
             log_str("digest", "sha256:ab"), log_str("nothing", NULL));
    assert_matches(
        written(),
        "^\\{\"time\":\"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z\",\"level\":\"info\","
        "\"service\":\"snapshot-svc\",\"msg\":\"layer pushed\",\"bytes\":18446744073709551615,"
        "\"left\":-9223372036854775808,\"last\":true,\"digest\":\"sha256:ab\",\"nothing\":null\\}\n$");
}

static void a_line_needs_no_fields(void **state)
{
    (void)state;
    log_warn("stopping");
    SCOPED(json) json_t *line = written_json();
    assert_string_equal(json_path_string(line, "msg"), "stopping");
    assert_string_equal(json_path_string(line, "level"), "warn");
    assert_int_equal(json_object_size(line), 4);
}

static void any_bytes_make_one_line_of_valid_json(void **state)
{
    static const struct {
        const char *value, *spelled;
    } rows[] = {
        {"plain", "\"plain\""},
        {"", "\"\""},
        {"say \"hi\" \\ bye", "\"say \\\"hi\\\" \\\\ bye\""},
        {"a\nb\rc\td\be\ff", "\"a\\nb\\rc\\td\\be\\ff\""},
        {"\x01\x1b[31m\x1f", "\"\\u0001\\u001b[31m\\u001f\""},
        {"\x7f", "\"\\u007f\""},
        {"caf\xC3\xA9 \xF0\x9F\x98\x80", "\"caf\xC3\xA9 \xF0\x9F\x98\x80\""},
        {"caf\xE9!", "\"caf\xEF\xBF\xBD!\""},
        {"\xFF\xFE", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"cut \xE2\x82", "\"cut \xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"\xC2\x9B[2J", "\"\\u009b[2J\""}, /* CSI in one character: a terminal obeys it */
        {"\xC2\xA0", "\"\xC2\xA0\""},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        forget();
        log_info("m", log_str("v", rows[i].value));
        SCOPED(json) json_t *line = written_json();
        assert_non_null(json_object_get(line, "v"));
        assert_contains(written(), rows[i].spelled);
    }
}

static void every_ascii_byte_comes_back_from_the_json(void **state)
{
    char all[128];
    (void)state;

    for (size_t i = 0; i < 127; i++)
        all[i] = (char)(i + 1);
    all[127] = '\0';
    log_info("m", log_str("v", all));
    SCOPED(json) json_t *line = written_json();
    assert_string_equal(json_path_string(line, "v"), all);
}

static void a_long_value_is_cut_between_characters(void **state)
{
    char value[10000];
    (void)state;

    for (size_t i = 0; i + 2 < sizeof(value); i += 2)
        memcpy(value + i + 1, "\xC3\xA9", 3);
    value[0] = 'x';
    log_info("m", log_str("v", value));
    SCOPED(json) json_t *line = written_json();
    const char *cut = json_path_string(line, "v");
    assert_int_equal(strlen(cut), 8191 + 3);
    assert_memory_equal(cut, value, 8191);
    assert_string_equal(cut + 8191, "\xE2\x80\xA6");
}

/* ---- levels and formats ---- */

static void lines_below_the_level_are_not_written(void **state)
{
    (void)state;
    for (enum log_level least = 0; least < LOG_LEVEL_MAX; least++) {
        for (enum log_level level = 0; level < LOG_LEVEL_MAX; level++) {
            struct error err = {.code = ERR_TIMEOUT};
            forget();
            log_setup(NULL, least, LOG_FORMAT_JSON);
            log_emit(level, "m", NULL, 0);
            log_emit_error(level, "m", &err, NULL, 0);
            assert_int_equal(written()[0] != '\0', level >= least);
        }
    }
}

static void levels_and_formats_are_parsed_by_name(void **state)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    enum log_level level = LOG_LEVEL_MAX;
    enum log_format format = LOG_FORMAT_JSON;
    struct error err;
    (void)state;

    for (enum log_level i = 0; i < LOG_LEVEL_MAX; i++) {
        assert_ok(log_level_parse(names[i], &level, &err), &err);
        assert_int_equal(level, i);
    }
    assert_fails(log_level_parse("INFO", &level, &err), &err, ERR_INVALID,
                 "log level: want debug, info, warn or error, got \"INFO\"");
    assert_int_equal(level, LOG_ERROR);

    assert_ok(log_format_parse("human", &format, &err), &err);
    assert_int_equal(format, LOG_FORMAT_HUMAN);
    assert_ok(log_format_parse("json", &format, &err), &err);
    assert_int_equal(format, LOG_FORMAT_JSON);
    assert_fails(log_format_parse("", &format, &err), &err, ERR_INVALID, "want json or human");
}

/* ---- scopes ---- */

static void scopes_nest_and_end_with_their_block(void **state)
{
    (void)state;
    LOG_SCOPE(log_str("sandbox", "s1"));
    {
        LOG_SCOPE(log_str("snapshot", "n1"), log_i64("attempt", 2));
        log_info("inside", log_str("own", "o"));
    }
    log_info("outside");
    assert_contains(written(),
                    "\"inside\",\"sandbox\":\"s1\",\"snapshot\":\"n1\",\"attempt\":2,\"own\":\"o\"}\n");
    assert_contains(written(), "\"outside\",\"sandbox\":\"s1\"}\n");
}

static void scopes_end_on_an_early_return_too(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        LOG_SCOPE(log_i64("round", i));
        if (i == 1)
            continue;
        log_info("m");
    }
    log_info("after");
    assert_contains(written(), "\"m\",\"round\":0}\n");
    assert_contains(written(), "\"m\",\"round\":2}\n");
    assert_contains(written(), "\"after\"}\n");
}

static void a_key_given_twice_appears_once_with_the_innermost_value(void **state)
{
    (void)state;
    LOG_SCOPE(log_str("phase", "outer"), log_str("a", "1"), log_str("code", "mine"));
    LOG_SCOPE(log_str("phase", "inner"), log_str("b", "2"));
    log_info("m", log_str("b", "3"), log_str("c", "4"), log_str("c", "5"));
    assert_contains(written(),
                    "\"m\",\"a\":\"1\",\"code\":\"mine\",\"phase\":\"inner\",\"b\":\"3\",\"c\":\"5\"}\n");

    struct error err = {.code = ERR_TIMEOUT, .text = "no answer"};
    log_failure(LOG_ERROR, "f", &err, log_str("error", "mine"));
    assert_contains(
        written(),
        "\"f\",\"a\":\"1\",\"phase\":\"inner\",\"b\":\"2\",\"code\":\"TIMEOUT\",\"error\":\"no answer\"}\n");
}

static void *log_from_a_thread(void *unused)
{
    (void)unused;
    LOG_SCOPE(log_str("worker", "w"));
    log_info("from a thread");
    return NULL;
}

static void a_scope_belongs_to_its_thread(void **state)
{
    pthread_t thread;
    (void)state;

    LOG_SCOPE(log_str("main", "m"));
    assert_int_equal(pthread_create(&thread, NULL, log_from_a_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    log_info("from main");
    assert_contains(written(), "\"from a thread\",\"worker\":\"w\"}\n");
    assert_contains(written(), "\"from main\",\"main\":\"m\"}\n");
}

/* ---- failures ---- */

static void a_failure_is_code_reason_and_story(void **state)
{
    struct error err;
    (void)state;

    (void)error_set(&err, ERR_DENIED, "HTTP 401");
    (void)error_reason(&err, "RegistryUnauthorized");
    (void)error_wrap(&err, "pushing");
    log_failure(LOG_ERROR, "commit failed", &err, log_str("snapshot", "s"));
    assert_contains(written(), "\"level\":\"error\"");
    assert_contains(written(), "\"commit failed\",\"snapshot\":\"s\",\"code\":\"DENIED\","
                               "\"reason\":\"RegistryUnauthorized\",\"error\":\"pushing: HTTP 401\"}\n");
}

static void a_failure_without_a_reason_has_none(void **state)
{
    struct error err;
    (void)state;

    (void)error_set(&err, ERR_TIMEOUT, "no answer");
    log_failure(LOG_WARN, "m", &err);
    assert_contains(written(), "\"m\",\"code\":\"TIMEOUT\",\"error\":\"no answer\"}\n");
}

static void logging_leaves_errno_alone(void **state)
{
    (void)state;
    log_set_output(-1); /* every write fails */
    errno = ENOTEMPTY;
    log_info("m", log_str("a", "b"));
    assert_int_equal(errno, ENOTEMPTY);
}

/* ---- human ---- */

static void a_human_line_reads_from_left_to_right(void **state)
{
    (void)state;
    log_setup("snapshot-svc", LOG_DEBUG, LOG_FORMAT_HUMAN);
    log_info("layer pushed", log_u64("bytes", 12), log_str("digest", "sha256:ab"));
    assert_matches(written(),
                   "^[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3} INFO  snapshot-svc  layer pushed  bytes=12 "
                   "digest=sha256:ab\n$");
}

static void a_human_line_without_service_or_fields_has_no_gaps(void **state)
{
    (void)state;
    log_setup(NULL, LOG_DEBUG, LOG_FORMAT_HUMAN);
    log_debug("stopping");
    assert_matches(written(), "^[0-9:.]{12} DEBUG stopping\n$");
}

static void human_values_are_quoted_where_their_end_would_be_unclear(void **state)
{
    (void)state;
    log_setup(NULL, LOG_DEBUG, LOG_FORMAT_HUMAN);
    log_info("m", log_str("a", "two words"), log_str("b", ""), log_str("c", "x=y"),
             log_str("d", "a\nb\x1b[0m"), log_str("e", NULL), log_bool("f", false), log_str("g", "\xFF"),
             log_str("h", "/v2/_x?y:z,@"));
    assert_contains(written(), " m  a=\"two words\" b=\"\" c=\"x=y\" d=\"a\\nb\\u001b[0m\" e=null f=false "
                               "g=\"\xEF\xBF\xBD\" h=/v2/_x?y:z,@\n");
}

static void a_file_gets_no_colours(void **state)
{
    (void)state;
    log_setup("svc", LOG_DEBUG, LOG_FORMAT_HUMAN);
    log_error("m", log_str("a", "b"));
    assert_lacks(written(), "\033");
}

/* A pseudo terminal, as a person would have; NO_COLOR takes the colours away again. */
static void a_terminal_gets_colours_unless_refused(void **state)
{
    char line[256] = "";
    (void)state;

    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    int slave = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    (void)unsetenv("NO_COLOR");
    log_set_output(slave);
    log_setup("svc", LOG_DEBUG, LOG_FORMAT_HUMAN);
    log_error("m", log_str("a", "b"));
    assert_true(read(terminal, line, sizeof(line) - 1) > 0);
    assert_contains(line, "\033[31mERROR\033[0m svc  m  \033[2ma=\033[0mb");

    assert_int_equal(setenv("NO_COLOR", "1", 1), 0);
    log_set_output(slave);
    log_error("m");
    memset(line, 0, sizeof(line));
    assert_true(read(terminal, line, sizeof(line) - 1) > 0);
    assert_lacks(line, "\033");
    (void)unsetenv("NO_COLOR");
    (void)close(slave);
    (void)close(terminal);
}

/* ---- threads ---- */

enum { THREADS = 4, LINES = 200 };

static void *log_many(void *unused)
{
    (void)unused;
    for (int i = 0; i < LINES; i++)
        log_info("m", log_str("text", "0123456789012345678901234567890123456789"));
    return NULL;
}

static void lines_of_many_threads_do_not_mix(void **state)
{
    pthread_t threads[THREADS];
    int ends[2];
    (void)state;

    assert_int_equal(pipe(ends), 0);
    log_set_output(ends[1]);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, NULL), 0);

    FILE *lines = fdopen(ends[0], "r");
    char line[512];
    for (int i = 0; i < THREADS * LINES; i++) {
        assert_non_null(fgets(line, sizeof(line), lines));
        assert_matches(
            line, "^\\{\"time\":\"[^\"]*\",\"level\":\"info\",\"service\":\"snapshot-svc\",\"msg\":\"m\","
                  "\"text\":\"[0-9]{40}\"\\}\n$");
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    (void)fclose(lines);
    (void)close(ends[1]);
}

#define WITH_LOG(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOG(a_line_has_time_level_service_message_and_fields_in_order),
        WITH_LOG(a_line_needs_no_fields),
        WITH_LOG(any_bytes_make_one_line_of_valid_json),
        WITH_LOG(every_ascii_byte_comes_back_from_the_json),
        WITH_LOG(a_long_value_is_cut_between_characters),
        WITH_LOG(lines_below_the_level_are_not_written),
        WITH_LOG(levels_and_formats_are_parsed_by_name),
        WITH_LOG(scopes_nest_and_end_with_their_block),
        WITH_LOG(scopes_end_on_an_early_return_too),
        WITH_LOG(a_key_given_twice_appears_once_with_the_innermost_value),
        WITH_LOG(a_scope_belongs_to_its_thread),
        WITH_LOG(a_failure_is_code_reason_and_story),
        WITH_LOG(a_failure_without_a_reason_has_none),
        WITH_LOG(logging_leaves_errno_alone),
        WITH_LOG(a_human_line_reads_from_left_to_right),
        WITH_LOG(a_human_line_without_service_or_fields_has_no_gaps),
        WITH_LOG(human_values_are_quoted_where_their_end_would_be_unclear),
        WITH_LOG(a_file_gets_no_colours),
        WITH_LOG(a_terminal_gets_colours_unless_refused),
        WITH_LOG(lines_of_many_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
