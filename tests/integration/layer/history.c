#include "tests/integration/layer/history.h"

#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "tests/integration/layer/tree.h"

struct history {
    const char *root;
    uint64_t random;
    char **paths; /* what was there at the last look */
    unsigned count;
};

#define TENS(digit) digit "123456789"
#define FIFTY       TENS("0") TENS("1") TENS("2") TENS("3") TENS("4")
#define LONGEST     FIFTY FIFTY FIFTY FIFTY FIFTY "12345"
_Static_assert(sizeof(LONGEST) == NAME_MAX + 1, "as long as a name can be; its whiteout's is longer");

static const char *const names[] = {
    "a",
    "b",
    "c",
    "dir",
    "etc",
    "lib",
    "x.so",
    "caf\xc3\xa9",
    "\xff\xfe",
    "\n t",
    "b.txt",
    "-rf",
    "...",
    "back\\slash",
    "\"q\" '",
    "wh.normal",
    ".whx",
    ".wh.lost",
    "n234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890",
    LONGEST,
};

static unsigned pick(struct history *history, unsigned below)
{
    history->random = history->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)((history->random >> 33) % below);
}

static char *full(const struct history *history, const char *path)
{
    return xasprintf("%s/%s", history->root, path);
}

static void look(struct history *history)
{
    tree_list_free(history->paths, history->count);
    history->paths = tree_list(history->root, &history->count);
}

/* Something that is (or lately was) there, as a full path. */
static char *some(struct history *history)
{
    return history->count ? full(history, history->paths[pick(history, history->count)])
                          : full(history, names[pick(history, 3)]);
}

static bool is_folder(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Any bytes but the two that no name has. */
static void random_text(struct history *history, char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        text[i] = (char)(1 + pick(history, 255));
        if (text[i] == '/')
            text[i] = '\n';
    }
    text[length] = '\0';
}

/* A place for something new: a name in some folder, not too deep. */
static char *place(struct history *history)
{
    const char *name = names[pick(history, sizeof(names) / sizeof(names[0]))];
    char random_name[32];

    if (pick(history, 8) == 0) {
        random_text(history, random_name, 1 + pick(history, sizeof(random_name) - 1));
        name = random_name;
    }

    for (int tries = 0; tries < 4 && history->count; tries++) {
        const char *path = history->paths[pick(history, history->count)];
        SCOPED(string) char *folder = full(history, path);
        if (is_folder(folder) && strlen(path) < 300)
            return xasprintf("%s/%s", folder, name);
    }
    return full(history, name);
}

/* Calls a system call for what it does, if it can. */
#define ATTEMPT(call) ((void)((call) == 0))

static void fill(struct history *history, int fd, size_t length)
{
    char bytes[4096];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)pick(history, 256);
    while (length > 0) {
        size_t part = length < sizeof(bytes) ? length : sizeof(bytes);
        if (write(fd, bytes, part) < 0)
            return;
        length -= part;
    }
}

static void write_file(struct history *history, const char *path, int flags)
{
    int fd = open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags, 0644);
    struct stat st;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        fill(history, fd, pick(history, 4) ? pick(history, 9000) : 0);
    (void)close(fd);
}

static void create(struct history *history)
{
    SCOPED(string) char *path = place(history);
    write_file(history, path, O_CREAT | O_TRUNC);
}

static void rewrite(struct history *history)
{
    SCOPED(string) char *path = some(history);
    write_file(history, path, pick(history, 2) ? O_TRUNC : O_APPEND);
}

static void cut(struct history *history)
{
    SCOPED(string) char *path = some(history);
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
        ATTEMPT(truncate(path, pick(history, 200000)));
}

static void make_sparse(struct history *history)
{
    SCOPED(string) char *path = place(history);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return;
    ATTEMPT(ftruncate(fd, 100000 + pick(history, 2000000)));
    for (unsigned i = pick(history, 4); i > 0; i--) {
        (void)lseek(fd, pick(history, 2000000), SEEK_SET);
        fill(history, fd, pick(history, 6000));
    }
    ATTEMPT(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pick(history, 50000), 30000));
    ATTEMPT(fallocate(fd, 0, pick(history, 500000), 20000));
    (void)close(fd);
}

static void delete_one(struct history *history)
{
    SCOPED(string) char *path = some(history);
    if (unlink(path) < 0)
        ATTEMPT(rmdir(path));
}

static void delete_all_of(struct history *history)
{
    SCOPED(string) char *path = some(history);
    tree_remove(path);
}

static void move(struct history *history)
{
    SCOPED(string) char *from = some(history), *to = pick(history, 2) ? place(history) : some(history);
    ATTEMPT(rename(from, to));
}

static void exchange(struct history *history)
{
    SCOPED(string) char *a = some(history), *b = some(history);
    ATTEMPT(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE));
}

static void make_link(struct history *history)
{
    SCOPED(string) char *from = some(history), *to = place(history);
    ATTEMPT(link(from, to));
}

static void make_symlink(struct history *history)
{
    SCOPED(string) char *path = place(history);
    char target[PATH_MAX];

    random_text(history, target, 1 + pick(history, pick(history, 4) ? 30 : PATH_MAX - 1));
    ATTEMPT(
        symlink(pick(history, 2) ? target : names[pick(history, sizeof(names) / sizeof(names[0]))], path));
}

static void make_folder(struct history *history)
{
    SCOPED(string) char *path = place(history);
    ATTEMPT(mkdir(path, 0755));
}

