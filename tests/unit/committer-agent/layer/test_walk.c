#include "committer-agent/layer/walk.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "scratch.h"
#include "shared/base/strbuf.h"
#include "tests/unit/testing.h"

static const struct walk_limits tight = {.open_folders_max = 2, .names_budget_bytes = 4096};

/* "path\n" for each entry. */
static void walk_all(int root_fd, const struct walk_limits *limits, struct strbuf *ret_paths)
{
    SCOPED(walk) struct walk *walk = walk_new(&(struct walk_roots){.fds = &root_fd, .count = 1}, limits);
    struct walk_entry entry;
    struct error err;
    int more;

    strbuf_reset(ret_paths);
    while ((more = walk_next(walk, &entry, &err)) > 0) {
        (void)strbuf_adds(ret_paths, entry.path);
        (void)strbuf_adds(ret_paths, "\n");
    }
    assert_ok(more, &err);
}

static int walk_to_the_end(int root_fd, const struct walk_limits *limits, struct error *err)
{
    SCOPED(walk) struct walk *walk = walk_new(&(struct walk_roots){.fds = &root_fd, .count = 1}, limits);
    struct walk_entry entry;
    int more;

    while ((more = walk_next(walk, &entry, err)) > 0)
        continue;
    return more;
}

static void folders_come_before_their_content_and_names_are_sorted(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED_STRBUF struct strbuf paths = STRBUF_INIT;

    put_folder(scratch, "b");
    put_file(scratch, "b/z", "");
    put_file(scratch, "b/a", "");
    put_folder(scratch, "b/m");
    put_file(scratch, "b/m/x", "");
    put_folder(scratch, "c");
    put_file(scratch, "b.txt", "");
    put_file(scratch, "\xff", "");
    put_file(scratch, "a", "");
    walk_all(scratch->fd, &(struct walk_limits){0}, &paths);
    assert_string_equal(strbuf_text(&paths), "\na\nb\nb/a\nb/m\nb/m/x\nb/z\nb.txt\nc\n\xff\n");
}

static void each_entry_is_shown_with_its_own_attributes_and_depth(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED(walk) struct walk *walk = NULL;
    struct walk_entry entry;
    struct error err;

    put_folder(scratch, "d");
    put_file(scratch, "d/file", "12345");
    walk = walk_new(&(struct walk_roots){.fds = &scratch->fd, .count = 1}, &(struct walk_limits){0});
    assert_int_equal(walk_next(walk, &entry, &err), 1);
    assert_string_equal(entry.name, "");
    assert_int_equal(entry.depth, 0);
    assert_true(S_ISDIR(entry.st.st_mode));
    assert_int_equal(walk_next(walk, &entry, &err), 1);
    assert_int_equal(entry.depth, 1);
    assert_int_equal(walk_next(walk, &entry, &err), 1);
    assert_string_equal(entry.name, "file");
    assert_string_equal(entry.path, "d/file");
    assert_int_equal(entry.depth, 2);
    assert_int_equal(entry.st.st_size, 5);
    assert_int_equal(walk_next(walk, &entry, &err), 0);
    assert_int_equal(walk_next(walk, &entry, &err), 0);
}

static void a_folder_that_is_skipped_shows_no_content(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED(walk) struct walk *walk = NULL;
    struct walk_entry entry;
    struct error err;
    unsigned count = 0;

    put_folder(scratch, "d");
    put_file(scratch, "d/file", "");
    put_file(scratch, "e", "");
    walk = walk_new(&(struct walk_roots){.fds = &scratch->fd, .count = 1}, &(struct walk_limits){0});
    for (; walk_next(walk, &entry, &err) > 0; count++)
        if (strcmp(entry.path, "d") == 0)
            walk_skip_children(walk);
        else
            assert_string_not_equal(entry.path, "d/file");
    assert_int_equal(count, 3);
}

