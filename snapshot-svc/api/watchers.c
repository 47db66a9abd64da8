#include "snapshot-svc/api/watchers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "shared/base/alloc.h"

struct watcher {
    struct watchers *watchers;
    char *ns, *sandbox;
    bool changed, cancelled;
    pthread_cond_t wake;
    LIST_ENTRY(watcher) link;
};

struct watchers {
    pthread_mutex_t lock; /* guards everything here and in the watchers */
    LIST_HEAD(, watcher) all;
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

void watchers_tell(struct watchers *watchers, const char *ns, const char *sandbox)
{
    struct watcher *watcher;

    pthread_mutex_lock(&watchers->lock);
    LIST_FOREACH(watcher, &watchers->all, link)
    if (strcmp(watcher->sandbox, sandbox) == 0 && strcmp(watcher->ns, ns) == 0) {
        watcher->changed = true;
        pthread_cond_signal(&watcher->wake);
    }
    pthread_mutex_unlock(&watchers->lock);
}

struct watcher *watcher_new(struct watchers *watchers, const char *ns, const char *sandbox)
{
    struct watcher *watcher = xcalloc(1, sizeof(*watcher));

    watcher->watchers = watchers;
    watcher->ns = xstrdup(ns);
    watcher->sandbox = xstrdup(sandbox);
    pthread_cond_init(&watcher->wake, NULL);
    pthread_mutex_lock(&watchers->lock);
    LIST_INSERT_HEAD(&watchers->all, watcher, link);
    pthread_mutex_unlock(&watchers->lock);
    return watcher;
}

void watcher_free(struct watcher *watcher)
{
    if (!watcher)
        return;
    pthread_mutex_lock(&watcher->watchers->lock);
    LIST_REMOVE(watcher, link);
    pthread_mutex_unlock(&watcher->watchers->lock);
    pthread_cond_destroy(&watcher->wake);
    free(watcher->ns);
    free(watcher->sandbox);
    free(watcher);
}

bool watcher_wait(struct watcher *watcher)
{
    pthread_mutex_lock(&watcher->watchers->lock);
    while (!watcher->changed && !watcher->cancelled)
        pthread_cond_wait(&watcher->wake, &watcher->watchers->lock);
    watcher->changed = false;
    bool go_on = !watcher->cancelled;
    pthread_mutex_unlock(&watcher->watchers->lock);
    return go_on;
}

void watcher_cancel(void *arg)
{
    struct watcher *watcher = arg;

    pthread_mutex_lock(&watcher->watchers->lock);
    watcher->cancelled = true;
    pthread_cond_signal(&watcher->wake);
    pthread_mutex_unlock(&watcher->watchers->lock);
}
