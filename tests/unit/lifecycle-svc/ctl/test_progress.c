/* What people see while they wait, and YAML. */
#include "tests/unit/testing.h"

#include "lifecycle-svc/ctl/print.h"
#include "lifecycle-svc/ctl/progress.h"
#include "shared/base/cleanup.h"
#include "shared/base/strbuf.h"
#include "shared/json/json.h"

static void bytes_have_binary_units(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {{0, "0 B"},        {1023, "1023 B"},     {1024, "1.0 KiB"},
                {1536, "1.5 KiB"}, {5 << 20, "5.0 MiB"}, {UINT64_C(3) << 40, "3.0 TiB"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED_STRBUF struct strbuf text = STRBUF_INIT;
        bytes_text(rows[i].bytes, &text);
        assert_string_equal(strbuf_text(&text), rows[i].text);
    }
}

static void a_line_shows_phase_bar_amount_and_rate(void **state)
{
    Opensandbox__Lifecycle__V1__Progress at = OPENSANDBOX__LIFECYCLE__V1__PROGRESS__INIT;
    ctl_event event = OPENSANDBOX__LIFECYCLE__V1__SANDBOX_EVENT__INIT;
    struct progress progress = {.began_ms = 0, .phase_ms = 1000, .phase_bytes = 0};
    SCOPED_STRBUF struct strbuf line = STRBUF_INIT;

    (void)state;
    at.phase = (char *)"Capturing";
    at.bytes_read = 50 << 20;
    at.bytes_total = 100 << 20;
    event.progress = &at;
    progress_line(&progress, &event, 3000, &line);
    assert_string_equal(
        strbuf_text(&line),
        "   3.0s  Capturing  [============>           ]  50%  50.0 MiB of 100.0 MiB  25.0 MiB/s");
}

static void a_total_that_was_too_low_stays_at_100_percent(void **state)
{
    Opensandbox__Lifecycle__V1__Progress at = OPENSANDBOX__LIFECYCLE__V1__PROGRESS__INIT;
    ctl_event event = OPENSANDBOX__LIFECYCLE__V1__SANDBOX_EVENT__INIT;
    struct progress progress = {0};
    SCOPED_STRBUF struct strbuf line = STRBUF_INIT;

    (void)state;
    at.phase = (char *)"Capturing";
    at.bytes_read = UINT64_MAX;
    at.bytes_total = 1;
    event.progress = &at;
    progress_line(&progress, &event, 0, &line);
    assert_contains(strbuf_text(&line), "[========================] 100%");
}

static void yaml_keeps_the_shape_and_quotes_the_texts(void **state)
{
    static const struct {
        const char *json, *yaml;
    } rows[] = {
        {"{\"a\":1,\"b\":\"x: y\"}", "a: 1\nb: \"x: y\"\n"},
        {"{\"a\":{\"b\":{\"c\":true}}}", "a:\n  b:\n    c: true\n"},
        {"{\"a\":[],\"b\":{}}", "a: []\nb: {}\n"},
        {"[{\"a\":1,\"b\":[\"x\",\"y\"]},{\"c\":null}]",
         "- a: 1\n  b:\n    - \"x\"\n    - \"y\"\n- c: null\n"},
        {"{\"x.io/k\":\"line\\nbreak\"}", "\"x.io/k\": \"line\\nbreak\"\n"},
        {"[[1,2],3]", "- - 1\n  - 2\n- 3\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(json) json_t *value = NULL;
        SCOPED_STRBUF struct strbuf text = STRBUF_INIT;
        struct error err = {0};

        assert_ok(json_parse(rows[i].json, strlen(rows[i].json), "row", &value, &err), &err);
        yaml_write(value, &text);
        assert_string_equal(strbuf_text(&text), rows[i].yaml);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_have_binary_units),
        cmocka_unit_test(a_line_shows_phase_bar_amount_and_rate),
        cmocka_unit_test(a_total_that_was_too_low_stays_at_100_percent),
        cmocka_unit_test(yaml_keeps_the_shape_and_quotes_the_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
