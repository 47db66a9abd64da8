#include "snapshot-svc/cluster/cluster.h"

#include <stdlib.h>
#include <string.h>

#define OPENSANDBOX "sandbox.opensandbox.io/v1alpha1"

/* clang-format off */
static const struct cluster_kind_info kinds[] = {
    [KIND_BATCH_SANDBOX]    = {OPENSANDBOX, "BatchSandbox",    "batchsandboxes"},
    [KIND_SANDBOX_SNAPSHOT] = {OPENSANDBOX, "SandboxSnapshot", "sandboxsnapshots"},
    [KIND_POD]              = {"v1",        "Pod",             "pods"},
    [KIND_SECRET]           = {"v1",        "Secret",          "secrets"},
    [KIND_EVENT]            = {"v1",        "Event",           "events"},
    [KIND_JOB]              = {"batch/v1",  "Job",             "jobs"},
    [KIND_LEASE]            = {"coordination.k8s.io/v1", "Lease", "leases"},
    [KIND_VOLUME_CLAIM]     = {"v1",        "PersistentVolumeClaim", "persistentvolumeclaims"},
    [KIND_POOL]             = {OPENSANDBOX, "Pool",            "pools"},
};
/* clang-format on */
_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == KIND_MAX, "every kind has a row");

const struct cluster_kind_info *cluster_kind_info(enum cluster_kind kind)
{
    return &kinds[kind];
}

/* ---- lists ---- */

static int collect(void *items, json_t *object, struct error *err)
{
    (void)err;
    if (object)
        json_array_append(items, object);
    else
        json_array_clear(items);
    return 0;
}

int cluster_list(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *labels,
                 json_t **ret_items, char **ret_version, struct error *err)
{
    json_t *items = json_array();

    if (cluster_list_each(cluster, kind, ns, labels, collect, items, ret_version, err) < 0) {
        json_decref(items);
        return -1;
    }
    *ret_items = items;
    return 0;
}

/* ---- Events ---- */

static bool is_about(const json_t *event, char *const *names, size_t count)
{
    const json_t *involved = json_object_get(event, "involvedObject");
    const char *name = json_string_value(json_object_get(involved, "name"));

    for (size_t i = 0; name && i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static int choose(struct cluster *cluster, const char *ns, char *const *names, size_t count, json_t *items,
                  struct error *err)
{
    json_t *all, *event;
    char *version;
    size_t i;

    if (cluster_list(cluster, KIND_EVENT, ns, NULL, &all, &version, err) < 0)
        return -1;
    json_array_foreach(all, i, event)
    {
        if (is_about(event, names, count))
            json_array_append(items, event);
    }
    json_decref(all);
    free(version);
    return 0;
}

static int ask(struct cluster *cluster, const char *ns, char *const *names, size_t count, json_t *items,
               struct error *err)
{
    for (size_t i = 0; i < count; i++)
        if (cluster->ops->events_about(cluster, ns, names[i], items, err) < 0)
            return -1;
    return 0;
}

int cluster_events_about(struct cluster *cluster, const char *ns, char *const *names, size_t count,
                         json_t **ret_items, struct error *err)
{
    json_t *items = json_array();

    if ((cluster->ops->events_about ? ask : choose)(cluster, ns, names, count, items, err) < 0) {
        json_decref(items);
        return -1;
    }
    *ret_items = items;
    return 0;
}
