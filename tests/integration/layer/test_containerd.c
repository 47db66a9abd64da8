/* test_containerd.c - law: what containerd unpacks from our layers is the container's view, attribute by attribute. */
#include <stdio.h>
#include <stdlib.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_containerd_unpacks_is_what_the_container_saw),
    };

    overlay_require();
    return cmocka_run_group_tests(tests, setup, teardown);
}
