#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "committer-agent/containerd/overlay.h"

#define MAX_OPTIONS 8

struct example {
    const char *name;
    const char *snapshotter, *type, *source;
    const char *options[MAX_OPTIONS];
    size_t mount_count;

    const char *reason; /* NULL: understood, with the values below */
    const char *upper, *work;
    const char *lowers[4];
    bool redirect_dir, metacopy;
};

static const struct example examples[] = {
    {.name = "an image of two layers",
     .snapshotter = "overlayfs",
     .type = "overlay",
     .options = {"index=off", "workdir=/s/7/work", "upperdir=/s/7/fs", "lowerdir=/s/2/fs:/s/1/fs"},
     .upper = "/s/7/fs",
     .work = "/s/7/work",
     .lowers = {"/s/2/fs", "/s/1/fs"}},
    {.name = "no parent: a bind mount",
     .snapshotter = "overlayfs",
     .type = "bind",
     .source = "/s/3/fs",
     .options = {"rw", "rbind"},
     .upper = "/s/3/fs"},
    {.name = "options that make the upper layer incomplete",
     .snapshotter = "overlayfs",
     .type = "overlay",
     .options = {"redirect_dir=on", "metacopy=on", "upperdir=/u", "workdir=/w", "lowerdir=/l"},
     .upper = "/u",
     .work = "/w",
     .lowers = {"/l"},
     .redirect_dir = true,
     .metacopy = true},
    {.name = "an escaped colon is part of the path",
     .snapshotter = "overlayfs",
     .type = "overlay",
     .options = {"upperdir=/u", "lowerdir=/a\\:b:/c"},
     .upper = "/u",
     .lowers = {"/a:b", "/c"}},
    {.name = "another snapshotter",
     .snapshotter = "native",
     .type = "bind",
     .source = "/s/3",
     .options = {"rw"},
     .reason = "UnsupportedSnapshotter"},
    {.name = "a read-only view of one layer",
     .snapshotter = "overlayfs",
     .type = "bind",
     .source = "/s/3/fs",
     .options = {"ro", "rbind"},
     .reason = "UnsupportedSnapshotter"},
    {.name = "a view of many layers has no upperdir",
     .snapshotter = "overlayfs",
     .type = "overlay",
     .options = {"lowerdir=/a:/b"},
     .reason = "UnsupportedSnapshotter"},
    {.name = "a relative upperdir",
     .snapshotter = "overlayfs",
     .type = "overlay",
     .options = {"upperdir=fs", "lowerdir=/a"},
     .reason = "UnsupportedOverlay"},
    {.name = "a relative lowerdir",
     .snapshotter = "overlayfs",
     .type = "overlay",
     .options = {"upperdir=/fs", "lowerdir=/a:b"},
     .reason = "UnsupportedOverlay"},
    {.name = "an empty lowerdir",
     .snapshotter = "overlayfs",
     .type = "overlay",
     .options = {"upperdir=/fs", "lowerdir="},
     .reason = "UnsupportedOverlay"},
    {.name = "two upperdirs",
     .snapshotter = "overlayfs",
     .type = "overlay",
     .options = {"upperdir=/a", "upperdir=/b", "lowerdir=/c"},
     .reason = "UnsupportedOverlay"},
    {.name = "fuse",
     .snapshotter = "overlayfs",
     .type = "fuse3.fuse-overlayfs",
     .options = {"upperdir=/a", "lowerdir=/c"},
     .reason = "UnsupportedSnapshotter"},
};

static struct snapshot_mount mount_of(const struct example *example)
{
    struct snapshot_mount mount = {.type = (char *)example->type,
                                   .source = (char *)(example->source ? example->source : ""),
                                   .options = (char **)example->options};
    while (mount.option_count < MAX_OPTIONS && example->options[mount.option_count])
        mount.option_count++;
    return mount;
}

static void assert_understood(const struct example *example, const struct overlay *overlay)
{
    size_t lowers = 0;

    assert_string_equal(overlay->upper_dir, example->upper);
    if (example->work)
        assert_string_equal(overlay->work_dir, example->work);
    else
        assert_null(overlay->work_dir);
    for (; lowers < 4 && example->lowers[lowers]; lowers++)
        assert_string_equal(overlay->lower_dirs[lowers], example->lowers[lowers]);
    assert_int_equal(overlay->lower_count, lowers);
    assert_int_equal(overlay->redirect_dir, example->redirect_dir);
    assert_int_equal(overlay->metacopy, example->metacopy);
}

