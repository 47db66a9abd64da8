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
#include <sys/sysmacros.h>
#include <unistd.h>

#include "committer-agent/layer/names.h"
#include "committer-agent/layer/printable.h"
#include "committer-agent/layer/xattrs.h"
#include "shared/base/alloc.h"
#include "shared/base/strbuf.h"

/* One root's share of a folder or of an entry. Its descriptor is in walk.fds, at the same index. */
struct part {
    size_t root;
    dev_t dev;
    ino_t ino;
};

/* A folder that the walk is in. */
struct level {
    size_t first_part, part_count; /* topmost first */
    size_t listed_count;           /* of them, those that are not below the stack */
    size_t path_length;            /* of this folder's own path */
    struct names names;
    bool evicted; /* the names were dropped for their memory: read them again after the path's next part */
};

struct walk {
    int *root_fds;
    size_t root_count, stack_count; /* the roots from stack_count on are below the stack */
    struct walk_limits limits;
    struct xattrs *xattrs; /* only of a stack */

    struct level *levels;
    unsigned depth, levels_room; /* levels[0] is the root, levels[depth - 1] the innermost */
    unsigned oldest_open;        /* levels below it but the root are closed */
    size_t open_folders;         /* descriptors of all levels */
    size_t names_bytes;          /* held by all levels */

    struct part *parts; /* of the levels, outermost first, and of the last entry behind them */
    int *fds; /* of the parts; a level's are for listing, -1 while it is closed; an entry's are O_PATH */
    size_t part_count, parts_room;
    size_t entry_part; /* the first of the last entry, which has none when it equals part_count */

    struct strbuf path; /* of the last entry */
    bool may_descend;   /* it is a folder and not to be skipped */
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

    walk->stack_count = roots->count;
    walk->root_count = roots->count + roots->below_count;
    walk->root_fds = xcalloc(walk->root_count, sizeof(*walk->root_fds));
    for (size_t i = 0; i < walk->root_count; i++)
        walk->root_fds[i] = i < roots->count ? roots->fds[i] : roots->below_fds[i - roots->count];
    walk->limits = walk_limits_resolve(limits);
    assert(roots->count >= 1 && walk->limits.open_folders_max >= 2 &&
           walk->limits.names_budget_bytes >= 4 * NAMES_BUDGET_MIN);
    walk->oldest_open = 1;
    if (walk->root_count > 1)
        walk->xattrs = xattrs_new();
    return walk;
}

/* From that one on; closes them. */
static void drop_parts(struct walk *walk, size_t first)
{
    while (walk->part_count > first)
        fd_freep(&walk->fds[--walk->part_count]);
}

