/* walk.h - all entries below a folder, by descriptors only, folders before their content, names sorted by
 * bytes.
 *
 * Given several folders it shows them as overlayfs would stack them: the topmost entry of a name wins; folders
 * of one path are one folder with the attributes of the topmost, down to the first that is opaque, or lies on a
 * whiteout or on anything but a folder. Whiteouts are entries like any other; whether they are needed says
 * covers_below.
 *
 * The tree is hostile. Each entry is opened by one name in its folder's descriptor (openat2, RESOLVE_BENEATH
 * and no symlink, magic link or mount crossed) with O_PATH, so nothing in it is run, read or waited for by
 * looking; whoever wants more reopens that very inode (walk_reopen). Paths are text for the archive, never
 * used for access, so their length does not matter. The walk is a loop with a bounded number of open folders;
 * a folder that had to be closed is found again through "..", or by its names from the root where the folder
 * inside lacks that root, and recognised by device and inode. Names are held within a budget (names.h).
 *
 *   walk_new()
 *   walk_next() ...          1: an entry, the root first; 0: that was all
 *     walk_skip_children()   after a folder: do not go into it
 *
 * Threads: a walk belongs to one thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"

struct walk_limits {           /* a field of 0: the default behind it */
    unsigned depth_max;        /* 4096; the root has depth 0 */
    size_t path_max_bytes;     /* 64 KiB, of an entry's path */
    uint64_t entries_max;      /* 20 million; the root counts */
    unsigned open_folders_max; /* 64, at least 2; of all roots; exceeded only by one folder's own */
    size_t names_budget_bytes; /* 16 MiB, for all folders that the walk is in; at least 4 KiB */
};

/* With the defaults in place of zeroes. */
struct walk_limits walk_limits_resolve(const struct walk_limits *limits);

struct walk_entry {
    int fd;           /* O_PATH; borrowed until the next walk_next() */
    const char *path; /* from the root, no slash at its ends; "" is the root itself; borrowed likewise */
    const char *name; /* the last part of path */
    unsigned depth;
    bool hides_below; /* a folder of a stack that is opaque, or lies on what is opaque or no folder */
    /* A whiteout or socket of a stack: below it something has its name, or may have, where that is not known. */
    bool covers_below;
    struct stat st;
};

struct walk_roots { /* descriptors of folders, topmost first */
    const int *fds;
    size_t count; /* at least 1 */
    /* What the stack lies on: looked at for what shows through, not walked. 0: not known. */
    const int *below_fds;
    size_t below_count;
};

struct walk;

/* The descriptors are borrowed and must outlive the walk; roots and limits are copied. */
struct walk *walk_new(const struct walk_roots *roots, const struct walk_limits *limits);
void walk_free(struct walk *walk);
DEFINE_FREEP(walk, struct walk, walk_free)

/* 1, 0 or -1.
 * ERR_EXHAUSTED "TreeTooDeep", "PathTooLong" or "TooManyFiles": a limit.
 * ERR_PRECONDITION "FileChanged", or ERR_NOT_FOUND: somebody changed the tree meanwhile. Who does not mind may call
 * again: the walk goes on behind what has changed, in order, unless it cannot find back; then it fails again.
 * ERR_UNSUPPORTED: a mount in the tree, a kernel before 5.6; "UnsupportedOverlay": a folder of a stack as in
 * xattrs_read(). */
int walk_next(struct walk *walk, struct walk_entry *ret_entry, struct error *err);

void walk_skip_children(struct walk *walk);

/* How overlayfs says in an upper layer that a name is deleted. */
bool walk_is_whiteout(const struct stat *st);

/* Opens what an O_PATH descriptor stands for, through /proc: the same inode, whatever its name means by now.
 * Only for types that cannot block or act when opened: regular files and folders. *ret_fd is the caller's. */
int walk_reopen(int fd, int flags, int *ret_fd, struct error *err);

/* "/proc/self/fd/<fd>": for calls that take no O_PATH descriptor, such as getxattr(). */
#define WALK_FD_PATH_SIZE 32
const char *walk_fd_path(int fd, char out[WALK_FD_PATH_SIZE]);
