#include "shared/base/cleanup.h"
#include "tests/unit/testing.h"

#include "tests/unit/shared/json/everything.h"

static void a_full_document_fills_the_struct(void **state)
{
    SCOPED(json) json_t *doc = parsed(FULL_DOCUMENT);
    struct everything all = {0};
    struct error err;
    (void)state;

    assert_ok(json_read(doc, everything_fields, "", &all, &err), &err);
    assert_string_equal(all.text, "t");
    assert_true(all.flag);
    assert_int_equal(all.maybe, 0);
    assert_int_equal(all.small, INT32_MIN);
    assert_int_equal(all.wide, INT64_MIN);
    assert_int_equal(all.size_bytes, INT64_MAX);
    assert_string_equal(all.digest.text, DIGEST_A);
    assert_int_equal(all.created_unix_ms, 1875002400000);
    assert_int_equal(all.words.count, 3);
    assert_string_equal(all.words.items[2], "y");
    assert_int_equal(all.labels.count, 2);
    assert_string_equal(all.labels.pairs[0].key, "z"); /* in document order */
    assert_string_equal(json_map_get(&all.labels, "a"), "2");
    assert_int_equal(all.patch.count, 2);
    assert_string_equal(all.patch.pairs[1].key, "drop");
    assert_null(all.patch.pairs[1].value);
    assert_string_equal(all.inner.name, "i");
    assert_int_equal(all.inner.ready, 1);
    assert_int_equal(all.layers.count, 2);
    const struct inner *layers = all.layers.items;
    assert_string_equal(layers[0].digest.text, DIGEST_B);
    assert_int_equal(layers[0].ready, -1);
    assert_string_equal(layers[1].name, "l1");
    assert_int_equal(layers[1].ready, 0);
    assert_int_equal(json_array_size(all.any), 2);
    assert_true(json_is_object(all.any_object));
    assert_true(json_is_array(all.any_array));
    json_free_fields(everything_fields, &all);
}

static void what_was_read_outlives_the_document(void **state)
{
    json_t *doc = parsed(FULL_DOCUMENT);
    struct everything all = {0};
    struct error err;
    (void)state;

    assert_ok(json_read(doc, everything_fields, "", &all, &err), &err);
    json_decref(doc);
    assert_string_equal(all.words.items[0], "x");
    assert_true(json_is_real(json_object_get(all.any_object, "k")));
    json_free_fields(everything_fields, &all);
}

static void assert_is_empty(const struct everything *all)
{
    struct everything empty = {.maybe = -1, .inner.ready = -1};
    assert_memory_equal(all, &empty, sizeof(empty));
}

static void absent_null_and_unknown_members_leave_the_struct_empty(void **state)
{
    static const char *const rows[] = {
        "{}",
        "{\"unknown\":1,\"Text\":\"case matters\"}",
        "{\"text\":null,\"flag\":null,\"maybe\":null,\"small\":null,\"wide\":null,\"size\":null,\"digest\":"
        "null,"
        "\"created\":null,\"words\":null,\"labels\":null,\"inner\":null,\"layers\":null,\"any\":null,"
        "\"array\":null}",
        "{\"words\":[],\"labels\":{},\"layers\":[]}",
    };
    struct error err;
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(json) json_t *doc = parsed(rows[i]);
        struct everything all;
        memset(&all, 0, sizeof(all)); /* the padding, too */
        assert_ok(json_read(doc, everything_fields, "", &all, &err), &err);
        assert_is_empty(&all);
        json_free_fields(everything_fields, &all);
    }
}

