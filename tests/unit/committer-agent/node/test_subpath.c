/* test_subpath.c - parts of volumes, whatever the sandboxes made of the volumes. Mounting needs root. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "committer-agent/node/subpath.h"
#include "committer-agent/remove_tree/remove_tree.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/file.h"
#include "tests/unit/testing.h"

struct world {
    char dir[64];
    char *volume, *mounts;
    Opensandbox__Committer__V1__PodRef ref;
    pod_request request;
    Opensandbox__Committer__V1__Mount mount, *list[1];
    container_spec_message spec;
};

static int begin(void **state)
{
    if (geteuid() != 0)
        skip();
    struct world *world = xcalloc(1, sizeof(*world));
    struct error err = {0};

    (void)snprintf(world->dir, sizeof(world->dir), "/tmp/stasis-subpath.XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    world->volume = xasprintf("%s/volume", world->dir);
    world->mounts = xasprintf("%s/mounts", world->dir);
    assert_int_equal(mkdir(world->volume, 0700), 0);
    assert_int_equal(chmod(world->volume, 0777), 0);
    assert_ok(subpaths_sweep(world->mounts, &err), &err);
    opensandbox__committer__v1__pod_ref__init(&world->ref);
    opensandbox__committer__v1__run_pod_request__init(&world->request);
    opensandbox__committer__v1__mount__init(&world->mount);
    opensandbox__committer__v1__container_spec__init(&world->spec);
    world->ref.uid = "u-1";
    world->request.pod = &world->ref;
    world->mount.host_path = world->volume;
    world->list[0] = &world->mount;
    world->spec.name = "main";
    world->spec.mounts = world->list;
    world->spec.n_mounts = 1;
    *state = world;
    return 0;
}

static int end(void **state)
{
    struct world *world = *state;
    struct error err = {0};

    subpaths_unmount(world->mounts, &world->request, &world->spec);
    assert_ok(remove_tree(world->dir, &err), &err);
    free(world->volume);
    free(world->mounts);
    free(world);
    return 0;
}

static void make(const struct world *world, const char *name, const char *content)
{
    SCOPED(string) char *path = xasprintf("%s/%s", world->volume, name);
    struct error err = {0};

    if (content)
        assert_ok(file_write_atomic(path, content, strlen(content), 0644, &err), &err);
    else
        assert_int_equal(mkdir(path, 0755), 0);
}

static void link_to(const struct world *world, const char *target, const char *name)
{
    SCOPED(string) char *path = xasprintf("%s/%s", world->volume, name);
    assert_int_equal(symlink(target, path), 0);
}

static int mount_part_named(struct world *world, const char *sub_path, struct error *err)
{
    world->mount.sub_path = (char *)sub_path;
    return subpaths_mount(world->mounts, &world->request, &world->spec, err);
}

static bool has(const struct world *world, const char *name)
{
    SCOPED(string) char *place = subpath_place(world->mounts, &world->request, &world->spec, 0);
    SCOPED(string) char *path = xasprintf("%s%s%s", place, *name ? "/" : "", name);
    return access(path, F_OK) == 0;
}

static void a_part_is_mounted_and_taken_away_without_its_content(void **state)
{
    struct world *world = *state;
    struct error err = {0};

    make(world, "a", NULL);
    make(world, "a/file", "x");
    for (int i = 0; i < 2; i++) { /* repeatable */
        assert_ok(mount_part_named(world, "./a//", &err), &err);
        assert_true(has(world, "file"));
    }
    subpaths_unmount(world->mounts, &world->request, &world->spec);
    assert_false(has(world, ""));
    SCOPED(string) char *file = xasprintf("%s/a/file", world->volume);
    assert_int_equal(access(file, F_OK), 0);
}

static void a_file_is_a_part_too(void **state)
{
    struct world *world = *state;
    struct error err = {0};

    make(world, "file", "x");
    assert_ok(mount_part_named(world, "file", &err), &err);
    SCOPED(string) char *place = subpath_place(world->mounts, &world->request, &world->spec, 0);
    struct stat st;
    assert_int_equal(stat(place, &st), 0);
    assert_true(S_ISREG(st.st_mode) && st.st_size == 1);
}

static void missing_folders_are_made_with_the_volumes_mode(void **state)
{
    struct world *world = *state;
    SCOPED(string) char *made = xasprintf("%s/new/deep", world->volume);
    struct error err = {0};
    struct stat st;

    assert_ok(mount_part_named(world, "new/deep", &err), &err);
    assert_int_equal(stat(made, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0777);
}

static void a_link_is_not_followed_wherever_it_stands(void **state)
{
    static const char *const paths[] = {"out", "out/x", "a/out", "a/out/passwd", "self", "up/volume"};
    struct world *world = *state;

    make(world, "a", NULL);
    link_to(world, "/etc", "out");
    link_to(world, "/etc", "a/out");
    link_to(world, "a", "self");
    link_to(world, "..", "up");
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        struct error err = {0};
        assert_int_equal(mount_part_named(world, paths[i], &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
        assert_contains(err.text, "symbolic link");
        assert_false(has(world, ""));
    }
}

static void a_file_on_the_way_is_an_error(void **state)
{
    struct world *world = *state;
    struct error err = {0};

    make(world, "file", "x");
    assert_int_equal(mount_part_named(world, "file/below", &err), -1);
    assert_contains(err.text, "below");
}

static void what_a_dead_agent_left_is_unmounted_and_keeps_its_content(void **state)
{
    struct world *world = *state;
    struct error err = {0};

    make(world, "a", NULL);
    make(world, "a/file", "x");
    assert_ok(mount_part_named(world, "a", &err), &err);
    assert_ok(subpaths_sweep(world->mounts, &err), &err);
    assert_false(has(world, ""));
    SCOPED(string) char *file = xasprintf("%s/a/file", world->volume);
    assert_int_equal(access(file, F_OK), 0);
}

#define SUBPATH_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUBPATH_TEST(a_part_is_mounted_and_taken_away_without_its_content),
        SUBPATH_TEST(a_file_is_a_part_too),
        SUBPATH_TEST(missing_folders_are_made_with_the_volumes_mode),
        SUBPATH_TEST(a_link_is_not_followed_wherever_it_stands),
        SUBPATH_TEST(a_file_on_the_way_is_an_error),
        SUBPATH_TEST(what_a_dead_agent_left_is_unmounted_and_keeps_its_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
