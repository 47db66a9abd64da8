/* cache.h - the objects of an informer by key, by owner and by label.
 *
 * Each entry holds two versions: `newest` for readers and `told` for handlers. They differ while an own write is known
 * here that the stream has not told yet, or while an object is only known from such a write (told is NULL).
 * Threads: nothing here locks; the informer's lock guards a cache. */
#pragma once

#include <stdbool.h>
#define HASH_FUNCTION HASH_FNV /* the default falls through a switch, which clang warns of */
#include <uthash.h>

#include "snapshot-svc/informer/packed.h"

struct cache_entry {
    struct packed *newest; /* never NULL */
    struct packed *told;
    bool listed; /* seen in the list under way */
    UT_hash_handle hh;
};

struct cache_index; /* word -> entries */

struct cache {
    struct cache_entry *entries;
    struct cache_index *by_owner, *by_label;
    const char *index_label; /* borrowed; NULL: no labels */
};

void cache_done(struct cache *cache);

struct cache_entry *cache_find(const struct cache *cache, const char *key);
/* Makes this the newest version, unless a newer one is known. Takes a reference of its own. */
struct cache_entry *cache_store(struct cache *cache, struct packed *packed);
/* Remembers what the handlers heard last. */
void cache_told(struct cache_entry *entry, struct packed *packed);
void cache_remove(struct cache *cache, struct cache_entry *entry);

void cache_by_owner(const struct cache *cache, const char *uid, struct packed_list *list);
void cache_by_label(const struct cache *cache, const char *value, struct packed_list *list);