static void nothing_blocks_and_nothing_is_followed(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED_STRBUF struct strbuf paths = STRBUF_INIT;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", scratch->path);
    assert_int_equal(bind(sock, (struct sockaddr *)&address, sizeof(address)), 0);
    (void)close(sock);
    assert_int_equal(mkfifoat(scratch->fd, "fifo", 0600), 0);
    assert_int_equal(symlinkat("/etc", scratch->fd, "absolute"), 0);
    assert_int_equal(symlinkat("..", scratch->fd, "up"), 0);
    assert_int_equal(symlinkat("loop", scratch->fd, "loop"), 0);
    put_whiteout(scratch, "whiteout");
    walk_all(scratch->fd, &(struct walk_limits){0}, &paths);
    assert_string_equal(strbuf_text(&paths), "\nabsolute\nfifo\nloop\nsocket\nup\nwhiteout\n");
}

/* Folders of 100-byte names inside each other; the paths of the last are far beyond PATH_MAX. */
static void put_deep(const struct scratch *scratch, unsigned depth)
{
    char name[101];
    int fd = dup(scratch->fd);

    memset(name, 'n', 100);
    name[100] = '\0';
    for (unsigned i = 0; i < depth; i++) {
        assert_int_equal(mkdirat(fd, name, 0755), 0);
        assert_int_equal(mkdirat(fd, "a", 0755), 0);
        assert_int_equal(mkdirat(fd, "z", 0755), 0);
        int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        (void)close(fd);
        fd = next;
    }
    (void)close(fd);
}

static void depth_costs_neither_descriptors_nor_correctness(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED(walk) struct walk *walk = NULL;
    struct walk_entry entry;
    struct error err;
    unsigned before = open_descriptors(), count = 0, most = 0;
    int more;

    put_deep(scratch, 120);
    walk = walk_new(&(struct walk_roots){.fds = &scratch->fd, .count = 1}, &tight);
    for (; (more = walk_next(walk, &entry, &err)) > 0; count++) {
        unsigned now = open_descriptors();
        most = now > most ? now : most;
    }
    assert_ok(more, &err);
    assert_int_equal(count, 1 + 3 * 120);
    assert_true(most <= before + 4); /* root, two folders, the entry */
}

/* A law: no limit on memory or descriptors changes what is seen. */
static void tight_limits_change_nothing_but_speed(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED_STRBUF struct strbuf loose_paths = STRBUF_INIT, tight_paths = STRBUF_INIT;
    char path[200];

    for (unsigned a = 0; a < 12; a++) {
        (void)snprintf(path, sizeof(path), "folder-%u", a);
        put_folder(scratch, path);
        for (unsigned b = 0; b < 30; b++) {
            (void)snprintf(path, sizeof(path), "folder-%u/%u-%080u", a, b * 7 % 30, b);
            if (b % 5)
                put_file(scratch, path, "");
            else
                put_folder(scratch, path);
            for (unsigned c = 0; b % 5 == 0 && c < 20; c++) {
                (void)snprintf(path, sizeof(path), "folder-%u/%u-%080u/%u-%060u", a, b * 7 % 30, b,
                               c * 3 % 20, c);
                put_file(scratch, path, "");
            }
        }
    }
    walk_all(scratch->fd, &(struct walk_limits){0}, &loose_paths);
    walk_all(scratch->fd, &tight, &tight_paths);
    assert_int_equal(loose_paths.length, tight_paths.length);
    assert_string_equal(strbuf_text(&loose_paths), strbuf_text(&tight_paths));
}

static void every_limit_has_a_name(void **state)
{
    static const struct {
        struct walk_limits limits;
        const char *reason;
    } rows[] = {
        {{.depth_max = 2}, "TreeTooDeep"},
        {{.path_max_bytes = 4}, "PathTooLong"},
        {{.entries_max = 3}, "TooManyFiles"},
    };
    static const struct walk_limits just_enough = {.depth_max = 3, .path_max_bytes = 5, .entries_max = 4};
    const struct scratch *scratch = *state;
    struct error err = {0};

    put_folder(scratch, "a");
    put_folder(scratch, "a/b");
    put_folder(scratch, "a/b/c");
    assert_ok(walk_to_the_end(scratch->fd, &just_enough, &err), &err);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_fails(walk_to_the_end(scratch->fd, &rows[i].limits, &err), &err, ERR_EXHAUSTED, "");
        assert_string_equal(err.reason, rows[i].reason);
    }
}

