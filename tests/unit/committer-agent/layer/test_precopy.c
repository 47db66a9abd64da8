#include "committer-agent/layer/precopy.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "scratch.h"
#include "tests/unit/testing.h"

static const struct layer_options plain = {.compress = {.compression = LAYER_NONE}};

/* A pre-copy of a scratch folder, with a folder of its own for temporary files. */
struct copying {
    char dir[64];
    struct walk_roots roots;
    struct precopy *precopy;
};

static void copying_done(struct copying *copying)
{
    precopy_free(copying->precopy);
    assert_int_equal(rmdir(copying->dir), 0); /* so it has left nothing */
}
#define SCOPED_COPYING __attribute__((cleanup(copying_done)))

static struct copying new_copying(const struct scratch *scratch, const struct layer_options *options)
{
    struct copying copying = {.dir = "/tmp/stasis-precopy-XXXXXX",
                              .roots = {.fds = &scratch->fd, .count = 1}};
    struct error err = {0};

    assert_non_null(mkdtemp(copying.dir));
    assert_ok(precopy_new(copying.dir, options, &copying.precopy, &err), &err);
    return copying;
}

static void copy(struct copying *copying)
{
    struct error err = {0};
    assert_ok(precopy_copy(copying->precopy, &copying->roots, NULL, NULL, &err), &err);
}

static void read_back(struct spool *spool, struct captured *captured)
{
    SCOPED(spool_reader) struct spool_reader *reader = spool_reader_new(spool, 0);
    struct error err = {0};

    captured->length = 0;
    captured->bytes = malloc(captured->result.size_bytes + 1);
    assert_non_null(captured->bytes);
    for (size_t got = 1; got > 0; captured->length += got)
        assert_ok(spool_reader_read(reader, captured->bytes + captured->length,
                                    captured->result.size_bytes + 1 - captured->length, &got, &err),
                  &err);
}

/* The rest of the way: the tree is still now, and may change as soon as the layer is known. */
static struct captured finish(struct copying *copying)
{
    struct captured captured = {0};
    struct error err = {0};
    SCOPED(spool) struct spool *spool = NULL;

    assert_ok(precopy_freeze(copying->precopy, &copying->roots, NULL, NULL, &err), &err);
    assert_ok(spool_new(copying->dir, &spool, &err), &err);
    assert_ok(precopy_assemble(copying->precopy, spool, NULL, NULL, &captured.result, &err), &err);
    read_back(spool, &captured);
    assert_ok(spool_unlink(spool, &err), &err);
    return captured;
}

static void assert_same_layer(const struct captured *got, const struct captured *want)
{
    assert_int_equal(got->length, want->length);
    assert_memory_equal(got->bytes, want->bytes, want->length);
    assert_true(digest_equal(&got->result.diff_id, &want->result.diff_id));
    assert_true(digest_equal(&got->result.digest, &want->result.digest));
    assert_int_equal(got->result.tar_bytes, want->result.tar_bytes);
    assert_int_equal(got->result.size_bytes, want->result.size_bytes);
    assert_int_equal(got->result.files, want->result.files);
    for (enum layer_loss loss = 0; loss < LAYER_LOSS_MAX; loss++)
        assert_int_equal(got->result.lost[loss].count, want->result.lost[loss].count);
}

/* Finishes, and compares with an ordinary capture of the tree, which is still. */
static void assert_finishes_like_a_capture(struct copying *copying, const struct scratch *scratch,
                                           const struct layer_options *options)
{
    SCOPED_CAPTURED struct captured got = finish(copying), want = {0};
    struct error err = {0};

    assert_ok(capture_into_memory(scratch->path, options, &want, &err), &err);
    assert_same_layer(&got, &want);
}

/* Waits until what was written before is old enough to be trusted: nobody can set a ctime, so only time helps. */
static void let_settle(void)
{
    struct timespec until;

    assert_int_equal(clock_gettime(CLOCK_REALTIME, &until), 0);
    until.tv_nsec += (PRECOPY_SETTLED_MS + 20) * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) != 0)
        continue;
}

