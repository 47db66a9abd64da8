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
    free(names->places);
    names_init(names);
}

size_t names_held_bytes(const struct names *names)
{
    return names->bytes_room + names->places_room * sizeof(*names->places);
}

static const char *name_at(const struct names *names, size_t i)
{
    return names->bytes + names->places[i].start;
}

const char *names_next(struct names *names, size_t *ret_folder)
{
    if (names->next == names->count)
        return NULL;
    *ret_folder = names->places[names->next].folder;
    return name_at(names, names->next++);
}

static int compare_places(const void *a, const void *b, void *bytes)
{
    const struct name_place *first = a, *second = b;
    const char *text = bytes;
    int order = strcmp(text + first->start, text + second->start);

    return order ? order : (first->folder > second->folder) - (first->folder < second->folder);
}

/* Sorted, and each name once, in its first folder: others have it too, and one that changes under us may list it
 * twice. */
static void sort(struct names *names)
{
    size_t kept = 0;

    if (names->count == 0)
        return;
    qsort_r(names->places, names->count, sizeof(*names->places), compare_places, names->bytes);
    for (size_t i = 1; i < names->count; i++)
        if (strcmp(name_at(names, i), name_at(names, kept)) != 0)
            names->places[++kept] = names->places[i];
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
        const char *name = name_at(names, i);
        size_t size = strlen(name) + 1;
        memcpy(packed + used, name, size);
        names->places[i].start = (uint32_t)used;
        used += size;
    }
    free(names->bytes);
    names->bytes = packed;
    names->bytes_used = used;
    names->more = true;
    const char *last = name_at(names, names->count - 1);
    memcpy(names->ceiling, last, strlen(last) + 1); /* add() has checked its length */
}

/* Makes room for one more name of that size; false: not within the budget. */
static bool make_room(struct names *names, size_t size, size_t budget_bytes)
{
    size_t bytes_room = names->bytes_room, places_room = names->places_room;

    while (bytes_room < names->bytes_used + size)
        bytes_room = bytes_room ? bytes_room * 2 : 512;
    if (places_room < names->count + 1)
        places_room = places_room ? places_room * 2 : 32;
    if (bytes_room + places_room * sizeof(*names->places) > budget_bytes)
        return false;
    if (bytes_room != names->bytes_room)
        names->bytes = xrealloc_array(names->bytes, bytes_room, 1);
    if (places_room != names->places_room)
        names->places = xrealloc_array(names->places, places_room, sizeof(*names->places));
    names->bytes_room = bytes_room;
    names->places_room = places_room;
    return true;
}

static int add(struct names *names, const char *name, size_t folder, size_t budget_bytes, struct error *err)
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
    names->places[names->count++] =
        (struct name_place){.start = (uint32_t)names->bytes_used, .folder = (uint32_t)folder};
    names->bytes_used += size;
    return 0;
}

static bool is_wanted(const struct names *names, const char *name, const char *after)
{
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, after) <= 0)
        return false;
    return !names->more || strcmp(name, names->ceiling) < 0;
}

/* The next piece of a folder's listing. */
struct listing {
    size_t folder;
    size_t length;
    _Alignas(struct dirent64) char bytes[LISTING_BYTES];
};

static int add_listed(struct names *names, const struct listing *listing, const char *after,
                      size_t budget_bytes, struct error *err)
{
    for (size_t at = 0; at < listing->length;) {
        const struct dirent64 *entry = (const struct dirent64 *)(const void *)(listing->bytes + at);
        if (is_wanted(names, entry->d_name, after) &&
            add(names, entry->d_name, listing->folder, budget_bytes, err) < 0)
            return -1;
        at += entry->d_reclen;
    }
    return 0;
}

static int read_folder(struct names *names, int dir_fd, size_t folder, const char *after, size_t budget_bytes,
                       struct error *err)
{
    struct listing listing;

    listing.folder = folder;
    if (lseek(dir_fd, 0, SEEK_SET) < 0)
        return error_sys(err, errno, "rewinding");
    for (;;) {
        ssize_t length = getdents64(dir_fd, listing.bytes, sizeof(listing.bytes));
        if (length < 0)
            return error_sys(err, errno, "listing");
        if (length == 0)
            return 0;
        listing.length = (size_t)length;
        if (add_listed(names, &listing, after, budget_bytes, err) < 0)
            return -1;
    }
}

int names_read(struct names *names, const struct names_folders *folders, const char *after,
               size_t budget_bytes, struct error *err)
{
    char from[NAMES_NAME_MAX + 1];

    assert(budget_bytes >= NAMES_BUDGET_MIN && budget_bytes <= UINT32_MAX && strlen(after) < sizeof(from));
    memcpy(from, after, strlen(after) + 1); /* it may live in the batch that goes now */
    names_done(names);
    for (size_t i = 0; i < folders->count; i++)
        if (read_folder(names, folders->fds[i], i, from, budget_bytes, err) < 0)
            return -1;
    sort(names);
    return 0;
}