static void an_entry_that_goes_away_says_that_the_tree_was_not_still(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED(walk) struct walk *walk = NULL;
    struct walk_entry entry;
    struct error err;

    put_file(scratch, "a", "");
    put_file(scratch, "b", "");
    walk = walk_new(&(struct walk_roots){.fds = &scratch->fd, .count = 1}, &(struct walk_limits){0});
    assert_int_equal(walk_next(walk, &entry, &err), 1);
    assert_int_equal(walk_next(walk, &entry, &err), 1);
    assert_int_equal(unlinkat(scratch->fd, "b", 0), 0);
    assert_fails(walk_next(walk, &entry, &err), &err, ERR_PRECONDITION, "b went away");
    assert_string_equal(err.reason, "FileChanged");
}

static void a_walk_goes_on_behind_what_went_away(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED(walk) struct walk *walk = NULL;
    struct walk_entry entry;
    struct error err;

    put_file(scratch, "0", "");
    put_file(scratch, "a", "");
    put_folder(scratch, "b");
    put_folder(scratch, "c");
    put_file(scratch, "c/file", "");
    walk = walk_new(&(struct walk_roots){.fds = &scratch->fd, .count = 1}, &(struct walk_limits){0});
    assert_int_equal(walk_next(walk, &entry, &err), 1);
    assert_int_equal(walk_next(walk, &entry, &err), 1); /* "0": by now the root is listed */
    assert_int_equal(unlinkat(scratch->fd, "a", 0), 0);
    assert_fails(walk_next(walk, &entry, &err), &err, ERR_PRECONDITION, "a went away");
    assert_int_equal(walk_next(walk, &entry, &err), 1);
    assert_string_equal(entry.path, "b");
    assert_int_equal(unlinkat(scratch->fd, "b", AT_REMOVEDIR), 0); /* before it is listed */
    assert_fails(walk_next(walk, &entry, &err), &err, ERR_NOT_FOUND, "b");
    assert_int_equal(walk_next(walk, &entry, &err), 1);
    assert_string_equal(entry.path, "c");
    assert_int_equal(walk_next(walk, &entry, &err), 1);
    assert_string_equal(entry.path, "c/file");
    assert_int_equal(walk_next(walk, &entry, &err), 0);
}

static void a_folder_that_is_moved_elsewhere_is_noticed_on_the_way_back(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED(walk) struct walk *walk = NULL;
    struct walk_entry entry;
    struct error err = {0};
    int more;

    put_folder(scratch, "a");
    put_folder(scratch, "a/b");
    put_folder(scratch, "a/b/c");
    put_file(scratch, "a/b/c/file", "");
    walk = walk_new(&(struct walk_roots){.fds = &scratch->fd, .count = 1},
                    &tight); /* "a" is closed while we are in "c" */
    while ((more = walk_next(walk, &entry, &err)) > 0)
        if (strcmp(entry.path, "a/b/c/file") == 0)
            assert_int_equal(renameat(scratch->fd, "a/b", scratch->fd, "stolen"), 0);
    assert_fails(more, &err, ERR_PRECONDITION, "was moved");
    assert_string_equal(err.reason, "FileChanged");
}

struct swapping {
    int root_fd;
    atomic_bool stop;
};

static void *swap_in_and_out(void *arg)
{
    struct swapping *swapping = arg;
    const int root_fd = swapping->root_fd;

    while (!atomic_load(&swapping->stop))
        if (renameat2(root_fd, "tree/a", root_fd, "outside/a", RENAME_EXCHANGE) < 0)
            break; /* then nothing moves, and the test has nothing to say */
    return NULL;
}

