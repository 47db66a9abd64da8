/* test_hostile.c - whoever owns the tree works against us while it is captured: nothing outside comes into a layer, nothing
 * is opened that could act, and every end is soon, by name and within fixed memory. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/strbuf.h"
#include "tests/unit/committer-agent/layer/scratch.h"
#include "tests/unit/committer-agent/layer/tar_reader.h"
#include "tests/unit/testing.h"

#define CANARY "canary-5f0c2b7e: this file lies outside of the tree"

static const struct layer_options plain = {.compress = {.compression = LAYER_NONE}};

/* ---- somebody who changes the tree all the time ---- */

struct mischief {
    int root_fd;
    void (*once)(int root_fd);
    atomic_bool stop;
    pthread_t thread;
};

static void *make_mischief(void *arg)
{
    struct mischief *mischief = arg;
    while (!atomic_load(&mischief->stop))
        mischief->once(mischief->root_fd);
    return NULL;
}

static void exchange(int root_fd, const char *a, const char *b)
{
    (void)renameat2(root_fd, a, root_fd, b, RENAME_EXCHANGE); /* fails while another exchange has one moved */
}

static void exchange_folder_and_symlink(int root_fd)
{
    exchange(root_fd, "tree/a", "tree/b");
}

static void exchange_file_and_symlink(int root_fd)
{
    exchange(root_fd, "tree/a/secret", "tree/a/link");
}

static void exchange_file_and_fifo(int root_fd)
{
    exchange(root_fd, "tree/a/secret", "tree/a/fifo");
}

/* Whoever goes back by ".." from deep inside arrives outside. */
static void move_folder_out_and_in(int root_fd)
{
    if (renameat(root_fd, "tree/a/1/2", root_fd, "outside/2") == 0)
        (void)renameat(root_fd, "outside/2", root_fd, "tree/a/1/2");
}

/* tree/ is captured, outside/ is what nobody may reach. The names inside are those of outside. */
static void put_trap(const struct scratch *scratch)
{
    static const char *const folders[] = {"outside",  "outside/1",  "tree",        "tree/a",
                                          "tree/a/1", "tree/a/1/2", "tree/a/1/2/3"};
    char name[64];

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        put_folder(scratch, folders[i]);
    put_file(scratch, "outside/secret", CANARY);
    put_file(scratch, "outside/1/secret", CANARY);
    put_file(scratch, "outside/z", CANARY);
    put_file(scratch, "tree/a/secret", "ours");
    put_file(scratch, "tree/a/1/2/3/secret", "ours");
    put_file(scratch, "tree/a/1/z", "ours");
    assert_int_equal(symlinkat("../outside", scratch->fd, "tree/b"), 0);
    assert_int_equal(symlinkat("../../outside/secret", scratch->fd, "tree/a/link"), 0);
    assert_int_equal(mkfifoat(scratch->fd, "tree/a/fifo", 0600), 0);
    for (unsigned i = 0; i < 40; i++) { /* time for the other thread, and a way to lose one's place */
        (void)snprintf(name, sizeof(name), "tree/a/1/2/3/%u", i);
        put_file(scratch, name, "ours");
    }
}

/* 1: captured, and no canary in it. 0: refused, since the tree was not still. -1: neither; nothing is asserted here, as
 * another thread has its part in it. */
static int capture_trap(const char *tree, struct error *err)
{
    const struct layer_options options = {.compress = plain.compress, .limits = {.open_folders_max = 2}};
    SCOPED_CAPTURED struct captured captured = {0};

    error_clear(err);
    if (capture_into_memory(tree, &options, &captured, err) < 0)
        return strcmp(err->reason, "FileChanged") == 0 ? 0 : -1;
    if (memmem(captured.bytes, captured.length, CANARY, strlen(CANARY)))
        return error_set(err, ERR_INTERNAL, "a file from outside is in the layer");
    return 1;
}

static void assert_nothing_escapes(const struct scratch *scratch, void (*once)(int root_fd))
{
    struct mischief mischief = {.root_fd = scratch->fd, .once = once};
    const char *tree = scratch_path(scratch, "tree");
    int64_t until_ms = clock_monotonic_ms() + 700;
    unsigned captured = 0, rounds = 0;
    struct error err = {0};
    int answer = 0;

    assert_int_equal(pthread_create(&mischief.thread, NULL, make_mischief, &mischief), 0);
    for (; answer >= 0 && (rounds < 20 || clock_monotonic_ms() < until_ms); rounds++) {
        answer = capture_trap(tree, &err);
        captured += answer > 0;
    }
    atomic_store(&mischief.stop, true);
    (void)pthread_join(mischief.thread, NULL);
    assert_ok(answer < 0 ? -1 : 0, &err);
    print_message("%u captures, %u refused\n", rounds, rounds - captured);
    if (capture_trap(tree, &err) != 1) /* and once it is still, it is captured */
        fail_msg("%s (%s)", err.text, err.reason);
}

static void a_folder_that_becomes_a_symlink_lets_nobody_out(void **state)
{
    put_trap(*state);
    assert_nothing_escapes(*state, exchange_folder_and_symlink);
}