static void mounts_tell_the_writable_layer_or_why_there_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        const struct example *example = &examples[i];
        struct snapshot_mount mount = mount_of(example);
        struct snapshot_mounts mounts = {.items = &mount, .count = 1};
        SCOPED_OVERLAY struct overlay overlay = {0};
        struct error err = {0};

        print_message("  %s\n", example->name);
        int result = overlay_read(example->snapshotter, &mounts, &overlay, &err);
        if (example->reason) {
            assert_int_equal(result, -1);
            assert_int_equal(err.code, ERR_UNSUPPORTED);
            assert_string_equal(err.reason, example->reason);
        } else {
            assert_int_equal(result, 0);
            assert_understood(example, &overlay);
        }
    }
}

static const struct example views[] = {
    {.name = "one layer is bound as it is",
     .snapshotter = "overlayfs",
     .type = "bind",
     .source = "/s/3/fs",
     .options = {"ro", "rbind"},
     .lowers = {"/s/3/fs"}},
    {.name = "of more layers its own is the first",
     .snapshotter = "overlayfs",
     .type = "overlay",
     .options = {"index=off", "lowerdir=/s/3/fs:/s/2/fs:/s/1/fs"},
     .lowers = {"/s/3/fs", "/s/2/fs", "/s/1/fs"}},
    {.name = "a writable bind",
     .snapshotter = "overlayfs",
     .type = "bind",
     .source = "/s/3/fs",
     .options = {"rw", "rbind"},
     .reason = "UnsupportedSnapshotter"},
    {.name = "a writable overlay",
     .snapshotter = "overlayfs",
     .type = "overlay",
     .options = {"workdir=/w", "upperdir=/u", "lowerdir=/l"},
     .reason = "UnsupportedSnapshotter"},
    {.name = "a relative folder",
     .snapshotter = "overlayfs",
     .type = "bind",
     .source = "fs",
     .options = {"ro"},
     .reason = "UnsupportedOverlay"},
    {.name = "no folder at all",
     .snapshotter = "overlayfs",
     .type = "overlay",
     .options = {"index=off"},
     .reason = "UnsupportedOverlay"},
    {.name = "another snapshotter",
     .snapshotter = "native",
     .type = "bind",
     .source = "/s/3",
     .options = {"ro"},
     .reason = "UnsupportedSnapshotter"},
};

static void a_view_tells_the_folders_of_a_committed_snapshot_topmost_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
        const struct example *example = &views[i];
        struct snapshot_mount mount = mount_of(example);
        struct snapshot_mounts mounts = {.items = &mount, .count = 1};
        SCOPED_OVERLAY struct overlay overlay = {0};
        struct error err = {0};
        size_t lowers = 0;

        print_message("  %s\n", example->name);
        int result = overlay_read_view(example->snapshotter, &mounts, &overlay, &err);
        assert_int_equal(result, example->reason ? -1 : 0);
        if (example->reason)
            assert_string_equal(err.reason, example->reason);
        for (; lowers < 4 && example->lowers[lowers]; lowers++)
            assert_string_equal(overlay.lower_dirs[lowers], example->lowers[lowers]);
        assert_int_equal(overlay.lower_count, lowers);
        assert_null(overlay.upper_dir);
    }
}

static void several_mounts_are_refused(void **state)
{
    struct snapshot_mount pair[2] = {{.type = (char *)"overlay"}, {.type = (char *)"bind"}};
    struct snapshot_mounts mounts = {.items = pair, .count = 2};
    SCOPED_OVERLAY struct overlay overlay = {0};
    struct error err = {0};

    (void)state;
    assert_int_equal(overlay_read("overlayfs", &mounts, &overlay, &err), -1);
    assert_string_equal(err.reason, "UnsupportedSnapshotter");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mounts_tell_the_writable_layer_or_why_there_is_none),
        cmocka_unit_test(a_view_tells_the_folders_of_a_committed_snapshot_topmost_first),
        cmocka_unit_test(several_mounts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
