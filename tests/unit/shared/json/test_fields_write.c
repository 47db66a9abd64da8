#include "shared/base/cleanup.h"
#include "tests/unit/testing.h"

#include "tests/unit/shared/json/everything.h"

static void assert_writes(const struct everything *all, const char *text)
{
    SCOPED(json) json_t *written = json_write(everything_fields, all);
    SCOPED(string) char *bytes = json_text(written);
    assert_string_equal(bytes, text);
}

static void writing_undoes_reading(void **state)
{
    SCOPED(json) json_t *doc = parsed(FULL_DOCUMENT);
    struct everything all = {0};
    struct error err;
    (void)state;

    assert_ok(json_read(doc, everything_fields, "", &all, &err), &err);
    assert_writes(&all, FULL_DOCUMENT);
    json_free_fields(everything_fields, &all);
}

static void absent_members_are_left_out_and_numbers_never_are(void **state)
{
    struct everything all = {.maybe = -1, .inner.ready = -1};
    (void)state;

    assert_writes(&all, "{\"flag\":false,\"small\":0,\"wide\":0,\"size\":0}");
}

static void false_is_not_absent(void **state)
{
    struct everything all = {.maybe = 0, .inner.ready = 0};
    (void)state;

    assert_writes(
        &all,
        "{\"flag\":false,\"maybe\":false,\"small\":0,\"wide\":0,\"size\":0,\"inner\":{\"ready\":false}}");
}

static void times_keep_their_milliseconds_when_they_have_some(void **state)
{
    struct everything all = {.maybe = -1, .inner.ready = -1, .created_unix_ms = 1875002400120};
    (void)state;

    SCOPED(json) json_t *with = json_write(everything_fields, &all);
    assert_string_equal(json_path_string(with, "created"), "2029-06-01T10:00:00.120Z");
    all.created_unix_ms = -1;
    SCOPED(json) json_t *before_1970 = json_write(everything_fields, &all);
    assert_string_equal(json_path_string(before_1970, "created"), "1969-12-31T23:59:59.999Z");
}

static void bytes_that_are_no_text_are_replaced_not_lost(void **state)
{
    char name[] = "caf\xE9", key[] = "k\xFF";
    struct json_pair pair = {.key = key, .value = name};
    struct everything all = {.text = name, .labels = {.pairs = &pair, .count = 1}};
    (void)state;

    SCOPED(json) json_t *written = json_write(everything_fields, &all);
    assert_string_equal(json_path_string(written, "text"), "caf\xEF\xBF\xBD");
    assert_string_equal(json_path_string(written, "labels.k\xEF\xBF\xBD"), "caf\xEF\xBF\xBD");
}

struct required {
    struct json_strings words;
    struct json_map labels;
    struct json_list layers;
    struct everything all;
};

static const struct json_field inside_fields[] = {
    {"text", JSON_STR, offsetof(struct everything, text), 0, NULL, 0}, JSON_FIELDS_END};

static const struct json_field required_fields[] = {
    {"words", JSON_STR_LIST, offsetof(struct required, words), JSON_REQUIRED, NULL, 0},
    {"labels", JSON_STR_MAP, offsetof(struct required, labels), JSON_REQUIRED, NULL, 0},
    {"layers", JSON_LIST, offsetof(struct required, layers), JSON_REQUIRED, inner_fields,
     sizeof(struct inner)},
    {"all", JSON_STRUCT, offsetof(struct required, all), JSON_REQUIRED, inside_fields, 0},
    JSON_FIELDS_END,
};

static void required_collections_are_written_even_when_empty(void **state)
{
    struct required required = {0};
    (void)state;

    SCOPED(json) json_t *written = json_write(required_fields, &required);
    SCOPED(string) char *text = json_text(written);
    assert_string_equal(text, "{\"words\":[],\"labels\":{},\"layers\":[],\"all\":{}}");
    struct error err;
    assert_ok(json_read(written, required_fields, "", &required, &err), &err);
}

static void freeing_zeroes_and_may_be_done_twice(void **state)
{
    SCOPED(json) json_t *doc = parsed(FULL_DOCUMENT);
    struct everything all, zero;
    struct error err;
    (void)state;

    memset(&all, 0, sizeof(all));
    memset(&zero, 0, sizeof(zero));
    assert_ok(json_read(doc, everything_fields, "", &all, &err), &err);
    json_free_fields(everything_fields, &all);
    assert_memory_equal(&all, &zero, sizeof(all));
    json_free_fields(everything_fields, &all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writing_undoes_reading),
        cmocka_unit_test(absent_members_are_left_out_and_numbers_never_are),
        cmocka_unit_test(false_is_not_absent),
        cmocka_unit_test(times_keep_their_milliseconds_when_they_have_some),
        cmocka_unit_test(bytes_that_are_no_text_are_replaced_not_lost),
        cmocka_unit_test(required_collections_are_written_even_when_empty),
        cmocka_unit_test(freeing_zeroes_and_may_be_done_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
