#include "tests/unit/snapshot-svc/controller/fused_cluster.h"

#include "shared/json/json.h"

/* ---- the fuse ---- */

void fuse_init(struct fuse *fuse, void (*told)(void *self), void *self)
{
    *fuse = (struct fuse){.told = told, .self = self};
    pthread_mutex_init(&fuse->lock, NULL);
}

void fuse_done(struct fuse *fuse)
{
    pthread_mutex_destroy(&fuse->lock);
}

void fuse_set(struct fuse *fuse, unsigned limit)
{
    pthread_mutex_lock(&fuse->lock);
    fuse->steps = 0;
    fuse->limit = limit;
    fuse->blown = false;
    pthread_mutex_unlock(&fuse->lock);
}

bool fuse_is_blown(struct fuse *fuse)
{
    pthread_mutex_lock(&fuse->lock);
    bool blown = fuse->blown;
    pthread_mutex_unlock(&fuse->lock);
    return blown;
}

unsigned fuse_steps(struct fuse *fuse)
{
    pthread_mutex_lock(&fuse->lock);
    unsigned steps = fuse->steps;
    pthread_mutex_unlock(&fuse->lock);
    return steps;
}

int fuse_step(void *self, struct error *err)
{
    struct fuse *fuse = self;

    pthread_mutex_lock(&fuse->lock);
    bool blows = !fuse->blown && ++fuse->steps == fuse->limit;
    fuse->blown = fuse->blown || blows;
    bool dead = fuse->blown;
    pthread_mutex_unlock(&fuse->lock);
    if (blows && fuse->told)
        fuse->told(fuse->self);
    return dead ? error_set(err, ERR_UNAVAILABLE, "the process died here") : 0;
}

/* ---- the port ---- */

static struct fused_cluster *fused(struct cluster *cluster)
{
    return (struct fused_cluster *)cluster;
}

static int moment(struct cluster *cluster, enum cluster_kind kind, struct error *err)
{
    struct fuse *fuse = fused(cluster)->fuse;

    if (kind != KIND_EVENT)
        return fuse_step(fuse, err);
    return fuse_is_blown(fuse) ? error_set(err, ERR_UNAVAILABLE, "the process is dead") : 0;
}

static int fused_get(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *name,
                     json_t **ret_object, struct error *err)
{
    return cluster_get(fused(cluster)->inner, kind, ns, name, ret_object, err);
}

static int fused_list_each(struct cluster *cluster, enum cluster_kind kind, const char *ns,
                           const char *labels, cluster_item_fn *each, void *self, char **ret_version,
                           struct error *err)
{
    return cluster_list_each(fused(cluster)->inner, kind, ns, labels, each, self, ret_version, err);
}

/* What a dead process would have been told is not told. */
static int answer(struct cluster *cluster, enum cluster_kind kind, json_t **ret_object, json_t *object,
                  struct error *err)
{
    if (moment(cluster, kind, err) < 0) {
        json_decref(object);
        return -1;
    }
    if (ret_object)
        *ret_object = object;
    else
        json_decref(object);
    return 0;
}

static int fused_create(struct cluster *cluster, enum cluster_kind kind, const char *ns, const json_t *object,
                        json_t **ret_object, struct error *err)
{
    json_t *created = NULL;

    if (kind == KIND_JOB && fused(cluster)->refuses_jobs)
        return error_set(err, ERR_DENIED, "exceeded quota: count/jobs.batch");
    if (moment(cluster, kind, err) < 0 ||
        cluster_create(fused(cluster)->inner, kind, ns, object, &created, err) < 0)
        return -1;
    return answer(cluster, kind, ret_object, created, err);
}

static int fused_patch(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *name,
                       const json_t *merge_patch, const char *resource_version, json_t **ret_object,
                       struct error *err)
{
    json_t *written = NULL;

    if (moment(cluster, kind, err) < 0 || cluster_patch(fused(cluster)->inner, kind, ns, name, merge_patch,
                                                        resource_version, &written, err) < 0)
        return -1;
    return answer(cluster, kind, ret_object, written, err);
}

static int fused_patch_status(struct cluster *cluster, enum cluster_kind kind, const char *ns,
                              const char *name, const json_t *merge_patch, const char *resource_version,
                              json_t **ret_object, struct error *err)
{
    json_t *written = NULL;

    if (moment(cluster, kind, err) < 0 ||
        cluster_patch_status(fused(cluster)->inner, kind, ns, name, merge_patch, resource_version, &written,
                             err) < 0)
        return -1;
    return answer(cluster, kind, ret_object, written, err);
}

static int fused_remove(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *name,
                        const char *uid, const char *resource_version, int grace_s, struct error *err)
{
    if (moment(cluster, kind, err) < 0 || cluster_remove_version(fused(cluster)->inner, kind, ns, name, uid,
                                                                 resource_version, grace_s, err) < 0)
        return -1;
    return moment(cluster, kind, err);
}

static int fused_watch_open(struct cluster *cluster, enum cluster_kind kind, const char *ns,
                            const char *labels, const char *resource_version,
                            struct cluster_watch **ret_watch, struct error *err)
{
    if (kind == fused(cluster)->deaf_kind)
        ns = "nobodys";
    return cluster_watch_open(fused(cluster)->inner, kind, ns, labels, resource_version, ret_watch, err);
}

void fused_cluster_init(struct fused_cluster *fused_, struct cluster *inner, struct fuse *fuse)
{
    *fused_ = (struct fused_cluster){.inner = inner, .fuse = fuse, .ops = *inner->ops, .deaf_kind = KIND_MAX};
    fused_->ops.get = fused_get;
    fused_->ops.list_each = fused_list_each;
    fused_->ops.create = fused_create;
    fused_->ops.patch = fused_patch;
    fused_->ops.patch_status = fused_patch_status;
    fused_->ops.remove = fused_remove;
    fused_->ops.watch_open = fused_watch_open; /* the rest takes the inner's watch itself */
    fused_->cluster.ops = &fused_->ops;
}
