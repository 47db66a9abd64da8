#include "committer-agent/layer/printable.h"

#include "tests/unit/testing.h"

static void ordinary_paths_stay_as_they_are(void **state)
{
    (void)state;
    assert_string_equal(printable_path("etc/motd and more").text, "etc/motd and more");
}

static void the_root_reads_as_a_slash(void **state)
{
    (void)state;
    assert_string_equal(printable_path("").text, "/");
}

static void bytes_that_no_terminal_should_see_become_hex(void **state)
{
    (void)state;
    assert_string_equal(printable_path("a\nb\x1b[31m\xff\\").text, "a\\x0ab\\x1b[31m\\xff\\x5c");
}

static void a_path_that_just_fits_is_not_cut(void **state)
{
    char path[PRINTABLE_SIZE];

    (void)state;
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_string_equal(printable_path(path).text, path);
}

static void a_long_path_keeps_its_end_and_never_half_a_byte(void **state)
{
    (void)state;
    for (size_t tail = 1; tail < 20; tail++) {
        char path[600];
        memset(path, '\xfe', sizeof(path));
        memset(path + sizeof(path) - 1 - tail, 'z', tail);
        path[sizeof(path) - 1] = '\0';
        struct printable shown = printable_path(path);
        assert_int_equal(strncmp(shown.text, "...\\xfe\\xfe", 11), 0);
        assert_true(strlen(shown.text) < PRINTABLE_SIZE && strlen(shown.text) >= PRINTABLE_SIZE - 8);
        assert_string_equal(shown.text + strlen(shown.text) - tail, path + sizeof(path) - 1 - tail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_paths_stay_as_they_are),
        cmocka_unit_test(the_root_reads_as_a_slash),
        cmocka_unit_test(bytes_that_no_terminal_should_see_become_hex),
        cmocka_unit_test(a_path_that_just_fits_is_not_cut),
        cmocka_unit_test(a_long_path_keeps_its_end_and_never_half_a_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
