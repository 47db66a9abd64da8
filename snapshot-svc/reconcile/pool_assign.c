#include "snapshot-svc/reconcile/pool_assign.h"

#include <string.h>

#include "shared/base/strbuf.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/quantity.h"
#include "snapshot-svc/reconcile/node_selector.h"

static const char *const predicate_names[] = {
    [PREDICATE_IMAGE] = "image",
    [PREDICATE_RESOURCE] = "resource",
    [PREDICATE_NODE_SELECTOR] = "nodeselector",
    [PREDICATE_LABELS] = "labelselector",
};
_Static_assert(sizeof(predicate_names) / sizeof(*predicate_names) == POOL_PREDICATE_MAX,
               "a predicate without a name");

const struct assign_profile assign_profile_default = {
    .predicates = {[PREDICATE_IMAGE] = true, [PREDICATE_RESOURCE] = true, [PREDICATE_NODE_SELECTOR] = true},
    .balance = LEAST_ALLOCATED,
    .weight = 100};

const char *pool_predicate_name(enum pool_predicate predicate)
{
    return predicate_names[predicate];
}

/* ---- images ---- */

static bool has_image(const json_t *containers, const char *image)
{
    size_t i;
    json_t *container;

    json_array_foreach(containers, i, container)
    {
        const char *its = json_string_value(json_object_get(container, "image"));
        if (its && strcmp(its, image) == 0)
            return true;
    }
    return false;
}

static bool shares_an_image(const json_t *containers, const json_t *pool_containers)
{
    size_t i;
    json_t *container;

    json_array_foreach(containers, i, container)
    {
        const char *image = json_string_value(json_object_get(container, "image"));
        if (image && has_image(pool_containers, image))
            return true;
    }
    return false;
}

/* ---- resources ---- */

/* A limit without a request is a request, as an API server has it. */
static const json_t *request_of(const json_t *container, const char *resource)
{
    const json_t *resources = json_object_get(container, "resources");
    const json_t *request = json_object_get(json_object_get(resources, "requests"), resource);

    return request ? request : json_object_get(json_object_get(resources, "limits"), resource);
}

/* Of all containers, in thousandths. false: one of them is no quantity, or too much. */
static bool sum_requests(const json_t *containers, const char *resource, int64_t *ret_millis)
{
    struct error err;
    size_t i;
    json_t *container;

    *ret_millis = 0;
    json_array_foreach(containers, i, container)
    {
        const json_t *request = request_of(container, resource);
        int64_t millis = 0;
        if (request && (quantity_millis(request, &millis, &err) < 0 || millis > INT64_MAX - *ret_millis))
            return false;
        *ret_millis += millis;
    }
    return true;
}

static bool has_room_for(const json_t *named, const json_t *containers, const json_t *pool_containers)
{
    const char *resource;
    json_t *value;
    int64_t wanted, offered;

    json_object_foreach((json_t *)named, resource, value)
    {
        if (!sum_requests(containers, resource, &wanted) ||
            !sum_requests(pool_containers, resource, &offered) || wanted > offered)
            return false;
    }
    return true;
}

static bool has_resources(const json_t *containers, const json_t *pool_containers)
{
    size_t i;
    json_t *container;

    json_array_foreach(containers, i, container)
    {
        const json_t *resources = json_object_get(container, "resources");
        if (!has_room_for(json_object_get(resources, "requests"), containers, pool_containers) ||
            !has_room_for(json_object_get(resources, "limits"), containers, pool_containers))
            return false;
    }
    return true;
}

/* ---- nodes and labels ---- */

/* What is known of the nodes that a Pool's pods run on: its own labels, overlaid with what its pods select. */
static json_t *node_labels_of(const struct pool *pool)
{
    json_t *labels = json_object();
    json_t *selector = json_path(pool->template_, "spec.nodeSelector");

    for (size_t i = 0; i < pool->meta.labels.count; i++)
        json_object_set_new(labels, pool->meta.labels.pairs[i].key,
                            json_string(pool->meta.labels.pairs[i].value));
    if (json_is_object(selector))
        json_object_update(labels, selector);
    return labels;
}

