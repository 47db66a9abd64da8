#include "shared/base/strbuf.h"
#include "tests/unit/testing.h"

static void an_empty_buffer_has_a_text(void **state)
{
    struct strbuf buf = STRBUF_INIT;
    (void)state;

    assert_string_equal(strbuf_text(&buf), "");
    char *taken = strbuf_take(&buf);
    assert_string_equal(taken, "");
    free(taken);
    strbuf_done(&buf);
}

static void appends_of_every_kind_add_up(void **state)
{
    SCOPED_STRBUF struct strbuf buf = STRBUF_INIT;
    (void)state;

    assert_true(strbuf_adds(&buf, "layer"));
    assert_true(strbuf_addc(&buf, ' '));
    assert_true(strbuf_addf(&buf, "%d of %s", 2, "3"));
    assert_true(strbuf_append(&buf, "\0!", 2));
    assert_int_equal(buf.length, 14);
    assert_memory_equal(buf.bytes, "layer 2 of 3\0!", 15);
}

static void it_grows_as_long_as_nobody_sets_a_limit(void **state)
{
    SCOPED_STRBUF struct strbuf buf = STRBUF_INIT;
    (void)state;

    for (int i = 0; i < 10000; i++)
        assert_true(strbuf_addf(&buf, "%04d,", i));
    assert_int_equal(buf.length, 50000);
    assert_memory_equal(buf.bytes + 5 * 4321, "4321,", 5);
}

static void what_the_limit_refuses_leaves_the_buffer_as_it_was(void **state)
{
    SCOPED_STRBUF struct strbuf buf = {.limit = 5};
    (void)state;

    assert_true(strbuf_adds(&buf, "1234"));
    assert_false(strbuf_adds(&buf, "56"));
    assert_false(strbuf_addf(&buf, "%d", 56));
    assert_false(strbuf_append(&buf, "x", SIZE_MAX));
    assert_string_equal(buf.bytes, "1234");
    assert_true(strbuf_addc(&buf, '5'));
    assert_false(strbuf_addc(&buf, '6'));
    assert_string_equal(buf.bytes, "12345");
}

static void taking_moves_the_text_out(void **state)
{
    struct strbuf buf = {.limit = 10};
    (void)state;

    (void)strbuf_adds(&buf, "text");
    char *taken = strbuf_take(&buf);
    assert_string_equal(taken, "text");
    free(taken);
    assert_null(buf.bytes);
    assert_int_equal(buf.limit, 10);
}

static void a_reset_keeps_the_storage_only(void **state)
{
    SCOPED_STRBUF struct strbuf buf = STRBUF_INIT;
    (void)state;

    (void)strbuf_adds(&buf, "text");
    strbuf_reset(&buf);
    assert_int_equal(buf.length, 0);
    assert_string_equal(strbuf_text(&buf), "");
    assert_true(buf.capacity > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_has_a_text),
        cmocka_unit_test(appends_of_every_kind_add_up),
        cmocka_unit_test(it_grows_as_long_as_nobody_sets_a_limit),
        cmocka_unit_test(what_the_limit_refuses_leaves_the_buffer_as_it_was),
        cmocka_unit_test(taking_moves_the_text_out),
        cmocka_unit_test(a_reset_keeps_the_storage_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
