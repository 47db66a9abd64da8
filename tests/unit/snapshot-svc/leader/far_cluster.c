#include "tests/unit/snapshot-svc/leader/far_cluster.h"

#include <stdlib.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"

struct far_watch {
    struct far_cluster *far;
    struct cluster_watch *inner;
    cluster_watch_fn *fn;
    void *self;
    bool stopped; /* guarded by far->lock */
};

static struct far_cluster *far_of(struct cluster *cluster)
{
    return (struct far_cluster *)cluster;
}

static int begin_call(struct far_cluster *far, struct error *err)
{
    pthread_mutex_lock(&far->lock);
    far->calls++;
    pthread_cond_broadcast(&far->changed);
    while (far->mood == FAR_HANGS || far->mood == FAR_CUT)
        pthread_cond_wait(&far->changed, &far->lock);
    const bool is_away = far->mood == FAR_AWAY;
    pthread_mutex_unlock(&far->lock);
    return is_away ? error_set(err, ERR_UNAVAILABLE, "the API server is away") : 0;
}

static unsigned told_so_far(struct far_cluster *far)
{
    pthread_mutex_lock(&far->lock);
    unsigned told = far->told;
    pthread_mutex_unlock(&far->lock);
    return told;
}

static int end_write(struct far_cluster *far, unsigned told_before, int result, json_t **ret_object,
                     struct error *err)
{
    pthread_mutex_lock(&far->lock);
    const bool is_mute = far->mood == FAR_MUTE;
    while (result == 0 && far->mood == FAR_TELLS_FIRST && far->told == told_before)
        pthread_cond_wait(&far->changed, &far->lock);
    pthread_mutex_unlock(&far->lock);
    if (!is_mute || result < 0)
        return result;
    if (ret_object)
        json_decref(*ret_object);
    if (ret_object)
        *ret_object = NULL;
    return error_set(err, ERR_TIMEOUT, "the answer is lost");
}

static int get(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *name,
               json_t **ret_object, struct error *err)
{
    struct far_cluster *far = far_of(cluster);

    return begin_call(far, err) < 0 ? -1 : cluster_get(far->inner, kind, ns, name, ret_object, err);
}

static int create(struct cluster *cluster, enum cluster_kind kind, const char *ns, const json_t *object,
                  json_t **ret_object, struct error *err)
{
    struct far_cluster *far = far_of(cluster);

    if (begin_call(far, err) < 0)
        return -1;
    const unsigned told_before = told_so_far(far);
    return end_write(far, told_before, cluster_create(far->inner, kind, ns, object, ret_object, err),
                     ret_object, err);
}

static int patch(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *name,
                 const json_t *merge_patch, const char *version, json_t **ret_object, struct error *err)
{
    struct far_cluster *far = far_of(cluster);

    if (begin_call(far, err) < 0)
        return -1;
    const unsigned told_before = told_so_far(far);
    return end_write(far, told_before,
                     cluster_patch(far->inner, kind, ns, name, merge_patch, version, ret_object, err),
                     ret_object, err);
}

static int list_each(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *labels,
                     cluster_item_fn *each, void *self, char **ret_version, struct error *err)
{
    return cluster_list_each(far_of(cluster)->inner, kind, ns, labels, each, self, ret_version, err);
}

static int watch_open(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *labels,
                      const char *version, struct cluster_watch **ret_watch, struct error *err)
{
    struct far_cluster *far = far_of(cluster);
    struct far_watch *watch = xcalloc(1, sizeof(*watch));

    if (cluster_watch_open(far->inner, kind, ns, labels, version, &watch->inner, err) < 0) {
        free(watch);
        return -1;
    }
    watch->far = far;
    pthread_mutex_lock(&far->lock);
    far->watches++;
    pthread_cond_broadcast(&far->changed);
    pthread_mutex_unlock(&far->lock);
    *ret_watch = (struct cluster_watch *)watch;
    return 0;
}

static void forward(void *self, enum watch_event_type type, json_t *object)
{
    struct far_watch *watch = self;

    pthread_mutex_lock(&watch->far->lock);
    while (watch->far->mood == FAR_CUT && !watch->stopped)
        pthread_cond_wait(&watch->far->changed, &watch->far->lock);
    const bool tells = !watch->stopped;
    pthread_mutex_unlock(&watch->far->lock);
    if (tells)
        watch->fn(watch->self, type, object);
    pthread_mutex_lock(&watch->far->lock);
    watch->far->told++;
    pthread_cond_broadcast(&watch->far->changed);
    pthread_mutex_unlock(&watch->far->lock);
}

static int watch_run(struct cluster_watch *handle, cluster_watch_fn *fn, void *self, struct error *err)
{
    struct far_watch *watch = (struct far_watch *)handle;

    watch->fn = fn;
    watch->self = self;
    return cluster_watch_run(watch->far->inner, watch->inner, forward, watch, err);
}

static void watch_stop(struct cluster_watch *handle)
{
    struct far_watch *watch = (struct far_watch *)handle;

    pthread_mutex_lock(&watch->far->lock);
    watch->stopped = true;
    pthread_cond_broadcast(&watch->far->changed);
    pthread_mutex_unlock(&watch->far->lock);
    cluster_watch_stop(watch->far->inner, watch->inner);
}

static void watch_free(struct cluster_watch *handle)
{
    struct far_watch *watch = (struct far_watch *)handle;

    cluster_watch_free(watch->far->inner, watch->inner);
    free(watch);
}

static const struct cluster_ops ops = {
    .get = get,
    .create = create,
    .patch = patch,
    .list_each = list_each,
    .watch_open = watch_open,
    .watch_run = watch_run,
    .watch_stop = watch_stop,
    .watch_free = watch_free,
};

void far_cluster_init(struct far_cluster *far, struct cluster *inner)
{
    *far = (struct far_cluster){.cluster.ops = &ops, .inner = inner};
    pthread_mutex_init(&far->lock, NULL);
    pthread_cond_init(&far->changed, NULL);
}

void far_cluster_done(struct far_cluster *far)
{
    pthread_cond_destroy(&far->changed);
    pthread_mutex_destroy(&far->lock);
}

void far_cluster_is(struct far_cluster *far, enum far_mood mood)
{
    pthread_mutex_lock(&far->lock);
    far->mood = mood;
    pthread_cond_broadcast(&far->changed);
    pthread_mutex_unlock(&far->lock);
}

void far_cluster_await_watch(struct far_cluster *far)
{
    pthread_mutex_lock(&far->lock);
    while (far->watches == 0)
        pthread_cond_wait(&far->changed, &far->lock);
    pthread_mutex_unlock(&far->lock);
}

unsigned far_cluster_calls(struct far_cluster *far)
{
    pthread_mutex_lock(&far->lock);
    unsigned calls = far->calls;
    pthread_mutex_unlock(&far->lock);
    return calls;
}
