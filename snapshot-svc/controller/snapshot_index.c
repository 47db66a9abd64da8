#include "snapshot-svc/controller/snapshot_index.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "shared/base/alloc.h"

struct entry {
    char *snapshot;
    bool finished;
    UT_hash_handle hh;
};

struct group {     /* of one sandbox; there is one as long as it has entries */
    char *sandbox; /* "namespace/name" */
    struct entry *entries;
    UT_hash_handle hh;
};

struct snapshot_index {
    pthread_mutex_t lock; /* guards everything below */
    struct group *groups;
};

struct snapshot_index *snapshot_index_new(void)
{
    struct snapshot_index *index = xcalloc(1, sizeof(*index));

    pthread_mutex_init(&index->lock, NULL);
    return index;
}

static void entry_remove(struct group *group, struct entry *entry)
{
    HASH_DEL(group->entries, entry);
    free(entry->snapshot);
    free(entry);
}

static void group_remove(struct snapshot_index *index, struct group *group)
{
    struct entry *entry, *next;

    HASH_DEL(index->groups, group);
    HASH_ITER(hh, group->entries, entry, next)
    {
        entry_remove(group, entry);
    }
    free(group->sandbox);
    free(group);
}

void snapshot_index_free(struct snapshot_index *index)
{
    struct group *group, *next;

    if (!index)
        return;
    HASH_ITER(hh, index->groups, group, next)
    {
        group_remove(index, group);
    }
    pthread_mutex_destroy(&index->lock);
    free(index);
}

static struct group *find_group(struct snapshot_index *index, const char *ns, const char *sandbox)
{
    SCOPED(string) char *key = xasprintf("%s/%s", ns, sandbox);
    struct group *group;

    HASH_FIND_STR(index->groups, key, group);
    return group;
}

static struct group *ensure_group(struct snapshot_index *index, const char *ns, const char *sandbox)
{
    struct group *group = find_group(index, ns, sandbox);

    if (group)
        return group;
    group = xcalloc(1, sizeof(*group));
    group->sandbox = xasprintf("%s/%s", ns, sandbox);
    HASH_ADD_KEYPTR(hh, index->groups, group->sandbox, strlen(group->sandbox), group);
    return group;
}

void snapshot_index_put(struct snapshot_index *index, const char *ns, const char *sandbox,
                        const char *snapshot, bool finished)
{
    struct entry *entry;

    pthread_mutex_lock(&index->lock);
    struct group *group = ensure_group(index, ns, sandbox);
    HASH_FIND_STR(group->entries, snapshot, entry);
    if (!entry) {
        entry = xcalloc(1, sizeof(*entry));
        entry->snapshot = xstrdup(snapshot);
        HASH_ADD_KEYPTR(hh, group->entries, entry->snapshot, strlen(entry->snapshot), entry);
    }
    entry->finished = finished;
    pthread_mutex_unlock(&index->lock);
}

void snapshot_index_remove(struct snapshot_index *index, const char *ns, const char *sandbox,
                           const char *snapshot)
{
    struct entry *entry = NULL;

    pthread_mutex_lock(&index->lock);
    struct group *group = find_group(index, ns, sandbox);
    if (group)
        HASH_FIND_STR(group->entries, snapshot, entry);
    if (entry)
        entry_remove(group, entry);
    if (group && !group->entries)
        group_remove(index, group);
    pthread_mutex_unlock(&index->lock);
}

void snapshot_index_list(struct snapshot_index *index, const char *ns, const char *sandbox, bool finished_too,
                         struct json_strings *names)
{
    struct entry *entry, *next;

    pthread_mutex_lock(&index->lock);
    struct group *group = find_group(index, ns, sandbox);
    struct entry *first = group ? group->entries : NULL;
    HASH_ITER(hh, first, entry, next)
    {
        if (finished_too || !entry->finished)
            json_strings_add(names, entry->snapshot);
    }
    pthread_mutex_unlock(&index->lock);
}