/* To openat2 it looks like a mount. Containers rename their folders while they are copied. */
static void a_folder_that_is_moved_while_it_is_opened_is_a_change_and_not_a_mount(void **state)
{
    const struct scratch *scratch = *state;
    struct swapping swapping = {.root_fd = scratch->fd};
    SCOPED(fd) int tree_fd = -1;
    struct error err = {0};
    pthread_t thread;
    int failed = 0;

    put_folder(scratch, "tree");
    put_folder(scratch, "tree/a");
    put_folder(scratch, "outside");
    put_folder(scratch, "outside/a");
    tree_fd = openat(scratch->fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(tree_fd >= 0);
    assert_int_equal(pthread_create(&thread, NULL, swap_in_and_out, &swapping), 0);
    for (int i = 0; i < 20000; i++) {
        error_clear(&err);
        if (walk_to_the_end(tree_fd, &(struct walk_limits){0}, &err) < 0 &&
            strcmp(err.reason, "FileChanged") != 0) {
            failed = -1;
            break;
        }
    }
    atomic_store(&swapping.stop, true);
    (void)pthread_join(thread, NULL);
    assert_ok(failed, &err);
}

static void a_mount_in_the_tree_is_not_entered(void **state)
{
    const struct scratch *scratch = *state;
    struct error err = {0};

    if (!is_root() || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        skip();
    put_folder(scratch, "mnt");
    assert_int_equal(mount("tmpfs", scratch_path(scratch, "mnt"), "tmpfs", 0, "size=1m"), 0);
    int root_fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* in the new mount namespace */
    int more = walk_to_the_end(root_fd, &(struct walk_limits){0}, &err);
    (void)close(root_fd);
    assert_int_equal(umount(scratch_path(scratch, "mnt")), 0);
    assert_fails(more, &err, ERR_UNSUPPORTED, "mnt is on another mount");
}

static void reopening_gives_the_same_file_even_under_another_name(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED(walk) struct walk *walk = NULL;
    struct walk_entry entry;
    struct error err;
    char buffer[8];
    int fd = -1;

    put_file(scratch, "a", "mine");
    walk = walk_new(&(struct walk_roots){.fds = &scratch->fd, .count = 1}, &(struct walk_limits){0});
    assert_int_equal(walk_next(walk, &entry, &err), 1);
    assert_int_equal(walk_next(walk, &entry, &err), 1);
    assert_int_equal(renameat(scratch->fd, "a", scratch->fd, "b"), 0);
    assert_int_equal(mkfifoat(scratch->fd, "a", 0600), 0); /* would block whoever opened it by name */
    assert_ok(walk_reopen(entry.fd, O_RDONLY, &fd, &err), &err);
    assert_int_equal(read(fd, buffer, sizeof(buffer)), 4);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(folders_come_before_their_content_and_names_are_sorted),
        IN_SCRATCH(each_entry_is_shown_with_its_own_attributes_and_depth),
        IN_SCRATCH(a_folder_that_is_skipped_shows_no_content),
        IN_SCRATCH(nothing_blocks_and_nothing_is_followed),
        IN_SCRATCH(depth_costs_neither_descriptors_nor_correctness),
        IN_SCRATCH(tight_limits_change_nothing_but_speed),
        IN_SCRATCH(every_limit_has_a_name),
        IN_SCRATCH(an_entry_that_goes_away_says_that_the_tree_was_not_still),
        IN_SCRATCH(a_walk_goes_on_behind_what_went_away),
        IN_SCRATCH(a_folder_that_is_moved_elsewhere_is_noticed_on_the_way_back),
        IN_SCRATCH(a_folder_that_is_moved_while_it_is_opened_is_a_change_and_not_a_mount),
        IN_SCRATCH(a_mount_in_the_tree_is_not_entered),
        IN_SCRATCH(reopening_gives_the_same_file_even_under_another_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
