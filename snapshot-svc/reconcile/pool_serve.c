/* Between a Pool and its tenants: pods are claimed, listed, recycled and let go. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/pool_pass.h"

/* ---- the claim on a pod: always under its resourceVersion ---- */

static void write_claim(struct pool_pass *pass, const struct pool_pod *pod, json_t *value)
{
    act_patch(&pass->plan, (struct object_ref){KIND_POD, &pod->pod->meta},
              json_pack("{s:{s:{s:o}}}", "metadata", "annotations", ANNOTATION_ALLOCATED_TO, value));
}

static void claim(struct pool_pass *pass, const struct pool_pod *pod, const struct pool_tenant *tenant)
{
    SCOPED(string) char *text = pod_claim_text(&tenant->sandbox->meta);
    write_claim(pass, pod, json_string(text));
}

static void unclaim(struct pool_pass *pass, const struct pool_pod *pod)
{
    write_claim(pass, pod, json_null());
}

static void list(struct pool_tenant *tenant, struct json_strings *names, const char *name)
{
    json_strings_add(names, name);
    tenant->is_changed = true;
}

/* ---- back from a tenant ---- */

static void tell_no_restart(struct pool_pass *pass, const struct pool_pod *pod)
{
    SCOPED(string)
    char *message = xasprintf("pod %s is deleted: recycling by restart is not carried out by this version",
                              pod->pod->meta.name);
    pool_event(pass, true, "RecycledByDeletion", message);
}

/* What a tenant has lists of is noted there first (note_recycled). */
static void recycle(struct pool_pass *pass, struct pool_pod *pod)
{
    if (pass->pool->recycle == RECYCLE_NOOP) {
        if (!pod->tenant)
            unclaim(pass, pod);
        return;
    }
    if (pass->pool->recycle == RECYCLE_RESTART)
        tell_no_restart(pass, pod);
    pool_pod_delete(pass, pod);
}

/* Deleted pods do not come here: one that does was recycled under another strategy, or our copy is old. */
static void let_go(struct pool_pass *pass, struct pool_pod *pod)
{
    if (pass->pool->recycle == RECYCLE_NOOP)
        unclaim(pass, pod);
    else
        pool_pod_delete(pass, pod);
}

static void settle(struct pool_pass *pass, struct pool_pod *pod)
{
    const char *name = pod->pod->meta.name;

    switch (pod->standing) {
    case POOL_POD_LISTED:
        claim(pass, pod, pod->tenant);
        return;
    case POOL_POD_CLAIMED:
        list(pod->tenant, &pod->tenant->allocation.given, name);
        return;
    case POOL_POD_SURPLUS:
        list(pod->tenant, &pod->tenant->allocation.given, name);
        list(pod->tenant, &pod->tenant->allocation.returned, name);
        return;
    case POOL_POD_DIRTY:
        recycle(pass, pod);
        return;
    case POOL_POD_CLEAN:
        let_go(pass, pod);
        return;
    case POOL_POD_GOING:
    case POOL_POD_IDLE:
    case POOL_POD_HELD:
    case POOL_POD_STANDING_MAX:
        return;
    }
}

static const struct pool_pod *pod_named(const struct pool_pass *pass, const char *name)
{
    for (size_t i = 0; i < pass->census.pod_count; i++)
        if (strcmp(pass->census.pods[i].pod->meta.name, name) == 0)
            return &pass->census.pods[i];
    return NULL;
}

/* Absent or on its way out; or there is nothing to do for it. A pod of that name that is another's is not meant. */
static bool is_recycled(const struct pool_pass *pass, const struct pool_tenant *tenant, const char *name)
{
    const struct pool_pod *pod = pod_named(pass, name);

    if (!pod || pod->standing == POOL_POD_GOING || pod->tenant != tenant)
        return true;
    return pod->standing == POOL_POD_DIRTY && pass->pool->recycle == RECYCLE_NOOP;
}

static void note_recycled(const struct pool_pass *pass, struct pool_tenant *tenant)
{
    const bool is_deleting = meta_is_deleting(&tenant->sandbox->meta);
    struct allocation *allocation = &tenant->allocation;

    for (size_t i = 0; i < allocation->given.count; i++) {
        const char *name = allocation->given.items[i];
        if (allocation_gives_back(allocation, name, is_deleting) && is_recycled(pass, tenant, name))
            list(tenant, &allocation->recycled, name);
    }
}