/* Else all is read when frozen, and there is nothing to count. */
static bool changes_are_noticed(const struct scratch *scratch)
{
    struct statfs fs;

    assert_int_equal(fstatfs(scratch->fd, &fs), 0);
    return fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == BTRFS_SUPER_MAGIC || fs.f_type == F2FS_SUPER_MAGIC ||
           fs.f_type == 0x58465342;
}

static void assert_reread(const struct copying *copying, const struct scratch *scratch, uint64_t files)
{
    if (changes_are_noticed(scratch))
        assert_int_equal(precopy_get_stats(copying->precopy).reread_files, files);
}

/* ---- trees ---- */

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16;
}

static void put_random_bytes(const struct scratch *scratch, const char *name, size_t length, unsigned *seed)
{
    SCOPED(fd) int fd = openat(scratch->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    unsigned char bytes[5000];

    assert_true(fd >= 0);
    for (size_t done = 0; done < length;) {
        size_t part = length - done < sizeof(bytes) ? length - done : sizeof(bytes);
        for (size_t i = 0; i < part; i++)
            bytes[i] = (unsigned char)next_random(seed);
        assert_int_equal(write(fd, bytes, part), part);
        done += part;
    }
}

/* A file with data at a few places. */
static void put_sparse(const struct scratch *scratch, const char *name, unsigned *seed)
{
    SCOPED(fd) int fd = openat(scratch->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    off_t size = (off_t)next_random(seed) * 40 + 1;

    assert_true(fd >= 0);
    for (unsigned i = next_random(seed) % 4; i > 0; i--)
        assert_int_equal(pwrite(fd, "data", 4, (off_t)next_random(seed) * 39), 4);
    assert_int_equal(ftruncate(fd, size), 0);
}

static void put_random_entry(const struct scratch *scratch, const char *name, const char *earlier,
                             unsigned *seed)
{
    switch (next_random(seed) % 8) {
    case 0:
        put_folder(scratch, name);
        break;
    case 1:
        put_sparse(scratch, name, seed);
        break;
    case 2:
        if (is_root())
            put_whiteout(scratch, name);
        break;
    case 3:
        assert_int_equal(symlinkat("../somewhere", scratch->fd, name), 0);
        break;
    case 4: /* of whatever is there and no folder */
        (void)!linkat(scratch->fd, earlier, scratch->fd, name, 0);
        break;
    case 5:
        put_file(scratch, name, "");
        break;
    default:
        put_random_bytes(scratch, name, next_random(seed) % 3 ? next_random(seed) % 3000 : 300000, seed);
        (void)setxattr(scratch_path(scratch, name), "user.note", seed, next_random(seed) % 4, 0);
    }
}

/* "7/31", "7", "7-b" or "7.b": a folder, and names that sort before and behind what is in it. */
static void random_name(char out[64], unsigned *seed)
{
    unsigned folder = next_random(seed) % 30, file = next_random(seed) % 60;

    switch (next_random(seed) % 4) {
    case 0:
        (void)snprintf(out, 64, "%u", folder);
        break;
    case 1:
        (void)snprintf(out, 64, "%u%c%c", folder, "-.0_"[file % 4], 'a' + file % 3);
        break;
    default:
        (void)snprintf(out, 64, "%u/%u", folder, file);
    }
}

static void put_random_tree(const struct scratch *scratch, unsigned *seed)
{
    char name[64], earlier[64] = "";

    for (unsigned i = 0; i < 80; i++) {
        struct stat st;
        random_name(name, seed);
        char *slash = strchr(name, '/');
        if (slash) {
            *slash = '\0';
            (void)mkdirat(scratch->fd, name, 0755); /* there already, or something else is */
            if (fstatat(scratch->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
                continue;
            *slash = '/';
        }
        if (fstatat(scratch->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            continue;
        put_random_entry(scratch, name, earlier, seed);
        (void)snprintf(earlier, sizeof(earlier), "%s", name);
    }
}

static void change_a_random_entry(const struct scratch *scratch, unsigned *seed)
{
    char name[64], other[64];

    random_name(name, seed);
    random_name(other, seed);
    switch (next_random(seed) % 6) {
    case 0:
        (void)unlinkat(scratch->fd, name, 0);
        break;
    case 1:
        (void)renameat(scratch->fd, name, scratch->fd, other);
        break;
    case 2:
        (void)!fchmodat(scratch->fd, name, next_random(seed) & 0777, 0);
        break;
    case 3:
        (void)!linkat(scratch->fd, name, scratch->fd, other, 0);
        break;
    default: {
        SCOPED(fd) int fd = openat(scratch->fd, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0)
            (void)!pwrite(fd, seed, sizeof(*seed), (off_t)(next_random(seed) % 1000));
    }
    }
}

/* ---- laws ---- */

static void a_still_tree_gives_the_bytes_of_a_frozen_capture(void **state)
{
    for (unsigned round = 0; round < 12; round++) {
        const struct layer_options options = {
            .compress = {.compression = round % 3 ? LAYER_NONE : LAYER_ZSTD}};
        unsigned seed = round + 1;
        void *inner;
        (void)state;
        assert_int_equal(scratch_setup(&inner), 0);
        put_random_tree(inner, &seed);
        let_settle();
        {
            SCOPED_COPYING struct copying copying = new_copying(inner, &options);
            copy(&copying);
            assert_finishes_like_a_capture(&copying, inner, &options);
            assert_reread(&copying, inner, 0);
        }
        assert_int_equal(scratch_teardown(&inner), 0);
    }
}

static void whatever_changes_after_the_copy_is_right_in_the_layer(void **state)
{
    for (unsigned round = 0; round < 12; round++) {
        unsigned seed = 1000 + round;
        void *inner;
        (void)state;
        assert_int_equal(scratch_setup(&inner), 0);
        put_random_tree(inner, &seed);
        let_settle();
        {
            SCOPED_COPYING struct copying copying = new_copying(inner, &plain);
            copy(&copying);
            for (unsigned i = 0; i < 60; i++)
                change_a_random_entry(inner, &seed);
            assert_finishes_like_a_capture(&copying, inner, &plain);
        }
        assert_int_equal(scratch_teardown(&inner), 0);
    }
}

/* ---- each kind of change ---- */

static void nothing(const struct scratch *scratch)
{
    (void)scratch;
}

static void append_a_byte(const struct scratch *scratch)
{
    SCOPED(fd) int fd = openat(scratch->fd, "file", O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "!", 1), 1);
}

static void overwrite_and_forge_the_mtime(const struct scratch *scratch)
{
    SCOPED(fd) int fd = openat(scratch->fd, "file", O_WRONLY | O_CLOEXEC);
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(pwrite(fd, "X", 1, 2), 1);
    assert_int_equal(futimens(fd, (struct timespec[2]){st.st_atim, st.st_mtim}), 0);
}

static void overwrite_through_a_mapping(const struct scratch *scratch)
{
    SCOPED(fd) int fd = openat(scratch->fd, "file", O_RDWR | O_CLOEXEC);
    char *bytes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    assert_ptr_not_equal(bytes, MAP_FAILED);
    bytes[2] = 'M';
    assert_int_equal(munmap(bytes, 4096), 0);
}

static void rename_another_over_it(const struct scratch *scratch)
{
    assert_int_equal(renameat(scratch->fd, "twin", scratch->fd, "file"), 0);
}

static void remove_it(const struct scratch *scratch)
{
    assert_int_equal(unlinkat(scratch->fd, "file", 0), 0);
}

static void replace_it_by_a_folder(const struct scratch *scratch)
{
    remove_it(scratch);
    put_folder(scratch, "file");
    put_file(scratch, "file/inside", "1");
}

static void create_two(const struct scratch *scratch)
{
    put_file(scratch, "a", "first of all");
    put_file(scratch, "z", "last of all");
}

static void change_the_mode(const struct scratch *scratch)
{
    assert_int_equal(fchmodat(scratch->fd, "file", 0600, 0), 0);
}

static void set_an_xattr(const struct scratch *scratch)
{
    assert_int_equal(setxattr(scratch_path(scratch, "file"), "user.late", "1", 1, 0), 0);
}

static void link_it(const struct scratch *scratch)
{
    assert_int_equal(linkat(scratch->fd, "file", scratch->fd, "a", 0), 0);
}

static void rename_its_folder(const struct scratch *scratch)
{
    assert_int_equal(renameat(scratch->fd, "folder", scratch->fd, "elsewhere"), 0);
}

static void make_it_a_hole(const struct scratch *scratch)
{
    SCOPED(fd) int fd = openat(scratch->fd, "file", O_WRONLY | O_CLOEXEC);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(ftruncate(fd, 20), 0);
}

static void every_kind_of_change_is_seen_and_read_again(void **state)
{
    static const struct {
        void (*change)(const struct scratch *scratch);
        unsigned reread_files;
    } rows[] = {
        {nothing, 0},
        {append_a_byte, 1},
        {overwrite_and_forge_the_mtime, 1},
        {overwrite_through_a_mapping, 1},
        {rename_another_over_it, 1}, /* its ctime has moved */
        {remove_it, 0},
        {replace_it_by_a_folder, 1},
        {create_two, 2},
        {change_the_mode, 1},
        {set_an_xattr, 1},
        {link_it, 1},
        {rename_its_folder, 1}, /* what is in it has another path */
        {make_it_a_hole, 1},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        void *inner;
        (void)state;
        assert_int_equal(scratch_setup(&inner), 0);
        put_file(inner, "file", "the same twenty bytes");
        put_file(inner, "twin", "not that twenty bytes");
        put_folder(inner, "folder");
        put_file(inner, "folder/file", "more");
        let_settle();
        {
            SCOPED_COPYING struct copying copying = new_copying(inner, &plain);
            copy(&copying);
            rows[i].change(inner);
            assert_finishes_like_a_capture(&copying, inner, &plain);
            assert_reread(&copying, inner, rows[i].reread_files);
        }
        assert_int_equal(scratch_teardown(&inner), 0);
    }
}

/* Its next write may come in the same tick of the clock. */
static void a_file_that_was_written_just_now_is_not_trusted(void **state)
{
    const struct scratch *scratch = *state;

    put_file(scratch, "old", "old");
    let_settle();
    SCOPED_COPYING struct copying copying = new_copying(scratch, &plain);
    put_file(scratch, "young", "young");
    copy(&copying);
    assert_finishes_like_a_capture(&copying, scratch, &plain);
    assert_reread(&copying, scratch, 1);
}

static void a_layer_below_another_is_copied_with_it(void **state)
{
    const struct scratch *scratch = *state;

    put_folder(scratch, "top");
    put_folder(scratch, "top/d");
    put_file(scratch, "top/d/both", "top");
    put_folder(scratch, "below");
    put_folder(scratch, "below/d");
    put_file(scratch, "below/d/both", "below");
    put_file(scratch, "below/d/only", "below");
    let_settle();
    SCOPED(fd) int top = openat(scratch->fd, "top", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    SCOPED(fd) int below = openat(scratch->fd, "below", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int fds[] = {top, below};
    struct captured want = {0};
    struct error err = {0};
    SCOPED(spool) struct spool *spool = NULL;
    SCOPED_COPYING struct copying copying = new_copying(scratch, &plain);
    copying.roots = (struct walk_roots){.fds = fds, .count = 2};
    copy(&copying);
    SCOPED_CAPTURED struct captured got = finish(&copying);
    assert_reread(&copying, scratch, 0);
    assert_ok(spool_new(copying.dir, &spool, &err), &err);
    assert_ok(layer_capture(&copying.roots, &plain, spool, NULL, NULL, &want.result, &err), &err);
    assert_ok(spool_unlink(spool, &err), &err);
    assert_true(digest_equal(&got.result.diff_id, &want.result.diff_id));
}

/* Nothing says there when a mapped page is written to. */
static void on_a_file_system_without_write_back_all_is_read_when_frozen(void **state)
{
    struct scratch memory = {.path = "/dev/shm/stasis-precopy-XXXXXX"};
    struct statfs fs;
    (void)state;

    if (statfs("/dev/shm", &fs) < 0 || fs.f_type != TMPFS_MAGIC)
        skip();
    assert_non_null(mkdtemp(memory.path));
    memory.fd = open(memory.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(memory.fd >= 0);
    put_file(&memory, "file", "some");
    let_settle();
    {
        SCOPED_COPYING struct copying copying = new_copying(&memory, &plain);
        copy(&copying);
        assert_finishes_like_a_capture(&copying, &memory, &plain);
        assert_int_equal(precopy_get_stats(copying.precopy).copied_files, 0);
        assert_int_equal(precopy_get_stats(copying.precopy).reread_files, 1);
    }
    assert_int_equal(unlinkat(memory.fd, "file", 0), 0);
    (void)close(memory.fd);
    assert_int_equal(rmdir(memory.path), 0);
}

/* ---- a tree that lives ---- */

#define WRITERS      3
#define MAPPED_BYTES ((size_t)64 << 10)

struct writer {
    pthread_t thread;
    atomic_bool *stop;
    unsigned char *bytes; /* mapped */
    const struct scratch *scratch;
    unsigned number;
};

/* Dirties page after page, at its own pace. */
static void *write_to_mapping(void *arg)
{
    const struct writer *writer = arg;

    for (unsigned seed = writer->number; !atomic_load(writer->stop);) {
        for (unsigned i = 0; i < 50; i++)
            ((volatile unsigned char *)writer->bytes)[next_random(&seed) % MAPPED_BYTES]++;
        if (writer->number % 2)
            (void)sched_yield();
    }
    return NULL;
}

/* Creates and removes, folders too. */
static void *stir(void *arg)
{
    const struct writer *writer = arg;
    int fd = writer->scratch->fd;

    while (!atomic_load(writer->stop)) {
        put_folder(writer->scratch, "m");
        put_file(writer->scratch, "m/x", "x");
        put_file(writer->scratch, "n", "n");
        assert_int_equal(renameat(fd, "n", fd, "o"), 0);
        assert_int_equal(unlinkat(fd, "m/x", 0), 0);
        assert_int_equal(unlinkat(fd, "m", AT_REMOVEDIR), 0);
    }
    return NULL;
}

static unsigned char *map_file(const struct scratch *scratch, const char *name)
{
    SCOPED(fd) int fd = openat(scratch->fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)MAPPED_BYTES), 0);
    unsigned char *bytes = mmap(NULL, MAPPED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(bytes, MAP_FAILED);
    return bytes;
}

/* All pages are dirty and writable when the copy begins, so that only write-back makes the next write be noticed. The
 * writers begin when the files are old enough to be trusted: their first look has them as unchanged for long. */
static void copy_beside_writers(const struct scratch *scratch)
{
    struct writer writers[WRITERS];
    atomic_bool stop = false;

    for (unsigned i = 0; i < WRITERS; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "mapped-%u", i);
        writers[i] = (struct writer){.stop = &stop, .number = i, .bytes = map_file(scratch, name)};
        memset(writers[i].bytes, (int)i, MAPPED_BYTES);
    }
    let_settle();
    SCOPED_COPYING struct copying copying = new_copying(scratch, &plain);
    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_to_mapping, &writers[i]), 0);
    copy(&copying);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
    assert_finishes_like_a_capture(&copying, scratch, &plain);
    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(munmap(writers[i].bytes, MAPPED_BYTES), 0);
}

static void writers_through_mappings_are_never_missed(void **state)
{
    const struct scratch *scratch = *state;

    for (unsigned round = 0; round < 25; round++)
        copy_beside_writers(scratch);
}

static void what_comes_and_goes_during_the_copy_does_no_harm(void **state)
{
    const struct scratch *scratch = *state;

    for (unsigned round = 0; round < 20; round++) {
        atomic_bool stop = false;
        struct writer stirrer = {.stop = &stop, .scratch = scratch};
        SCOPED_COPYING struct copying copying = new_copying(scratch, &plain);
        assert_int_equal(pthread_create(&stirrer.thread, NULL, stir, &stirrer), 0);
        copy(&copying);
        atomic_store(&stop, true);
        assert_int_equal(pthread_join(stirrer.thread, NULL), 0);
        assert_finishes_like_a_capture(&copying, scratch, &plain);
    }
}

/* ---- what can go wrong ---- */

static void each_step_can_be_cancelled(void **state)
{
    const struct scratch *scratch = *state;
    const bool cancelled = true;
    struct error err = {0};
    struct layer_result result;
    SCOPED(spool) struct spool *spool = NULL;

    put_file(scratch, "file", "some");
    let_settle();
    SCOPED_COPYING struct copying first = new_copying(scratch, &plain);
    assert_fails(precopy_copy(first.precopy, &first.roots, NULL, &cancelled, &err), &err, ERR_CANCELLED,
                 "cancelled");
    SCOPED_COPYING struct copying copying = new_copying(scratch, &plain);
    copy(&copying);
    assert_fails(precopy_freeze(copying.precopy, &copying.roots, NULL, &cancelled, &err), &err, ERR_CANCELLED,
                 "cancelled");
    SCOPED_COPYING struct copying last = new_copying(scratch, &plain);
    copy(&last);
    assert_ok(precopy_freeze(last.precopy, &last.roots, NULL, NULL, &err), &err);
    assert_ok(spool_new(last.dir, &spool, &err), &err);
    assert_fails(precopy_assemble(last.precopy, spool, NULL, &cancelled, &result, &err), &err, ERR_CANCELLED,
                 "cancelled");
    SCOPED(spool_reader) struct spool_reader *reader = spool_reader_new(spool, 0);
    size_t got;
    char byte;
    assert_fails(spool_reader_read(reader, &byte, 1, &got, &err), &err, ERR_CANCELLED, "cancelled");
    assert_ok(spool_unlink(spool, &err), &err);
}

static void limits_are_those_of_a_capture(void **state)
{
    const struct scratch *scratch = *state;
    struct error err = {0};
    const struct layer_options few = {.limits = {.entries_max = 2}}, little = {.tar_bytes_max = 2000};

    put_file(scratch, "a", "1");
    put_file(scratch, "b", "");
    SCOPED_COPYING struct copying many = new_copying(scratch, &few);
    assert_fails(precopy_copy(many.precopy, &many.roots, NULL, NULL, &err), &err, ERR_EXHAUSTED,
                 "more than 2");
    assert_string_equal(err.reason, "TooManyFiles");

    err = (struct error){0};
    assert_int_equal(truncate(scratch_path(scratch, "b"), (off_t)1 << 40), 0);
    let_settle();
    SCOPED_COPYING struct copying large = new_copying(scratch, &little);
    copy(&large); /* leaves out what has no room: it may be gone when it counts */
    assert_fails(precopy_freeze(large.precopy, &large.roots, NULL, NULL, &err), &err, ERR_EXHAUSTED,
                 "exceed 2000 bytes");
    assert_string_equal(err.reason, "LayerTooLarge");
}

/* On a disk of 1 MiB. The first file fits on it, both do not. */
static void fill_the_disk(const struct scratch *scratch, const char *disk)
{
    struct precopy *precopy = NULL;
    struct walk_roots roots = {.fds = &scratch->fd, .count = 1};
    struct error err = {0};
    unsigned seed = 7;

    assert_ok(precopy_new(disk, &plain, &precopy, &err), &err);
    put_random_bytes(scratch, "a", 600000, &seed);
    let_settle();
    assert_ok(precopy_copy(precopy, &roots, NULL, NULL, &err), &err);
    put_random_bytes(scratch, "b", 600000, &seed);
    assert_fails(precopy_freeze(precopy, &roots, NULL, NULL, &err), &err, ERR_EXHAUSTED, "temporary file");
    assert_string_equal(err.reason, "DiskFull");
    precopy_free(precopy);

    if (!changes_are_noticed(scratch))
        return;
    err = (struct error){0};
    let_settle();
    assert_ok(precopy_new(disk, &plain, &precopy, &err), &err);
    assert_fails(precopy_copy(precopy, &roots, NULL, NULL, &err), &err, ERR_EXHAUSTED, "temporary file");
    assert_string_equal(err.reason, "DiskFull");
    precopy_free(precopy);
}

static void a_full_disk_has_a_name(void **state)
{
    const struct scratch *scratch = *state;
    char disk[] = "/tmp/stasis-disk-XXXXXX";

    if (!is_root() || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        skip();
    assert_non_null(mkdtemp(disk));
    assert_int_equal(mount("none", disk, "tmpfs", 0, "size=1m"), 0);
    fill_the_disk(scratch, disk);
    assert_int_equal(umount(disk), 0);
    assert_int_equal(rmdir(disk), 0);
}

static void holes_are_not_read(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED(fd) int fd = openat(scratch->fd, "sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    put_file(scratch, "a", "so that the raw file is not aligned");
    assert_int_equal(pwrite(fd, "data", 4, (off_t)5 << 20), 4);
    assert_int_equal(ftruncate(fd, (off_t)40 << 20), 0);
    let_settle();
    SCOPED_COPYING struct copying copying = new_copying(scratch, &plain);
    copy(&copying);
    if (changes_are_noticed(scratch))
        assert_true(precopy_get_stats(copying.precopy).copied_bytes <= 16384);
    assert_finishes_like_a_capture(&copying, scratch, &plain);
}

static void progress_counts_what_is_read_and_written(void **state)
{
    const struct scratch *scratch = *state;
    struct layer_progress progress = {0};
    struct layer_result result;
    struct error err = {0};
    SCOPED(spool) struct spool *spool = NULL;

    put_file(scratch, "a", "12345");
    let_settle();
    SCOPED_COPYING struct copying copying = new_copying(scratch, &plain);
    assert_ok(precopy_copy(copying.precopy, &copying.roots, &progress, NULL, &err), &err);
    put_file(scratch, "b", "123");
    assert_ok(precopy_freeze(copying.precopy, &copying.roots, &progress, NULL, &err), &err);
    assert_ok(spool_new(copying.dir, &spool, &err), &err);
    assert_ok(precopy_assemble(copying.precopy, spool, &progress, NULL, &result, &err), &err);
    assert_ok(spool_unlink(spool, &err), &err);
    assert_int_equal(progress.bytes_read, 8);
    assert_int_equal(progress.files, 3);
    assert_int_equal(progress.bytes_written, result.size_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_still_tree_gives_the_bytes_of_a_frozen_capture),
        cmocka_unit_test(whatever_changes_after_the_copy_is_right_in_the_layer),
        cmocka_unit_test(every_kind_of_change_is_seen_and_read_again),
        IN_SCRATCH(a_file_that_was_written_just_now_is_not_trusted),
        IN_SCRATCH(a_layer_below_another_is_copied_with_it),
        cmocka_unit_test(on_a_file_system_without_write_back_all_is_read_when_frozen),
        IN_SCRATCH(writers_through_mappings_are_never_missed),
        IN_SCRATCH(what_comes_and_goes_during_the_copy_does_no_harm),
        IN_SCRATCH(each_step_can_be_cancelled),
        IN_SCRATCH(limits_are_those_of_a_capture),
        IN_SCRATCH(holes_are_not_read),
        IN_SCRATCH(progress_counts_what_is_read_and_written),
        IN_SCRATCH(a_full_disk_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
