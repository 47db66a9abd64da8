#include "committer-agent/layer/names.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "scratch.h"
#include "tests/unit/testing.h"

enum { MANY = 3000 };

/* Names of all lengths up to 255, in an order that has nothing to do with the alphabet. */
static void put_many(const struct scratch *scratch)
{
    for (unsigned i = 0; i < MANY; i++) {
        char name[NAMES_NAME_MAX + 1];
        size_t length = 8 + i % (NAMES_NAME_MAX - 7);
        memset(name, "ab\xc3\x7f"[i % 4], length);
        name[length] = '\0';
        char digits[9];
        (void)snprintf(digits, sizeof(digits), "%08u", i * 2654435761u % 100000000u);
        memcpy(name + i % (length - 7), digits, 8);
        int fd = openat(scratch->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        (void)close(fd);
    }
}

/* All names, in as many batches as the budget makes necessary. */
static unsigned read_in_batches(int dir_fd, size_t budget_bytes, char (*ret_names)[NAMES_NAME_MAX + 1],
                                unsigned *ret_batches)
{
    struct names names;
    size_t folder;
    struct error err;
    unsigned count = 0;

    *ret_batches = 1;
    names_init(&names);
    assert_ok(names_read(&names, &(struct names_folders){&dir_fd, 1}, "", budget_bytes, &err), &err);
    for (;;) {
        assert_true(names_held_bytes(&names) <= budget_bytes);
        for (const char *name; (name = names_next(&names, &folder)); count++) {
            assert_true(count < MANY);
            strcpy(ret_names[count], name);
        }
        if (!names.more)
            break;
        assert_ok(names_read(&names, &(struct names_folders){&dir_fd, 1}, names.ceiling, budget_bytes, &err),
                  &err);
        ++*ret_batches;
    }
    names_done(&names);
    return count;
}

static void names_come_sorted_by_bytes_without_the_dots(void **state)
{
    const struct scratch *scratch = *state;
    static const char *const want[] = {" ", "...", "A", "B.txt", "a", "a-b", "aa", "\xc3\xa4", "\xff"};
    struct names names;
    size_t folder;
    struct error err;

    for (size_t i = sizeof(want) / sizeof(want[0]); i-- > 0;)
        put_file(scratch, want[i], "");
    names_init(&names);
    assert_ok(names_read(&names, &(struct names_folders){&scratch->fd, 1}, "", 4096, &err), &err);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_string_equal(names_next(&names, &folder), want[i]);
    assert_null(names_next(&names, &folder));
    assert_false(names.more);
    names_done(&names);
}

static void any_budget_gives_the_same_names_in_the_same_order(void **state)
{
    static char all[MANY][NAMES_NAME_MAX + 1], batched[MANY][NAMES_NAME_MAX + 1];
    static const size_t budgets[] = {NAMES_BUDGET_MIN, 5000, 65536, 300000};
    const struct scratch *scratch = *state;
    unsigned batches;

    put_many(scratch);
    assert_int_equal(read_in_batches(scratch->fd, (size_t)16 << 20, all, &batches), MANY);
    assert_int_equal(batches, 1);
    for (unsigned i = 1; i < MANY; i++)
        assert_true(strcmp(all[i - 1], all[i]) < 0);
    for (size_t b = 0; b < sizeof(budgets) / sizeof(budgets[0]); b++) {
        assert_int_equal(read_in_batches(scratch->fd, budgets[b], batched, &batches), MANY);
        assert_true(batches > 1);
        assert_memory_equal(all, batched, sizeof(all));
    }
}

/* Each name once, and always with the first folder that has it, whatever the budget. */
static void several_folders_are_read_as_one(void **state)
{
    static const size_t budgets[] = {NAMES_BUDGET_MIN, 5000, 300000};
    const struct scratch *scratch = *state;
    int fds[3];

    for (unsigned i = 0; i < 3; i++) {
        char folder[2] = {(char)('0' + i), '\0'};
        put_folder(scratch, folder);
        for (unsigned n = 0; n < 60; n++) {
            char name[128];
            (void)snprintf(name, sizeof(name), "%u/%0*u", i, 2 + (int)n, n * 7 % 60);
            if (n % (i + 2) == 0)
                put_file(scratch, name, "");
        }
        fds[i] = openat(scratch->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fds[i] >= 0);
    }
    const struct names_folders folders = {fds, 3};
    for (size_t b = 0; b < sizeof(budgets) / sizeof(budgets[0]); b++) {
        struct names names;
        struct error err;
        char last[NAMES_NAME_MAX + 1] = "";
        size_t folder;
        unsigned count = 0;
        names_init(&names);
        assert_ok(names_read(&names, &folders, "", budgets[b], &err), &err);
        for (;;) {
            for (const char *name; (name = names_next(&names, &folder)); count++) {
                assert_true(strcmp(last, name) < 0);
                for (size_t i = 0; i <= folder; i++)
                    assert_int_equal(faccessat(fds[i], name, F_OK, 0), i == folder ? 0 : -1);
                strcpy(last, name);
            }
            if (!names.more)
                break;
            assert_ok(names_read(&names, &folders, names.ceiling, budgets[b], &err), &err);
        }
        assert_int_equal(count, 40); /* of 0..59 those that 2, 3 or 4 divides */
        names_done(&names);
    }
    for (unsigned i = 0; i < 3; i++)
        (void)close(fds[i]);
}

static void reading_starts_behind_a_name_whether_it_exists_or_not(void **state)
{
    const struct scratch *scratch = *state;
    struct names names;
    size_t folder;
    struct error err;

    put_file(scratch, "a", "");
    put_file(scratch, "c", "");
    names_init(&names);
    assert_ok(names_read(&names, &(struct names_folders){&scratch->fd, 1}, "a", 4096, &err), &err);
    assert_string_equal(names_next(&names, &folder), "c");
    assert_ok(names_read(&names, &(struct names_folders){&scratch->fd, 1}, "b", 4096, &err), &err);
    assert_string_equal(names_next(&names, &folder), "c");
    assert_ok(names_read(&names, &(struct names_folders){&scratch->fd, 1}, "c", 4096, &err), &err);
    assert_null(names_next(&names, &folder));
    names_done(&names);
}

static void an_empty_folder_has_no_names(void **state)
{
    const struct scratch *scratch = *state;
    struct names names;
    size_t folder;
    struct error err;

    names_init(&names);
    assert_ok(names_read(&names, &(struct names_folders){&scratch->fd, 1}, "", 4096, &err), &err);
    assert_null(names_next(&names, &folder));
    names_done(&names);
}

static void what_is_not_a_folder_fails(void **state)
{
    const struct scratch *scratch = *state;
    struct names names;
    struct error err;

    put_file(scratch, "file", "");
    int fd = openat(scratch->fd, "file", O_RDONLY | O_CLOEXEC);
    names_init(&names);
    assert_fails(names_read(&names, &(struct names_folders){&fd, 1}, "", 4096, &err), &err, ERR_INVALID,
                 "listing");
    names_done(&names);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(names_come_sorted_by_bytes_without_the_dots),
        IN_SCRATCH(any_budget_gives_the_same_names_in_the_same_order),
        IN_SCRATCH(several_folders_are_read_as_one),
        IN_SCRATCH(reading_starts_behind_a_name_whether_it_exists_or_not),
        IN_SCRATCH(an_empty_folder_has_no_names),
        IN_SCRATCH(what_is_not_a_folder_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
