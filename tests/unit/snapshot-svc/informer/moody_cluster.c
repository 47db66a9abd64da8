#include "tests/unit/snapshot-svc/informer/moody_cluster.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

struct moody_watch {
    struct moody_cluster *moody;
    struct cluster_watch *inner;
    cluster_watch_fn *fn;
    void *self;
    unsigned events_left; /* 0: no limit */
    bool stopped;         /* by the informer; guarded by moody->lock */
    bool broken, expired; /* by us; same */
};

static struct moody_cluster *moody_of(struct cluster *cluster)
{
    return (struct moody_cluster *)cluster;
}

/* As when the server forgets a list that is being read: see cluster_item_fn. */
static int stumble(struct moody_cluster *moody, const char *vanishing, enum cluster_kind kind, const char *ns,
                   cluster_item_fn *each, void *self, struct error *err)
{
    SCOPED(string) char *version = NULL;

    if (cluster_list_each(moody->inner, kind, ns, NULL, each, self, &version, err) < 0 ||
        cluster_remove(moody->inner, kind, ns, vanishing, NULL, -1, err) < 0)
        return -1;
    return each(self, NULL, err);
}

static int list_each(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *labels,
                     cluster_item_fn *each, void *self, char **ret_version, struct error *err)
{
    struct moody_cluster *moody = moody_of(cluster);

    pthread_mutex_lock(&moody->lock);
    moody->lists++;
    bool fails = moody->failing_lists > 0;
    moody->failing_lists -= fails;
    const char *vanishing = TAKE(moody->vanishing);
    pthread_mutex_unlock(&moody->lock);
    if (fails)
        return error_set(err, ERR_UNAVAILABLE, "the list has a bad mood");
    if (vanishing && stumble(moody, vanishing, kind, ns, each, self, err) < 0)
        return -1;
    return cluster_list_each(moody->inner, kind, ns, labels, each, self, ret_version, err);
}

static int watch_open(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *labels,
                      const char *resource_version, struct cluster_watch **ret_watch, struct error *err)
{
    struct moody_cluster *moody = moody_of(cluster);
    struct moody_watch *watch = xcalloc(1, sizeof(*watch));

    if (cluster_watch_open(moody->inner, kind, ns, labels, resource_version, &watch->inner, err) < 0) {
        free(watch);
        return -1;
    }
    watch->moody = moody;
    pthread_mutex_lock(&moody->lock);
    watch->events_left = moody->break_every ? 1 + (unsigned)rand_r(&moody->seed) % moody->break_every : 0;
    moody->current = watch;
    (void)snprintf(moody->last_opened, sizeof(moody->last_opened), "%s", resource_version);
    moody->watches++;
    pthread_cond_broadcast(&moody->changed);
    pthread_mutex_unlock(&moody->lock);
    *ret_watch = (struct cluster_watch *)watch;
    return 0;
}

/* With the lock held. */
static void break_watch(struct moody_watch *watch, bool expired)
{
    watch->broken = true;
    watch->expired = expired;
    cluster_watch_stop(watch->moody->inner, watch->inner);
    pthread_cond_broadcast(&watch->moody->changed);
}

static void forward(void *self, enum watch_event_type type, json_t *object)
{
    struct moody_watch *watch = self;
    struct moody_cluster *moody = watch->moody;

    pthread_mutex_lock(&moody->lock);
    while (moody->gate_closed && !watch->stopped && !watch->broken)
        pthread_cond_wait(&moody->changed, &moody->lock);
    bool tell = !watch->stopped && !watch->broken;
    pthread_mutex_unlock(&moody->lock);
    if (!tell)
        return;
    watch->fn(watch->self, type, object);
    pthread_mutex_lock(&moody->lock);
    if (watch->events_left && --watch->events_left == 0)
        break_watch(watch, moody->expire_every && (unsigned)rand_r(&moody->seed) % moody->expire_every == 0);
    pthread_mutex_unlock(&moody->lock);
}

