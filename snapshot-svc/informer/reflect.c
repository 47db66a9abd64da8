/* The informer's thread: list, then watch, over and over, and tell the handlers what differs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/cond.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "snapshot-svc/informer/informer_priv.h"

static const char *plural(const struct informer *informer)
{
    return cluster_kind_info(informer->kind)->plural;
}

/* ---- telling the handlers; no lock held ---- */

static void tell_added(const struct informer *informer, struct object *object)
{
    for (size_t i = 0; i < informer->handler_count; i++)
        if (informer->handlers[i].added)
            informer->handlers[i].added(informer->handlers[i].self, object);
}

static void tell_updated(const struct informer *informer, struct object *old, struct object *object)
{
    for (size_t i = 0; i < informer->handler_count; i++)
        if (informer->handlers[i].updated)
            informer->handlers[i].updated(informer->handlers[i].self, old, object);
}

static void tell_deleted(const struct informer *informer, struct object *last)
{
    for (size_t i = 0; i < informer->handler_count; i++)
        if (informer->handlers[i].deleted)
            informer->handlers[i].deleted(informer->handlers[i].self, last);
}

/* ---- what the stream says becomes the store; each locks by itself ---- */

/* With the lock held. An own write up to this version is not news any more. After an event this may come a moment later
 * than its effect on the store: the stream has told any write to an object before it tells its deletion. A list tells
 * no such thing, so its version counts in the same breath as its removals. */
static void see(struct informer *informer, uint64_t version)
{
    if (version > informer->seen_version)
        informer->seen_version = version;
}

/* Stores the object and answers what the handlers heard before it; *ret_is_news: they have not heard this one. */
static struct packed *store_told(struct informer *informer, struct packed *packed, bool *ret_is_news)
{
    struct cache_entry *entry = cache_store(&informer->cache, packed);
    struct packed *old = packed_ref(entry->told);

    *ret_is_news = !old || old->version < packed->version;
    if (*ret_is_news)
        cache_told(entry, packed);
    entry->listed = true;
    return old;
}

/* ADDED or MODIFIED, or an item of a list: which of the two it is for the handlers, the store knows. */
static void take_present(struct informer *informer, struct object *object)
{
    SCOPED(packed) struct packed *packed = packed_new(object);
    bool is_news;

    pthread_mutex_lock(&informer->lock);
    SCOPED(packed) struct packed *was = store_told(informer, packed, &is_news);
    pthread_mutex_unlock(&informer->lock);
    SCOPED(object) struct object *old = is_news ? packed_open(was) : NULL;

    /* A new object under the old name, when we missed the deletion between the two. */
    if (is_news && old && strcmp(old->uid, object->uid) != 0) {
        tell_deleted(informer, old);
        tell_added(informer, object);
    } else if (is_news && old) {
        tell_updated(informer, old, object);
    } else if (is_news) {
        tell_added(informer, object);
    }
}

/* DELETED. What was applied from a later write under the same name (a new object) stays. */
static void take_absent(struct informer *informer, struct object *last)
{
    pthread_mutex_lock(&informer->lock);
    struct cache_entry *entry = cache_find(&informer->cache, last->key);
    if (entry && entry->newest->version > last->version)
        cache_told(entry, NULL);
    else if (entry)
        cache_remove(&informer->cache, entry);
    pthread_mutex_unlock(&informer->lock);
    if (entry)
        tell_deleted(informer, last);
}

/* ---- listing ---- */

static void begin_marking(struct informer *informer)
{
    struct cache_entry *entry, *next;

    pthread_mutex_lock(&informer->lock);
    HASH_ITER(hh, informer->cache.entries, entry, next)
    {
        entry->listed = false;
    }
    pthread_mutex_unlock(&informer->lock);
}

static int take_item(void *self, json_t *item, struct error *err)
{
    struct informer *informer = self;
    SCOPED(object) struct object *object = NULL;

    if (!item) {
        begin_marking(informer);
        return 0;
    }
    json_t *reference = json_incref(item);

    if (object_adopt(reference, &object, err) < 0) {
        json_decref(reference);
        return -1;
    }
    take_present(informer, object);
    return 0;
}

/* What is in the store but was not listed is gone, unless it is known from an own write later than the list. An object
 * that was only ever known from an own write is told as deleted too: whoever made it waits to hear of it. */
static void collect_missing(struct informer *informer, uint64_t list_version, struct packed_list *missing)
{
    struct cache_entry *entry, *next;

    pthread_mutex_lock(&informer->lock);
    HASH_ITER(hh, informer->cache.entries, entry, next)
    {
        bool is_later = entry->newest->version > list_version;
        if (entry->listed)
            continue;
        if (entry->told || !is_later)
            packed_list_add(missing, entry->told ? entry->told : entry->newest);
        if (is_later)
            cache_told(entry, NULL);
        else
            cache_remove(&informer->cache, entry);
    }
    see(informer, list_version);
    pthread_mutex_unlock(&informer->lock);
}

static void end_list(struct informer *informer, const char *version)
{
    SCOPED_PACKED_LIST struct packed_list missing = PACKED_LIST_INIT;

    collect_missing(informer, strtoull(version, NULL, 10), &missing);
    for (size_t i = 0; i < missing.count; i++) {
        SCOPED(object) struct object *last = packed_open(missing.items[i]);
        tell_deleted(informer, last);
    }
    pthread_mutex_lock(&informer->lock);
    informer->synced = true;
    pthread_cond_broadcast(&informer->changed);
    pthread_mutex_unlock(&informer->lock);
}