/* ---- to a tenant ---- */

/* Those of the current revision first, then the oldest: it has had the most time to warm up. */
static bool is_better(const struct pool_pass *pass, const struct pool_pod *pod, const struct pool_pod *best)
{
    const bool is_current = pool_pod_is_current(pass, pod), best_is = pool_pod_is_current(pass, best);

    if (is_current != best_is)
        return is_current;
    if (pod->pod->meta.created_ms != best->pod->meta.created_ms)
        return pod->pod->meta.created_ms < best->pod->meta.created_ms;
    return strcmp(pod->pod->meta.name, best->pod->meta.name) < 0;
}

static struct pool_pod *best_for(struct pool_pass *pass, const struct pool_tenant *tenant)
{
    struct pool_pod *best = NULL;

    for (size_t i = 0; i < pass->census.pod_count; i++) {
        struct pool_pod *pod = &pass->census.pods[i];
        if (!pod->is_leaving && pool_tenant_may_get(tenant, pod) && (!best || is_better(pass, pod, best)))
            best = pod;
    }
    return best;
}

static void fill(struct pool_pass *pass, struct pool_tenant *tenant)
{
    struct pool_pod *pod;

    while (tenant->need > 0 && (pod = best_for(pass, tenant))) {
        claim(pass, pod, tenant);
        list(tenant, &tenant->allocation.given, pod->pod->meta.name);
        pod->standing = POOL_POD_HELD;
        pod->tenant = tenant;
        tenant->need--;
    }
}

/* ---- the lists of a tenant ---- */

static bool holds_anything(const struct allocation *allocation)
{
    for (size_t i = 0; i < allocation->given.count; i++)
        if (allocation_holds(allocation, allocation->given.items[i]))
            return true;
    return false;
}

static void set_list(json_t *annotations, const char *key, const struct json_strings *names)
{
    SCOPED(string) char *text = allocation_list_text(names);

    if (names->count > 0)
        json_object_set_new(annotations, key, json_string(text));
}

static json_t *lists_patch(const struct pool_tenant *tenant, json_t *finalizers)
{
    json_t *annotations = json_object();

    set_list(annotations, ANNOTATION_ALLOC_STATUS, &tenant->allocation.given);
    set_list(annotations, ANNOTATION_ALLOC_RELEASE, &tenant->allocation.returned);
    set_list(annotations, ANNOTATION_ALLOC_RELEASED, &tenant->allocation.recycled);
    return json_pack("{s:{s:o s:o*}}", "metadata", "annotations", annotations, "finalizers", finalizers);
}

/* One that goes waits for its pods to be recycled; nothing else holds it up (K28). */
static json_t *finalizers_for(const struct pool_tenant *tenant)
{
    const struct object_meta *meta = &tenant->sandbox->meta;
    const bool is_held = meta_has_finalizer(meta, FINALIZER_POOL_ALLOCATION);

    if (meta_is_deleting(meta))
        return is_held && !holds_anything(&tenant->allocation)
                   ? meta_finalizers_without(meta, FINALIZER_POOL_ALLOCATION)
                   : NULL;
    return !is_held && tenant->allocation.given.count > 0
               ? meta_finalizers_with(meta, FINALIZER_POOL_ALLOCATION)
               : NULL;
}

static void write_lists(struct pool_pass *pass, const struct pool_tenant *tenant)
{
    json_t *finalizers = finalizers_for(tenant);

    if (tenant->is_changed || finalizers)
        act_patch(&pass->plan, (struct object_ref){KIND_BATCH_SANDBOX, &tenant->sandbox->meta},
                  lists_patch(tenant, finalizers));
}

void pool_serve(struct pool_pass *pass)
{
    struct pool_census *census = &pass->census;

    for (size_t i = 0; i < census->pod_count; i++)
        settle(pass, &census->pods[i]);
    for (size_t i = 0; i < census->tenant_count; i++) {
        note_recycled(pass, &census->tenants[i]);
        if (!meta_is_deleting(&pass->pool->meta))
            fill(pass, &census->tenants[i]);
    }
    for (size_t i = 0; i < census->tenant_count; i++)
        write_lists(pass, &census->tenants[i]);
}