static int watch_run(struct cluster_watch *handle, cluster_watch_fn *fn, void *self, struct error *err)
{
    struct moody_watch *watch = (struct moody_watch *)handle;

    watch->fn = fn;
    watch->self = self;
    (void)cluster_watch_run(watch->moody->inner, watch->inner, forward, watch, err);
    pthread_mutex_lock(&watch->moody->lock);
    bool broken = watch->broken, expired = watch->expired;
    pthread_mutex_unlock(&watch->moody->lock);
    if (!broken)
        return -1; /* as the inner one ended */
    if (!expired)
        return error_set(err, ERR_UNAVAILABLE, "the watch has a bad mood");
    (void)error_set(err, ERR_PRECONDITION, "too old resource version");
    return error_reason(err, "Expired");
}

static void watch_stop(struct cluster_watch *handle)
{
    struct moody_watch *watch = (struct moody_watch *)handle;

    pthread_mutex_lock(&watch->moody->lock);
    watch->stopped = true;
    cluster_watch_stop(watch->moody->inner, watch->inner);
    pthread_cond_broadcast(&watch->moody->changed);
    pthread_mutex_unlock(&watch->moody->lock);
}

static void watch_free(struct cluster_watch *handle)
{
    struct moody_watch *watch = (struct moody_watch *)handle;

    pthread_mutex_lock(&watch->moody->lock);
    watch->moody->current = NULL;
    pthread_mutex_unlock(&watch->moody->lock);
    cluster_watch_free(watch->moody->inner, watch->inner);
    free(watch);
}

static const struct cluster_ops ops = {
    .list_each = list_each,
    .watch_open = watch_open,
    .watch_run = watch_run,
    .watch_stop = watch_stop,
    .watch_free = watch_free,
};

void moody_init(struct moody_cluster *moody, struct cluster *inner)
{
    *moody = (struct moody_cluster){.cluster.ops = &ops, .inner = inner, .seed = 1};
    pthread_mutex_init(&moody->lock, NULL);
    pthread_cond_init(&moody->changed, NULL);
}

void moody_done(struct moody_cluster *moody)
{
    pthread_cond_destroy(&moody->changed);
    pthread_mutex_destroy(&moody->lock);
}

void moody_gate(struct moody_cluster *moody, bool closed)
{
    pthread_mutex_lock(&moody->lock);
    moody->gate_closed = closed;
    pthread_cond_broadcast(&moody->changed);
    pthread_mutex_unlock(&moody->lock);
}

void moody_break(struct moody_cluster *moody, bool expired)
{
    pthread_mutex_lock(&moody->lock);
    if (moody->current)
        break_watch(moody->current, expired);
    pthread_mutex_unlock(&moody->lock);
}

void moody_fail_lists(struct moody_cluster *moody, unsigned count)
{
    pthread_mutex_lock(&moody->lock);
    moody->failing_lists = count;
    pthread_mutex_unlock(&moody->lock);
}

void moody_stumble(struct moody_cluster *moody, const char *vanishing)
{
    pthread_mutex_lock(&moody->lock);
    moody->vanishing = vanishing;
    pthread_mutex_unlock(&moody->lock);
}

unsigned moody_lists(struct moody_cluster *moody)
{
    pthread_mutex_lock(&moody->lock);
    unsigned lists = moody->lists;
    pthread_mutex_unlock(&moody->lock);
    return lists;
}

unsigned moody_watches(struct moody_cluster *moody)
{
    pthread_mutex_lock(&moody->lock);
    unsigned watches = moody->watches;
    pthread_mutex_unlock(&moody->lock);
    return watches;
}

void moody_wait_watches(struct moody_cluster *moody, unsigned count)
{
    pthread_mutex_lock(&moody->lock);
    while (moody->watches < count)
        pthread_cond_wait(&moody->changed, &moody->lock);
    pthread_mutex_unlock(&moody->lock);
}
