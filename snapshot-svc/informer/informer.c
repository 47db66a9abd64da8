#include "snapshot-svc/informer/informer.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/cond.h"
#include "snapshot-svc/informer/informer_priv.h"

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS   30000

/* ---- life ---- */

struct informer *informer_new(const struct informer_options *options)
{
    struct informer *informer = xcalloc(1, sizeof(*informer));

    *informer = (struct informer){
        .cluster = options->cluster,
        .kind = options->kind,
        .ns = options->ns ? xstrdup(options->ns) : NULL,
        .labels = options->labels ? xstrdup(options->labels) : NULL,
        .index_label = options->index_label ? xstrdup(options->index_label) : NULL,
        .backoff = {.first_ms = options->backoff_first_ms ? options->backoff_first_ms : BACKOFF_FIRST_MS,
                    .max_ms = options->backoff_max_ms ? options->backoff_max_ms : BACKOFF_MAX_MS},
    };
    informer->cache.index_label = informer->index_label;
    pthread_mutex_init(&informer->lock, NULL);
    cond_init(&informer->changed);
    return informer;
}

void informer_subscribe(struct informer *informer, const struct informer_handler *handler)
{
    informer->handlers =
        xrealloc_array(informer->handlers, informer->handler_count + 1, sizeof(informer->handlers[0]));
    informer->handlers[informer->handler_count++] = *handler;
}

int informer_start(struct informer *informer, struct error *err)
{
    int failed = pthread_create(&informer->thread, NULL, informer_reflect, informer);
    if (failed)
        return error_sys(err, failed, "starting the informer of %s",
                         cluster_kind_info(informer->kind)->plural);
    informer->started = true;
    return 0;
}

static void stop(struct informer *informer)
{
    pthread_mutex_lock(&informer->lock);
    informer->stopping = true;
    if (informer->watch)
        cluster_watch_stop(informer->cluster, informer->watch);
    pthread_cond_broadcast(&informer->changed);
    pthread_mutex_unlock(&informer->lock);
}

void informer_free(struct informer *informer)
{
    if (!informer)
        return;
    if (informer->started) {
        stop(informer);
        pthread_join(informer->thread, NULL);
    }
    cache_done(&informer->cache);
    pthread_cond_destroy(&informer->changed);
    pthread_mutex_destroy(&informer->lock);
    free(informer->resource_version);
    free(informer->handlers);
    free(informer->index_label);
    free(informer->labels);
    free(informer->ns);
    free(informer);
}

/* ---- synced ---- */

static int not_synced(const struct informer *informer, int64_t timeout_ms, struct error *err)
{
    const char *why = informer->last_failure.text[0] ? informer->last_failure.text : "the list takes long";
    return error_set(err, ERR_TIMEOUT, "no list of %s after %lld ms: %s",
                     cluster_kind_info(informer->kind)->plural, (long long)timeout_ms, why);
}

int informer_wait_synced(struct informer *informer, int64_t timeout_ms, struct error *err)
{
    const int64_t until_ms = timeout_ms < 0 ? INT64_MAX : clock_monotonic_ms() + timeout_ms;
    int done = 0;

    pthread_mutex_lock(&informer->lock);
    while (!informer->synced && cond_wait_until(&informer->changed, &informer->lock, until_ms))
        ;
    if (!informer->synced)
        done = not_synced(informer, timeout_ms, err);
    pthread_mutex_unlock(&informer->lock);
    return done;
}

bool informer_is_synced(struct informer *informer)
{
    pthread_mutex_lock(&informer->lock);
    bool synced = informer->synced;
    pthread_mutex_unlock(&informer->lock);
    return synced;
}

/* ---- readers; objects are opened without the lock ---- */

struct object *informer_get(struct informer *informer, const char *ns, const char *name)
{
    SCOPED(string) char *key = xasprintf("%s/%s", ns, name);

    pthread_mutex_lock(&informer->lock);
    struct cache_entry *entry = cache_find(&informer->cache, key);
    SCOPED(packed) struct packed *packed = entry ? packed_ref(entry->newest) : NULL;
    pthread_mutex_unlock(&informer->lock);
    return packed_open(packed);
}

void informer_scan(struct informer *informer, const char *ns, struct packed_list *list)
{
    struct cache_entry *entry, *next;

    pthread_mutex_lock(&informer->lock);
    HASH_ITER(hh, informer->cache.entries, entry, next)
    {
        if (!ns || strcmp(entry->newest->ns, ns) == 0)
            packed_list_add(list, entry->newest);
    }
    pthread_mutex_unlock(&informer->lock);
}

void informer_list(struct informer *informer, const char *ns, struct object_list *list)
{
    SCOPED_PACKED_LIST struct packed_list found = PACKED_LIST_INIT;

    informer_scan(informer, ns, &found);
    packed_list_open(&found, list);
}

void informer_by_owner(struct informer *informer, const char *owner_uid, struct object_list *list)
{
    SCOPED_PACKED_LIST struct packed_list found = PACKED_LIST_INIT;

    pthread_mutex_lock(&informer->lock);
    cache_by_owner(&informer->cache, owner_uid, &found);
    pthread_mutex_unlock(&informer->lock);
    packed_list_open(&found, list);
}

void informer_by_label(struct informer *informer, const char *value, struct object_list *list)
{
    SCOPED_PACKED_LIST struct packed_list found = PACKED_LIST_INIT;

    pthread_mutex_lock(&informer->lock);
    cache_by_label(&informer->cache, value, &found);
    pthread_mutex_unlock(&informer->lock);
    packed_list_open(&found, list);
}

/* ---- own writes ---- */

int informer_apply(struct informer *informer, const json_t *json, struct error *err)
{
    SCOPED(object) struct object *object = NULL;
    json_t *borrowed = json_incref((json_t *)json); /* read only, for this call */

    if (object_adopt(borrowed, &object, err) < 0) {
        json_decref(borrowed);
        return -1;
    }
    SCOPED(packed) struct packed *applied = packed_new(object);
    pthread_mutex_lock(&informer->lock);
    if (applied->version > informer->seen_version) /* else the stream has told it, or what came after it */
        (void)cache_store(&informer->cache, applied);
    pthread_mutex_unlock(&informer->lock);
    return 0;
}

uint64_t informer_seen_version(struct informer *informer)
{
    pthread_mutex_lock(&informer->lock);
    uint64_t version = informer->seen_version;
    pthread_mutex_unlock(&informer->lock);
    return version;
}
