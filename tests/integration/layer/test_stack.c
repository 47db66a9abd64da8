/* test_stack.c - law: the layers of a container and its predecessors, made one, are what the last container saw.
 *
 * A generation is a container on the layers of those before it: as they were handed over (their upper directories), or as
 * containerd unpacked them from our layers. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/strbuf.h"
#include "tests/integration/layer/apply.h"
#include "tests/integration/layer/base.h"
#include "tests/integration/layer/containerd.h"
#include "tests/integration/layer/history.h"
#include "tests/integration/layer/tree.h"
#include "tests/unit/committer-agent/layer/scratch.h"
#include "tests/unit/testing.h"

enum { GENERATIONS_MAX = 6, STEPS = 120 };

static const struct layer_options plain = {.compress = {.compression = LAYER_NONE}};

struct dynasty {
    struct container container; /* its merged view is that of the generation that lives */
    uint64_t seed;
    char *layers[GENERATIONS_MAX + 1]; /* directories, the base first */
    size_t count;
};

static void dynasty_found(struct dynasty *dynasty, uint64_t seed)
{
    *dynasty = (struct dynasty){.seed = seed, .count = 1};
    container_start(&dynasty->container, seed, "");
    SCOPED(string) char *merged = container_path(&dynasty->container, "merged");
    assert_int_equal(umount(merged), 0); /* only its base is wanted */
    dynasty->layers[0] = container_path(&dynasty->container, "lower");
}

static void dynasty_end(struct dynasty *dynasty)
{
    tree_remove(dynasty->container.folder);
    for (size_t i = 0; i < dynasty->count; i++)
        free(dynasty->layers[i]);
}

/* One more container lives and dies; ret_seen, if wanted, is what it saw last. */
static void dynasty_live(struct dynasty *dynasty, struct strbuf *ret_seen)
{
    SCOPED_STRBUF struct strbuf options = STRBUF_INIT;
    SCOPED(string)
    char *merged = container_path(&dynasty->container, "merged"),
         *work = xasprintf("%s/work-%zu", dynasty->container.folder, dynasty->count),
         *upper = xasprintf("%s/upper-%zu", dynasty->container.folder, dynasty->count);

    assert_int_equal(mkdir(work, 0755), 0);
    assert_int_equal(mkdir(upper, 0755), 0);
    (void)strbuf_addf(
        &options, "index=off,redirect_dir=off,metacopy=off,upperdir=%s,workdir=%s,lowerdir=", upper, work);
    for (size_t i = dynasty->count; i-- > 0;)
        (void)strbuf_addf(&options, "%s%s", dynasty->layers[i], i ? ":" : "");
    assert_int_equal(mount("overlay", merged, "overlay", 0, strbuf_text(&options)), 0);
    if ((dynasty->seed + dynasty->count) % 7) /* some leave nothing behind */
        history_run(merged, dynasty->seed * 100 + dynasty->count, STEPS);
    if (ret_seen)
        tree_describe(merged, false, ret_seen);
    assert_int_equal(umount(merged), 0);
    dynasty->layers[dynasty->count++] = TAKE(upper);
}

