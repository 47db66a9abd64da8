#include "committer-agent/layer/walk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "committer-agent/layer/names.h"
#include "committer-agent/layer/printable.h"
#include "shared/base/alloc.h"
#include "shared/base/strbuf.h"

/* A folder that the walk is in. */
struct level {
    int fd; /* for listing; -1 while there are too many open ones above it */
    dev_t dev;
    ino_t ino;
    size_t path_length; /* of this folder's own path */
    struct names names;
    bool evicted; /* the names were dropped for their memory: read them again after the path's next part */
};

struct walk {
    int root_fd;
    struct walk_limits limits;

    struct level *levels;
    unsigned depth, levels_room; /* levels[0] is the root, levels[depth - 1] the innermost */
    unsigned oldest_open;        /* levels below it but the root are closed */
    size_t names_bytes;          /* held by all levels */

    struct strbuf path; /* of the last entry */
    int entry_fd;       /* of the last entry, -1: none */
    bool may_descend;   /* it is a folder and not to be skipped */
    dev_t entry_dev;
    ino_t entry_ino;
    uint64_t entries;
};

static const struct walk_limits default_limits = {
    .depth_max = 4096,
    .path_max_bytes = (size_t)64 << 10,
    .entries_max = 20000000,
    .open_folders_max = 64,
    .names_budget_bytes = (size_t)16 << 20,
};

#define RESOLVE(limits, field) ((limits)->field ? (limits)->field : default_limits.field)

struct walk_limits walk_limits_resolve(const struct walk_limits *limits)
{
    return (struct walk_limits){
        .depth_max = RESOLVE(limits, depth_max),
        .path_max_bytes = RESOLVE(limits, path_max_bytes),
        .entries_max = RESOLVE(limits, entries_max),
        .open_folders_max = RESOLVE(limits, open_folders_max),
        .names_budget_bytes = RESOLVE(limits, names_budget_bytes),
    };
}

struct walk *walk_new(const struct walk_roots *roots, const struct walk_limits *limits)
{
    struct walk *walk = xcalloc(1, sizeof(*walk));

    assert(roots->count == 1);
    walk->root_fd = roots->fds[0];
    walk->limits = walk_limits_resolve(limits);
    assert(walk->limits.open_folders_max >= 2 && walk->limits.names_budget_bytes >= 4 * NAMES_BUDGET_MIN);
    walk->entry_fd = -1;
    walk->oldest_open = 1;
    return walk;
}

static void level_done(struct level *level)
{
    fd_freep(&level->fd);
    names_done(&level->names);
}

void walk_free(struct walk *walk)
{
    if (!walk)
        return;
    while (walk->depth > 0)
        level_done(&walk->levels[--walk->depth]);
    free(walk->levels);
    strbuf_done(&walk->path);
    fd_freep(&walk->entry_fd);
    free(walk);
}

static struct printable current_path(const struct walk *walk)
{
    return printable_path(strbuf_text(&walk->path));
}

static int changed(struct walk *walk, struct error *err, const char *what)
{
    (void)error_set(err, ERR_PRECONDITION, "%s %s while the tree was read; freeze the container first",
                    current_path(walk).text, what);
    return error_reason(err, "FileChanged");
}

