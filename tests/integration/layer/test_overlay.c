/* test_overlay.c - law: the layer applied on the base is the container's view, after any history. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/strbuf.h"
#include "tests/integration/layer/apply.h"
#include "tests/integration/layer/base.h"
#include "tests/integration/layer/history.h"
#include "tests/integration/layer/losses.h"
#include "tests/integration/layer/tree.h"
#include "tests/unit/committer-agent/layer/scratch.h"
#include "tests/unit/testing.h"

static const struct layer_options plain = {.compress = {.compression = LAYER_NONE}};

static void copy_base(const struct container *container, const char *to)
{
    SCOPED(string)
    char *command = xasprintf("mkdir %s && cp -a --sparse=always %s/lower/. %s/", to, container->folder, to);
    assert_int_equal(system(command), 0);
}

/* A copy elsewhere, on a file system that lists folders in another order, gives the same bytes. */
static bool copies_are_equal(const char *what, const struct container *container,
                             const struct captured *captured)
{
    SCOPED(string)
    char *elsewhere = container_path(container, "elsewhere"),
         *command = xasprintf("cp -a %s/upper/. %s/", container->folder, elsewhere);
    SCOPED_CAPTURED struct captured again = {0};
    struct error err = {0};

    assert_int_equal(mkdir(elsewhere, 0755), 0);
    assert_int_equal(mount("tmpfs", elsewhere, "tmpfs", 0, "size=64m,mode=755"), 0);
    bool takes_xattrs = setxattr(elsewhere, "user.try", "", 0, 0) == 0; /* since Linux 6.6 */
    if (takes_xattrs) {
        assert_int_equal(removexattr(elsewhere, "user.try"), 0);
        assert_int_equal(system(command), 0);
        assert_ok(capture_into_memory(elsewhere, &plain, &again, &err), &err);
    }
    assert_int_equal(umount(elsewhere), 0);
    if (!takes_xattrs || digest_equal(&captured->result.diff_id, &again.result.diff_id))
        return true;
    print_error("%s: a copy of the tree gives other bytes\n", what);
    return false;
}

/* One container's life; answers whether all was equal. */
static bool live_once(uint64_t seed)
{
    struct container container;
    SCOPED_STRBUF struct strbuf want = STRBUF_INIT, got = STRBUF_INIT, still = STRBUF_INIT;
    SCOPED_CAPTURED struct captured captured = {0};
    SCOPED_TAR_ARCHIVE struct tar_archive layer = {0};
    struct error err = {0};

    container_start(&container, seed, "");
    SCOPED(string)
    char *merged = container_path(&container, "merged"), *upper = container_path(&container, "upper"),
         *copy = container_path(&container, "copy");
    history_run(merged, seed, 300);
    tree_describe(merged, true, &want);
    assert_ok(capture_into_memory(upper, &plain, &captured, &err), &err);
    tar_archive_read(&layer, captured.bytes, captured.length);
    copy_base(&container, copy);
    layer_apply(&layer, copy);
    tree_describe(copy, true, &got);
    tree_describe(merged, true, &still);
    char what[64];
    (void)snprintf(what, sizeof(what), "seed %ju: the applied layer", (uintmax_t)seed);
    bool equal = trees_equal(what, &want, &got) &&
                 trees_equal("the container after capturing", &want, &still) &&
                 losses_told(what, upper, &captured.result) && copies_are_equal(what, &container, &captured);
    container_stop(&container);
    return equal;
}

static void the_layer_applied_on_the_base_is_what_the_container_saw(void **state)
{
    unsigned differing = 0;

    (void)state;
    for (uint64_t seed = first_seed(), end = seed + rounds_wanted(25); seed < end; seed++)
        differing += !live_once(seed);
    assert_int_equal(differing, 0);
}

/* Fails unless capturing the upper layer of a container mounted so, after the command in its root, is refused. */
static void assert_refused(const char *options, const char *command)
{
    struct container container;
    struct captured captured;
    struct error err = {0};

    container_start(&container, 1, options);
    SCOPED(string)
    char *upper = container_path(&container, "upper"),
         *line = xasprintf("cd %s/merged && %s", container.folder, command);
    assert_int_equal(system(line), 0);
    int answer = capture_into_memory(upper, &plain, &captured, &err);
    container_stop(&container);
    assert_fails(answer, &err, ERR_UNSUPPORTED, "trusted.overlay.");
    assert_string_equal(err.reason, "UnsupportedOverlay");
}

static void folders_renamed_by_redirect_are_left_to_containerd(void **state)
{
    (void)state;
    assert_refused("redirect_dir=on,index=off", "for d in */; do mv \"./$d\" renamed && break; done");
}

static void files_copied_up_without_content_are_left_to_containerd(void **state)
{
    (void)state;
    assert_refused("metacopy=on,redirect_dir=on,index=off", "find . -type f -size +1k -exec chmod 0123 {} +");
}

/* With an index the second name of a base file changes with the first and is nowhere in the upper layer. */
static void base_links_kept_together_by_an_index_are_left_to_containerd(void **state)
{
    struct container container;
    struct captured captured;
    struct error err = {0};

    (void)state;
    container_start(&container, 1, "");
    SCOPED(string)
    char *merged = container_path(&container, "merged"), *upper = container_path(&container, "upper"),
         *again = xasprintf("umount %s && rm -rf %s/upper %s/work && mkdir %s/upper %s/work && "
                            "echo one >%s/lower/one && ln %s/lower/one %s/lower/two && "
                            "mount -t overlay overlay -o lowerdir=%s/lower,upperdir=%s/upper,"
                            "workdir=%s/work,index=on %s && echo more >>%s/one",
                            merged, container.folder, container.folder, container.folder, container.folder,
                            container.folder, container.folder, container.folder, container.folder,
                            container.folder, container.folder, merged, merged);
    assert_int_equal(system(again), 0);
    int answer = capture_into_memory(upper, &plain, &captured, &err);
    container_stop(&container);
    assert_fails(answer, &err, ERR_UNSUPPORTED, "trusted.overlay.nlink");
}

/* An overlay inside of a container keeps its notes under an escaped name; they are not notes to us. */
static void what_a_container_calls_opaque_hides_nothing(void **state)
{
    struct container container;
    SCOPED_CAPTURED struct captured captured = {0};
    SCOPED_TAR_ARCHIVE struct tar_archive layer = {0};
    struct error err = {0};

    (void)state;
    container_start(&container, 1, "");
    SCOPED(string)
    char *upper = container_path(&container, "upper"), *folder = container_path(&container, "merged/mine");
    assert_int_equal(mkdir(folder, 0755), 0);
    int set = setxattr(folder, "trusted.overlay.opaque", "y", 1, 0);
    assert_ok(capture_into_memory(upper, &plain, &captured, &err), &err);
    tar_archive_read(&layer, captured.bytes, captured.length);
    container_stop(&container);
    assert_int_equal(captured.result.lost[LAYER_LOST_XATTR_TRUSTED].count, set == 0); /* since Linux 6.7 */
    assert_non_null(tar_archive_find(&layer, "mine/"));
    assert_null(tar_archive_find(&layer, "mine/.wh..wh..opq"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_layer_applied_on_the_base_is_what_the_container_saw),
        cmocka_unit_test(folders_renamed_by_redirect_are_left_to_containerd),
        cmocka_unit_test(files_copied_up_without_content_are_left_to_containerd),
        cmocka_unit_test(base_links_kept_together_by_an_index_are_left_to_containerd),
        cmocka_unit_test(what_a_container_calls_opaque_hides_nothing),
    };

    overlay_require();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
