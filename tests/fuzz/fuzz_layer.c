/* A tree as the bytes say, captured. What a strict reader finds in the layer is the tree: each entry once, in the order of
 * names, folders first, with the attributes that the file system tells, and nothing that is not there. The same tree gives
 * the same bytes.
 *
 * The input is a list of steps: what to make, where (one of the folders there are), its name's length and bytes, and a byte
 * for its attributes. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "shared/base/strbuf.h"
#include "tests/unit/committer-agent/layer/scratch.h"
#include "tests/unit/committer-agent/layer/tar_reader.h"

enum { STEPS_MAX = 64, FOLDERS_MAX = 16, NAME_MAX_BYTES = 40 };

struct input {
    const uint8_t *at, *end;
};

struct tree {
    char root[64];
    int root_fd;
    struct input input;
    int folders[FOLDERS_MAX]; /* open; the first is the root */
    unsigned folder_count;
    char last[NAME_MAX_BYTES + 1]; /* what a link is made to */
    int last_folder;
};

static uint8_t take(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

/* A name of any bytes; false: not one. */
static bool take_name(struct input *input, char *name)
{
    size_t length = 1 + take(input) % NAME_MAX_BYTES;

    for (size_t i = 0; i < length; i++)
        name[i] = (char)take(input);
    name[length] = '\0';
    for (char *slash = name; (slash = strchr(slash, '/'));)
        *slash = '\n';
    return name[0] && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* ---- the tree; steps that do not work out are passed over ---- */

static void put_content(struct tree *tree, int folder, const char *name)
{
    size_t length = (size_t)take(&tree->input) * 5; /* less than a block to a few */
    SCOPED(fd) int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    uint8_t byte = take(&tree->input);

    if (fd < 0)
        return;
    if (byte & 1 && ftruncate(fd, (off_t)length * 100) < 0)
        return;
    for (size_t i = 0; i < length; i++, byte = (uint8_t)(byte * 5 + 1))
        if (write(fd, &byte, 1) != 1)
            return;
}

static void put_folder_in(struct tree *tree, int folder, const char *name)
{
    if (mkdirat(folder, name, 0755) < 0 || tree->folder_count == FOLDERS_MAX)
        return;
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    FUZZ_CHECK(fd >= 0);
    tree->folders[tree->folder_count++] = fd;
}

static void set_attributes(struct tree *tree, int folder, const char *name)
{
    uint8_t owner = take(&tree->input), mode = take(&tree->input), key = take(&tree->input);
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                      {.tv_sec = (time_t)mode << (key % 27), .tv_nsec = owner * 3906250L}};
    char path[WALK_FD_PATH_SIZE], attribute[16];
    SCOPED(fd) int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    (void)snprintf(attribute, sizeof(attribute), "user.%c", key ? key : 'k');
    if (fd >= 0) /* each may be refused: attributes of links and devices, owners to whoever is not root */
        (void)!(fchownat(fd, "", (uid_t)owner << 16, (gid_t)mode << 20, AT_EMPTY_PATH) ||
                fchmodat(folder, name, (mode_t)mode << 4 & 07777, 0) ||
                (key & 1 && setxattr(walk_fd_path(fd, path), attribute, &owner, 1, 0)));
    (void)!utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW);
}

static void step(struct tree *tree)
{
    uint8_t what = take(&tree->input);
    int folder = tree->folders[take(&tree->input) % tree->folder_count];
    char name[NAME_MAX_BYTES + 1], target[NAME_MAX_BYTES + 1];

    if (!take_name(&tree->input, name))
        return;
    switch (what % 7) {
    case 0:
    case 1:
        put_content(tree, folder, name);
        break;
    case 2:
        put_folder_in(tree, folder, name);
        break;
    case 3:
        if (take_name(&tree->input, target))
            (void)!symlinkat(target, folder, name);
        break;
    case 4:
        (void)!(tree->last[0] && linkat(tree->last_folder, tree->last, folder, name, 0));
        break;
    case 5:
        (void)!mkfifoat(folder, name, 0600);
        break;
    case 6:
        (void)!mknodat(folder, name, S_IFBLK | 0600, makedev(what, take(&tree->input) << 8));
        break;
    }
    set_attributes(tree, folder, name);
    memcpy(tree->last, name, sizeof(name));
    tree->last_folder = folder;
}