static int open_beneath(int dir_fd, const char *name, int flags)
{
    const struct open_how how = {
        .flags = (uint64_t)(flags | O_NOFOLLOW | O_CLOEXEC),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };
    return (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
}

static int open_error(struct walk *walk, int sys_errno, struct error *err)
{
    switch (sys_errno) {
    case ENOENT:
    case ELOOP: /* a folder became a symlink */
    case ENOTDIR:
        return changed(walk, err, "went away");
    case EXDEV:
        return error_set(err, ERR_UNSUPPORTED,
                         "%s is on another mount; a container's own layer is one file system",
                         current_path(walk).text);
    case ENOSYS:
        return error_set(err, ERR_UNSUPPORTED, "this kernel has no openat2: want Linux 5.6 or newer");
    default:
        return error_sys(err, sys_errno, "opening %s", current_path(walk).text);
    }
}

const char *walk_fd_path(int fd, char out[WALK_FD_PATH_SIZE])
{
    (void)snprintf(out, WALK_FD_PATH_SIZE, "/proc/self/fd/%d", fd);
    return out;
}

int walk_reopen(int fd, int flags, int *ret_fd, struct error *err)
{
    char link[WALK_FD_PATH_SIZE];
    int opened = open(walk_fd_path(fd, link), flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (opened < 0)
        return error_sys(err, errno, "reopening %s", link);
    *ret_fd = opened;
    return 0;
}

static struct level *innermost(struct walk *walk)
{
    return &walk->levels[walk->depth - 1];
}

/* Frees the names of outer folders, outermost first, until a share is left for one more. They are read again
 * when the walk comes back, which is rare: it takes a whole budget of names further in to get here. */
static void evict_names(struct walk *walk, size_t share)
{
    for (unsigned i = 0; i + 1 < walk->depth && walk->names_bytes + share > walk->limits.names_budget_bytes;
         i++) {
        struct level *level = &walk->levels[i];
        if (level->evicted)
            continue;
        walk->names_bytes -= names_held_bytes(&level->names);
        names_done(&level->names);
        level->evicted = true;
    }
}

/* (Re)fills the innermost level with the names after the given one. */
static int read_names(struct walk *walk, const char *after, struct error *err)
{
    struct level *level = innermost(walk);
    size_t share = walk->limits.names_budget_bytes / 4;

    walk->names_bytes -= names_held_bytes(&level->names);
    evict_names(walk, share);
    int answer = names_read(&level->names, level->fd, after, share, err);
    walk->names_bytes += names_held_bytes(&level->names);
    level->evicted = false;
    return answer < 0 ? error_wrap(err, "folder %s", current_path(walk).text) : 0;
}

static struct level *push_level(struct walk *walk)
{
    if (walk->depth == walk->levels_room) {
        walk->levels_room = walk->levels_room ? walk->levels_room * 2 : 16;
        walk->levels = xrealloc_array(walk->levels, walk->levels_room, sizeof(*walk->levels));
    }
    struct level *level = &walk->levels[walk->depth++];
    *level = (struct level){.fd = -1, .path_length = walk->path.length};
    names_init(&level->names);
    return level;
}

static void close_oldest_folder(struct walk *walk)
{
    unsigned open_folders = walk->depth - walk->oldest_open + 1; /* the root stays open */

    if (walk->depth > walk->oldest_open && open_folders > walk->limits.open_folders_max)
        fd_freep(&walk->levels[walk->oldest_open++].fd);
}

/* Goes into the folder that was the last entry. */
static int descend(struct walk *walk, struct error *err)
{
    struct level *level = push_level(walk);

    level->fd = open_beneath(walk->entry_fd, ".", O_RDONLY | O_DIRECTORY);
    if (level->fd < 0)
        return open_error(walk, errno, err);
    level->dev = walk->entry_dev;
    level->ino = walk->entry_ino;
    close_oldest_folder(walk);
    return read_names(walk, "", err);
}

/* Opens the folder around the innermost one again; RESOLVE_BENEATH cannot be asked for "..", identity is. */
static int reopen_outer(struct walk *walk, struct level *outer, const struct level *inner, struct error *err)
{
    struct stat st;
    SCOPED(fd)
    int fd = openat(inner->fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) < 0)
        return error_sys(err, errno, "going back from %s", current_path(walk).text);
    if (st.st_dev != outer->dev || st.st_ino != outer->ino)
        return changed(walk, err, "was moved");
    outer->fd = TAKE_FD(fd);
    walk->oldest_open--;
    return 0;
}

/* Cuts the path back to that of the folder. */
static void cut_path(struct walk *walk, const struct level *folder)
{
    walk->path.length = folder->path_length;
    walk->path.bytes[folder->path_length] = '\0';
}

/* Leaves the innermost folder. */
static int ascend(struct walk *walk, struct error *err)
{
    struct level *inner = innermost(walk), *outer = walk->depth > 1 ? inner - 1 : NULL;
    int answer = 0;

    cut_path(walk, inner);
    if (outer && outer->fd < 0 && reopen_outer(walk, outer, inner, err) < 0)
        return -1;
    walk->names_bytes -= names_held_bytes(&inner->names);
    level_done(inner);
    walk->depth--;
    if (outer && outer->evicted) {
        size_t name_at = outer->path_length + (outer->path_length ? 1 : 0);
        answer = read_names(walk, strbuf_text(&walk->path) + name_at, err);
    }
    return answer;
}

/* The next name in the innermost folder; NULL: it has no more. */
static int next_name(struct walk *walk, const char **ret_name, struct error *err)
{
    struct level *level = innermost(walk);
    const char *name = names_next(&level->names);

    if (!name && level->names.more) {
        if (read_names(walk, level->names.ceiling, err) < 0)
            return -1;
        name = names_next(&level->names);
    }
    *ret_name = name;
    return 0;
}

static int check_limits(struct walk *walk, struct error *err)
{
    const struct walk_limits *limits = &walk->limits;

    if (++walk->entries > limits->entries_max) {
        (void)error_set(err, ERR_EXHAUSTED, "more than %ju files", (uintmax_t)limits->entries_max);
        return error_reason(err, "TooManyFiles");
    }
    if (walk->depth > limits->depth_max) {
        (void)error_set(err, ERR_EXHAUSTED, "%s: more than %u folders deep", current_path(walk).text,
                        limits->depth_max);
        return error_reason(err, "TreeTooDeep");
    }
    if (walk->path.length > limits->path_max_bytes) {
        (void)error_set(err, ERR_EXHAUSTED, "%s: a path of %zu bytes, want at most %zu",
                        current_path(walk).text, walk->path.length, limits->path_max_bytes);
        return error_reason(err, "PathTooLong");
    }
    return 0;
}

/* Opens the entry that walk->path names, by its name in dir_fd, and shows it. */
static int enter(struct walk *walk, int dir_fd, const char *name, struct walk_entry *ret_entry,
                 struct error *err)
{
    struct stat st;
    const char *path = strbuf_text(&walk->path), *slash = strrchr(path, '/');

    if (check_limits(walk, err) < 0)
        return -1;
    walk->entry_fd = open_beneath(dir_fd, name, O_PATH);
    if (walk->entry_fd < 0)
        return open_error(walk, errno, err);
    if (fstat(walk->entry_fd, &st) < 0)
        return error_sys(err, errno, "looking at %s", current_path(walk).text);
    walk->may_descend = S_ISDIR(st.st_mode);
    walk->entry_dev = st.st_dev;
    walk->entry_ino = st.st_ino;
    *ret_entry = (struct walk_entry){
        .fd = walk->entry_fd,
        .path = path,
        .name = slash ? slash + 1 : path,
        .depth = walk->depth,
        .st = st,
    };
    return 1;
}

static int enter_named(struct walk *walk, const char *name, struct walk_entry *ret_entry, struct error *err)
{
    const struct level *folder = innermost(walk);

    cut_path(walk, folder);
    if (folder->path_length)
        (void)strbuf_addc(&walk->path, '/'); /* no limit is set, so appends succeed */
    (void)strbuf_adds(&walk->path, name);
    return enter(walk, folder->fd, name, ret_entry, err);
}

int walk_next(struct walk *walk, struct walk_entry *ret_entry, struct error *err)
{
    if (walk->entries == 0) {
        (void)strbuf_adds(&walk->path, "");
        return enter(walk, walk->root_fd, ".", ret_entry, err);
    }
    if (walk->may_descend && descend(walk, err) < 0)
        return -1;
    walk->may_descend = false;
    fd_freep(&walk->entry_fd);
    while (walk->depth > 0) {
        const char *name;
        if (next_name(walk, &name, err) < 0)
            return -1;
        if (name)
            return enter_named(walk, name, ret_entry, err);
        if (ascend(walk, err) < 0)
            return -1;
    }
    return 0;
}

void walk_skip_children(struct walk *walk)
{
    walk->may_descend = false;
}
