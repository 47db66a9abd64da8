#include "committer-agent/layer/hardlinks.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

#define SLOTS_MIN 1024

struct slot { /* free while name_at is 0 */
    dev_t dev;
    ino_t ino;
    uint32_t folder_at, name_at; /* where the texts begin */
};

struct hardlinks {
    size_t max_bytes;
    struct slot *slots; /* open addressing, a power of two, at most three quarters full */
    size_t slot_count, used;
    char *texts; /* NUL-terminated folders and names; the first byte is "" */
    size_t texts_used, texts_room;
    uint32_t last_folder_at;
};

struct hardlinks *hardlinks_new(size_t max_bytes)
{
    struct hardlinks *hardlinks = xcalloc(1, sizeof(*hardlinks));

    hardlinks->max_bytes = max_bytes < UINT32_MAX ? max_bytes : UINT32_MAX;
    hardlinks->slot_count = SLOTS_MIN;
    hardlinks->slots = xcalloc(hardlinks->slot_count, sizeof(*hardlinks->slots));
    hardlinks->texts_room = 4096;
    hardlinks->texts = xcalloc(hardlinks->texts_room, 1);
    hardlinks->texts_used = 1;
    return hardlinks;
}

void hardlinks_free(struct hardlinks *hardlinks)
{
    if (!hardlinks)
        return;
    free(hardlinks->slots);
    free(hardlinks->texts);
    free(hardlinks);
}

static uint64_t mix(uint64_t x) /* the finaliser of splitmix64 */
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

/* The slot of that inode, or the free one where it belongs. */
static struct slot *find(struct slot *slots, size_t slot_count, dev_t dev, ino_t ino)
{
    size_t at = mix(ino + mix(dev)) & (slot_count - 1);
    while (slots[at].name_at && (slots[at].ino != ino || slots[at].dev != dev))
        at = (at + 1) & (slot_count - 1);
    return &slots[at];
}

static int refuse(const struct hardlinks *hardlinks, struct error *err)
{
    (void)error_set(err, ERR_EXHAUSTED,
                    "%zu files with several hard links need more than %zu bytes of memory", hardlinks->used,
                    hardlinks->max_bytes);
    return error_reason(err, "TooManyHardLinks");
}

static int grow_slots(struct hardlinks *hardlinks, struct error *err)
{
    size_t slot_count = hardlinks->slot_count * 2;

    if (slot_count * sizeof(*hardlinks->slots) + hardlinks->texts_room > hardlinks->max_bytes)
        return refuse(hardlinks, err);
    struct slot *slots = xcalloc(slot_count, sizeof(*slots));
    for (size_t i = 0; i < hardlinks->slot_count; i++)
        if (hardlinks->slots[i].name_at)
            *find(slots, slot_count, hardlinks->slots[i].dev, hardlinks->slots[i].ino) = hardlinks->slots[i];
    free(hardlinks->slots);
    hardlinks->slots = slots;
    hardlinks->slot_count = slot_count;
    return 0;
}

static int reserve_text(struct hardlinks *hardlinks, size_t more, struct error *err)
{
    size_t room = hardlinks->texts_room;

    while (room - hardlinks->texts_used < more)
        room *= 2;
    if (room == hardlinks->texts_room)
        return 0;
    if (room + hardlinks->slot_count * sizeof(*hardlinks->slots) > hardlinks->max_bytes)
        return refuse(hardlinks, err);
    hardlinks->texts = xrealloc_array(hardlinks->texts, room, 1);
    hardlinks->texts_room = room;
    return 0;
}

static uint32_t add_text(struct hardlinks *hardlinks, const char *text, size_t length)
{
    size_t at = hardlinks->texts_used;

    memcpy(hardlinks->texts + at, text, length);
    hardlinks->texts[at + length] = '\0';
    hardlinks->texts_used += length + 1;
    return (uint32_t)at;
}

/* Files of one folder come one after another, so remembering the last folder shares most of the text. */
static uint32_t add_folder(struct hardlinks *hardlinks, const char *folder, size_t length)
{
    const char *last = hardlinks->texts + hardlinks->last_folder_at;

    if (length != strlen(last) || memcmp(last, folder, length) != 0)
        hardlinks->last_folder_at = add_text(hardlinks, folder, length);
    return hardlinks->last_folder_at;
}

static void tell_first(const struct hardlinks *hardlinks, const struct slot *slot, struct strbuf *ret_first)
{
    const char *folder = hardlinks->texts + slot->folder_at;

    strbuf_reset(ret_first);
    (void)strbuf_adds(ret_first, folder);
    if (folder[0])
        (void)strbuf_addc(ret_first, '/');
    (void)strbuf_adds(ret_first, hardlinks->texts + slot->name_at);
}

int hardlinks_meet(struct hardlinks *hardlinks, dev_t dev, ino_t ino, const char *path,
                   struct strbuf *ret_first, struct error *err)
{
    struct slot *slot = find(hardlinks->slots, hardlinks->slot_count, dev, ino);
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t folder_length = slash ? (size_t)(slash - path) : 0;

    if (slot->name_at) {
        tell_first(hardlinks, slot, ret_first);
        return 1;
    }
    if (reserve_text(hardlinks, strlen(path) + 2, err) < 0)
        return -1;
    if (hardlinks->used + 1 > hardlinks->slot_count / 4 * 3) {
        if (grow_slots(hardlinks, err) < 0)
            return -1;
        slot = find(hardlinks->slots, hardlinks->slot_count, dev, ino);
    }
    uint32_t folder_at = add_folder(hardlinks, path, folder_length);
    *slot = (struct slot){
        .dev = dev, .ino = ino, .folder_at = folder_at, .name_at = add_text(hardlinks, name, strlen(name))};
    hardlinks->used++;
    return 0;
}
