#include "snapshot-svc/informer/cache.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"

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

static void index_list(struct cache_index *index, const char *word, struct object_list *list)
{
    struct cache_index *bucket = index_find(index, word);
    for (size_t i = 0; bucket && i < bucket->count; i++)
        object_list_add(list, bucket->entries[i]->newest);
}

typedef void index_change(struct cache_index **index, const char *word, struct cache_entry *entry);

static void index_remove_entry(struct cache_index **index, const char *word, struct cache_entry *entry)
{
    index_remove(index, word, entry);
}

/* Puts the entry's newest version into all indexes, or takes it out. */
static void for_each_word(struct cache *cache, struct cache_entry *entry, index_change *change)
{
    const json_t *meta = json_object_get(entry->newest->json, "metadata");
    size_t i;
    json_t *owner;

    json_array_foreach(json_object_get(meta, "ownerReferences"), i, owner)
    {
        const char *uid = json_string_value(json_object_get(owner, "uid"));
        if (uid)
            change(&cache->by_owner, uid, entry);
    }
    const char *label =
        cache->index_label
            ? json_string_value(json_object_get(json_object_get(meta, "labels"), cache->index_label))
            : NULL;
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
static void set_newest(struct cache *cache, struct cache_entry *entry, struct object *object)
{
    struct object *old = entry->newest;

    if (old) {
        for_each_word(cache, entry, index_remove_entry);
        HASH_DEL(cache->entries, entry);
    }
    entry->newest = object_ref(object);
    HASH_ADD_KEYPTR(hh, cache->entries, object->key, strlen(object->key), entry);
    for_each_word(cache, entry, index_add);
    object_unref(old);
}

struct cache_entry *cache_store(struct cache *cache, struct object *object)
{
    struct cache_entry *entry = cache_find(cache, object->key);

    if (!entry)
        entry = xcalloc(1, sizeof(*entry));
    if (!entry->newest || entry->newest->version < object->version)
        set_newest(cache, entry, object);
    return entry;
}

void cache_told(struct cache_entry *entry, struct object *object)
{
    object_unref(entry->told);
    entry->told = object_ref(object);
}

void cache_remove(struct cache *cache, struct cache_entry *entry)
{
    for_each_word(cache, entry, index_remove_entry);
    HASH_DEL(cache->entries, entry);
    object_unref(entry->newest);
    object_unref(entry->told);
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

void cache_by_owner(const struct cache *cache, const char *uid, struct object_list *list)
{
    index_list(cache->by_owner, uid, list);
}

void cache_by_label(const struct cache *cache, const char *value, struct object_list *list)
{
    index_list(cache->by_label, value, list);
}
