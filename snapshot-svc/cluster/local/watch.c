/* Watches: each reads the log of changes from its own place on, and sleeps until a commit when it is at the
 * end. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "snapshot-svc/cluster/local/local_priv.h"

#define BATCH 64

struct cluster_watch {
    struct local *local;
    enum cluster_kind kind;
    char *ns; /* NULL: all */

    uint64_t position; /* changes up to here are told; the running thread only */
    uint64_t told;     /* the last version that the watcher has heard */

    bool stopped; /* guarded by local->lock */
};

static int parse_version(const char *text, uint64_t *ret_version, struct error *err)
{
    char *end;

    errno = 0;
    uint64_t version = text && text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (version == 0 || errno || *end)
        return error_set(err, ERR_INVALID, "watching: resourceVersion: want the one of a list, got \"%.24s\"",
                         text ? text : "");
    *ret_version = version;
    return 0;
}

int local_watch_open(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *labels,
                     const char *resource_version, struct cluster_watch **ret_watch, struct error *err)
{
    struct local *local = (struct local *)cluster;
    uint64_t version = 0;

    (void)labels; /* everything is told: there is no network to save */
    if (kind == KIND_SECRET)
        return error_set(err, ERR_UNSUPPORTED, "secrets cannot be watched here, only read by name");
    if (parse_version(resource_version, &version, err) < 0)
        return -1;
    struct cluster_watch *watch = xcalloc(1, sizeof(*watch));
    *watch = (struct cluster_watch){
        .local = local, .kind = kind, .ns = ns ? xstrdup(ns) : NULL, .position = version, .told = version};
    pthread_mutex_lock(&local->lock);
    local->watches++;
    pthread_mutex_unlock(&local->lock);
    *ret_watch = watch;
    return 0;
}

/* With the lock held. Waits until there is something to tell: changes, or so many of other kinds that the
 * watcher should hear a newer version to resume from (an empty list then). */
static int wait_for_changes(struct cluster_watch *watch, struct change_list *changes, struct error *err)
{
    struct local *local = watch->local;

    for (;;) {
        if (watch->stopped)
            return error_set(err, ERR_CANCELLED, "the watch was stopped");
        if (store_changes(local->store, watch->kind, watch->ns, watch->position, BATCH, changes, err) < 0)
            return error_wrap(err, "watching %s", cluster_kind_info(watch->kind)->plural);
        if (changes->count > 0) {
            watch->position = changes->items[changes->count - 1].version;
            return 0;
        }
        watch->position = store_version(local->store);
        if (watch->position - watch->told > local->history_max / 4)
            return 0;
        pthread_cond_wait(&local->changed, &local->lock);
    }
}

static int next_changes(struct cluster_watch *watch, struct change_list *changes, struct error *err)
{
    pthread_mutex_lock(&watch->local->lock);
    int done = wait_for_changes(watch, changes, err);
    pthread_mutex_unlock(&watch->local->lock);
    return done;
}

static bool is_stopped(struct cluster_watch *watch)
{
    pthread_mutex_lock(&watch->local->lock);
    bool stopped = watch->stopped;
    pthread_mutex_unlock(&watch->local->lock);
    return stopped;
}

static void tell_bookmark(struct cluster_watch *watch, cluster_watch_fn *fn, void *self)
{
    const struct cluster_kind_info *info = cluster_kind_info(watch->kind);
    char version[24];

    (void)snprintf(version, sizeof(version), "%" PRIu64, watch->position);
    SCOPED(json)
    json_t *bookmark = json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", info->api_version, "kind", info->kind,
                                 "metadata", "resourceVersion", version);
    fn(self, WATCH_BOOKMARK, bookmark);
}

int local_watch_run(struct cluster_watch *watch, cluster_watch_fn *fn, void *self, struct error *err)
{
    for (;;) {
        SCOPED_CHANGES struct change_list changes = CHANGE_LIST_INIT;
        if (next_changes(watch, &changes, err) < 0)
            return -1;
        for (size_t i = 0; i < changes.count && !is_stopped(watch); i++)
            fn(self, changes.items[i].type, changes.items[i].object);
        if (changes.count == 0)
            tell_bookmark(watch, fn, self);
        watch->told = watch->position;
    }
}

void local_watch_stop(struct cluster_watch *watch)
{
    pthread_mutex_lock(&watch->local->lock);
    watch->stopped = true;
    pthread_cond_broadcast(&watch->local->changed);
    pthread_mutex_unlock(&watch->local->lock);
}

void local_watch_free(struct cluster_watch *watch)
{
    if (!watch)
        return;
    pthread_mutex_lock(&watch->local->lock);
    watch->local->watches--;
    pthread_mutex_unlock(&watch->local->lock);
    free(watch->ns);
    free(watch);
}
