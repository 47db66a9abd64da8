/* The stock of a Pool: which idle pods go, and how new ones are made. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/pool_pass.h"

static bool is_stock(const struct pool_pod *pod)
{
    return pod->standing == POOL_POD_IDLE && !pod->is_leaving && !pool_pod_is_to_be_evicted(pod);
}

/* ---- eviction ---- */

static void evict(struct pool_pass *pass)
{
    for (size_t i = 0; i < pass->census.pod_count; i++) {
        struct pool_pod *pod = &pass->census.pods[i];
        if (!pool_pod_is_to_be_evicted(pod))
            continue;
        SCOPED(string)
        char *message =
            xasprintf("idle pod %s is evicted: it has the label %s", pod->pod->meta.name, LABEL_EVICT);
        pool_event(pass, false, "PodEvicted", message);
        pool_pod_delete(pass, pod);
    }
}

/* ---- template update: the least useful go first ---- */

static int64_t ready_since(const struct pod *pod)
{
    const struct condition *ready = condition_find(&pod->conditions, "Ready");
    return ready ? ready->last_transition_ms : 0;
}

static int32_t restarts_of(const struct pod *pod)
{
    const struct container_status *statuses = pod->container_statuses.items;
    int32_t most = 0;

    for (size_t i = 0; i < pod->container_statuses.count; i++)
        if (statuses[i].restarts > most)
            most = statuses[i].restarts;
    return most;
}

/* 0: goes first. */
static int usefulness(const struct pod *pod)
{
    if (!pod->node_name)
        return 0;
    if (pod_is_ready(pod))
        return 5;
    switch (pod_phase(pod)) {
    case POD_PENDING:
        return 1;
    case POD_RUNNING:
        return 3;
    default:
        return 2;
    }
}

static int order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int by_usefulness(const void *left, const void *right)
{
    const struct pod *a = (*(struct pool_pod *const *)left)->pod,
                     *b = (*(struct pool_pod *const *)right)->pod;
    int first = order(usefulness(a), usefulness(b));

    if (!first)
        first = order(ready_since(a), ready_since(b));
    if (!first)
        first = order(restarts_of(b), restarts_of(a));
    if (!first)
        first = order(b->meta.created_ms, a->meta.created_ms);
    return first ? first : strcmp(a->meta.name, b->meta.name);
}

static int by_age(const void *left, const void *right)
{
    const struct pod *a = (*(struct pool_pod *const *)left)->pod,
                     *b = (*(struct pool_pod *const *)right)->pod;
    const int first = order(a->meta.created_ms, b->meta.created_ms);

    return first ? first : strcmp(a->meta.name, b->meta.name);
}

/* The stock, or what of it has another revision, in an order; the caller frees the array. */
static struct pool_pod **pick(struct pool_pass *pass, bool outdated_only,
                              int (*in_order)(const void *, const void *), size_t *ret_count)
{
    struct pool_pod **picked = xcalloc(pass->census.pod_count + 1, sizeof(*picked));

    *ret_count = 0;
    for (size_t i = 0; i < pass->census.pod_count; i++) {
        struct pool_pod *pod = &pass->census.pods[i];
        if (is_stock(pod) && (!outdated_only || !pool_pod_is_current(pass, pod)))
            picked[(*ret_count)++] = pod;
    }
    qsort(picked, *ret_count, sizeof(*picked), in_order);
    return picked;
}

static void update(struct pool_pass *pass)
{
    const struct pool_population population = pool_census_population(&pass->census);
    int32_t budget =
        int_or_percent_of(&pass->pool->update_max_unavailable, population.total) - population.not_ready;
    size_t count;
    struct pool_pod **outdated = pick(pass, true, by_usefulness, &count);

    for (size_t i = 0; i < count; i++) {
        if (pod_is_ready(outdated[i]->pod) && budget-- <= 0)
            break; /* the others are ready, too */
        pool_pod_delete(pass, outdated[i]);
        pass->replaced++;
    }
    free(outdated);
}

