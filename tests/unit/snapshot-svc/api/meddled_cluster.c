#include "tests/unit/snapshot-svc/api/meddled_cluster.h"

static struct meddled_cluster *meddled_of(struct cluster *cluster)
{
    return (struct meddled_cluster *)cluster;
}

static int before(struct cluster *cluster, const struct meddled_call *call, struct error *err)
{
    struct meddled_cluster *meddled = meddled_of(cluster);
    return meddled->before ? meddled->before(meddled->self, call, err) : 0;
}

static int after(struct cluster *cluster, const struct meddled_call *call, json_t *object,
                 json_t **ret_object, struct error *err)
{
    struct meddled_cluster *meddled = meddled_of(cluster);

    if (meddled->after && meddled->after(meddled->self, call, err) < 0) {
        json_decref(object);
        return -1;
    }
    if (ret_object)
        *ret_object = object;
    else
        json_decref(object);
    return 0;
}

static int meddled_get(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *name,
                       json_t **ret_object, struct error *err)
{
    const struct meddled_call call = {MEDDLED_GET, kind, name, NULL};
    json_t *object = NULL;

    if (before(cluster, &call, err) < 0 ||
        cluster_get(meddled_of(cluster)->inner, kind, ns, name, &object, err) < 0)
        return -1;
    return after(cluster, &call, object, ret_object, err);
}

static int meddled_list_each(struct cluster *cluster, enum cluster_kind kind, const char *ns,
                             const char *labels, cluster_item_fn *each, void *self, char **ret_version,
                             struct error *err)
{
    return cluster_list_each(meddled_of(cluster)->inner, kind, ns, labels, each, self, ret_version, err);
}

static int meddled_create(struct cluster *cluster, enum cluster_kind kind, const char *ns,
                          const json_t *object, json_t **ret_object, struct error *err)
{
    const struct meddled_call call = {MEDDLED_CREATE, kind, NULL, object};
    json_t *created = NULL;

    if (before(cluster, &call, err) < 0 ||
        cluster_create(meddled_of(cluster)->inner, kind, ns, object, &created, err) < 0)
        return -1;
    return after(cluster, &call, created, ret_object, err);
}

static int meddled_patch(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *name,
                         const json_t *merge_patch, const char *resource_version, json_t **ret_object,
                         struct error *err)
{
    const struct meddled_call call = {MEDDLED_PATCH, kind, name, merge_patch};
    json_t *written = NULL;

    if (before(cluster, &call, err) < 0 || cluster_patch(meddled_of(cluster)->inner, kind, ns, name,
                                                         merge_patch, resource_version, &written, err) < 0)
        return -1;
    return after(cluster, &call, written, ret_object, err);
}

static int meddled_patch_status(struct cluster *cluster, enum cluster_kind kind, const char *ns,
                                const char *name, const json_t *merge_patch, const char *resource_version,
                                json_t **ret_object, struct error *err)
{
    return cluster_patch_status(meddled_of(cluster)->inner, kind, ns, name, merge_patch, resource_version,
                                ret_object, err);
}

static int meddled_remove(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *name,
                          const char *uid, const char *resource_version, int grace_s, struct error *err)
{
    const struct meddled_call call = {MEDDLED_REMOVE, kind, name, NULL};

    if (before(cluster, &call, err) < 0 || cluster_remove_version(meddled_of(cluster)->inner, kind, ns, name,
                                                                  uid, resource_version, grace_s, err) < 0)
        return -1;
    return after(cluster, &call, NULL, NULL, err);
}

static const struct cluster_ops meddled_ops = {
    .get = meddled_get,
    .list_each = meddled_list_each,
    .create = meddled_create,
    .patch = meddled_patch,
    .patch_status = meddled_patch_status,
    .remove = meddled_remove,
};

void meddled_cluster_init(struct meddled_cluster *meddled, struct cluster *inner)
{
    *meddled = (struct meddled_cluster){.cluster.ops = &meddled_ops, .inner = inner};
}
