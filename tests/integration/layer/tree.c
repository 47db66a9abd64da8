#include "tests/integration/layer/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/digest.h"
#include "tests/unit/testing.h"

/* ---- listing; nftw() has no argument for its function, so the list is here ---- */

static struct {
    char **paths;
    unsigned count, room;
    size_t root_length;
} listing;

static int list_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    if (ftw->level == 0)
        return 0;
    if (listing.count == listing.room) {
        listing.room = listing.room ? listing.room * 2 : 64;
        listing.paths = xrealloc_array(listing.paths, listing.room, sizeof(char *));
    }
    listing.paths[listing.count++] = xstrdup(path + listing.root_length + 1);
    return 0;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **tree_list(const char *root, unsigned *ret_count)
{
    memset(&listing, 0, sizeof(listing));
    listing.root_length = strlen(root);
    assert_int_equal(nftw(root, list_one, 32, FTW_PHYS), 0);
    if (listing.count)
        qsort(listing.paths, listing.count, sizeof(char *), compare_paths);
    *ret_count = listing.count;
    return listing.paths;
}

void tree_list_free(char **paths, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        free(paths[i]);
    free(paths);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void tree_remove(const char *path)
{
    struct stat st;
    if (lstat(path, &st) == 0)
        (void)nftw(path, remove_one, 32, FTW_PHYS | FTW_DEPTH);
}

/* ---- describing ---- */

struct seen {
    dev_t dev;
    ino_t ino;
    const char *path;
};

static bool is_left_out(const char *path, mode_t mode)
{
    return S_ISSOCK(mode) || strncmp(path, ".wh.", 4) == 0 || strstr(path, "/.wh.");
}

static void add_xattrs(struct strbuf *text, const char *path)
{
    char names[65536], value[65536];
    ssize_t listed = llistxattr(path, names, sizeof(names));
    const char *sorted[256];
    unsigned count = 0;

    for (ssize_t at = 0; at < listed; at += (ssize_t)strlen(names + at) + 1)
        if (strncmp(names + at, "trusted.", 8) != 0 && !strchr(names + at, '='))
            sorted[count++] = names + at;
    qsort(sorted, count, sizeof(char *), compare_paths);
    for (unsigned i = 0; i < count; i++) {
        ssize_t length = lgetxattr(path, sorted[i], value, sizeof(value));
        assert_true(length >= 0);
        (void)strbuf_addf(text, " %s=", sorted[i]);
        for (ssize_t b = 0; b < length; b++)
            (void)strbuf_addf(text, "%02x", (unsigned char)value[b]);
    }
}

static void add_content(struct strbuf *text, const char *path, const struct stat *st)
{
    static char buffer[1 << 16];
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct hasher *hasher = hasher_new();
    ssize_t got;

    assert_true(fd >= 0);
    while ((got = read(fd, buffer, sizeof(buffer))) > 0)
        hasher_update(hasher, buffer, (size_t)got);
    struct digest digest = hasher_finish(hasher);
    (void)close(fd);
    (void)strbuf_addf(text, " %jd %.19s", (intmax_t)st->st_size, digest.text);
}

static void add_path(struct strbuf *text, const char *path)
{
    for (; *path; path++)
        (void)strbuf_addf(text, *path > ' ' && *path < 0x7f ? "%c" : "\\x%02x", (unsigned char)*path);
}

static void add_target(struct strbuf *text, const char *path)
{
    char target[4096];
    ssize_t length = readlink(path, target, sizeof(target) - 1);

    assert_true(length >= 0);
    target[length] = '\0';
    (void)strbuf_adds(text, " -> ");
    add_path(text, target);
}

static void describe_one(struct strbuf *text, const char *full_path, const char *path, const struct stat *st,
                         const char *first_link)
{
    add_path(text, path);
    (void)strbuf_addf(text, " %06o %u:%u %jd.%09ld %u,%u", st->st_mode, st->st_uid, st->st_gid,
                      (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec, major(st->st_rdev),
                      minor(st->st_rdev));
    if (S_ISREG(st->st_mode))
        add_content(text, full_path, st);
    if (S_ISLNK(st->st_mode))
        add_target(text, full_path);
    if (first_link) {
        (void)strbuf_adds(text, " = ");
        add_path(text, first_link);
    }
    add_xattrs(text, full_path);
    (void)strbuf_adds(text, "\n");
}

/* The path under which this inode was met first, if that was another one. */
static const char *first_link_of(struct seen *seen, unsigned *seen_count, const struct stat *st,
                                 const char *path)
{
    if (S_ISDIR(st->st_mode))
        return NULL;
    for (unsigned i = 0; i < *seen_count; i++)
        if (seen[i].dev == st->st_dev && seen[i].ino == st->st_ino)
            return seen[i].path;
    seen[(*seen_count)++] = (struct seen){st->st_dev, st->st_ino, path};
    return NULL;
}

void tree_describe(const char *root, bool with_root, struct strbuf *ret_text)
{
    unsigned count, seen_count = 0;
    char **paths = tree_list(root, &count);
    struct seen *seen = xcalloc(count, sizeof(*seen));
    struct stat st;

    strbuf_reset(ret_text);
    assert_int_equal(lstat(root, &st), 0);
    if (with_root)
        describe_one(ret_text, root, "/", &st, NULL);
    for (unsigned i = 0; i < count; i++) {
        SCOPED(string) char *full_path = xasprintf("%s/%s", root, paths[i]);
        if (lstat(full_path, &st) < 0)
            fail_msg("%s is listed, and then: %s", full_path, strerror(errno));
        if (!is_left_out(paths[i], st.st_mode))
            describe_one(ret_text, full_path, paths[i], &st, first_link_of(seen, &seen_count, &st, paths[i]));
    }
    free(seen);
    tree_list_free(paths, count);
}

struct lines {
    char *text;
    char *lines[4096];
    unsigned count;
};

/* Sorted by the path as shown; it ends at the first space. */
static void split(struct lines *lines, const struct strbuf *text)
{
    char *rest;

    lines->text = xstrdup(strbuf_text(text));
    lines->count = 0;
    for (char *line = strtok_r(lines->text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        assert_true(lines->count < sizeof(lines->lines) / sizeof(lines->lines[0]));
        lines->lines[lines->count++] = line;
    }
    qsort(lines->lines, lines->count, sizeof(char *), compare_paths);
}

static int compare_shown_paths(const char *a, const char *b)
{
    size_t a_length = strcspn(a, " "), b_length = strcspn(b, " ");
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

static void print_difference(const struct lines *want, const struct lines *got)
{
    unsigned w = 0, g = 0;

    while (w < want->count || g < got->count) {
        int order = w == want->count  ? 1
                    : g == got->count ? -1
                                      : compare_shown_paths(want->lines[w], got->lines[g]);
        bool same = order == 0 && strcmp(want->lines[w], got->lines[g]) == 0;
        if (order <= 0 && !same)
            print_error("  want %s\n", want->lines[w]);
        if (order >= 0 && !same)
            print_error("  got  %s\n", got->lines[g]);
        w += order <= 0;
        g += order >= 0;
    }
}

bool trees_equal(const char *what, const struct strbuf *want, const struct strbuf *got)
{
    static struct lines wants, gots;

    if (strcmp(strbuf_text(want), strbuf_text(got)) == 0)
        return true;
    print_error("%s differs:\n", what);
    split(&wants, want);
    split(&gots, got);
    print_difference(&wants, &gots);
    free(wants.text);
    free(gots.text);
    return false;
}