static bool selects_nodes_of(const json_t *template_, const struct pool *pool)
{
    SCOPED(json) json_t *labels = node_labels_of(pool);
    return node_selector_matches(json_object_get(template_, "spec"), labels);
}

static bool shares_labels(const struct batchsandbox *sandbox, const struct pool *pool,
                          const struct assign_profile *profile)
{
    for (size_t i = 0; i < profile->label_key_count; i++) {
        const char *its = meta_label(&sandbox->meta, profile->label_keys[i]);
        const char *pools = meta_label(&pool->meta, profile->label_keys[i]);
        if (!its || !pools || strcmp(its, pools) != 0)
            return false;
    }
    return true;
}

/* ---- the choice ---- */

bool pool_satisfies(const struct pool *pool, const struct batchsandbox *sandbox,
                    const struct assign_profile *profile, enum pool_predicate predicate)
{
    const json_t *template_ = sandbox->spec.template_;

    if (predicate == PREDICATE_LABELS)
        return shares_labels(sandbox, pool, profile);
    if (!json_is_object(template_))
        return true;
    const json_t *containers = json_path(template_, "spec.containers");
    const json_t *pool_containers = json_path(pool->template_, "spec.containers");
    switch (predicate) {
    case PREDICATE_IMAGE:
        return shares_an_image(containers, pool_containers);
    case PREDICATE_RESOURCE:
        return has_resources(containers, pool_containers);
    case PREDICATE_NODE_SELECTOR:
        return selects_nodes_of(template_, pool);
    case PREDICATE_LABELS:
    case POOL_PREDICATE_MAX:
        break;
    }
    return false;
}

double pool_score(const struct pool *pool, const struct assign_profile *profile)
{
    const double total = pool->status.total;

    if (total <= 0)
        return 0;
    const double taken = pool->status.allocated / total;
    return profile->weight * (profile->balance == MOST_ALLOCATED ? taken : 1 - taken);
}

/* The first predicate that keeps it out; POOL_PREDICATE_MAX: none does. */
static enum pool_predicate keeps_out(const struct pool *pool, const struct batchsandbox *sandbox,
                                     const struct assign_profile *profile)
{
    enum pool_predicate predicate = 0;

    while (predicate < POOL_PREDICATE_MAX &&
           (!profile->predicates[predicate] || pool_satisfies(pool, sandbox, profile, predicate)))
        predicate++;
    return predicate;
}

static bool is_better(const struct pool *pool, const struct pool *best, const struct assign_profile *profile)
{
    const double score = pool_score(pool, profile), best_score = best ? pool_score(best, profile) : 0;

    if (!best || score > best_score)
        return true;
    return score >= best_score && strcmp(pool->meta.name, best->meta.name) < 0;
}

static int refuse(size_t pool_count, const size_t *kept_out, struct error *err)
{
    SCOPED_STRBUF struct strbuf why = STRBUF_INIT;

    for (int i = 0; i < POOL_PREDICATE_MAX; i++)
        if (kept_out[i])
            strbuf_addf(&why, ", %zu by %s", kept_out[i], predicate_names[i]);
    return error_set(
        err, ERR_NOT_FOUND,
        "spec.poolRef \"*\": none of the namespace's %zu Pools fits%s: change the template, or make a "
        "Pool for it",
        pool_count, why.length ? strbuf_text(&why) : "");
}

int pool_assign(const struct batchsandbox *sandbox, const struct pool *const *pools, size_t pool_count,
                const struct assign_profile *profile, const struct pool **ret_pool, struct error *err)
{
    size_t kept_out[POOL_PREDICATE_MAX + 1] = {0};
    const struct pool *best = NULL;

    for (size_t i = 0; i < pool_count; i++) {
        if (meta_is_deleting(&pools[i]->meta))
            continue;
        const enum pool_predicate predicate = keeps_out(pools[i], sandbox, profile);
        kept_out[predicate]++;
        if (predicate == POOL_PREDICATE_MAX && is_better(pools[i], best, profile))
            best = pools[i];
    }
    if (!best)
        return refuse(pool_count, kept_out, err);
    *ret_pool = best;
    return 0;
}
