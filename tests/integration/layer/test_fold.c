/* test_fold.c - which directories of a node's own chain of snapshots are folded, by a real containerd. */
#include "committer-agent/commit/fold.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "committer-agent/containerd/leases.h"
#include "committer-agent/containerd/overlay.h"
#include "shared/base/alloc.h"
#include "tests/integration/layer/containerd.h"
#include "tests/unit/testing.h"

#define SNAPSHOTTER "overlayfs"
#define WRITABLE    "the-container"
#define LEASE       "test" /* the garbage collector runs when a containerd starts, too */

enum { BASE_LAYERS = 2 };

struct node {
    struct test_containerd daemon;
    struct containerd *containerd;
};

/* A base of two layers and so many of ours. */
static void put_config(unsigned ours, struct strbuf *ret_config)
{
    strbuf_reset(ret_config);
    (void)strbuf_adds(ret_config,
                      "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\","
                      "\"diff_ids\":[");
    for (unsigned i = 0; i < BASE_LAYERS + ours; i++)
        (void)strbuf_addf(ret_config, "%s\"sha256:%064u\"", i ? "," : "", i);
    (void)strbuf_adds(ret_config, "]},\"history\":[{},{}");
    for (unsigned i = 0; i < ours; i++)
        (void)strbuf_adds(ret_config, ",{\"comment\":\"" FOLD_COMMENT "\"}");
    (void)strbuf_adds(ret_config, "]}");
}

static struct digest chain_id_of(unsigned ours, size_t keep)
{
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;
    SCOPED(image_config) struct image_config *config = NULL;
    struct digest chain_id;
    struct error err;

    put_config(ours, &text);
    assert_ok(image_config_parse(strbuf_text(&text), text.length, "config", &config, &err), &err);
    image_config_keep_layers(config, keep);
    assert_true(image_config_chain_id(config, &chain_id));
    return chain_id;
}

static void put_marker(const struct snapshot_mounts *mounts, const char *name)
{
    SCOPED_OVERLAY struct overlay overlay = {0};
    struct error err;

    assert_ok(overlay_read(SNAPSHOTTER, mounts, &overlay, &err), &err);
    SCOPED(string) char *path = xasprintf("%s/%s", overlay.upper_dir, name);
    SCOPED(fd) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
}

/* A committed snapshot with one file in it, or none. */
static void commit_snapshot(struct node *node, const char *name, const char *parent, const char *marker)
{
    SCOPED_SNAPSHOT_MOUNTS struct snapshot_mounts mounts = {0};
    struct error err;

    assert_ok(snapshot_prepare(node->containerd, SNAPSHOTTER, "making", parent, LEASE, &mounts, &err), &err);
    if (marker)
        put_marker(&mounts, marker);
    assert_ok(snapshot_commit(node->containerd, SNAPSHOTTER, name, "making", LEASE, NULL, &err), &err);
}

/* What pauses on this node leave: the base as it was pulled, then for each of our layers the container's own (T) and an
 * alias, which has the name that a pull looks for. */
static void put_chain(struct node *node, unsigned ours, bool base_is_known)
{
    struct error err;
    char parent[128] = "", name[128];

    for (unsigned i = 0; i < BASE_LAYERS + ours; i++) {
        struct digest chain_id = chain_id_of(ours, i + 1);
        char marker[32];
        (void)snprintf(marker, sizeof(marker), "layer-%u", i);
        if (i >= BASE_LAYERS) {
            (void)snprintf(name, sizeof(name), "stasis-%u-main", i);
            commit_snapshot(node, name, parent, marker);
            strcpy(parent, name);
        }
        (void)snprintf(name, sizeof(name), "%s%s", i + 1 == BASE_LAYERS && !base_is_known ? "foreign-" : "",
                       chain_id.text);
        commit_snapshot(node, name, parent, i < BASE_LAYERS ? marker : NULL);
        strcpy(parent, name);
    }
    assert_ok(snapshot_prepare(node->containerd, SNAPSHOTTER, WRITABLE, parent, LEASE, NULL, &err), &err);
}