void walk_free(struct walk *walk)
{
    if (!walk)
        return;
    drop_parts(walk, 0);
    while (walk->depth > 0)
        names_done(&walk->levels[--walk->depth].names);
    free(walk->root_fds);
    xattrs_free(walk->xattrs);
    free(walk->levels);
    free(walk->parts);
    free(walk->fds);
    strbuf_done(&walk->path);
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

static int open_resolved(int dir_fd, const char *name, int flags, uint64_t resolve)
{
    const struct open_how how = {
        .flags = (uint64_t)(flags | O_NOFOLLOW | O_CLOEXEC),
        .resolve = resolve | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };
    return (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
}

/* Both a mount and a folder that is renamed to elsewhere in this very moment are EXDEV to RESOLVE_BENEATH. Without it
 * only the mount is. The latter becomes ESTALE here. */
static int open_beneath(int dir_fd, const char *name, int flags)
{
    int fd = open_resolved(dir_fd, name, flags, RESOLVE_BENEATH);

    if (fd >= 0 || errno != EXDEV)
        return fd;
    fd = open_resolved(dir_fd, name, O_PATH, 0);
    if (fd >= 0) {
        (void)close(fd);
        errno = ESTALE;
    }
    return -1;
}

static int open_error(struct walk *walk, int sys_errno, struct error *err)
{
    switch (sys_errno) {
    case ENOENT:
    case ELOOP: /* a folder became a symlink */
    case ENOTDIR:
        return changed(walk, err, "went away");
    case ESTALE:
        return changed(walk, err, "was moved");
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

bool walk_is_whiteout(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
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
    const struct names_folders folders = {walk->fds + level->first_part, level->listed_count};
    size_t share = walk->limits.names_budget_bytes / 4;

    walk->names_bytes -= names_held_bytes(&level->names);
    evict_names(walk, share);
    int answer = names_read(&level->names, &folders, after, share, err);
    walk->names_bytes += names_held_bytes(&level->names);
    level->evicted = false;
    return answer < 0 ? error_wrap(err, "folder %s", current_path(walk).text) : 0;
}

/* Makes the last entry a level; its parts stay where they are. */
static struct level *push_level(struct walk *walk)
{
    if (walk->depth == walk->levels_room) {
        walk->levels_room = walk->levels_room ? walk->levels_room * 2 : 16;
        walk->levels = xrealloc_array(walk->levels, walk->levels_room, sizeof(*walk->levels));
    }
    struct level *level = &walk->levels[walk->depth++];
    *level = (struct level){.first_part = walk->entry_part,
                            .part_count = walk->part_count - walk->entry_part,
                            .path_length = walk->path.length};
    names_init(&level->names);
    while (level->listed_count < level->part_count &&
           walk->parts[level->first_part + level->listed_count].root < walk->stack_count)
        level->listed_count++;
    walk->entry_part = walk->part_count;
    return level;
}

/* The root and the innermost stay open. */
static void close_oldest_folders(struct walk *walk)
{
    while (walk->open_folders > walk->limits.open_folders_max && walk->oldest_open + 1 < walk->depth) {
        const struct level *level = &walk->levels[walk->oldest_open++];
        for (size_t i = 0; i < level->part_count; i++)
            fd_freep(&walk->fds[level->first_part + i]);
        walk->open_folders -= level->part_count;
    }
}

/* Goes into the folder that was the last entry. */
static int descend(struct walk *walk, struct error *err)
{
    const struct level *level = push_level(walk);

    walk->open_folders += level->part_count; /* at once: ascend() takes them all off, failure or not */
    for (size_t i = level->first_part; i < level->first_part + level->listed_count; i++) {
        int fd = open_beneath(walk->fds[i], ".", O_RDONLY | O_DIRECTORY);
        if (fd < 0)
            return open_error(walk, errno, err);
        (void)close(walk->fds[i]); /* O_PATH: nothing to lose */
        walk->fds[i] = fd;
    }
    close_oldest_folders(walk);
    return read_names(walk, "", err);
}

/* Opens a folder of the path by its names from a root. Mostly ".." does. */
static int open_from_root(struct walk *walk, size_t root, size_t path_length)
{
    const char *path = strbuf_text(&walk->path);
    SCOPED(fd)
    int at = open_beneath(walk->fds[walk->levels[0].first_part + root], ".", O_RDONLY | O_DIRECTORY);

    for (size_t start = 0; at >= 0 && start < path_length;) {
        char name[NAMES_NAME_MAX + 1];
        size_t length = strcspn(path + start, "/");
        memcpy(name, path + start, length); /* it came out of a batch of names */
        name[length] = '\0';
        int next = open_beneath(at, name, O_RDONLY | O_DIRECTORY);
        (void)close(at);
        at = next;
        start += length + 1;
    }
    return TAKE_FD(at);
}

/* One root's share of the folder around the innermost one. RESOLVE_BENEATH cannot be asked for "..", identity
 * is. */
static int reopen_part(struct walk *walk, const struct level *outer, size_t part, const struct level *inner,
                       struct error *err)
{
    const struct part *want = &walk->parts[part];
    struct stat st;
    SCOPED(fd)
    int fd = -1;
    size_t i = inner->first_part;

    if (walk->fds[part] >= 0)
        return 0; /* an earlier try, that failed at another part */
    while (i < walk->part_count && walk->parts[i].root != want->root)
        i++;
    if (i < walk->part_count)
        fd = openat(walk->fds[i], "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    else
        fd = open_from_root(walk, want->root, outer->path_length);
    if (fd < 0)
        return open_error(walk, errno, err);
    if (fstat(fd, &st) < 0)
        return error_sys(err, errno, "going back from %s", current_path(walk).text);
    if (st.st_dev != want->dev || st.st_ino != want->ino)
        return changed(walk, err, "was moved");
    walk->fds[part] = TAKE_FD(fd);
    walk->open_folders++;
    return 0;
}

static int reopen_outer(struct walk *walk, const struct level *outer, const struct level *inner,
                        struct error *err)
{
    for (size_t i = 0; i < outer->part_count; i++)
        if (reopen_part(walk, outer, outer->first_part + i, inner, err) < 0)
            return -1;
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
    if (outer && outer > walk->levels && walk->depth - 1 == walk->oldest_open &&
        reopen_outer(walk, outer, inner, err) < 0)
        return -1;
    walk->names_bytes -= names_held_bytes(&inner->names);
    names_done(&inner->names);
    walk->open_folders -= inner->part_count;
    drop_parts(walk, inner->first_part);
    walk->entry_part = inner->first_part;
    walk->depth--;
    if (outer && outer->evicted) {
        size_t name_at = outer->path_length + (outer->path_length ? 1 : 0);
        answer = read_names(walk, strbuf_text(&walk->path) + name_at, err);
    }
    return answer;
}

/* The next name in the innermost folder, and the first of its parts that has it; NULL: it has no more. */
static int next_name(struct walk *walk, const char **ret_name, size_t *ret_part, struct error *err)
{
    struct level *level = innermost(walk);
    const char *name = names_next(&level->names, ret_part);

    if (!name && level->names.more) {
        if (read_names(walk, level->names.ceiling, err) < 0)
            return -1;
        name = names_next(&level->names, ret_part);
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

/* The folders that an entry may be in: the parts of the innermost one, or the roots for the root itself. */
static size_t count_folders(struct walk *walk)
{
    return walk->depth ? innermost(walk)->part_count : walk->root_count;
}

/* Adds a descriptor to the last entry, and takes it. */
static void push_part(struct walk *walk, int fd, size_t root, const struct stat *st)
{
    if (walk->part_count == walk->parts_room) {
        walk->parts_room = walk->parts_room ? walk->parts_room * 2 : 32;
        walk->parts = xrealloc_array(walk->parts, walk->parts_room, sizeof(*walk->parts));
        walk->fds = xrealloc_array(walk->fds, walk->parts_room, sizeof(*walk->fds));
    }
    walk->parts[walk->part_count] = (struct part){.root = root, .dev = st->st_dev, .ino = st->st_ino};
    walk->fds[walk->part_count++] = fd;
}

static size_t root_of(struct walk *walk, size_t folder)
{
    return walk->depth ? walk->parts[innermost(walk)->first_part + folder].root : folder;
}

/* 1: the folder has the name, which is a part of the entry now. 0: it has not. */
static int add_part(struct walk *walk, size_t folder, const char *name, struct stat *ret_st,
                    struct error *err)
{
    int dir_fd = walk->depth ? walk->fds[innermost(walk)->first_part + folder] : walk->root_fds[folder];
    SCOPED(fd)
    int fd = open_beneath(dir_fd, name, O_PATH);

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return open_error(walk, errno, err);
    if (fstat(fd, ret_st) < 0)
        return error_sys(err, errno, "looking at %s", current_path(walk).text);
    push_part(walk, TAKE_FD(fd), root_of(walk, folder), ret_st);
    return 1;
}

/* Is the last part of the entry opaque? 1, 0 or -1. overlayfs does not ask the root. */
static int part_is_opaque(struct walk *walk, struct error *err)
{
    if (walk->depth == 0)
        return 0;
    if (xattrs_read(walk->xattrs, walk->fds[walk->part_count - 1], err) < 0)
        return error_wrap(err, "folder %s", current_path(walk).text);
    return xattrs_opaque(walk->xattrs);
}

/* Adds the folders of that name below the topmost. 1: the stack lets nothing from below it show through; 0 or -1. */
static int merge_below(struct walk *walk, size_t topmost, const char *name, struct error *err)
{
    int ends = part_is_opaque(walk, err);
    bool in_stack = true;

    for (size_t i = topmost + 1; ends == 0 && i < count_folders(walk); i++) {
        struct stat st;
        in_stack = root_of(walk, i) < walk->stack_count;
        int found = add_part(walk, i, name, &st, err);
        if (found < 0)
            return -1;
        if (found == 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            ends = part_is_opaque(walk, err);
        } else {
            drop_parts(walk, walk->part_count - 1);
            ends = 1;
        }
    }
    return ends > 0 ? in_stack : ends;
}

/* Does anything that shows through from below the stack have the name? 1, 0 or -1. */
static int find_below(struct walk *walk, const char *name, struct error *err)
{
    if (walk->root_count == walk->stack_count)
        return 1; /* nobody told what is there */
    for (size_t i = innermost(walk)->listed_count; i < count_folders(walk); i++) {
        struct stat st;
        int found = add_part(walk, i, name, &st, err);
        if (found < 0)
            return -1;
        if (found == 0)
            continue;
        drop_parts(walk, walk->part_count - 1);
        return !walk_is_whiteout(&st);
    }
    return 0;
}

/* What an entry is to those of its name further down. */
static int look_below(struct walk *walk, size_t topmost, const char *name, struct walk_entry *entry,
                      struct error *err)
{
    int hides = 0, covers = 0;

    if (walk->root_count == 1)
        return 0;
    if (S_ISDIR(entry->st.st_mode))
        hides = merge_below(walk, topmost, name, err);
    else if (S_ISSOCK(entry->st.st_mode) || walk_is_whiteout(&entry->st))
        covers = find_below(walk, name, err);
    if (hides < 0 || covers < 0)
        return -1;
    entry->hides_below = hides;
    entry->covers_below = covers;
    return 0;
}

/* Opens the entry that walk->path names, by its name in the topmost folder that has it, and shows it. */
static int enter(struct walk *walk, size_t topmost, const char *name, struct walk_entry *ret_entry,
                 struct error *err)
{
    const char *path = strbuf_text(&walk->path), *slash = strrchr(path, '/');
    struct walk_entry entry = {.path = path, .name = slash ? slash + 1 : path, .depth = walk->depth};

    if (check_limits(walk, err) < 0)
        return -1;
    int found = add_part(walk, topmost, name, &entry.st, err);
    if (found <= 0)
        return found < 0 ? -1 : open_error(walk, ENOENT, err);
    if (look_below(walk, topmost, name, &entry, err) < 0)
        return -1;
    walk->may_descend = S_ISDIR(entry.st.st_mode);
    entry.fd = walk->fds[walk->entry_part];
    *ret_entry = entry;
    return 1;
}

static int enter_named(struct walk *walk, size_t topmost, const char *name, struct walk_entry *ret_entry,
                       struct error *err)
{
    const struct level *folder = innermost(walk);

    cut_path(walk, folder);
    if (folder->path_length)
        (void)strbuf_addc(&walk->path, '/'); /* no limit is set, so appends succeed */
    (void)strbuf_adds(&walk->path, name);
    return enter(walk, topmost, name, ret_entry, err);
}

int walk_next(struct walk *walk, struct walk_entry *ret_entry, struct error *err)
{
    if (walk->entries == 0) {
        (void)strbuf_adds(&walk->path, "");
        return enter(walk, 0, ".", ret_entry, err);
    }
    bool descends = walk->may_descend;
    walk->may_descend = false;
    if (descends && descend(walk, err) < 0)
        return -1;
    drop_parts(walk, walk->entry_part);
    while (walk->depth > 0) {
        const char *name;
        size_t topmost;
        if (next_name(walk, &name, &topmost, err) < 0)
            return -1;
        if (name)
            return enter_named(walk, topmost, name, ret_entry, err);
        if (ascend(walk, err) < 0)
            return -1;
    }
    return 0;
}

void walk_skip_children(struct walk *walk)
{
    walk->may_descend = false;
}
