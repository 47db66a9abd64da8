/* test_containerd.c - law: what containerd unpacks from our layers is the container's view, attribute by attribute. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/strbuf.h"
#include "tests/integration/layer/base.h"
#include "tests/integration/layer/containerd.h"
#include "tests/integration/layer/history.h"
#include "tests/integration/layer/tree.h"
#include "tests/unit/committer-agent/layer/scratch.h"
#include "tests/unit/testing.h"

static int setup(void **state)
{
    struct test_containerd *containerd = xcalloc(1, sizeof(*containerd));
    test_containerd_start(containerd);
    *state = containerd;
    return 0;
}

static int teardown(void **state)
{
    test_containerd_stop(*state);
    free(*state);
    return 0;
}

static struct image_layer capture_layer(const struct container *container, const char *folder,
                                        enum layer_compression compression, struct captured *captured)
{
    const struct layer_options options = {.compress = {.compression = compression, .threads = 2}};
    SCOPED(string) char *path = container_path(container, folder);
    struct error err = {0};

    assert_ok(capture_into_memory(path, &options, captured, &err), &err);
    return (struct image_layer){.bytes = captured->bytes,
                                .length = captured->length,
                                .compression = compression,
                                .diff_id = captured->result.diff_id};
}

/* The base and the container's layer become an image; answers whether it looks like the container. */
static bool live_once(struct test_containerd *containerd, uint64_t seed)
{
    struct container container;
    SCOPED_STRBUF struct strbuf want = STRBUF_INIT, got = STRBUF_INIT;
    SCOPED_CAPTURED struct captured base = {0}, upper = {0};
    char what[64];

    container_start(&container, seed, "");
    SCOPED(string)
    char *merged = container_path(&container, "merged"), *mounted = container_path(&container, "image");
    history_run(merged, seed, 300);
    tree_describe(merged, false, &want);
    const struct image_layer layers[] = {
        capture_layer(&container, "lower", LAYER_ZSTD, &base),
        capture_layer(&container, "upper", (enum layer_compression)(seed % LAYER_COMPRESSION_MAX), &upper),
    };
    test_containerd_mount(containerd, layers, 2, mounted);
    tree_describe(mounted, false, &got);
    test_containerd_unmount(containerd, mounted);
    (void)snprintf(what, sizeof(what), "seed %ju: the image unpacked by containerd", (uintmax_t)seed);
    bool equal = trees_equal(what, &want, &got);
    container_stop(&container);
    return equal;
}

static void what_containerd_unpacks_is_what_the_container_saw(void **state)
{
    unsigned differing = 0;

    for (uint64_t seed = first_seed(), end = seed + rounds_wanted(9); seed < end; seed++)
        differing += !live_once(*state, seed);
    assert_int_equal(differing, 0);
}

/* ---- paths beyond PATH_MAX ---- */

#define STEP         "0123456789"
#define STEPS        400 /* 4,399 bytes */
#define STEPS_WITHIN 349 /* of those, whose file "f" is still within what is carried: to the byte */

_Static_assert(STEPS_WITHIN * sizeof(STEP) + 1 == LAYER_CARRIED_PATH_MAX_BYTES,
               "the longest path there can be");

/* Folders in each other, in each a file. By descriptors: no path reaches so far. */
static void put_staircase(const char *root)
{
    SCOPED(fd) int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (unsigned i = 0; i < STEPS; i++) {
        assert_int_equal(mkdirat(fd, STEP, 0755), 0);
        int next = openat(fd, STEP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        (void)close(fd);
        fd = next;
        int file = openat(fd, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(file >= 0);
        (void)close(file);
    }
}

/* How many of those are there, each with its file. */
static unsigned count_steps(const char *root)
{
    SCOPED(fd) int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;

    for (unsigned steps = 0;; steps++) {
        int next = openat(fd, STEP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (next < 0)
            return steps;
        (void)close(fd);
        fd = next;
        assert_int_equal(fstatat(fd, "f", &st, 0), 0);
    }
}

static void paths_are_carried_as_far_as_containerd_can_unpack_and_the_rest_is_told(void **state)
{
    struct container container;
    SCOPED_CAPTURED struct captured base = {0}, upper = {0};

    container_start(&container, 1, "");
    SCOPED(string)
    char *merged = container_path(&container, "merged"), *mounted = container_path(&container, "image"),
         *remove = xasprintf("rm -rf %s/" STEP, merged);
    put_staircase(merged);
    const struct image_layer layers[] = {
        capture_layer(&container, "lower", LAYER_ZSTD, &base),
        capture_layer(&container, "upper", LAYER_ZSTD, &upper),
    };
    test_containerd_mount(*state, layers, 2, mounted);
    assert_int_equal(count_steps(mounted), STEPS_WITHIN);
    test_containerd_unmount(*state, mounted);
    assert_int_equal(system(remove), 0); /* container_stop() goes by paths */
    container_stop(&container);
    assert_int_equal(upper.result.lost[LAYER_LOST_PATH].count, 1); /* the first beyond, with all below it */
    assert_contains(upper.result.lost[LAYER_LOST_PATH].example.text, "/" STEP);
}

/* ---- files beyond 8 GiB; containerd fills their holes, so this takes as much disk ---- */

static void put_large(const char *path)
{
    SCOPED(fd) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)9 << 30), 0);
    assert_int_equal(pwrite(fd, "start", 5, 0), 5);
    assert_int_equal(pwrite(fd, "beyond", 6, ((off_t)1 << 33) + 12345), 6);
    assert_int_equal(pwrite(fd, "end", 3, ((off_t)9 << 30) - 3), 3);
}

static void a_file_beyond_8_gib_is_unpacked_whole(void **state)
{
    struct container container;
    SCOPED_CAPTURED struct captured upper = {0};

    if (!getenv("STASIS_LAYER_LARGE"))
        skip();
    container_start(&container, 1, "");
    SCOPED(string)
    char *merged = container_path(&container, "merged"), *mounted = container_path(&container, "image"),
         *large = xasprintf("%s/large", merged), *compare = xasprintf("cmp %s %s/large", large, mounted);
    put_large(large);
    const struct image_layer layers[] = {capture_layer(&container, "upper", LAYER_ZSTD, &upper)};
    test_containerd_mount(*state, layers, 1, mounted);
    int different = system(compare);
    test_containerd_unmount(*state, mounted);
    container_stop(&container);
    assert_int_equal(different, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_containerd_unpacks_is_what_the_container_saw),
        cmocka_unit_test(paths_are_carried_as_far_as_containerd_can_unpack_and_the_rest_is_told),
        cmocka_unit_test(a_file_beyond_8_gib_is_unpacked_whole),
    };

    overlay_require();
    return cmocka_run_group_tests(tests, setup, teardown);
}
