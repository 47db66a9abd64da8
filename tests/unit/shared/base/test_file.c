#include "shared/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/cleanup.h"
#include "tests/unit/testing.h"

/* Each test lives in an empty folder of its own, which is the current one. */
static int enter_folder(void **state)
{
    char *folder = strdup("/tmp/stasis-test-file.XXXXXX");
    *state = folder;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char child[600];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
        remove_tree(child);
    }
    if (dir)
        (void)closedir(dir);
    (void)remove(path);
}

static int leave_folder(void **state)
{
    int left = chdir("/");
    remove_tree(*state);
    free(*state);
    return left;
}

static int count_entries(const char *path)
{
    int count = 0;
    DIR *dir = opendir(path);
    while (readdir(dir))
        count++;
    (void)closedir(dir);
    return count - 2; /* . and .. */
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

/* ---- writing and reading ---- */

static void what_was_written_is_read(void **state)
{
    SCOPED_STRBUF struct strbuf buf = STRBUF_INIT;
    struct error err;
    (void)state;

    assert_ok(file_write_atomic("journal", "a\0b", 3, 0640, &err), &err);
    assert_int_equal(mode_of("journal"), 0640);
    assert_ok(file_read("journal", 100, &buf, &err), &err);
    assert_int_equal(buf.length, 3);
    assert_memory_equal(buf.bytes, "a\0b", 4);
}

static void the_mode_is_the_given_one_whatever_the_umask(void **state)
{
    struct error err;
    (void)state;

    mode_t before = umask(0077);
    assert_ok(file_write_atomic("open", "", 0, 0666, &err), &err);
    assert_ok(dir_ensure("wide/open", 0755, &err), &err);
    (void)umask(before);
    assert_int_equal(mode_of("open"), 0666);
    assert_int_equal(mode_of("wide"), 0755);
    assert_int_equal(mode_of("wide/open"), 0755);
}

static void a_write_replaces_the_file_and_leaves_nothing_beside_it(void **state)
{
    SCOPED_STRBUF struct strbuf buf = STRBUF_INIT;
    struct error err;
    (void)state;

    assert_ok(file_write_atomic("./f", "old and longer", 14, 0600, &err), &err);
    assert_ok(file_write_atomic("./f", "new", 3, 0600, &err), &err);
    assert_ok(file_read("f", 100, &buf, &err), &err);
    assert_string_equal(buf.bytes, "new");
    assert_int_equal(count_entries("."), 1);
}

static void who_reads_during_a_write_sees_the_old_file(void **state)
{
    struct error err;
    char seen[16] = {0};
    (void)state;

    assert_ok(file_write_atomic("f", "old", 3, 0600, &err), &err);
    SCOPED(fd) int fd = open("f", O_RDONLY);
    assert_ok(file_write_atomic("f", "new", 3, 0600, &err), &err);
    assert_int_equal(read(fd, seen, sizeof(seen)), 3);
    assert_string_equal(seen, "old");
}

static void a_write_that_fails_leaves_nothing(void **state)
{
    struct error err;
    (void)state;

    assert_fails(file_write_atomic("no/such/f", "x", 1, 0600, &err), &err, ERR_NOT_FOUND,
                 "writing no/such/f: ");
    assert_ok(dir_ensure("folder/full", 0700, &err), &err);
    assert_fails(file_write_atomic("folder", "x", 1, 0600, &err), &err, ERR_INVALID,
                 "writing folder: rename: ");
    assert_int_equal(count_entries("."), 1);
}

static void a_file_may_be_as_large_as_the_limit(void **state)
{
    SCOPED_STRBUF struct strbuf buf = STRBUF_INIT;
    struct error err;
    (void)state;

    assert_ok(file_write_atomic("f", "0123456789", 10, 0600, &err), &err);
    assert_ok(file_read("f", 10, &buf, &err), &err);
    assert_string_equal(buf.bytes, "0123456789");
    assert_fails(file_read("f", 9, &buf, &err), &err, ERR_EXHAUSTED, "f: larger than 9 bytes");
    assert_fails(file_read("f", 0, &buf, &err), &err, ERR_EXHAUSTED, "larger than 0 bytes");
    assert_string_equal(buf.bytes, "0123456789"); /* a failure leaves what was there */
    assert_ok(file_read("f", SIZE_MAX, &buf, &err), &err);
    assert_string_equal(buf.bytes, "0123456789");
}

static void an_empty_file_is_an_empty_text(void **state)
{
    SCOPED_STRBUF struct strbuf buf = STRBUF_INIT;
    struct error err;
    (void)state;

    assert_ok(file_write_atomic("f", "", 0, 0600, &err), &err);
    assert_ok(file_read("f", 0, &buf, &err), &err);
    assert_string_equal(buf.bytes, "");
}

/* /proc says size 0, so every byte comes as a surprise. */
static void a_file_that_lies_about_its_size_is_read_whole(void **state)
{
    SCOPED_STRBUF struct strbuf buf = STRBUF_INIT;
    struct error err;
    (void)state;

    assert_ok(file_read("/proc/self/status", 1 << 20, &buf, &err), &err);
    assert_contains(buf.bytes, "nonvoluntary_ctxt_switches"); /* its last line */
    assert_fails(file_read("/proc/self/status", 100, &buf, &err), &err, ERR_EXHAUSTED,
                 "larger than 100 bytes");
}

/* A pipe has no size at all, and more bytes than one read brings. */
static void what_has_no_size_is_read_until_its_end(void **state)
{
    static char bytes[60000];
    SCOPED_STRBUF struct strbuf buf = STRBUF_INIT;
    struct error err;
    int ends[2];
    char path[64];
    (void)state;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], bytes, sizeof(bytes)), sizeof(bytes)); /* fits a pipe's 64 KiB */
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
    (void)close(ends[1]);
    assert_ok(file_read(path, sizeof(bytes), &buf, &err), &err);
    assert_int_equal(buf.length, sizeof(bytes));
    assert_memory_equal(buf.bytes, bytes, sizeof(bytes));
    (void)close(ends[0]);
}