static void tree_grow(struct tree *tree)
{
    const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

    (void)snprintf(tree->root, sizeof(tree->root), "%s/stasis-fuzz-XXXXXX", memory);
    FUZZ_CHECK(mkdtemp(tree->root));
    tree->root_fd = tree->folders[0] = open(tree->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    tree->folder_count = 1;
    FUZZ_CHECK(tree->root_fd >= 0);
    for (unsigned i = 0; i < STEPS_MAX && tree->input.at < tree->input.end; i++)
        step(tree);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void tree_remove(struct tree *tree)
{
    while (tree->folder_count > 0)
        (void)close(tree->folders[--tree->folder_count]);
    FUZZ_CHECK(nftw(tree->root, remove_one, 16, FTW_PHYS | FTW_DEPTH) == 0);
}

/* ---- the layer against the tree ---- */

struct comparison {
    int root_fd;
    const struct tar_archive *layer;
    size_t at;               /* the next member */
    uint64_t whiteout_names; /* met, and not in the layer */
    struct strbuf path;
};

static void check_content(const struct tar_member *member, int folder, const char *name,
                          const struct stat *st)
{
    SCOPED(fd) int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    SCOPED(memory) unsigned char *bytes = malloc((size_t)st->st_size + 1);

    FUZZ_CHECK(member->size_bytes == (uint64_t)st->st_size && bytes);
    FUZZ_CHECK(read(fd, bytes, (size_t)st->st_size + 1) == st->st_size);
    FUZZ_CHECK(memcmp(bytes, member->content, (size_t)st->st_size) == 0);
}

static void check_target(const struct tar_member *member, int folder, const char *name)
{
    char target[NAME_MAX_BYTES + 2];
    ssize_t length = readlinkat(folder, name, target, sizeof(target));

    FUZZ_CHECK(length > 0 && (size_t)length == strlen(member->target));
    FUZZ_CHECK(memcmp(target, member->target, (size_t)length) == 0);
}

/* The target must be an earlier member that is no link, and the same inode. */
static void check_link(const struct comparison *to, const struct tar_member *member, const struct stat *st)
{
    const struct tar_member *first = tar_archive_find(to->layer, member->target);
    struct stat of_first;

    FUZZ_CHECK(first && first < member && first->type != '1' && member->size_bytes == 0);
    FUZZ_CHECK(fstatat(to->root_fd, member->target, &of_first, AT_SYMLINK_NOFOLLOW) == 0);
    FUZZ_CHECK(of_first.st_ino == st->st_ino);
}

static char type_of(mode_t mode)
{
    return S_ISREG(mode) ? '0' : S_ISLNK(mode) ? '2' : S_ISBLK(mode) ? '4' : S_ISDIR(mode) ? '5' : '6';
}

static void check_xattrs(const struct tar_member *member, int folder, const char *name)
{
    char path[WALK_FD_PATH_SIZE], names[1024], value[64];
    SCOPED(fd) int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    ssize_t listed = listxattr(walk_fd_path(fd, path), names, sizeof(names));
    size_t carried = 0;

    for (ssize_t at = 0; at < listed; at += (ssize_t)strlen(names + at) + 1)
        carried += strncmp(names + at, "trusted.", 8) != 0 && !strchr(names + at, '=');
    FUZZ_CHECK(member->xattr_count == carried);
    for (size_t i = 0; i < carried; i++) {
        const struct tar_member_xattr *xattr = &member->xattrs[i];
        ssize_t length = getxattr(path, xattr->name, value, sizeof(value));
        FUZZ_CHECK(length >= 0 && (size_t)length == xattr->value_length);
        FUZZ_CHECK(memcmp(value, xattr->value, xattr->value_length) == 0);
    }
}

static void check_member(const struct comparison *to, const struct tar_member *member, int folder,
                         const char *name, const struct stat *st)
{
    FUZZ_CHECK(member->mode == (st->st_mode & 07777));
    FUZZ_CHECK(member->uid == st->st_uid && member->gid == st->st_gid);
    FUZZ_CHECK(member->mtime.tv_sec == st->st_mtim.tv_sec && member->mtime.tv_nsec == st->st_mtim.tv_nsec);
    check_xattrs(member, folder, name);
    if (member->type == '1') {
        check_link(to, member, st);
        return;
    }
    FUZZ_CHECK(member->type == type_of(st->st_mode));
    if (S_ISREG(st->st_mode))
        check_content(member, folder, name, st);
    if (S_ISLNK(st->st_mode))
        check_target(member, folder, name);
    if (S_ISBLK(st->st_mode))
        FUZZ_CHECK(makedev(member->device_major, member->device_minor) == st->st_rdev);
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_entry(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static void compare_folder(struct comparison *to, int folder);

static void compare_entry(struct comparison *to, int folder, const char *name)
{
    size_t folder_length = to->path.length;
    struct stat st;

    if (strncmp(name, ".wh.", 4) == 0) {
        to->whiteout_names++;
        return;
    }
    FUZZ_CHECK(fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
    (void)strbuf_addf(&to->path, "%s%s", name, S_ISDIR(st.st_mode) ? "/" : "");
    FUZZ_CHECK(to->at < to->layer->count);
    const struct tar_member *member = &to->layer->members[to->at++];
    FUZZ_CHECK(strcmp(member->path, strbuf_text(&to->path)) == 0);
    check_member(to, member, folder, name, &st);
    if (S_ISDIR(st.st_mode)) {
        SCOPED(fd) int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        compare_folder(to, fd);
    }
    to->path.length = folder_length;
    to->path.bytes[folder_length] = '\0';
}

static void compare_folder(struct comparison *to, int folder)
{
    struct dirent **entries;
    int count = scandirat(folder, ".", &entries, is_entry, by_bytes);

    FUZZ_CHECK(count >= 0);
    for (int i = 0; i < count; i++) {
        compare_entry(to, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

static void compare(const struct tree *tree, const struct captured *captured)
{
    SCOPED_TAR_ARCHIVE struct tar_archive layer = {0};
    struct comparison to = {.root_fd = tree->root_fd, .layer = &layer, .path = STRBUF_INIT};

    tar_archive_read(&layer, captured->bytes, captured->length);
    FUZZ_CHECK(layer.count >= 1 && strcmp(layer.members[0].path, "./") == 0);
    to.at = 1;
    (void)strbuf_adds(&to.path, "");
    compare_folder(&to, tree->root_fd);
    FUZZ_CHECK(to.at == layer.count);
    FUZZ_CHECK(captured->result.files == layer.count - 1);
    FUZZ_CHECK(captured->result.lost[LAYER_LOST_WHITEOUT_NAME].count == to.whiteout_names);
    strbuf_done(&to.path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct layer_options plain = {.compress = {.compression = LAYER_NONE}};
    const struct layer_options tight = {.compress = {.compression = LAYER_NONE},
                                        .limits = {.open_folders_max = 2, .names_budget_bytes = 4096}};
    struct tree tree = {.input = {data, data + size}};
    SCOPED_CAPTURED struct captured captured = {0}, again = {0};
    struct error err = {0};

    tree_grow(&tree);
    FUZZ_CHECK(capture_into_memory(tree.root, &plain, &captured, &err) == 0);
    compare(&tree, &captured);
    FUZZ_CHECK(capture_into_memory(tree.root, &tight, &again, &err) == 0);
    FUZZ_CHECK(digest_equal(&captured.result.diff_id, &again.result.diff_id));
    tree_remove(&tree);
    return 0;
}
