#include "snapshot-svc/api/watchers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "shared/base/alloc.h"
#include "shared/base/cond.h"

struct object_watcher {
    struct watchers *watchers;
    char *ns, *name;
    bool changed, cancelled;
    pthread_cond_t wake;
    LIST_ENTRY(object_watcher) link;
};

struct watchers {
    pthread_mutex_t lock; /* guards everything here and in the watchers */
    LIST_HEAD(, object_watcher) all;
};

struct watchers *watchers_new(void)
{
    struct watchers *watchers = xcalloc(1, sizeof(*watchers));

    pthread_mutex_init(&watchers->lock, NULL);
    LIST_INIT(&watchers->all);
    return watchers;
}

void watchers_free(struct watchers *watchers)
{
    if (!watchers)
        return;
    pthread_mutex_destroy(&watchers->lock);
    free(watchers);
}

void watchers_tell(struct watchers *watchers, const char *ns, const char *name)
{
    struct object_watcher *watcher;

    pthread_mutex_lock(&watchers->lock);
    LIST_FOREACH(watcher, &watchers->all, link)
    if (strcmp(watcher->name, name) == 0 && strcmp(watcher->ns, ns) == 0) {
        watcher->changed = true;
        pthread_cond_signal(&watcher->wake);
    }
    pthread_mutex_unlock(&watchers->lock);
}

struct object_watcher *object_watcher_new(struct watchers *watchers, const char *ns, const char *name)
{
    struct object_watcher *watcher = xcalloc(1, sizeof(*watcher));

    watcher->watchers = watchers;
    watcher->ns = xstrdup(ns);
    watcher->name = xstrdup(name);
    cond_init(&watcher->wake);
    pthread_mutex_lock(&watchers->lock);
    LIST_INSERT_HEAD(&watchers->all, watcher, link);
    pthread_mutex_unlock(&watchers->lock);
    return watcher;
}

void object_watcher_free(struct object_watcher *watcher)
{
    if (!watcher)
        return;
    pthread_mutex_lock(&watcher->watchers->lock);
    LIST_REMOVE(watcher, link);
    pthread_mutex_unlock(&watcher->watchers->lock);
    pthread_cond_destroy(&watcher->wake);
    free(watcher->ns);
    free(watcher->name);
    free(watcher);
}

bool object_watcher_wait_until(struct object_watcher *watcher, int64_t deadline_ms)
{
    bool in_time = true;

    pthread_mutex_lock(&watcher->watchers->lock);
    while (in_time && !watcher->changed && !watcher->cancelled)
        in_time = cond_wait_until(&watcher->wake, &watcher->watchers->lock, deadline_ms);
    bool go_on = watcher->changed && !watcher->cancelled;
    watcher->changed = false;
    pthread_mutex_unlock(&watcher->watchers->lock);
    return go_on;
}

bool object_watcher_wait(struct object_watcher *watcher)
{
    pthread_mutex_lock(&watcher->watchers->lock);
    while (!watcher->changed && !watcher->cancelled)
        pthread_cond_wait(&watcher->wake, &watcher->watchers->lock);
    watcher->changed = false;
    bool go_on = !watcher->cancelled;
    pthread_mutex_unlock(&watcher->watchers->lock);
    return go_on;
}

void object_watcher_cancel(void *arg)
{
    struct object_watcher *watcher = arg;

    pthread_mutex_lock(&watcher->watchers->lock);
    watcher->cancelled = true;
    pthread_cond_signal(&watcher->wake);
    pthread_mutex_unlock(&watcher->watchers->lock);
}
