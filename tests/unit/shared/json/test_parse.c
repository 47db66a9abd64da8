#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "tests/unit/testing.h"

static json_t *parsed(const char *text)
{
    struct error err;
    json_t *doc = NULL;
    assert_ok(json_parse(text, strlen(text), "doc", &doc, &err), &err);
    return doc;
}

/* ---- parsing and text ---- */

static void any_json_value_is_a_document(void **state)
{
    static const char *const rows[] = {
        "null",         "true", "1", "-9223372036854775808", "\"a\"", "[]", "{}", "[1,{\"a\":[null]}]",
        "\"\xC3\xA9\"",
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(json) json_t *doc = parsed(rows[i]);
        SCOPED(string) char *text = json_text(doc);
        assert_string_equal(text, rows[i]);
    }
}

static void what_is_no_json_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text, *story;
    } rows[] = {
        {"", "doc: line 1 column 0: "},
        {"{\n  \"a\": tru }", "doc: line 2 column 10: "},
        {"{\"a\":1} x", "doc: line 1 column 9: "},
        {"{\"a\":1,\"a\":2}", "duplicate object key"},
        {"[1,]", "doc: line 1 column 4: "},
        {"{'a':1}", "doc: line 1 column 2: "},
        {"\"\\u0000\"", "NUL"},
        {"\"\xFF\"", "unable to decode byte 0xff"},
        {"\"\\ud800\"", "doc: line 1"},
        {"9223372036854775808", "doc: line 1"},
        {"1e999", "doc: line 1"},
        {"NaN", "doc: line 1"},
    };
    struct error err;
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *doc = NULL;
        assert_fails(json_parse(rows[i].text, strlen(rows[i].text), "doc", &doc, &err), &err, ERR_INVALID,
                     rows[i].story);
        assert_null(doc);
    }
    json_t *doc = NULL;
    assert_fails(json_parse("[\0]", 3, "", &doc, &err), &err, ERR_INVALID, "line 1 column ");
    assert_int_equal(strncmp(err.text, "line 1", 6), 0);
    assert_fails(json_parse(NULL, 0, "reply", &doc, &err), &err, ERR_INVALID, "reply: line ");
}

static void a_refusal_quotes_nothing_of_the_document(void **state)
{
    static const char *const rows[] = {"{\"password\": hunter2}", "{\"password\": \"hunter2\"",
                                       "[\"x\" hunter2]", "{\"hunter2\":1,\"hunter2\":2}"};
    struct error err;
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *doc = NULL;
        assert_fails(json_parse(rows[i], strlen(rows[i]), "secret", &doc, &err), &err, ERR_INVALID,
                     "secret: line 1");
        assert_lacks(err.text, "hunter2");
    }
}

static void nesting_has_an_end(void **state)
{
    enum { DEPTH = 100000 };
    struct error err;
    json_t *doc = NULL;
    char *deep = malloc(DEPTH);
    (void)state;

    memset(deep, '[', DEPTH);
    assert_fails(json_parse(deep, DEPTH, "doc", &doc, &err), &err, ERR_INVALID, "depth");
    free(deep);
}

static void text_keeps_the_order_and_canonical_text_has_one(void **state)
{
    SCOPED(json) json_t *a = parsed("{\"b\": 1, \"a\": {\"d\": 2, \"c\": 3}}");
    SCOPED(json) json_t *b = parsed("{\"a\":{\"c\":3,\"d\":2},\"b\":1}");
    (void)state;

    SCOPED(string) char *text = json_text(a);
    assert_string_equal(text, "{\"b\":1,\"a\":{\"d\":2,\"c\":3}}");
    SCOPED(string) char *of_a = json_canonical(a);
    SCOPED(string) char *of_b = json_canonical(b);
    assert_string_equal(of_a, "{\"a\":{\"c\":3,\"d\":2},\"b\":1}");
    assert_string_equal(of_a, of_b);
}

/* ---- paths ---- */

static void a_path_leads_to_a_member_or_nowhere(void **state)
{
    SCOPED(json)
    json_t *doc =
        parsed("{\"spec\":{\"template\":{\"name\":\"x\",\"n\":1}},\"list\":[{\"a\":1}],\"\":{\"e\":\"f\"}}");
    (void)state;

    assert_ptr_equal(json_path(doc, "spec"), json_object_get(doc, "spec"));
    assert_string_equal(json_path_string(doc, "spec.template.name"), "x");
    assert_int_equal(json_integer_value(json_path(doc, "spec.template.n")), 1);
    assert_string_equal(json_path_string(doc, ".e"), "f");

    assert_null(json_path_string(doc, "spec.template.n"));
    assert_null(json_path_string(doc, "spec.template"));
    assert_null(json_path(doc, "spec.absent.name"));
    assert_null(json_path(doc, "spec.template.name.deeper"));
    assert_null(json_path(doc, "list.a"));
    assert_null(json_path(NULL, "spec"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_json_value_is_a_document),
        cmocka_unit_test(what_is_no_json_is_refused_with_its_place),
        cmocka_unit_test(a_refusal_quotes_nothing_of_the_document),
        cmocka_unit_test(nesting_has_an_end),
        cmocka_unit_test(text_keeps_the_order_and_canonical_text_has_one),
        cmocka_unit_test(a_path_leads_to_a_member_or_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