static void files_of_any_length_come_back(void **state)
{
    struct error err;
    char bytes[5000];
    (void)state;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7);
    for (size_t length = 0; length < sizeof(bytes); length = length * 2 + 1) {
        SCOPED_STRBUF struct strbuf buf = STRBUF_INIT;
        assert_ok(file_write_atomic("f", bytes, length, 0600, &err), &err);
        assert_ok(file_read("f", length, &buf, &err), &err);
        assert_int_equal(buf.length, length);
        assert_memory_equal(buf.bytes, bytes, length);
    }
}

static void a_missing_file_is_not_found(void **state)
{
    struct strbuf buf = STRBUF_INIT;
    struct error err;
    (void)state;

    assert_fails(file_read("absent", 10, &buf, &err), &err, ERR_NOT_FOUND, "absent: No such file");
    assert_int_equal(err.sys_errno, ENOENT);
    assert_null(buf.bytes);
}

static void removing_twice_is_removing_once(void **state)
{
    struct error err;
    (void)state;

    assert_ok(file_write_atomic("f", "x", 1, 0600, &err), &err);
    assert_ok(file_remove_durable("f", &err), &err);
    assert_int_equal(count_entries("."), 0);
    assert_ok(file_remove_durable("f", &err), &err);
    assert_ok(dir_ensure("d", 0700, &err), &err);
    assert_fails(file_remove_durable("d", &err), &err, ERR_INVALID, "removing d: ");
}

/* ---- folders ---- */

