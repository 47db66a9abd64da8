#include "committer-agent/node/subpath.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/file.h"
#include "shared/log/log.h"

typedef Opensandbox__Committer__V1__Mount mount_message;

enum { FD_PATH_SIZE = 40 };

char *subpath_place(const char *mounts_dir, const pod_request *request, const container_spec_message *spec,
                    size_t index)
{
    return xasprintf("%s/%s.%s.%zu", mounts_dir, request->pod->uid, spec->name, index);
}

/* ---- finding the part ---- */

static int is_link(struct error *err, const char *name)
{
    return error_set(err, ERR_INVALID, "\"%.200s\" is a symbolic link: links in a volume are not followed",
                     name);
}

/* O_PATH without following opens a link itself. */
static int open_place(int dir_fd, const char *name)
{
    return openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

static const char *fd_path(int fd, char out[FD_PATH_SIZE])
{
    (void)snprintf(out, FD_PATH_SIZE, "/proc/self/fd/%d", fd);
    return out;
}

/* One step down; the folder is made when it is missing, with this mode whatever the umask. */
static int step(int dir_fd, const char *name, mode_t mode, int *ret_fd, struct error *err)
{
    SCOPED(fd) int fd = open_place(dir_fd, name);
    const bool is_missing = fd < 0 && errno == ENOENT;
    char path[FD_PATH_SIZE];
    struct stat st;

    if (is_missing && mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)
        return error_sys(err, errno, "making \"%.200s\"", name);
    if (is_missing)
        fd = open_place(dir_fd, name);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_sys(err, errno, "opening \"%.200s\"", name);
    if (S_ISLNK(st.st_mode))
        return is_link(err, name);
    if (is_missing && S_ISDIR(st.st_mode) && chmod(fd_path(fd, path), mode) < 0)
        return error_sys(err, errno, "the mode of \"%.200s\"", name);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int open_part(const mount_message *part, int *ret_fd, struct error *err)
{
    SCOPED(string) char *path = xstrdup(part->sub_path);
    SCOPED(fd) int fd = open(part->host_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat volume;
    char *rest = NULL;

    if (fd < 0 || fstat(fd, &volume) < 0)
        return error_sys(err, errno, "opening %s", part->host_path);
    for (char *name = strtok_r(path, "/", &rest); name; name = strtok_r(NULL, "/", &rest)) {
        int next = -1;
        if (strcmp(name, ".") == 0)
            continue;
        if (step(fd, name, volume.st_mode & 07777, &next, err) < 0)
            return -1;
        (void)close(fd); /* only a place */
        fd = next;
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* ---- mounting it ---- */

/* A folder for a folder, a file for anything else. */
static int make_place(const char *place, bool is_folder, struct error *err)
{
    if (is_folder)
        return dir_ensure(place, 0700, err);
    SCOPED(fd) int fd = open(place, O_CREAT | O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? error_sys(err, errno, "%s", place) : 0;
}

/* Never more than the mount and its own empty place: what is mounted there is somebody's data. */
static int take_away(const char *place, struct error *err)
{
    if (umount2(place, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
        return error_sys(err, errno, "unmounting %s", place);
    if (rmdir(place) < 0 && errno == ENOTDIR && unlink(place) < 0)
        return error_sys(err, errno, "removing %s", place);
    return 0;
}

static int mount_part(const mount_message *part, const char *place, struct error *err)
{
    char source[FD_PATH_SIZE];
    SCOPED(fd) int fd = -1;
    struct stat st;

    if (open_part(part, &fd, err) < 0)
        return -1;
    if (fstat(fd, &st) < 0)
        return error_sys(err, errno, "looking at %s", part->sub_path);
    if (take_away(place, err) < 0 || make_place(place, S_ISDIR(st.st_mode), err) < 0)
        return -1;
    if (mount(fd_path(fd, source), place, NULL, MS_BIND | MS_REC, NULL) < 0)
        return error_sys(err, errno, "mounting %s at %s", part->sub_path, place);
    return 0;
}

int subpaths_mount(const char *mounts_dir, const pod_request *request, const container_spec_message *spec,
                   struct error *err)
{
    for (size_t i = 0; i < spec->n_mounts; i++) {
        SCOPED(string) char *place = subpath_place(mounts_dir, request, spec, i);
        if (!*spec->mounts[i]->sub_path || mount_part(spec->mounts[i], place, err) == 0)
            continue;
        subpaths_unmount(mounts_dir, request, spec);
        return error_wrap(err, "mounts[%zu].sub_path %.200s", i, spec->mounts[i]->sub_path);
    }
    return 0;
}

void subpaths_unmount(const char *mounts_dir, const pod_request *request, const container_spec_message *spec)
{
    for (size_t i = 0; i < spec->n_mounts; i++) {
        SCOPED(string) char *place = subpath_place(mounts_dir, request, spec, i);
        struct error err = {0};
        if (*spec->mounts[i]->sub_path && take_away(place, &err) < 0)
            log_failure(LOG_WARN, "a part of a volume stays mounted", &err, log_str("place", place));
    }
}

int subpaths_sweep(const char *mounts_dir, struct error *err)
{
    if (dir_ensure(mounts_dir, 0700, err) < 0)
        return -1;
    DIR *folder = opendir(mounts_dir);
    if (!folder)
        return error_sys(err, errno, "reading %s", mounts_dir);
    int result = 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(folder));) {
        SCOPED(string) char *place = xasprintf("%s/%s", mounts_dir, entry->d_name);
        if (entry->d_name[0] != '.')
            result = take_away(place, err);
    }
    (void)closedir(folder);
    return result;
}