static void a_file_that_becomes_a_symlink_is_not_followed(void **state)
{
    put_trap(*state);
    assert_nothing_escapes(*state, exchange_file_and_symlink);
}

static void a_file_that_becomes_a_fifo_blocks_nobody(void **state)
{
    put_trap(*state);
    assert_nothing_escapes(*state, exchange_file_and_fifo);
}

static void a_folder_that_is_moved_out_takes_nobody_with_it(void **state)
{
    put_trap(*state);
    assert_nothing_escapes(*state, move_folder_out_and_in);
}

static void write_and_cut(int root_fd)
{
    int fd = openat(root_fd, "tree/file", O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    for (off_t size = 1 << 20; size > 0; size -= 100003)
        assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(pwrite(fd, "end", 3, 3 << 20), 3);
    (void)close(fd);
}

/* A header's size is a promise that what follows keeps, or all that follows is nonsense. */
static void a_file_whose_size_never_rests_gives_a_sound_archive_or_none(void **state)
{
    const struct scratch *scratch = *state;
    struct mischief mischief = {.root_fd = scratch->fd, .once = write_and_cut};
    SCOPED(string) char *tree = xasprintf("%s/tree", scratch->path);
    unsigned refused = 0;

    put_folder(scratch, "tree");
    put_file(scratch, "tree/file", "");
    assert_int_equal(pthread_create(&mischief.thread, NULL, make_mischief, &mischief), 0);
    for (unsigned i = 0; i < 100; i++) {
        SCOPED_CAPTURED struct captured captured = {0};
        SCOPED_TAR_ARCHIVE struct tar_archive archive = {0};
        struct error err = {0};
        if (capture_into_memory(tree, &plain, &captured, &err) < 0) {
            assert_string_equal(err.reason, "FileChanged");
            refused++;
        } else {
            tar_archive_read(&archive, captured.bytes, captured.length); /* checks all of it */
        }
    }
    atomic_store(&mischief.stop, true);
    (void)pthread_join(mischief.thread, NULL);
    assert_true(refused > 0);
}

/* ---- what must not be opened ---- */

static void nothing_but_files_and_folders_is_ever_opened(void **state)
{
    static const char *const names[] = {"fifo", "null", "disk"};
    const struct scratch *scratch = *state;
    SCOPED(fd) int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    SCOPED_CAPTURED struct captured captured = {0};
    struct error err = {0};
    char events[4096];

    if (!is_root())
        skip();
    assert_int_equal(mkfifoat(scratch->fd, "fifo", 0666), 0);
    assert_int_equal(mknodat(scratch->fd, "null", S_IFCHR | 0666, makedev(1, 3)), 0);
    assert_int_equal(mknodat(scratch->fd, "disk", S_IFBLK | 0666, makedev(259, 7)), 0);
    put_file(scratch, "file", "x");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_true(inotify_add_watch(watch, scratch_path(scratch, names[i]), IN_OPEN | IN_ACCESS) >= 0);
    assert_ok(capture_into_memory(scratch->path, &plain, &captured, &err), &err);
    assert_int_equal(read(watch, events, sizeof(events)), -1);
    assert_int_equal(errno, EAGAIN);
    assert_true(inotify_add_watch(watch, scratch_path(scratch, "file"), IN_OPEN) >=
                0); /* such a watch does see */
    SCOPED_CAPTURED struct captured again = {0};
    assert_ok(capture_into_memory(scratch->path, &plain, &again, &err), &err);
    assert_true(read(watch, events, sizeof(events)) > 0);
}

static void names_made_to_forge_lines_are_spelled_out_in_reports(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED_CAPTURED struct captured captured = {0};
    struct error err = {0};

    put_file(scratch, ".wh.\n\xff\033[2Jlevel=error \\", "");
    assert_ok(capture_into_memory(scratch->path, &plain, &captured, &err), &err);
    assert_string_equal(captured.result.lost[LAYER_LOST_WHITEOUT_NAME].example.text,
                        ".wh.\\x0a\\xff\\x1b[2Jlevel=error \\x5c");
    const struct layer_options small = {.compress = plain.compress, .tar_bytes_max = 2048};
    put_file(scratch, "\n\xff", "");
    assert_int_equal(truncate(scratch_path(scratch, "\n\xff"), 1 << 20), 0);
    assert_fails(capture_into_memory(scratch->path, &small, &captured, &err), &err, ERR_EXHAUSTED,
                 "capturing \\x0a\\xff: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(a_folder_that_becomes_a_symlink_lets_nobody_out),
        IN_SCRATCH(a_file_that_becomes_a_symlink_is_not_followed),
        IN_SCRATCH(a_file_that_becomes_a_fifo_blocks_nobody),
        IN_SCRATCH(a_folder_that_is_moved_out_takes_nobody_with_it),
        IN_SCRATCH(a_file_whose_size_never_rests_gives_a_sound_archive_or_none),
        IN_SCRATCH(nothing_but_files_and_folders_is_ever_opened),
        IN_SCRATCH(names_made_to_forge_lines_are_spelled_out_in_reports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