/* ---- scaling ---- */

static void remove_pods(struct pool_pass *pass, int32_t count)
{
    size_t stock_count;
    struct pool_pod **stock = pick(pass, false, by_age, &stock_count);

    for (size_t i = 0; i < stock_count && count > 0; i++, count--)
        pool_pod_delete(pass, stock[i]);
    free(stock);
}

static json_t *pod_from_template(const struct pool_pass *pass, const char *name)
{
    const struct object_meta *pool = &pass->pool->meta;
    json_t *meta = json_path(pass->pool->template_, "metadata");
    SCOPED(string) char *label = name_label_value(pool->name);
    json_t *labels = json_path(meta, "labels"), *annotations = json_path(meta, "annotations");

    labels = json_is_object(labels) ? json_deep_copy(labels) : json_object();
    annotations = json_is_object(annotations) ? json_deep_copy(annotations) : json_object();
    json_object_set_new(labels, LABEL_POOL_NAME, json_string(label));
    json_object_set_new(labels, LABEL_POOL_REVISION, json_string(pass->revision));
    json_object_del(labels, LABEL_EVICT);
    json_object_del(annotations, ANNOTATION_ALLOCATED_TO); /* a template gives nothing away */
    return json_pack("{s:s s:s s:{s:s s:s* s:o s:o s:o} s:o}", "apiVersion", "v1", "kind", "Pod", "metadata",
                     "name", name, "namespace", pool->ns, "labels", labels, "annotations", annotations,
                     "ownerReferences", owner_references_to_pool(pool), "spec",
                     json_deep_copy(json_path(pass->pool->template_, "spec")));
}

static void create_pod(struct pool_pass *pass, const char *name)
{
    SCOPED(string) char *message = xasprintf("created pod %s", name);

    act_create(&pass->plan, KIND_POD, pass->pool->meta.ns, name, pod_from_template(pass, name),
               "FailedCreate");
    pool_event(pass, false, "SuccessfulCreate", message);
}

/* A name that some list has would make a new pod look like an old one. */
static bool is_taken(const struct pool_pass *pass, const char *name)
{
    for (size_t i = 0; i < pass->census.pod_count; i++)
        if (strcmp(pass->census.pods[i].pod->meta.name, name) == 0)
            return true;
    for (size_t i = 0; i < pass->census.tenant_count; i++)
        if (allocation_ever_held(&pass->census.tenants[i].allocation, name))
            return true;
    return false;
}

static void create_pods(struct pool_pass *pass, int32_t count)
{
    if (count > 0 && !json_is_object(json_path(pass->pool->template_, "spec"))) {
        pool_event(pass, true, "FailedCreate", "spec.template.spec: want the spec of a pod");
        return;
    }
    for (uint32_t number = 0; count > 0; number++) {
        SCOPED(string) char *name = name_pool_pod(pass->pool->meta.name, pass->pool->meta.uid, number);
        if (is_taken(pass, name))
            continue;
        create_pod(pass, name);
        count--;
    }
}

static void scale(struct pool_pass *pass)
{
    struct pool_population population = pool_census_population(&pass->census);

    population.supply += pass->replaced;
    const struct pool_scale wanted = pool_scale_of(pass->pool, &population);
    remove_pods(pass, wanted.remove);
    create_pods(pass, wanted.create);
}

/* A Pool that is being deleted keeps what is in use, until it comes back. */
static void clear_out(struct pool_pass *pass)
{
    for (size_t i = 0; i < pass->census.pod_count; i++)
        if (pass->census.pods[i].standing == POOL_POD_IDLE)
            pool_pod_delete(pass, &pass->census.pods[i]);
}

void pool_stock(struct pool_pass *pass)
{
    if (meta_is_deleting(&pass->pool->meta)) {
        clear_out(pass);
        return;
    }
    evict(pass);
    update(pass);
    scale(pass);
}
