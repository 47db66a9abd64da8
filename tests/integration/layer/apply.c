#include "tests/integration/layer/apply.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "tests/integration/layer/tree.h"
#include "tests/unit/testing.h"

static bool is_folder(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void empty_folder(const char *path)
{
    unsigned count;
    char **paths = tree_list(path, &count);

    for (unsigned i = 0; i < count; i++) {
        SCOPED(string) char *child = xasprintf("%s/%s", path, paths[i]);
        tree_remove(child);
    }
    tree_list_free(paths, count);
}

/* A folder that was there keeps its content and nothing else. */
static void forget_xattrs(const char *path)
{
    char names[65536];
    ssize_t listed = llistxattr(path, names, sizeof(names));

    for (ssize_t at = 0; at < listed; at += (ssize_t)strlen(names + at) + 1)
        if (strncmp(names + at, "trusted.", 8) != 0)
            assert_int_equal(lremovexattr(path, names + at), 0);
}

static void write_content(const struct tar_member *member, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, member->content, member->size_bytes), member->size_bytes);
    (void)close(fd);
}

static void make(const struct tar_member *member, const char *path, const char *root)
{
    const dev_t device = makedev(member->device_major, member->device_minor);

    switch (member->type) {
    case '0':
        write_content(member, path);
        break;
    case '1': {
        SCOPED(string) char *target = xasprintf("%s/%s", root, member->target);
        assert_int_equal(link(target, path), 0);
        break;
    }
    case '2':
        assert_int_equal(symlink(member->target, path), 0);
        break;
    case '3':
        assert_int_equal(mknod(path, S_IFCHR | 0600, device), 0);
        break;
    case '4':
        assert_int_equal(mknod(path, S_IFBLK | 0600, device), 0);
        break;
    case '5':
        if (is_folder(path))
            forget_xattrs(path);
        else
            assert_int_equal(mkdir(path, 0700), 0);
        break;
    case '6':
        assert_int_equal(mkfifo(path, 0600), 0);
        break;
    default:
        fail_msg("member of type %c", member->type);
    }
}

static void set_mtime(const struct tar_member *member, const char *path)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, member->mtime};
    assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void set_attributes(const struct tar_member *member, const char *path)
{
    struct stat st;

    assert_int_equal(lchown(path, (uid_t)member->uid, (gid_t)member->gid), 0);
    for (size_t i = 0; i < member->xattr_count; i++)
        assert_int_equal(lsetxattr(path, member->xattrs[i].name, member->xattrs[i].value,
                                   member->xattrs[i].value_length, 0),
                         0);
    assert_int_equal(lstat(path, &st), 0);
    if (!S_ISLNK(st.st_mode))
        assert_int_equal(chmod(path, member->mode), 0);
    set_mtime(member, path);
}

static void apply_one(const struct tar_member *member, const char *root)
{
    SCOPED(string) char *path = xasprintf("%s/%s", root, member->path);
    size_t length = strlen(path);

    if (path[length - 1] == '/')
        path[length - 1] = '\0';
    char *name = strrchr(path, '/') + 1;
    if (strcmp(name, ".wh..wh..opq") == 0) {
        name[-1] = '\0';
        empty_folder(path);
        return;
    }
    if (strncmp(name, ".wh.", 4) == 0) {
        memmove(name, name + 4, strlen(name + 4) + 1);
        tree_remove(path);
        return;
    }
    if (!(member->type == '5' && is_folder(path)))
        tree_remove(path);
    make(member, path, root);
    set_attributes(member, path);
}

void layer_apply(const struct tar_archive *layer, const char *root)
{
    for (size_t i = 0; i < layer->count; i++)
        apply_one(&layer->members[i], root);
    for (size_t i = 0; i < layer->count; i++) /* what came later has moved the times of folders */
        if (layer->members[i].type == '5') {
            SCOPED(string) char *path = xasprintf("%s/%s", root, layer->members[i].path);
            set_mtime(&layer->members[i], path);
        }
}