static void folders_are_made_down_to_the_last(void **state)
{
    static const char *const rows[] = {"a", "a/b/c", "a/b/c", "x//y/", "./z/./w"};
    struct error err;
    char absolute[600];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_ok(dir_ensure(rows[i], 0710, &err), &err);
        assert_int_equal(mode_of(rows[i]), 0710);
    }
    (void)snprintf(absolute, sizeof(absolute), "%s/from/the/root", (const char *)*state);
    assert_ok(dir_ensure(absolute, 0700, &err), &err);
    assert_int_equal(mode_of("from/the/root"), 0700);
    assert_ok(dir_ensure("/", 0700, &err), &err);
}

static void a_folder_that_was_there_keeps_its_mode(void **state)
{
    struct error err;
    (void)state;

    assert_int_equal(mkdir("mine", 0750), 0);
    mode_t before = mode_of("mine");
    assert_ok(dir_ensure("mine/theirs", 0700, &err), &err);
    assert_int_equal(mode_of("mine"), before);
}

static void a_file_in_the_way_is_named(void **state)
{
    struct error err;
    (void)state;

    assert_ok(file_write_atomic("f", "x", 1, 0600, &err), &err);
    assert_fails(dir_ensure("f", 0700, &err), &err, ERR_INVALID, "folder f: Not a directory");
    assert_fails(dir_ensure("f/g", 0700, &err), &err, ERR_INVALID, "folder f: Not a directory");
}

/* ---- locks ---- */

/* Another process tries to take the lock: its exit status is the error code, or 0. */
static int code_of_a_second_taker(const char *path)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct error err = {0};
        int fd;
        _exit(file_lock(path, &fd, &err) < 0 ? (int)err.code : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_lock_keeps_other_processes_out_until_it_is_closed(void **state)
{
    struct error err;
    int fd = -1, second = -1;
    (void)state;

    assert_ok(file_lock("lock", &fd, &err), &err);
    assert_int_equal(mode_of("lock") & 077, 0);
    assert_int_equal(code_of_a_second_taker("lock"), ERR_UNAVAILABLE);
    assert_fails(file_lock("lock", &second, &err), &err, ERR_UNAVAILABLE,
                 "lock: another running process holds it");
    assert_int_equal(second, -1);
    (void)close(fd);
    assert_int_equal(code_of_a_second_taker("lock"), 0);
}

static void a_lock_that_cannot_be_made_is_an_error(void **state)
{
    struct error err;
    int fd = -1;
    (void)state;

    assert_fails(file_lock("no/such/lock", &fd, &err), &err, ERR_NOT_FOUND, "lock file no/such/lock: ");
    assert_int_equal(symlink("elsewhere", "link"), 0);
    assert_int_equal(file_lock("link", &fd, &err), -1);
    assert_int_equal(access("elsewhere", F_OK), -1);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(what_was_written_is_read),
        IN_A_FOLDER(the_mode_is_the_given_one_whatever_the_umask),
        IN_A_FOLDER(a_write_replaces_the_file_and_leaves_nothing_beside_it),
        IN_A_FOLDER(who_reads_during_a_write_sees_the_old_file),
        IN_A_FOLDER(a_write_that_fails_leaves_nothing),
        IN_A_FOLDER(a_file_may_be_as_large_as_the_limit),
        IN_A_FOLDER(an_empty_file_is_an_empty_text),
        IN_A_FOLDER(a_file_that_lies_about_its_size_is_read_whole),
        IN_A_FOLDER(what_has_no_size_is_read_until_its_end),
        IN_A_FOLDER(files_of_any_length_come_back),
        IN_A_FOLDER(a_missing_file_is_not_found),
        IN_A_FOLDER(removing_twice_is_removing_once),
        IN_A_FOLDER(folders_are_made_down_to_the_last),
        IN_A_FOLDER(a_folder_that_was_there_keeps_its_mode),
        IN_A_FOLDER(a_file_in_the_way_is_named),
        IN_A_FOLDER(a_lock_keeps_other_processes_out_until_it_is_closed),
        IN_A_FOLDER(a_lock_that_cannot_be_made_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
