#include "snapshot-svc/informer/cache.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

/* One word of an index and the entries that bear it: a handful each. */
struct cache_index {
    char *word;
    struct cache_entry **entries;
    size_t count;
    UT_hash_handle hh;
};

/* ---- indexes ---- */

static struct cache_index *index_find(struct cache_index *index, const char *word)
{
    struct cache_index *bucket;
    HASH_FIND_STR(index, word, bucket);
    return bucket;
}

static void index_add(struct cache_index **index, const char *word, struct cache_entry *entry)
{
    struct cache_index *bucket = index_find(*index, word);

    if (!bucket) {
        bucket = xcalloc(1, sizeof(*bucket));
        bucket->word = xstrdup(word);
        HASH_ADD_KEYPTR(hh, *index, bucket->word, strlen(bucket->word), bucket);
    }
    for (size_t i = 0; i < bucket->count; i++)
        if (bucket->entries[i] == entry)
            return; /* the same owner twice */
    bucket->entries = xrealloc_array(bucket->entries, bucket->count + 1, sizeof(bucket->entries[0]));
    bucket->entries[bucket->count++] = entry;
}

static void index_drop_bucket(struct cache_index **index, struct cache_index *bucket)
{
    HASH_DEL(*index, bucket);
    free(bucket->entries);
    free(bucket->word);
    free(bucket);
}

static void index_remove(struct cache_index **index, const char *word, const struct cache_entry *entry)
{
    struct cache_index *bucket = index_find(*index, word);

    for (size_t i = 0; bucket && i < bucket->count; i++) {
        if (bucket->entries[i] != entry)
            continue;
        bucket->entries[i] = bucket->entries[--bucket->count];
        if (bucket->count == 0)
            index_drop_bucket(index, bucket);
        return;
    }
}

static void index_done(struct cache_index **index)
{
    struct cache_index *bucket, *next;
    HASH_ITER(hh, *index, bucket, next)
    {
        index_drop_bucket(index, bucket);
    }
}

static void index_list(struct cache_index *index, const char *word, struct packed_list *list)
{
    struct cache_index *bucket = index_find(index, word);
    for (size_t i = 0; bucket && i < bucket->count; i++)
        packed_list_add(list, bucket->entries[i]->newest);
}

typedef void index_change(struct cache_index **index, const char *word, struct cache_entry *entry);

static void index_remove_entry(struct cache_index **index, const char *word, struct cache_entry *entry)
{
    index_remove(index, word, entry);
}

/* Puts the entry's newest version into all indexes, or takes it out. */
static void for_each_word(struct cache *cache, struct cache_entry *entry, index_change *change)
{
    const char *owner = entry->newest->owners;

    for (size_t i = 0; i < entry->newest->owner_count; i++, owner += strlen(owner) + 1)
        change(&cache->by_owner, owner, entry);
    const char *label = cache->index_label ? packed_label(entry->newest, cache->index_label) : NULL;
    if (label)
        change(&cache->by_label, label, entry);
}

/* ---- entries ---- */

struct cache_entry *cache_find(const struct cache *cache, const char *key)
{
    struct cache_entry *entry;
    HASH_FIND_STR(cache->entries, key, entry);
    return entry;
}

/* The hash key is borrowed from the newest version, so it changes hands with it. */
static void set_newest(struct cache *cache, struct cache_entry *entry, struct packed *packed)
{
    struct packed *old = entry->newest;

    if (old) {
        for_each_word(cache, entry, index_remove_entry);
        HASH_DEL(cache->entries, entry);
    }
    entry->newest = packed_ref(packed);
    HASH_ADD_KEYPTR(hh, cache->entries, packed->key, strlen(packed->key), entry);
    for_each_word(cache, entry, index_add);
    packed_unref(old);
}

struct cache_entry *cache_store(struct cache *cache, struct packed *packed)
{
    struct cache_entry *entry = cache_find(cache, packed->key);

    if (!entry)
        entry = xcalloc(1, sizeof(*entry));
    if (!entry->newest || entry->newest->version < packed->version)
        set_newest(cache, entry, packed);
    return entry;
}

void cache_told(struct cache_entry *entry, struct packed *packed)
{
    packed_unref(entry->told);
    entry->told = packed_ref(packed);
}

void cache_remove(struct cache *cache, struct cache_entry *entry)
{
    for_each_word(cache, entry, index_remove_entry);
    HASH_DEL(cache->entries, entry);
    packed_unref(entry->newest);
    packed_unref(entry->told);
    free(entry);
}

void cache_done(struct cache *cache)
{
    struct cache_entry *entry, *next;

    HASH_ITER(hh, cache->entries, entry, next)
    {
        cache_remove(cache, entry);
    }
    index_done(&cache->by_owner);
    index_done(&cache->by_label);
}

void cache_by_owner(const struct cache *cache, const char *uid, struct packed_list *list)
{
    index_list(cache->by_owner, uid, list);
}

void cache_by_label(const struct cache *cache, const char *value, struct packed_list *list)
{
    index_list(cache->by_label, value, list);
}