/* All generations as one layer. */
static void dynasty_fold(const struct dynasty *dynasty, struct captured *ret_captured)
{
    int fds[GENERATIONS_MAX], below = open(dynasty->layers[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct walk_roots roots = {
        .fds = fds, .count = dynasty->count - 1, .below_fds = &below, .below_count = 1};
    struct error err = {0};

    for (size_t i = 0; i < roots.count; i++) {
        fds[i] = open(dynasty->layers[dynasty->count - 1 - i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fds[i] >= 0);
    }
    assert_ok(capture_roots_into_memory(&roots, &plain, ret_captured, &err), &err);
    for (size_t i = 0; i < roots.count; i++)
        (void)close(fds[i]);
    (void)close(below);
}

static bool says_the_same(const struct dynasty *dynasty, const char *how, const struct strbuf *want,
                          const struct strbuf *got)
{
    SCOPED(string)
    char *what =
        xasprintf("seed %ju, %zu generations: %s", (uintmax_t)dynasty->seed, dynasty->count - 1, how);
    return trees_equal(what, want, got);
}

/* ---- handed over ---- */

static bool fold_handed_over(uint64_t seed)
{
    struct dynasty dynasty;
    SCOPED_STRBUF struct strbuf want = STRBUF_INIT, got = STRBUF_INIT;
    SCOPED_CAPTURED struct captured captured = {0};
    SCOPED_TAR_ARCHIVE struct tar_archive layer = {0};

    dynasty_found(&dynasty, seed);
    for (size_t left = 2 + seed % (GENERATIONS_MAX - 1); left > 0; left--)
        dynasty_live(&dynasty, left == 1 ? &want : NULL);
    dynasty_fold(&dynasty, &captured);
    tar_archive_read(&layer, captured.bytes, captured.length);
    layer_apply(&layer, dynasty.layers[0]);
    tree_describe(dynasty.layers[0], false, &got);
    bool equal = says_the_same(&dynasty, "the folded layer on the base", &want, &got);
    dynasty_end(&dynasty);
    return equal;
}

static void layers_that_were_handed_over_fold_into_what_the_last_container_saw(void **state)
{
    unsigned differing = 0;

    (void)state;
    for (uint64_t seed = first_seed(), end = seed + rounds_wanted(30); seed < end; seed++)
        differing += !fold_handed_over(seed);
    assert_int_equal(differing, 0);
}

/* ---- unpacked by containerd ---- */

static struct image_layer layer_of(const struct captured *captured)
{
    return (struct image_layer){.bytes = captured->bytes,
                                .length = captured->length,
                                .compression = LAYER_NONE,
                                .diff_id = captured->result.diff_id};
}

static void capture_layers(const struct dynasty *dynasty, struct captured *captured,
                           struct image_layer *ret_layers)
{
    struct error err = {0};

    for (size_t i = 0; i < dynasty->count; i++) {
        assert_ok(capture_into_memory(dynasty->layers[i], &plain, &captured[i], &err), &err);
        ret_layers[i] = layer_of(&captured[i]);
    }
}

/* The directories that an overlay is mounted from take the place of the layers. */
static void use_mounted_layers(struct dynasty *dynasty, const char *mounted)
{
    FILE *mounts = fopen("/proc/self/mounts", "re");
    char *line = NULL, *lowers = NULL;
    size_t room = 0, place = dynasty->count;

    assert_non_null(mounts);
    while (!lowers && getline(&line, &room, mounts) > 0)
        if (strstr(line, mounted))
            lowers = strstr(line, "lowerdir=");
    assert_non_null(lowers);
    lowers[strcspn(lowers, ", ")] = '\0';
    char *rest = lowers + strlen("lowerdir=");
    for (char *path = strsep(&rest, ":"); path; path = strsep(&rest, ":")) {
        assert_true(place-- > 0);
        free(dynasty->layers[place]);
        dynasty->layers[place] = xstrdup(path);
    }
    assert_int_equal(place, 0);
    free(line);
    (void)fclose(mounts);
}

/* The first generations come out of an image, the others live on it; then all become one layer on the base. */
static bool fold_unpacked(struct test_containerd *containerd, uint64_t seed)
{
    struct dynasty dynasty;
    SCOPED_STRBUF struct strbuf want = STRBUF_INIT, got = STRBUF_INIT;
    struct captured captured[GENERATIONS_MAX + 1] = {0};
    struct image_layer layers[GENERATIONS_MAX + 1];
    SCOPED_CAPTURED struct captured folded = {0};

    dynasty_found(&dynasty, seed);
    SCOPED(string)
    char *mounted = container_path(&dynasty.container, "image"),
         *again = container_path(&dynasty.container, "image-folded");
    for (size_t i = 0; i < 1 + seed % 3; i++)
        dynasty_live(&dynasty, NULL);
    size_t unpacked = dynasty.count;
    capture_layers(&dynasty, captured, layers);
    test_containerd_mount(containerd, layers, unpacked, mounted);
    use_mounted_layers(&dynasty, mounted);
    for (size_t left = 1 + seed % 2; left > 0; left--)
        dynasty_live(&dynasty, left == 1 ? &want : NULL);
    dynasty_fold(&dynasty, &folded);
    test_containerd_unmount(containerd, mounted);
    layers[1] = layer_of(&folded);
    test_containerd_mount(containerd, layers, 2, again);
    tree_describe(again, false, &got);
    test_containerd_unmount(containerd, again);
    for (size_t i = 0; i < unpacked; i++)
        captured_done(&captured[i]);
    bool equal = says_the_same(&dynasty, "the image of base and folded layer", &want, &got);
    dynasty_end(&dynasty);
    return equal;
}

static void layers_that_containerd_unpacked_fold_likewise(void **state)
{
    unsigned differing = 0;

    for (uint64_t seed = first_seed(), end = seed + rounds_wanted(6); seed < end; seed++)
        differing += !fold_unpacked(*state, seed);
    assert_int_equal(differing, 0);
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_that_were_handed_over_fold_into_what_the_last_container_saw),
        cmocka_unit_test(layers_that_containerd_unpacked_fold_likewise),
    };

    overlay_require();
    return cmocka_run_group_tests(tests, setup, teardown);
}