/* Of a container that is mounted on at most so many directories. */
static void plan(struct node *node, unsigned ours, size_t mounted_max, struct fold *ret_fold)
{
    SCOPED_SNAPSHOT_MOUNTS struct snapshot_mounts mounts = {0};
    SCOPED_OVERLAY struct overlay overlay = {0};
    struct base_image base = {0};
    struct error err;

    assert_ok(snapshot_mounts(node->containerd, SNAPSHOTTER, WRITABLE, &mounts, &err), &err);
    assert_ok(overlay_read(SNAPSHOTTER, &mounts, &overlay, &err), &err);
    put_config(ours, &base.config_bytes);
    base.manifest.layer_count = BASE_LAYERS + ours;
    const struct fold_place place = {
        .snapshotter = SNAPSHOTTER,
        .snapshot = WRITABLE,
        .lower_dirs = overlay.lower_dirs,
        .lower_count = overlay.lower_count < mounted_max ? overlay.lower_count : mounted_max,
    };
    assert_ok(fold_plan(node->containerd, &place, &base, 0, ret_fold, &err), &err);
    strbuf_done(&base.config_bytes);
}

static void assert_holds(int dir_fd, unsigned layer)
{
    char marker[32];

    (void)snprintf(marker, sizeof(marker), "layer-%u", layer);
    assert_int_equal(faccessat(dir_fd, marker, F_OK, 0), 0);
}

static void the_directories_above_the_base_are_folded_and_aliases_are_not(void **state)
{
    struct node *node = *state;
    struct fold fold = {0};

    put_chain(node, 5, true);
    plan(node, 5, SIZE_MAX, &fold);
    assert_int_equal(fold.keep_layers, BASE_LAYERS);
    assert_int_equal(fold.lower_count, 5);
    for (unsigned i = 0; i < 5; i++)
        assert_holds(fold.lower_fds[i], BASE_LAYERS + 4 - i);
    assert_int_equal(fold.below_count, BASE_LAYERS);
    for (unsigned i = 0; i < BASE_LAYERS; i++)
        assert_holds(fold.below_fds[i], BASE_LAYERS - 1 - i);
    fold_done(&fold);
}

static void too_few_layers_stay_as_they_are(void **state)
{
    struct node *node = *state;
    struct fold fold = {0};

    put_chain(node, 3, true);
    plan(node, 3, SIZE_MAX, &fold);
    assert_int_equal(fold.keep_layers, BASE_LAYERS + 3);
    assert_int_equal(fold.lower_count + fold.below_count, 0);
    fold_done(&fold);
}

static void a_chain_that_does_not_name_the_base_is_not_folded(void **state)
{
    struct node *node = *state;
    struct fold fold = {0};

    put_chain(node, 4, false);
    plan(node, 4, SIZE_MAX, &fold);
    assert_int_equal(fold.keep_layers, BASE_LAYERS + 4);
    assert_int_equal(fold.lower_count + fold.below_count, 0);
    fold_done(&fold);
}

static void a_mount_that_is_not_the_chain_is_not_folded(void **state)
{
    struct node *node = *state;
    struct fold fold = {0};

    put_chain(node, 4, true);
    plan(node, 4, 3, &fold);
    assert_int_equal(fold.keep_layers, BASE_LAYERS + 4);
    assert_int_equal(fold.lower_count + fold.below_count, 0);
    fold_done(&fold);
}

static int start(void **state)
{
    struct node *node = xcalloc(1, sizeof(*node));

    test_containerd_start(&node->daemon);
    *state = node;
    return 0;
}

static int stop(void **state)
{
    struct node *node = *state;

    test_containerd_stop(&node->daemon);
    free(node);
    return 0;
}

/* A namespace for each test, so that nothing has to be removed. */
static int connect_to(void **state)
{
    static unsigned tests;
    struct node *node = *state;
    SCOPED(string)
    char *socket = xasprintf("%s/sock", node->daemon.folder), *own = xasprintf("test-%u", tests++);
    struct error err;

    node->containerd = containerd_new(socket, own);
    assert_ok(lease_create(node->containerd, LEASE, LEASE_FOREVER, NULL, &err), &err);
    return 0;
}

static int disconnect(void **state)
{
    struct node *node = *state;

    containerd_free(node->containerd);
    return 0;
}

#define ON_NODE(test) cmocka_unit_test_setup_teardown(test, connect_to, disconnect)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_NODE(the_directories_above_the_base_are_folded_and_aliases_are_not),
        ON_NODE(too_few_layers_stay_as_they_are),
        ON_NODE(a_chain_that_does_not_name_the_base_is_not_folded),
        ON_NODE(a_mount_that_is_not_the_chain_is_not_folded),
    };

    if (geteuid() != 0) {
        (void)printf("skipped: needs root\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, start, stop);
}