/* One message shape: where, what was wanted, what was found. */
static void a_wrong_document_is_refused_with_path_and_expectation(void **state)
{
    static const struct {
        const char *text, *story;
    } rows[] = {
        {"[]", "want an object, got an array"},
        {"null", "want an object, got null"},
        {"{\"text\":1}", "text: want a string, got a number"},
        {"{\"text\":{}}", "text: want a string, got an object"},
        {"{\"flag\":\"true\"}", "flag: want a boolean, got a string"},
        {"{\"maybe\":0}", "maybe: want a boolean, got a number"},
        {"{\"small\":2147483648}", "small: want a whole number of 32 bits"},
        {"{\"small\":-2147483649}", "small: want a whole number of 32 bits"},
        {"{\"small\":1.0}", "small: want a whole number, got a number with a fraction"},
        {"{\"wide\":\"1\"}", "wide: want a whole number, got a string"},
        {"{\"size\":-1}", "size: want a whole number of at least 0, got a negative one"},
        {"{\"size\":true}", "size: want a whole number of at least 0, got a boolean"},
        {"{\"digest\":\"md5:abc\"}", "digest: want sha256: and 64 lowercase hex digits, got \"md5:abc\""},
        {"{\"digest\":7}", "digest: want sha256: and 64 lowercase hex digits, got a number"},
        {"{\"created\":\"soon\"}", "created: want a date and time like 2029-06-01T10:00:00Z, got \"soon\""},
        {"{\"created\":0}", "created: want a date and time like 2029-06-01T10:00:00Z, got a number"},
        {"{\"words\":\"x\"}", "words: want an array of strings, got a string"},
        {"{\"words\":[\"x\",2]}", "words[1]: want a string, got a number"},
        {"{\"words\":[null]}", "words[0]: want a string, got null"},
        {"{\"labels\":[]}", "labels: want an object with strings, got an array"},
        {"{\"labels\":{\"a\":\"1\",\"b/c\":2}}", "labels.b/c: want a string, got a number"},
        {"{\"labels\":{\"a\":null}}", "labels.a: want a string, got null"},
        {"{\"patch\":{\"a\":false}}", "patch.a: want a string, got a boolean"},
        {"{\"inner\":[]}", "inner: want an object, got an array"},
        {"{\"inner\":{}}", "inner.name: want a string, got nothing"},
        {"{\"inner\":{\"name\":null}}", "inner.name: want a string, got null"},
        {"{\"layers\":{}}", "layers: want an array, got an object"},
        {"{\"layers\":[{\"name\":\"a\"},null]}", "layers[1]: want an object, got null"},
        {"{\"layers\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\",\"digest\":\"x\"}]}",
         "layers[2].digest: want sha256: and 64 lowercase hex digits, got \"x\""},
        {"{\"object\":[]}", "object: want an object, got an array"},
        {"{\"array\":{}}", "array: want an array, got an object"},
    };
    struct error err;
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(json) json_t *doc = parsed(rows[i].text);
        struct everything all = {0};

        assert_fails(json_read(doc, everything_fields, "", &all, &err), &err, ERR_INVALID, rows[i].story);
        assert_string_equal(err.text, rows[i].story);
        assert_fails(json_read(doc, everything_fields, "manifest", &all, &err), &err, ERR_INVALID,
                     rows[i].story);
        assert_int_equal(strncmp(err.text, "manifest", 8), 0);
    }
}

static void the_path_begins_with_what_the_document_is(void **state)
{
    SCOPED(json) json_t *doc = parsed("{\"layers\":[{}]}");
    SCOPED(json) json_t *list = parsed("[]");
    struct everything all = {0};
    struct error err;
    (void)state;

    (void)json_read(doc, everything_fields, "manifest", &all, &err);
    assert_string_equal(err.text, "manifest.layers[0].name: want a string, got nothing");
    (void)json_read(list, everything_fields, "manifest", &all, &err);
    assert_string_equal(err.text, "manifest: want an object, got an array");
}

static void a_failure_frees_what_was_filled(void **state)
{
    SCOPED(json)
    json_t *doc = parsed("{\"text\":\"t\",\"maybe\":true,\"words\":[\"x\",\"y\"],\"labels\":{\"a\":\"b\"},"
                         "\"layers\":[{\"name\":\"a\"},{\"name\":\"b\",\"digest\":1}]}");
    struct everything all, zero;
    struct error err;
    (void)state;

    memset(&all, 0, sizeof(all));
    memset(&zero, 0, sizeof(zero));
    assert_fails(json_read(doc, everything_fields, "", &all, &err), &err, ERR_INVALID, "layers[1].digest");
    assert_memory_equal(&all, &zero, sizeof(all));
}

static void values_that_may_be_secret_are_not_quoted(void **state)
{
    static const char *const rows[] = {"{\"flag\":\"hunter2\"}", "{\"small\":\"hunter2\"}",
                                       "{\"layers\":\"hunter2\"}", "{\"labels\":\"hunter2\"}",
                                       "{\"any\":1,\"object\":\"hunter2\"}"};
    struct error err;
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(json) json_t *doc = parsed(rows[i]);
        struct everything all = {0};
        assert_int_equal(json_read(doc, everything_fields, "", &all, &err), -1);
        assert_lacks(err.text, "hunter2");
    }
}

/* json_parse refuses these, but a document may come from elsewhere. */
static void a_string_with_a_nul_inside_is_refused(void **state)
{
    SCOPED(json) json_t *doc = json_pack("{s:s%}", "text", "a\0b", (size_t)3);
    struct everything all = {0};
    struct error err;
    (void)state;

    assert_fails(json_read(doc, everything_fields, "", &all, &err), &err, ERR_INVALID,
                 "text: want a string without NUL characters");
}

static void a_hostile_member_name_cannot_hide_the_expectation(void **state)
{
    SCOPED(json) json_t *doc = json_object(), *labels = json_object();
    struct everything all = {0};
    struct error err;
    char name[5000];
    (void)state;

    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    (void)json_object_set_new(labels, name, json_integer(1));
    (void)json_object_set(doc, "labels", labels);
    assert_fails(json_read(doc, everything_fields, "", &all, &err), &err, ERR_INVALID,
                 "labels: want a string, got a number");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_document_fills_the_struct),
        cmocka_unit_test(what_was_read_outlives_the_document),
        cmocka_unit_test(absent_null_and_unknown_members_leave_the_struct_empty),
        cmocka_unit_test(a_wrong_document_is_refused_with_path_and_expectation),
        cmocka_unit_test(the_path_begins_with_what_the_document_is),
        cmocka_unit_test(a_failure_frees_what_was_filled),
        cmocka_unit_test(values_that_may_be_secret_are_not_quoted),
        cmocka_unit_test(a_string_with_a_nul_inside_is_refused),
        cmocka_unit_test(a_hostile_member_name_cannot_hide_the_expectation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
