#include "shared/json/json.h"
#include "tests/unit/testing.h"

static void a_map_answers_what_was_set_last(void **state)
{
    struct json_map map = {0};
    (void)state;

    assert_null(json_map_get(&map, "a"));
    json_map_set(&map, "b", "1");
    json_map_set(&map, "a", "2");
    json_map_set(&map, "b", "3");
    assert_string_equal(json_map_get(&map, "b"), "3");
    assert_string_equal(json_map_get(&map, "a"), "2");
    assert_int_equal(map.count, 2);
    assert_string_equal(map.pairs[0].key, "b"); /* a key keeps its place */
    json_map_free(&map);
    assert_int_equal(map.count, 0);
    json_map_free(&map);
}

static void a_value_may_be_set_from_the_map_itself(void **state)
{
    struct json_map map = {0};
    (void)state;

    json_map_set(&map, "a", "text");
    json_map_set(&map, "a", json_map_get(&map, "a"));
    assert_string_equal(json_map_get(&map, "a"), "text");
    json_map_set(&map, "a", NULL);
    assert_null(json_map_get(&map, "a"));
    assert_int_equal(map.count, 1);
    json_map_free(&map);
}

static void strings_keep_their_order(void **state)
{
    struct json_strings list = {0};
    (void)state;

    json_strings_add(&list, "b");
    json_strings_add(&list, "a");
    json_strings_add(&list, "b");
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[0], "b");
    assert_string_equal(list.items[1], "a");
    json_strings_free(&list);
    assert_null(list.items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_answers_what_was_set_last),
        cmocka_unit_test(a_value_may_be_set_from_the_map_itself),
        cmocka_unit_test(strings_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
