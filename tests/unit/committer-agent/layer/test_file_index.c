#include "committer-agent/layer/file_index.h"

#include <limits.h>

#include "scratch.h"
#include "tests/unit/testing.h"

static struct file_index *new_index(const struct scratch *scratch)
{
    struct file_index *index = NULL;
    struct error err = {0};

    assert_ok(file_index_new(scratch->path, &index, &err), &err);
    return index;
}

static const struct stat some = {
    .st_dev = 1,
    .st_ino = 2,
    .st_mode = S_IFREG | 0644,
    .st_size = 3,
    .st_mtim = {4, 5},
    .st_ctim = {6, 7},
};

static void paths_compare_as_a_walk_shows_them(void **state)
{
    /* In a walk's order. */
    static const char *const paths[] = {
        "",   "a",  "a/\x01", "a/b", "a/b/c", "a/b\x01", "a\x01",     "a-",   "a-/z",   "a.",
        "a0", "aa", "b",      "b/a", "\x7f",  "\x80",    "\x80/\xff", "\xff", "\xff/a", "\xff\xff",
    };
    const size_t count = sizeof(paths) / sizeof(paths[0]);

    (void)state;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            int order = file_index_compare_paths(paths[i], paths[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
}

static void a_file_is_found_with_its_number_and_others_are_passed_by(void **state)
{
    SCOPED(file_index) struct file_index *index = new_index(*state);
    struct error err = {0};
    uint64_t number = 0;

    assert_ok(file_index_add(index, "a", &some, 10, &err), &err);
    assert_ok(file_index_add(index, "a/b", &some, 20, &err), &err);
    assert_ok(file_index_add(index, "a-b", &some, 30, &err), &err);
    assert_ok(file_index_seal(index, &err), &err);
    assert_int_equal(file_index_find(index, "0", &some, &number, &err), 0);
    assert_int_equal(file_index_find(index, "a/a", &some, &number, &err), 0);
    assert_int_equal(file_index_find(index, "a/b", &some, &number, &err), 1);
    assert_int_equal(number, 20);
    assert_int_equal(file_index_find(index, "a-b", &some, &number, &err), 1);
    assert_int_equal(number, 30);
    assert_int_equal(file_index_find(index, "z", &some, &number, &err), 0);
}

static void every_difference_makes_it_another_file(void **state)
{
    struct stat changed[9];

    for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++)
        changed[i] = some;
    changed[0].st_dev++;
    changed[1].st_ino++;
    changed[2].st_mode ^= 1;
    changed[3].st_size++;
    changed[4].st_mtim.tv_sec++;
    changed[5].st_mtim.tv_nsec++;
    changed[6].st_ctim.tv_sec++;
    changed[7].st_ctim.tv_nsec++;
    changed[8].st_mode = S_IFIFO | 0644;
    for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
        SCOPED(file_index) struct file_index *index = new_index(*state);
        struct error err = {0};
        uint64_t number;
        assert_ok(file_index_add(index, "f", &some, 1, &err), &err);
        assert_ok(file_index_seal(index, &err), &err);
        assert_int_equal(file_index_find(index, "f", &changed[i], &number, &err), 0);
        assert_int_equal(file_index_find(index, "f", &some, &number, &err), 1);
    }
}

static void a_path_that_no_layer_can_carry_is_left_out(void **state)
{
    SCOPED(file_index) struct file_index *index = new_index(*state);
    static char path[PATH_MAX + 1];
    struct error err = {0};
    uint64_t number;

    memset(path, 'p', sizeof(path) - 1);
    assert_ok(file_index_add(index, path, &some, 1, &err), &err);
    assert_ok(file_index_add(index, "q", &some, 2, &err), &err);
    assert_ok(file_index_seal(index, &err), &err);
    assert_int_equal(file_index_find(index, path, &some, &number, &err), 0);
    assert_int_equal(file_index_find(index, "q", &some, &number, &err), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_compare_as_a_walk_shows_them),
        IN_SCRATCH(a_file_is_found_with_its_number_and_others_are_passed_by),
        IN_SCRATCH(every_difference_makes_it_another_file),
        IN_SCRATCH(a_path_that_no_layer_can_carry_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
