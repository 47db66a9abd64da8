#include "snapshot-svc/reconcile/pool_census.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "snapshot-svc/model/names.h"

static const char *const standing_names[] = {
    [POOL_POD_GOING] = "Going",   [POOL_POD_IDLE] = "Idle",       [POOL_POD_HELD] = "Held",
    [POOL_POD_LISTED] = "Listed", [POOL_POD_CLAIMED] = "Claimed", [POOL_POD_SURPLUS] = "Surplus",
    [POOL_POD_DIRTY] = "Dirty",   [POOL_POD_CLEAN] = "Clean",
};
_Static_assert(sizeof(standing_names) / sizeof(*standing_names) == POOL_POD_STANDING_MAX,
               "a standing without a name");

const char *pool_pod_standing_name(enum pool_pod_standing standing)
{
    return standing_names[standing];
}

/* ---- tenants ---- */

static bool is_served_by(const struct batchsandbox *sandbox, const struct pool *pool)
{
    return batchsandbox_is_pooled(sandbox) && strcmp(sandbox->spec.pool_ref, pool->meta.name) == 0;
}

static int32_t clamp(int64_t count)
{
    return count < 0 ? 0 : count > INT32_MAX ? INT32_MAX : (int32_t)count;
}

/* A pod that was lost still counts as given: it is not replaced. */
static int32_t need_of(const struct pool_tenant *tenant)
{
    if (meta_is_deleting(&tenant->sandbox->meta))
        return 0;
    return clamp((int64_t)tenant->sandbox->spec.replicas - (int64_t)tenant->allocation.given.count);
}

static void take_tenants(const struct pool_observed *seen, struct pool_census *census)
{
    census->tenants = xcalloc(seen->sandbox_count + 1, sizeof(*census->tenants));
    for (size_t i = 0; i < seen->sandbox_count; i++) {
        if (!is_served_by(seen->sandboxes[i], seen->pool))
            continue;
        struct pool_tenant *tenant = &census->tenants[census->tenant_count++];
        tenant->sandbox = seen->sandboxes[i];
        tenant->is_unreadable =
            allocation_read(&tenant->sandbox->meta, &tenant->allocation, &census->unreadable_why) < 0;
        if (tenant->is_unreadable)
            census->unreadable = tenant->sandbox;
        else
            tenant->need = need_of(tenant);
    }
}

static struct pool_tenant *tenant_of_uid(const struct pool_census *census, const char *uid)
{
    for (size_t i = 0; i < census->tenant_count; i++)
        if (strcmp(census->tenants[i].sandbox->meta.uid, uid) == 0)
            return &census->tenants[i];
    return NULL;
}

static struct pool_tenant *tenant_that_lists(const struct pool_census *census, const char *pod)
{
    for (size_t i = 0; i < census->tenant_count; i++)
        if (allocation_holds(&census->tenants[i].allocation, pod))
            return &census->tenants[i];
    return NULL;
}

bool pool_tenant_may_get(const struct pool_tenant *tenant, const struct pool_pod *pod)
{
    return pool_pod_is_available(pod) && !allocation_ever_held(&tenant->allocation, pod->pod->meta.name);
}

/* ---- pods ---- */

static enum pool_pod_standing standing_at(struct pool_tenant *tenant, const char *pod)
{
    const bool is_deleting = meta_is_deleting(&tenant->sandbox->meta);

    if (tenant->is_unreadable)
        return POOL_POD_HELD;
    if (allocation_gives_back(&tenant->allocation, pod, is_deleting))
        return POOL_POD_DIRTY;
    if (allocation_holds(&tenant->allocation, pod))
        return POOL_POD_HELD;
    if (allocation_ever_held(&tenant->allocation, pod))
        return POOL_POD_CLEAN;
    if (is_deleting)
        return POOL_POD_DIRTY;
    if (tenant->need == 0)
        return POOL_POD_SURPLUS;
    tenant->need--;
    return POOL_POD_CLAIMED;
}

static void look_at(struct pool_census *census, struct pool_pod *pod)
{
    const char *name = pod->pod->meta.name;
    SCOPED_POD_CLAIM struct pod_claim claim;

    pod_claim_read(&pod->pod->meta, &claim);
    pod->tenant =
        claim.sandbox_uid ? tenant_of_uid(census, claim.sandbox_uid) : tenant_that_lists(census, name);
    if (meta_is_deleting(&pod->pod->meta))
        pod->standing = POOL_POD_GOING;
    else if (!claim.sandbox_uid)
        pod->standing = pod->tenant ? POOL_POD_LISTED : POOL_POD_IDLE;
    else
        pod->standing = pod->tenant ? standing_at(pod->tenant, name) : POOL_POD_DIRTY;
}

void pool_census_take(const struct pool_observed *seen, struct pool_census *ret_census)
{
    *ret_census = (struct pool_census){.pods = xcalloc(seen->pod_count + 1, sizeof(*ret_census->pods)),
                                       .pod_count = seen->pod_count};
    take_tenants(seen, ret_census);
    for (size_t i = 0; i < seen->pod_count; i++) {
        ret_census->pods[i].pod = seen->pods[i];
        look_at(ret_census, &ret_census->pods[i]);
    }
}

void pool_census_done(struct pool_census *census)
{
    for (size_t i = 0; i < census->tenant_count; i++)
        allocation_done(&census->tenants[i].allocation);
    free(census->tenants);
    free(census->pods);
    *census = (struct pool_census){0};
}

/* ---- counting ---- */

bool pool_pod_is_to_be_evicted(const struct pool_pod *pod)
{
    return pod->standing == POOL_POD_IDLE && meta_label(&pod->pod->meta, LABEL_EVICT);
}

bool pool_pod_is_available(const struct pool_pod *pod)
{
    return pod->standing == POOL_POD_IDLE && !pool_pod_is_to_be_evicted(pod) && pod_is_ready(pod->pod);
}

struct pool_population pool_census_population(const struct pool_census *census)
{
    struct pool_population population = {0};
    int64_t supply = 0;

    for (size_t i = 0; i < census->pod_count; i++) {
        const struct pool_pod *pod = &census->pods[i];
        if (pod->standing == POOL_POD_GOING)
            continue;
        population.total++;
        population.allocated += pod->standing != POOL_POD_IDLE;
        if (pool_pod_is_to_be_evicted(pod))
            continue;
        population.schedulable++;
        population.not_ready += !pod_is_ready(pod->pod);
    }
    for (size_t i = 0; i < census->tenant_count; i++)
        supply += census->tenants[i].need;
    population.supply = clamp(supply);
    return population;
}