/* What was below is hidden: overlayfs makes the new folder opaque. */
static void make_folder_again(struct history *history)
{
    SCOPED(string) char *path = some(history);
    if (!is_folder(path))
        return;
    tree_remove(path);
    ATTEMPT(mkdir(path, 0750));
}

static void turn_into_the_other_kind(struct history *history)
{
    SCOPED(string) char *path = some(history);
    bool folder = is_folder(path);
    tree_remove(path);
    if (folder)
        write_file(history, path, O_CREAT | O_EXCL);
    else
        ATTEMPT(mkdir(path, 0711));
}

static void change_mode(struct history *history)
{
    SCOPED(string) char *path = some(history);
    struct stat st;
    if (lstat(path, &st) == 0 && !S_ISLNK(st.st_mode))
        ATTEMPT(chmod(path, pick(history, 010000)));
}

static void change_owner(struct history *history)
{
    SCOPED(string) char *path = some(history);
    ATTEMPT(lchown(path, pick(history, 4) ? pick(history, 5000) : 4000000000u + pick(history, 9),
                   pick(history, 4) ? pick(history, 5000) : (1u << 21) - 1 + pick(history, 2)));
}

static void change_time(struct history *history)
{
    SCOPED(string) char *path = some(history);
    const struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = (time_t)pick(history, 2000000000) + (pick(history, 5) ? 0 : 7200000000),
         .tv_nsec = pick(history, 1000000000)},
    };
    ATTEMPT(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW));
}

static void change_xattr(struct history *history)
{
    static const char *const keys[] = {"user.a",   "user.b\xff",    "user.overlay.opaque",
                                       "user.a=b", "security.test", "trusted.lost"};
    SCOPED(string) char *path = some(history);
    const char *key = keys[pick(history, sizeof(keys) / sizeof(keys[0]))];
    char value[2000];

    for (size_t i = 0; i < sizeof(value); i++)
        value[i] = (char)pick(history, 256);
    if (pick(history, 4))
        ATTEMPT(lsetxattr(path, key, value, pick(history, pick(history, 3) ? 20 : sizeof(value)), 0));
    else
        ATTEMPT(lremovexattr(path, key));
}

static void change_capability(struct history *history)
{
    SCOPED(string) char *path = some(history);
    bool rooted = pick(history, 2); /* revision 3: for a user namespace whose root is that user */
    const uint32_t capability[6] = {htole32(rooted ? 0x03000001 : 0x02000001),
                                    htole32(1u << pick(history, 12)),
                                    0,
                                    0,
                                    0,
                                    htole32(100000)};
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
        ATTEMPT(lsetxattr(path, "security.capability", capability,
                          sizeof(capability) - (rooted ? 0 : sizeof(capability[0])), 0));
}

static void change_acl(struct history *history)
{
    enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, MASK = 16, OTHER = 32 };
    struct {
        uint32_t version;
        struct {
            uint16_t tag, permissions;
            uint32_t id;
        } entries[5];
    } acl = {.version = htole32(2)};
    static const uint16_t tags[5] = {USER_OBJ, USER, GROUP_OBJ, MASK, OTHER};
    SCOPED(string) char *path = some(history);
    const char *key = pick(history, 2) ? "system.posix_acl_default" : "system.posix_acl_access";

    for (int i = 0; i < 5; i++) {
        acl.entries[i].tag = htole16(tags[i]);
        acl.entries[i].permissions = htole16((uint16_t)pick(history, 8));
        acl.entries[i].id = tags[i] == USER ? htole32(pick(history, 3000)) : UINT32_MAX;
    }
    if (pick(history, 4))
        ATTEMPT(lsetxattr(path, key, &acl, sizeof(acl), 0));
    else
        ATTEMPT(lremovexattr(path, key));
}

static void make_node(struct history *history)
{
    static const mode_t kinds[] = {S_IFCHR, S_IFBLK, S_IFIFO};
    SCOPED(string) char *path = place(history);
    ATTEMPT(mknod(path, kinds[pick(history, 3)] | 0640,
                  makedev(1 + pick(history, 4000), pick(history, 1000000))));
}

static void make_socket(struct history *history)
{
    SCOPED(string) char *path = place(history);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ATTEMPT(bind(fd, (struct sockaddr *)&address, sizeof(address)));
    (void)close(fd);
}

static const struct {
    void (*act)(struct history *history);
    unsigned weight;
} acts[] = {
    {create, 14},
    {rewrite, 8},
    {cut, 3},
    {make_sparse, 2},
    {delete_one, 8},
    {delete_all_of, 2},
    {move, 8},
    {exchange, 2},
    {make_link, 6},
    {make_symlink, 4},
    {make_folder, 8},
    {make_folder_again, 3},
    {turn_into_the_other_kind, 3},
    {change_mode, 6},
    {change_owner, 5},
    {change_time, 6},
    {change_xattr, 8},
    {change_capability, 2},
    {change_acl, 4},
    {make_node, 3},
    {make_socket, 1},
};

static void act_once(struct history *history)
{
    unsigned total = 0, at;

    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
        total += acts[i].weight;
    at = pick(history, total);
    for (size_t i = 0;; at -= acts[i++].weight)
        if (at < acts[i].weight) {
            acts[i].act(history);
            return;
        }
}

void history_run(const char *root, uint64_t seed, unsigned steps)
{
    struct history history = {.root = root, .random = seed * 2 + 1};

    for (unsigned step = 0; step < steps; step++) {
        if (step % 8 == 0)
            look(&history);
        act_once(&history);
    }
    tree_list_free(history.paths, history.count);
}
