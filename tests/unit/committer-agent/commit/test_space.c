/* On a tmpfs of 16 MiB of our own, in a mount namespace that ends with the test. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "committer-agent/commit/space.h"
#include "tests/unit/testing.h"

#define MIB ((uint64_t)1 << 20)

static char dir[] = "/tmp/stasis-space-XXXXXX";

static int mount_disk(void **state)
{
    (void)state;
    if (!mkdtemp(dir) || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("stasis-test", dir, "tmpfs", 0, "size=16m,nr_inodes=200") < 0) {
        (void)rmdir(dir);
        print_message("cannot mount a tmpfs here: skipped\n");
        _exit(77);
    }
    return 0;
}

static int unmount_disk(void **state)
{
    (void)state;
    return umount2(dir, MNT_DETACH) < 0 || rmdir(dir) < 0 ? -1 : 0;
}

static void fill(const char *name, uint64_t bytes)
{
    SCOPED(fd) int fd = -1;
    char path[64];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(posix_fallocate(fd, 0, (off_t)bytes), 0);
}

static void empty(const char *name)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(unlink(path), 0);
}

static struct space_claim *reserve(struct space *space, uint64_t bytes, const atomic_ullong *written)
{
    struct space_claim *claim = NULL;
    struct error err = {0};

    assert_ok(space_reserve(space, bytes, written, &claim, &err), &err);
    return claim;
}

static void assert_full(struct space *space, uint64_t bytes, const char *story)
{
    struct space_claim *claim = NULL;
    struct error err = {0};

    assert_fails(space_reserve(space, bytes, NULL, &claim, &err), &err, ERR_EXHAUSTED, story);
    assert_string_equal(err.reason, "DiskFull");
    assert_null(claim);
}

static void a_commit_leaves_the_node_its_air(void **state)
{
    SCOPED(space) struct space *space = space_new(dir, 4 * MIB);
    (void)state;

    space_release(reserve(space, 12 * MIB, NULL));
    assert_full(space, 13 * MIB,
                "16 MiB free; this commit wants 13 of them, running ones 0, and 4 must stay free");
}

static void what_running_commits_will_write_is_taken(void **state)
{
    SCOPED(space) struct space *space = space_new(dir, 4 * MIB);
    SCOPED(space_claim) struct space_claim *first = reserve(space, 7 * MIB, NULL);
    (void)state;

    assert_full(space, 6 * MIB, "running ones 7");
    SCOPED(space_claim) struct space_claim *second = reserve(space, 5 * MIB, NULL);
    assert_full(space, 1, "running ones 12");
    space_release(TAKE(first));
    assert_int_equal(space_promised_bytes(space), 5 * MIB);
    SCOPED(space_claim) struct space_claim *third = reserve(space, 7 * MIB, NULL);
    assert_non_null(third);
}

static void what_is_written_is_not_counted_twice(void **state)
{
    SCOPED(space) struct space *space = space_new(dir, 4 * MIB);
    atomic_ullong written = 1000; /* whatever it was before */
    SCOPED(space_claim) struct space_claim *first = reserve(space, 8 * MIB, &written);
    (void)state;

    fill("spool", 6 * MIB);
    atomic_fetch_add(&written, 6 * MIB);
    assert_int_equal(space_promised_bytes(space), 2 * MIB);
    space_release(reserve(space, 4 * MIB, NULL)); /* 10 free - 2 to come - 4 of air */
    assert_full(space, 4 * MIB + 1, "running ones 2");
    atomic_fetch_add(&written, 100 * MIB); /* more than expected: nothing is owed, nothing wraps */
    assert_int_equal(space_promised_bytes(space), 0);
    empty("spool");
}

static void files_that_cannot_be_made_are_no_space(void **state)
{
    SCOPED(space) struct space *space = space_new(dir, 0);
    char name[16];
    (void)state;

    for (int i = 0; i < 150; i++) {
        (void)snprintf(name, sizeof(name), "file%d", i);
        fill(name, 1);
    }
    assert_full(space, 1, "more files, want 64");
    for (int i = 0; i < 150; i++) {
        (void)snprintf(name, sizeof(name), "file%d", i);
        empty(name);
    }
}

static void absurd_sizes_do_not_wrap_around(void **state)
{
    SCOPED(space) struct space *space = space_new(dir, UINT64_MAX - 10);
    (void)state;

    assert_full(space, 11, "free");
    assert_full(space, UINT64_MAX, "free");
}

static void a_folder_that_is_not_there_is_told(void **state)
{
    SCOPED(space) struct space *space = space_new("/nonexistent/spool", 0);
    struct space_claim *claim = NULL;
    struct error err = {0};
    (void)state;

    assert_fails(space_reserve(space, 1, NULL, &claim, &err), &err, ERR_NOT_FOUND, "/nonexistent/spool");
}

/* However many ask at once, together they never get more than there is. */
enum { ASKERS = 8 };

struct asker {
    pthread_t thread;
    struct space *space;
    struct space_claim *claim;
};

static void *ask(void *arg)
{
    struct asker *asker = arg;
    struct error err;

    (void)space_reserve(asker->space, 3 * MIB, NULL, &asker->claim, &err);
    return NULL;
}

static void those_who_ask_at_once_do_not_share_bytes(void **state)
{
    SCOPED(space) struct space *space = space_new(dir, 4 * MIB);
    struct asker askers[ASKERS] = {0};
    int granted = 0;
    (void)state;

    for (int i = 0; i < ASKERS; i++) {
        askers[i].space = space;
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    for (int i = 0; i < ASKERS; i++) {
        assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
        granted += askers[i].claim != NULL;
    }
    assert_int_equal(granted, 4);
    assert_int_equal(space_promised_bytes(space), 12 * MIB);
    for (int i = 0; i < ASKERS; i++)
        space_release(askers[i].claim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_leaves_the_node_its_air),
        cmocka_unit_test(what_running_commits_will_write_is_taken),
        cmocka_unit_test(what_is_written_is_not_counted_twice),
        cmocka_unit_test(files_that_cannot_be_made_are_no_space),
        cmocka_unit_test(absurd_sizes_do_not_wrap_around),
        cmocka_unit_test(a_folder_that_is_not_there_is_told),
        cmocka_unit_test(those_who_ask_at_once_do_not_share_bytes),
    };
    return cmocka_run_group_tests(tests, mount_disk, unmount_disk);
}
