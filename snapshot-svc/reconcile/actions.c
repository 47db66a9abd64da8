#include "snapshot-svc/reconcile/actions.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static struct action *add_on(struct plan *plan, enum action_type type, struct object_ref object)
{
    struct action *action = plan_add(plan, type);
    action->kind = object.kind;
    action->ns = copy(object.meta->ns);
    action->name = copy(object.meta->name);
    return action;
}

void act_patch(struct plan *plan, struct object_ref object, json_t *body)
{
    struct action *action = add_on(plan, ACTION_PATCH, object);
    action->resource_version = copy(object.meta->resource_version);
    action->body = body;
}

void act_patch_unconditionally(struct plan *plan, struct object_ref object, json_t *body)
{
    add_on(plan, ACTION_PATCH, object)->body = body;
}

void act_status(struct plan *plan, struct object_ref object, json_t *before, json_t *after)
{
    const char *member;
    json_t *value;

    if (json_equal(before, after)) {
        json_decref(before);
        json_decref(after);
        return;
    }
    json_object_foreach(before, member, value)
    {
        if (!json_object_get(after, member))
            json_object_set_new(after, member, json_null());
    }
    json_decref(before);
    struct action *action = add_on(plan, ACTION_PATCH_STATUS, object);
    action->resource_version = copy(object.meta->resource_version);
    action->body = json_pack("{s:o}", "status", after);
}

void act_create(struct plan *plan, enum cluster_kind kind, const char *ns, const char *name, json_t *body,
                const char *on_failure)
{
    struct action *action = plan_add(plan, ACTION_CREATE);
    action->kind = kind;
    action->ns = copy(ns);
    action->name = copy(name);
    action->body = body;
    action->on_failure = copy(on_failure);
}

void act_delete(struct plan *plan, struct object_ref object, int grace_s)
{
    struct action *action = add_on(plan, ACTION_DELETE, object);
    action->uid = copy(object.meta->uid);
    action->grace_s = grace_s;
}

void act_delete_version(struct plan *plan, struct object_ref object)
{
    act_delete(plan, object, -1);
    plan->actions[plan->count - 1].resource_version = copy(object.meta->resource_version);
}

void act_event(struct plan *plan, struct object_ref object, bool warning, const char *reason,
               const char *message)
{
    struct action *action = add_on(plan, ACTION_EVENT, object);
    action->uid = copy(object.meta->uid);
    action->warning = warning;
    action->reason = copy(reason);
    action->message = copy(message);
}

void act_on_commit(struct plan *plan, enum action_type type, const char *node, const char *commit_key)
{
    struct action *action = plan_add(plan, type);
    action->node = copy(node);
    action->commit_key = copy(commit_key);
}

void act_release_kill(struct plan *plan, const char *node, const char *commit_key, const char *pod_uid)
{
    act_on_commit(plan, ACTION_RELEASE_KILL, node, commit_key);
    plan->actions[plan->count - 1].pod_uid = copy(pod_uid);
}

void plan_append(struct plan *plan, struct plan *from)
{
    if (from->requeue_at_ms)
        plan_requeue_at(plan, from->requeue_at_ms);
    if (from->count) {
        plan->actions = xrealloc_array(plan->actions, plan->count + from->count, sizeof(*plan->actions));
        memcpy(plan->actions + plan->count, from->actions, from->count * sizeof(*from->actions));
        plan->count += from->count;
    }
    free(from->actions);
    *from = (struct plan)PLAN_INIT;
}
