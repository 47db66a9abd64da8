/* YAML as people write it for Kubernetes. */
#include "tests/unit/testing.h"

#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "shared/yaml/yaml.h"

static int parse(const char *text, enum yaml_scalars scalars, json_t **ret_document, struct error *err)
{
    return yaml_parse(text, strlen(text), scalars, "file", ret_document, err);
}

static void scalars_are_what_they_look_like_when_that_is_wanted(void **state)
{
    static const struct {
        const char *yaml, *typed, *texts;
    } rows[] = {
        {"a: true", "{\"a\":true}", "{\"a\":\"true\"}"},
        {"a: False", "{\"a\":false}", "{\"a\":\"False\"}"},
        {"a: 'true'", "{\"a\":\"true\"}", "{\"a\":\"true\"}"},
        {"a: 30", "{\"a\":30}", "{\"a\":\"30\"}"},
        {"a: -30", "{\"a\":-30}", "{\"a\":\"-30\"}"},
        {"a: \"30\"", "{\"a\":\"30\"}", "{\"a\":\"30\"}"},
        {"a: 0644", "{\"a\":420}", "{\"a\":\"0644\"}"},
        {"a: 0o17", "{\"a\":15}", "{\"a\":\"0o17\"}"},
        {"a: 0x1F", "{\"a\":31}", "{\"a\":\"0x1F\"}"},
        {"a: 1.5", "{\"a\":1.5}", "{\"a\":\"1.5\"}"},
        {"a: 0", "{\"a\":0}", "{\"a\":\"0\"}"},
        {"a: 1e3", "{\"a\":1000.0}", "{\"a\":\"1e3\"}"},
        {"a: 100m", "{\"a\":\"100m\"}", "{\"a\":\"100m\"}"},
        {"a: 1.2.3", "{\"a\":\"1.2.3\"}", "{\"a\":\"1.2.3\"}"},
        {"a: 0899", "{\"a\":\"0899\"}", "{\"a\":\"0899\"}"},
        {"a: ~", "{\"a\":null}", "{\"a\":null}"},
        {"1: x", "{\"1\":\"x\"}", "{\"1\":\"x\"}"},
        {"- 1\n- b", "[1,\"b\"]", "[\"1\",\"b\"]"},
        {"{\"a\":[1,true,\"1\"]}", "{\"a\":[1,true,\"1\"]}", "{\"a\":[\"1\",\"true\",\"1\"]}"},
    };
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int typed = 0; typed < 2; typed++) {
            SCOPED(json) json_t *document = NULL;

            assert_ok(parse(rows[i].yaml, typed ? YAML_TYPED : YAML_TEXTS, &document, &err), &err);
            SCOPED(string) char *text = json_text(document);
            assert_string_equal(text, typed ? rows[i].typed : rows[i].texts);
        }
}

static void what_tools_read_differently_is_refused(void **state)
{
    static const char *const rows[] = {"a: yes", "a: Off", "a: 99999999999999999999", "a: 1e999",
                                       "a: !!str 1"};
    struct error err = {0};
    json_t *document;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_fails(parse(rows[i], YAML_TYPED, &document, &err), &err, ERR_INVALID, "file: line 1 column 4");
}

static void structure_is_refused_where_it_is_ambiguous(void **state)
{
    static const struct {
        const char *yaml, *why;
    } rows[] = {
        {"a: 1\na: 2", "a key that was there before"}, {"a: &x 1\nb: *x", "aliases"},
        {"a: 1\n---\nb: 2", "want one document"},      {"a: [1", "line 2 column 1"},
        {"? [1]\n: 2", "want a text as key"},
    };
    struct error err = {0};
    json_t *document;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_fails(parse(rows[i].yaml, YAML_TYPED, &document, &err), &err, ERR_INVALID, rows[i].why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_are_what_they_look_like_when_that_is_wanted),
        cmocka_unit_test(what_tools_read_differently_is_refused),
        cmocka_unit_test(structure_is_refused_where_it_is_ambiguous),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