static int list(struct informer *informer, struct error *err)
{
    SCOPED(string) char *version = NULL;

    begin_marking(informer);
    if (cluster_list_each(informer->cluster, informer->kind, informer->ns, informer->labels, take_item,
                          informer, &version, err) < 0)
        return error_wrap(err, "listing %s", plural(informer));
    end_list(informer, version);
    informer->resource_version = TAKE(version);
    return 0;
}

/* ---- watching ---- */

static void remember_version(struct informer *informer, const char *version)
{
    free(informer->resource_version);
    informer->resource_version = xstrdup(version);
    pthread_mutex_lock(&informer->lock);
    see(informer, strtoull(version, NULL, 10));
    pthread_mutex_unlock(&informer->lock);
}

static void take_event(void *self, enum watch_event_type type, json_t *json)
{
    struct informer *informer = self;
    const char *version = json_path_string(json, "metadata.resourceVersion");
    SCOPED(object) struct object *object = NULL;
    struct error err = {0};

    if (!version)
        return; /* nothing we could resume from either */
    informer->watch_told = true;
    if (type != WATCH_BOOKMARK) {
        json_t *own = json_incref(json);
        if (object_adopt(own, &object, &err) < 0) {
            json_decref(own);
            log_failure(LOG_WARN, "watch event ignored", &err, log_str("kind", plural(informer)));
            return;
        }
        if (type == WATCH_DELETED)
            take_absent(informer, object);
        else
            take_present(informer, object);
    }
    remember_version(informer, version);
}

/* Shows the watch to whoever stops the informer; false: that has happened already. */
static bool publish_watch(struct informer *informer, struct cluster_watch *watch)
{
    pthread_mutex_lock(&informer->lock);
    bool go_on = !informer->stopping;
    informer->watch = go_on ? watch : NULL;
    pthread_mutex_unlock(&informer->lock);
    return go_on;
}

static void hide_watch(struct informer *informer)
{
    pthread_mutex_lock(&informer->lock);
    informer->watch = NULL;
    pthread_mutex_unlock(&informer->lock);
}

/* Always ends by an error: watches do. */
static int watch(struct informer *informer, struct error *err)
{
    struct cluster_watch *watch = NULL;

    if (cluster_watch_open(informer->cluster, informer->kind, informer->ns, informer->labels,
                           informer->resource_version, &watch, err) < 0)
        return error_wrap(err, "watching %s", plural(informer));
    informer->watch_opened_ms = clock_monotonic_ms();
    if (publish_watch(informer, watch))
        (void)cluster_watch_run(informer->cluster, watch, take_event, informer, err);
    else
        (void)error_set(err, ERR_CANCELLED, "the informer stops");
    hide_watch(informer);
    cluster_watch_free(informer->cluster, watch);
    return error_wrap(err, "watching %s", plural(informer));
}

/* ---- the loop ---- */

static bool is_stopping(struct informer *informer)
{
    pthread_mutex_lock(&informer->lock);
    bool stopping = informer->stopping;
    pthread_mutex_unlock(&informer->lock);
    return stopping;
}

static void note_failure(struct informer *informer, const struct error *err)
{
    pthread_mutex_lock(&informer->lock);
    informer->last_failure = *err;
    pthread_mutex_unlock(&informer->lock);
}

static void wait_backoff(struct informer *informer)
{
    const int64_t until_ms = clock_monotonic_ms() + backoff_next_ms(&informer->backoff);

    pthread_mutex_lock(&informer->lock);
    while (!informer->stopping && cond_wait_until(&informer->changed, &informer->lock, until_ms))
        ;
    pthread_mutex_unlock(&informer->lock);
}

/* A watch that told something, or lived long, ended as watches do: go on at once. */
static bool was_good_watch(const struct informer *informer)
{
    return informer->watch_told ||
           clock_monotonic_ms() - informer->watch_opened_ms >= informer->backoff.max_ms;
}

static void list_until_done(struct informer *informer)
{
    struct error err = {0};

    while (!informer->resource_version && !is_stopping(informer)) {
        if (list(informer, &err) == 0)
            return;
        note_failure(informer, &err);
        log_failure(LOG_WARN, "list failed", &err, log_str("kind", plural(informer)));
        wait_backoff(informer);
    }
}

static void watch_once(struct informer *informer)
{
    struct error err = {0};

    informer->watch_told = false;
    informer->watch_opened_ms = clock_monotonic_ms();
    (void)watch(informer, &err);
    if (is_stopping(informer))
        return;
    note_failure(informer, &err);
    log_failure(LOG_DEBUG, "watch ended", &err, log_str("kind", plural(informer)));
    if (err.code ==
        ERR_PRECONDITION) { /* "Expired" is ordinary: the history was cut. List again, keep the store. */
        free(informer->resource_version);
        informer->resource_version = NULL;
    }
    if (was_good_watch(informer))
        backoff_reset(&informer->backoff);
    else
        wait_backoff(informer);
}

void *informer_reflect(void *arg)
{
    struct informer *informer = arg;

    while (!is_stopping(informer)) {
        list_until_done(informer);
        if (informer->resource_version)
            watch_once(informer);
    }
    return NULL;
}
