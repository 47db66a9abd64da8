/* RFC 7396: the table of appendix A, the example of section 3, and what follows from section 2. */
#include "shared/base/cleanup.h"
#include "tests/unit/testing.h"

#include "tests/unit/shared/json/everything.h"

static void assert_patches(const char *target, const char *patch, const char *result)
{
    SCOPED(json) json_t *patch_doc = parsed(patch);
    SCOPED(json) json_t *patched = json_merge_patch(target ? parsed(target) : NULL, patch_doc);
    SCOPED(json) json_t *wanted = parsed(result);
    SCOPED(string) char *got_text = json_canonical(patched);
    SCOPED(string) char *want_text = json_canonical(wanted);
    SCOPED(string) char *patch_text = json_text(patch_doc);

    assert_string_equal(got_text, want_text);
    assert_string_equal(patch_text, patch); /* the patch was only borrowed */
}

static void the_table_of_appendix_a_holds(void **state)
{
    static const struct {
        const char *target, *patch, *result;
    } rows[] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_patches(rows[i].target, rows[i].patch, rows[i].result);
}

static void the_example_of_section_3_holds(void **state)
{
    (void)state;
    assert_patches(
        "{\"title\":\"Goodbye!\",\"author\":{\"givenName\":\"John\",\"familyName\":\"Doe\"},"
        "\"tags\":[\"example\",\"sample\"],\"content\":\"This will be unchanged\"}",
        "{\"title\":\"Hello!\",\"phoneNumber\":\"+01-123-456-7890\",\"author\":{\"familyName\":null},"
        "\"tags\":[\"example\"]}",
        "{\"title\":\"Hello!\",\"author\":{\"givenName\":\"John\"},\"tags\":[\"example\"],"
        "\"content\":\"This will be unchanged\",\"phoneNumber\":\"+01-123-456-7890\"}");
}

static void a_target_that_is_not_there_becomes_the_patch_without_nulls(void **state)
{
    (void)state;
    assert_patches(NULL, "{\"a\":{\"b\":null,\"c\":1}}", "{\"a\":{\"c\":1}}");
    assert_patches(NULL, "[null]", "[null]");
}

static void an_object_is_changed_in_place(void **state)
{
    SCOPED(json) json_t *patch = parsed("{\"spec\":{\"pause\":true}}");
    SCOPED(json) json_t *target = parsed("{\"spec\":{\"image\":\"x\"}}");
    json_t *before = target, *spec_before = json_object_get(target, "spec");
    (void)state;

    target = json_merge_patch(TAKE(target), patch);
    assert_ptr_equal(target, before);
    assert_ptr_equal(json_object_get(target, "spec"), spec_before);
}

static void the_result_shares_nothing_with_the_patch(void **state)
{
    SCOPED(json) json_t *patch = parsed("{\"list\":[1],\"new\":{\"a\":{\"b\":[2]}}}");
    SCOPED(json) json_t *patched = json_merge_patch(json_object(), patch);
    (void)state;

    (void)json_array_append_new(json_path(patched, "list"), json_integer(3));
    (void)json_array_append_new(json_path(patched, "new.a.b"), json_integer(3));
    SCOPED(string) char *text = json_text(patch);
    assert_string_equal(text, "{\"list\":[1],\"new\":{\"a\":{\"b\":[2]}}}");
}

static json_t *random_value(int depth)
{
    static const char *const keys[] = {"a", "b", "c"};
    int kind = rand() % (depth > 0 ? 5 : 3);

    if (kind == 0)
        return json_null();
    if (kind == 1)
        return json_integer(rand() % 3);
    if (kind == 2)
        return json_string(keys[rand() % 3]);
    if (kind == 3)
        return json_pack("[o]", random_value(depth - 1));
    json_t *object = json_object();
    for (int i = rand() % 4; i > 0; i--)
        (void)json_object_set_new(object, keys[rand() % 3], random_value(depth - 1));
    return object;
}

static void the_same_patch_twice_is_the_same_patch_once(void **state)
{
    (void)state;
    srand(7396);
    for (int round = 0; round < 5000; round++) {
        SCOPED(json) json_t *patch = random_value(4);
        SCOPED(json) json_t *once = json_merge_patch(random_value(4), patch);
        SCOPED(json) json_t *twice = json_merge_patch(json_deep_copy(once), patch);
        assert_true(json_equal(once, twice));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_appendix_a_holds),
        cmocka_unit_test(the_example_of_section_3_holds),
        cmocka_unit_test(a_target_that_is_not_there_becomes_the_patch_without_nulls),
        cmocka_unit_test(an_object_is_changed_in_place),
        cmocka_unit_test(the_result_shares_nothing_with_the_patch),
        cmocka_unit_test(the_same_patch_twice_is_the_same_patch_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
