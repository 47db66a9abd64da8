#include "tests/unit/snapshot-svc/dispatch/pods_cluster.h"

#include <stdlib.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"

struct cluster_watch {
    struct pods_cluster *pods;
};

static int list_each(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *labels,
                     cluster_item_fn *each, void *self, char **ret_version, struct error *err)
{
    (void)cluster, (void)kind, (void)ns, (void)labels, (void)each, (void)self, (void)err;
    *ret_version = xstrdup("1");
    return 0;
}

static int watch_open(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *labels,
                      const char *resource_version, struct cluster_watch **ret_watch, struct error *err)
{
    struct cluster_watch *watch = xcalloc(1, sizeof(*watch));

    (void)kind, (void)ns, (void)labels, (void)resource_version, (void)err;
    watch->pods = (struct pods_cluster *)cluster;
    *ret_watch = watch;
    return 0;
}

/* Lock held, let go while the event is told. */
static void tell_next(struct pods_cluster *pods, cluster_watch_fn *fn, void *self)
{
    SCOPED(json) json_t *object = TAKE(pods->next);
    const enum watch_event_type type = pods->next_type;

    pthread_mutex_unlock(&pods->lock);
    fn(self, type, object);
    pthread_mutex_lock(&pods->lock);
    pods->told++;
    pthread_cond_broadcast(&pods->changed);
}

static int watch_run(struct cluster_watch *watch, cluster_watch_fn *fn, void *self, struct error *err)
{
    struct pods_cluster *pods = watch->pods;

    pthread_mutex_lock(&pods->lock);
    while (!pods->stopped) {
        if (pods->next)
            tell_next(pods, fn, self);
        else
            pthread_cond_wait(&pods->changed, &pods->lock);
    }
    pthread_mutex_unlock(&pods->lock);
    return error_set(err, ERR_CANCELLED, "the watch was stopped");
}

static void watch_stop(struct cluster_watch *watch)
{
    pthread_mutex_lock(&watch->pods->lock);
    watch->pods->stopped = true;
    pthread_cond_broadcast(&watch->pods->changed);
    pthread_mutex_unlock(&watch->pods->lock);
}

static void watch_free(struct cluster_watch *watch)
{
    free(watch);
}

static const struct cluster_ops ops = {
    .list_each = list_each,
    .watch_open = watch_open,
    .watch_run = watch_run,
    .watch_stop = watch_stop,
    .watch_free = watch_free,
};

void pods_cluster_init(struct pods_cluster *pods)
{
    *pods = (struct pods_cluster){.cluster.ops = &ops, .version = 1};
    pthread_mutex_init(&pods->lock, NULL);
    pthread_cond_init(&pods->changed, NULL);
}

void pods_cluster_done(struct pods_cluster *pods)
{
    pthread_cond_destroy(&pods->changed);
    pthread_mutex_destroy(&pods->lock);
}

void pods_cluster_tell(struct pods_cluster *pods, enum watch_event_type type, json_t *pod)
{
    char version[24];

    pthread_mutex_lock(&pods->lock);
    const unsigned told = pods->told;
    (void)snprintf(version, sizeof(version), "%u", ++pods->version);
    json_object_set_new(json_object_get(pod, "metadata"), "resourceVersion", json_string(version));
    pods->next = pod;
    pods->next_type = type;
    pthread_cond_broadcast(&pods->changed);
    while (pods->told == told)
        pthread_cond_wait(&pods->changed, &pods->lock);
    pthread_mutex_unlock(&pods->lock);
}
