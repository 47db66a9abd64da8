#include "snapshot-svc/reconcile/plan.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

static const char *const type_names[] = {
    [ACTION_PATCH] = "PATCH",     [ACTION_PATCH_STATUS] = "PATCH_STATUS",
    [ACTION_CREATE] = "CREATE",   [ACTION_DELETE] = "DELETE",
    [ACTION_COMMIT] = "COMMIT",   [ACTION_RELEASE_KILL] = "RELEASE_KILL",
    [ACTION_CANCEL] = "CANCEL",   [ACTION_KEEP_LOCALLY] = "KEEP_LOCALLY",
    [ACTION_DISCARD] = "DISCARD", [ACTION_EVENT] = "EVENT",
};
_Static_assert(sizeof(type_names) / sizeof(*type_names) == ACTION_MAX, "an action without a name");

const char *action_type_name(enum action_type type)
{
    return type_names[type];
}

struct action *plan_add(struct plan *plan, enum action_type type)
{
    plan->actions = xrealloc_array(plan->actions, plan->count + 1, sizeof(*plan->actions));
    struct action *added = &plan->actions[plan->count++];
    *added = (struct action){.type = type, .grace_s = -1};
    return added;
}

void plan_requeue_at(struct plan *plan, int64_t unix_ms)
{
    if (plan->requeue_at_ms == 0 || unix_ms < plan->requeue_at_ms)
        plan->requeue_at_ms = unix_ms;
}

static void action_done(struct action *action)
{
    char *texts[] = {action->ns,         action->name,    action->uid,        action->resource_version,
                     action->on_failure, action->node,    action->commit_key, action->pod_ns,
                     action->pod_name,   action->pod_uid, action->reason,     action->message};

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        free(texts[i]);
    for (size_t i = 0; i < action->target_count; i++) {
        free(action->targets[i].container);
        free(action->targets[i].image);
    }
    free(action->targets);
    json_decref(action->body);
}

void plan_done(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        action_done(&plan->actions[i]);
    free(plan->actions);
    *plan = (struct plan)PLAN_INIT;
}
