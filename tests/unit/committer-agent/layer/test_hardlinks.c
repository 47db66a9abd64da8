#include "committer-agent/layer/hardlinks.h"

#include <stdio.h>

#include "tests/unit/testing.h"

static void the_first_path_is_remembered_and_told_to_the_others(void **state)
{
    SCOPED(hardlinks) struct hardlinks *links = hardlinks_new(HARDLINKS_MAX_BYTES);
    SCOPED_STRBUF struct strbuf first = STRBUF_INIT;
    struct error err;

    (void)state;
    assert_int_equal(hardlinks_meet(links, 1, 10, "a/b/file", &first, &err), 0);
    assert_int_equal(hardlinks_meet(links, 1, 11, "top", &first, &err), 0);
    assert_int_equal(hardlinks_meet(links, 1, 10, "z/other", &first, &err), 1);
    assert_string_equal(strbuf_text(&first), "a/b/file");
    assert_int_equal(hardlinks_meet(links, 1, 11, "z/more", &first, &err), 1);
    assert_string_equal(strbuf_text(&first), "top");
}

/* Many of both, so that searches pass over neighbours of the same number. */
static void the_same_number_on_another_device_is_another_file(void **state)
{
    SCOPED(hardlinks) struct hardlinks *links = hardlinks_new(HARDLINKS_MAX_BYTES);
    SCOPED_STRBUF struct strbuf first = STRBUF_INIT;
    struct error err;
    char path[64];

    (void)state;
    for (int round = 0; round < 2; round++)
        for (dev_t dev = 1; dev <= 300; dev++)
            for (ino_t ino = 1; ino <= 40; ino++) {
                (void)snprintf(path, sizeof(path), "%ju-%ju", (uintmax_t)dev, (uintmax_t)ino);
                assert_int_equal(hardlinks_meet(links, dev, ino, round ? "x" : path, &first, &err), round);
                if (round)
                    assert_string_equal(strbuf_text(&first), path);
            }
}

static void a_hundred_thousand_files_are_all_found_again(void **state)
{
    SCOPED(hardlinks) struct hardlinks *links = hardlinks_new(HARDLINKS_MAX_BYTES);
    SCOPED_STRBUF struct strbuf first = STRBUF_INIT;
    struct error err;
    char path[64];

    (void)state;
    for (int round = 0; round < 2; round++)
        for (unsigned i = 0; i < 100000; i++) {
            (void)snprintf(path, sizeof(path), "folder-%u/%s%u", i / 100, i % 3 ? "" : "sub/", i);
            assert_int_equal(hardlinks_meet(links, 7, i * 8, round ? "elsewhere" : path, &first, &err),
                             round);
            if (round)
                assert_string_equal(strbuf_text(&first), path);
        }
}

static void memory_has_an_end_and_it_is_an_error(void **state)
{
    SCOPED(hardlinks) struct hardlinks *links = hardlinks_new((size_t)1 << 20);
    SCOPED_STRBUF struct strbuf first = STRBUF_INIT;
    struct error err;
    int answer = 0;
    ino_t ino = 0;

    (void)state;
    while (answer == 0 && ino < 1000000)
        answer = hardlinks_meet(links, 1, ++ino, "a/path/of/ordinary/length", &first, &err);
    assert_fails(answer, &err, ERR_EXHAUSTED, "hard links");
    assert_string_equal(err.reason, "TooManyHardLinks");
    assert_true(ino > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_path_is_remembered_and_told_to_the_others),
        cmocka_unit_test(the_same_number_on_another_device_is_another_file),
        cmocka_unit_test(a_hundred_thousand_files_are_all_found_again),
        cmocka_unit_test(memory_has_an_end_and_it_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
