#include "snapshot-svc/reconcile/pool_plan.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/pool_pass.h"

static struct object_ref pool_ref(const struct pool_pass *pass)
{
    return (struct object_ref){KIND_POOL, &pass->pool->meta};
}

void pool_event(struct pool_pass *pass, bool warning, const char *reason, const char *message)
{
    act_event(&pass->plan, pool_ref(pass), warning, reason, message);
}

bool pool_pod_is_current(const struct pool_pass *pass, const struct pool_pod *pod)
{
    const char *revision = meta_label(&pod->pod->meta, LABEL_POOL_REVISION);
    return revision && strcmp(revision, pass->revision) == 0;
}

void pool_pod_delete(struct pool_pass *pass, struct pool_pod *pod)
{
    if (pod->is_leaving)
        return;
    pod->is_leaving = true;
    act_delete(&pass->plan, (struct object_ref){KIND_POD, &pod->pod->meta}, -1);
}

/* ---- what is told once for each change of the Pool ---- */

static void tell_about_spec(struct pool_pass *pass)
{
    const char *bound = pool_swapped_bound(&pass->pool->capacity);

    if (pass->pool->status.observed_generation == pass->pool->meta.generation || !bound)
        return;
    SCOPED(string)
    char *message =
        xasprintf("spec.capacitySpec.%s is below its minimum, and taken to be equal to it: raise it", bound);
    pool_event(pass, true, "InvalidCapacity", message);
}

/* K26: whoever is unreadable is told, and the Pool stands still: any of its pods may be that sandbox's. */
static void tell_unreadable(struct pool_pass *pass)
{
    const struct object_ref sandbox = {KIND_BATCH_SANDBOX, &pass->census.unreadable->meta};
    SCOPED(string)
    char *message = xasprintf("%s: Pool %s gives, takes back and removes no pods until it is repaired",
                              pass->census.unreadable_why.text, pass->pool->meta.name);

    act_event(&pass->plan, sandbox, true, "UnreadableAllocation", message);
    pool_event(pass, true, "UnreadableAllocation", message);
}

/* ---- the Pool's own writes ---- */

static json_t *status_of(const struct pool_pass *pass, const struct pool_population *population)
{
    struct pool_status status = {.total = population->total,
                                 .allocated = population->allocated,
                                 .revision = pass->revision,
                                 .observed_generation = pass->pool->meta.generation};

    for (size_t i = 0; i < pass->census.pod_count; i++) {
        const struct pool_pod *pod = &pass->census.pods[i];
        status.available += pool_pod_is_available(pod);
        status.updated += pod->standing != POOL_POD_GOING && pool_pod_is_current(pass, pod);
    }
    return pool_status_write(&status);
}

static void write_status(struct pool_pass *pass, const struct pool_population *population)
{
    const struct pool *pool = pass->pool;
    json_t *before = pool->has_status ? pool_status_write(&pool->status) : json_object();

    act_status(&pass->plan, pool_ref(pass), before, status_of(pass, population));
}

static json_t *finalizers_patch(json_t *finalizers)
{
    return json_pack("{s:{s:o}}", "metadata", "finalizers", finalizers);
}

/* Ahead of the claims it is for. true: it was written, so the status has to wait. */
static bool protect(struct pool_pass *pass, bool is_in_use, struct plan *first)
{
    const struct object_meta *meta = &pass->pool->meta;
    const bool is_protected = meta_has_finalizer(meta, FINALIZER_POOL_IN_USE);

    if (is_in_use == is_protected || (is_in_use && meta_is_deleting(meta)))
        return false;
    if (is_in_use)
        act_patch(first, pool_ref(pass), finalizers_patch(meta_finalizers_with(meta, FINALIZER_POOL_IN_USE)));
    else
        act_patch(&pass->plan, pool_ref(pass),
                  finalizers_patch(meta_finalizers_without(meta, FINALIZER_POOL_IN_USE)));
    return true;
}

void pool_plan(const struct pool_observed *seen, struct plan *plan)
{
    struct pool_pass pass = {.seen = seen, .pool = seen->pool, .revision = pool_revision(seen->pool)};

    *plan = (struct plan)PLAN_INIT;
    pool_census_take(seen, &pass.census);
    tell_about_spec(&pass);
    if (pass.census.unreadable) {
        tell_unreadable(&pass);
    } else {
        pool_serve(&pass);
        pool_stock(&pass);
    }
    const struct pool_population population = pool_census_population(&pass.census);
    if (!protect(&pass, population.allocated > 0, plan))
        write_status(&pass, &population);
    plan_append(plan, &pass.plan);
    pool_census_done(&pass.census);
    free(pass.revision);
}
