#include "committer-agent/layer/names.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/alloc.h"

#define LISTING_BYTES ((size_t)32 << 10)

void names_init(struct names *names)
{
    *names = (struct names){0};
}

void names_done(struct names *names)
{
    free(names->bytes);
    free(names->starts);
    names_init(names);
}

size_t names_held_bytes(const struct names *names)
{
    return names->bytes_room + names->starts_room * sizeof(*names->starts);
}

const char *names_next(struct names *names)
{
    return names->next < names->count ? names->bytes + names->starts[names->next++] : NULL;
}

static int compare_starts(const void *a, const void *b, void *bytes)
{
    const char *text = bytes;
    return strcmp(text + *(const uint32_t *)a, text + *(const uint32_t *)b);
}

/* Sorted, and each name once: a folder that changes under us may list one twice. */
static void sort(struct names *names)
{
    size_t kept = 0;

    if (names->count == 0)
        return;
    qsort_r(names->starts, names->count, sizeof(*names->starts), compare_starts, names->bytes);
    for (size_t i = 1; i < names->count; i++)
        if (strcmp(names->bytes + names->starts[i], names->bytes + names->starts[kept]) != 0)
            names->starts[++kept] = names->starts[i];
    names->count = kept + 1;
}

/* Drops the greater half and packs the rest. What was dropped, and all beyond it, waits for a later batch. */
static void keep_smaller_half(struct names *names)
{
    char *packed = xcalloc(names->bytes_room, 1);
    size_t used = 0;

    sort(names);
    names->count = (names->count + 1) / 2;
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->bytes + names->starts[i];
        size_t size = strlen(name) + 1;
        memcpy(packed + used, name, size);
        names->starts[i] = (uint32_t)used;
        used += size;
    }
    free(names->bytes);
    names->bytes = packed;
    names->bytes_used = used;
    names->more = true;
    const char *last = packed + names->starts[names->count - 1];
    memcpy(names->ceiling, last, strlen(last) + 1); /* add() has checked its length */
}

/* Makes room for one more name of that size; false: not within the budget. */
static bool make_room(struct names *names, size_t size, size_t budget_bytes)
{
    size_t bytes_room = names->bytes_room, starts_room = names->starts_room;

    while (bytes_room < names->bytes_used + size)
        bytes_room = bytes_room ? bytes_room * 2 : 512;
    if (starts_room < names->count + 1)
        starts_room = starts_room ? starts_room * 2 : 32;
    if (bytes_room + starts_room * sizeof(*names->starts) > budget_bytes)
        return false;
    if (bytes_room != names->bytes_room)
        names->bytes = xrealloc_array(names->bytes, bytes_room, 1);
    if (starts_room != names->starts_room)
        names->starts = xrealloc_array(names->starts, starts_room, sizeof(*names->starts));
    names->bytes_room = bytes_room;
    names->starts_room = starts_room;
    return true;
}

static int add(struct names *names, const char *name, size_t budget_bytes, struct error *err)
{
    size_t size = strlen(name) + 1;

    if (size > NAMES_NAME_MAX + 1)
        return error_set(err, ERR_UNSUPPORTED, "a file name of %zu bytes, want at most %d", size - 1,
                         NAMES_NAME_MAX);
    while (!make_room(names, size, budget_bytes))
        keep_smaller_half(names); /* NAMES_BUDGET_MIN has room for two names of any length, so this ends */
    if (names->more && strcmp(name, names->ceiling) > 0)
        return 0;
    memcpy(names->bytes + names->bytes_used, name, size);
    names->starts[names->count++] = (uint32_t)names->bytes_used;
    names->bytes_used += size;
    return 0;
}

static bool is_wanted(const struct names *names, const char *name, const char *after)
{
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, after) <= 0)
        return false;
    return !names->more || strcmp(name, names->ceiling) < 0;
}

static int add_listed(struct names *names, const char *listing, size_t length, const char *after,
                      size_t budget_bytes, struct error *err)
{
    for (size_t at = 0; at < length;) {
        const struct dirent64 *entry = (const struct dirent64 *)(const void *)(listing + at);
        if (is_wanted(names, entry->d_name, after) && add(names, entry->d_name, budget_bytes, err) < 0)
            return -1;
        at += entry->d_reclen;
    }
    return 0;
}

static int read_all(struct names *names, int dir_fd, const char *after, size_t budget_bytes,
                    struct error *err)
{
    _Alignas(struct dirent64) char listing[LISTING_BYTES];

    if (lseek(dir_fd, 0, SEEK_SET) < 0)
        return error_sys(err, errno, "rewinding");
    for (;;) {
        ssize_t length = getdents64(dir_fd, listing, sizeof(listing));
        if (length < 0)
            return error_sys(err, errno, "listing");
        if (length == 0)
            return 0;
        if (add_listed(names, listing, (size_t)length, after, budget_bytes, err) < 0)
            return -1;
    }
}

int names_read(struct names *names, int dir_fd, const char *after, size_t budget_bytes, struct error *err)
{
    char from[NAMES_NAME_MAX + 1];

    assert(budget_bytes >= NAMES_BUDGET_MIN && budget_bytes <= UINT32_MAX && strlen(after) < sizeof(from));
    memcpy(from, after, strlen(after) + 1); /* it may live in the batch that goes now */
    names_done(names);
    if (read_all(names, dir_fd, from, budget_bytes, err) < 0)
        return -1;
    sort(names);
    return 0;
}
