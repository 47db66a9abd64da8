#include "snapshot-svc/controller/execute.h"

#include <string.h>

#include "shared/json/json.h"
#include "shared/log/log.h"

struct execution {
    struct controller *controller;
    struct cluster *cluster;
    const struct event_subject *subject; /* the plan's object */
};

/* ---- what our own writes tell ---- */

/* An object that goes with this very write is not put back among the living. */
static bool is_on_its_way_out(const json_t *object)
{
    return json_path(object, "metadata.deletionTimestamp") &&
           json_array_size(json_path(object, "metadata.finalizers")) == 0;
}

static void learn(const struct execution *execution, enum cluster_kind kind, const json_t *object)
{
    struct informer *informer = execution->controller->service->informers[kind];
    struct error err = {0};

    if (!informer || !object || is_on_its_way_out(object))
        return;
    if (informer_apply(informer, object, &err) < 0) /* the stream will tell it */
        log_emit_error(LOG_DEBUG, "own write not applied to the cache", &err, NULL, 0);
}

/* After a conflict, so that the next plan is made on what is there. */
static void refresh(const struct execution *execution, const struct action *action)
{
    SCOPED(json) json_t *fresh = NULL;
    struct error err = {0}; /* then the stream tells it, a moment later */

    if (cluster_get(execution->cluster, action->kind, action->ns, action->name, &fresh, &err) == 0)
        learn(execution, action->kind, fresh);
}

/* ---- the actions ---- */

static int patch(const struct execution *execution, const struct action *action, struct error *err)
{
    SCOPED(json) json_t *written = NULL;
    int result = action->type == ACTION_PATCH_STATUS
                     ? cluster_patch_status(execution->cluster, action->kind, action->ns, action->name,
                                            action->body, action->resource_version, &written, err)
                     : cluster_patch(execution->cluster, action->kind, action->ns, action->name, action->body,
                                     action->resource_version, &written, err);

    if (result == 0)
        learn(execution, action->kind, written);
    else if (err->code == ERR_CONFLICT)
        refresh(execution, action);
    else if (err->code == ERR_NOT_FOUND) /* gone: planned on an older copy */
        err->code = ERR_CONFLICT;
    return result;
}

/* uid of the controlling owner, or "". */
static const char *controller_uid(const json_t *object)
{
    size_t i;
    json_t *owner;

    json_array_foreach(json_path(object, "metadata.ownerReferences"), i, owner)
    {
        const char *uid = json_path_string(owner, "uid");
        if (uid && json_is_true(json_object_get(owner, "controller")))
            return uid;
    }
    return "";
}

/* Ours from an earlier pass that our cache has not seen, or somebody else's? */
static int accept_existing(const struct execution *execution, const struct action *action, struct error *err)
{
    SCOPED(json) json_t *there = NULL;
    const char *kind = cluster_kind_info(action->kind)->kind;

    if (cluster_get(execution->cluster, action->kind, action->ns, action->name, &there, err) < 0) {
        if (err->code == ERR_NOT_FOUND) /* gone in between: the next pass creates it */
            err->code = ERR_CONFLICT;
        return -1;
    }
    if (strcmp(controller_uid(there), controller_uid(action->body)) != 0)
        return error_set(err, ERR_EXISTS, "%s %s exists already and belongs to somebody else", kind,
                         action->name);
    learn(execution, action->kind, there);
    return 0;
}

static void tell_refusal(const struct execution *execution, const struct action *action,
                         const struct error *err)
{
    struct controller *controller = execution->controller;

    if (error_is_transient(err->code) || err->code == ERR_CONFLICT)
        return;
    if (action->on_failure)
        recorder_post(controller->recorder, execution->subject, true, action->on_failure, err->text);
    if (action->kind == KIND_JOB)
        refusals_put(controller->refusals, execution->subject->uid, err->text);
}

static int create(const struct execution *execution, const struct action *action, struct error *err)
{
    SCOPED(json) json_t *created = NULL;
    int result = cluster_create(execution->cluster, action->kind, action->ns, action->body, &created, err);

    if (result == 0) {
        learn(execution, action->kind, created);
        return 0;
    }
    if (err->code == ERR_EXISTS) {
        error_clear(err);
        result = accept_existing(execution, action, err);
    }
    if (result < 0)
        tell_refusal(execution, action, err);
    return result;
}

static int remove_object(const struct execution *execution, const struct action *action, struct error *err)
{
    int result = cluster_remove_version(execution->cluster, action->kind, action->ns, action->name,
                                        action->uid, action->resource_version, action->grace_s, err);

    if (result < 0 && err->code == ERR_CONFLICT && action->resource_version) {
        refresh(execution, action);
        return result;
    }
    if (result < 0 && (err->code == ERR_NOT_FOUND || err->code == ERR_CONFLICT)) {
        error_clear(err);
        return 0;
    }
    return result;
}

static void post(const struct execution *execution, const struct action *action)
{
    const struct event_subject subject = {
        .kind = action->kind, .ns = action->ns, .name = action->name, .uid = action->uid};
    recorder_post(execution->controller->recorder, &subject, action->warning, action->reason,
                  action->message);
}

static int carry_out(const struct execution *execution, const struct action *action, struct error *err)
{
    struct dispatcher *dispatcher = execution->controller->dispatcher;

    switch (action->type) {
    case ACTION_PATCH:
    case ACTION_PATCH_STATUS:
        return patch(execution, action, err);
    case ACTION_CREATE:
        return create(execution, action, err);
    case ACTION_DELETE:
        return remove_object(execution, action, err);
    case ACTION_COMMIT:
        dispatcher_commit(dispatcher, action);
        return 0;
    case ACTION_RELEASE_KILL:
        return dispatcher_release_kill(dispatcher, action->node, action->commit_key, action->pod_uid, err);
    case ACTION_KEEP_LOCALLY:
        return dispatcher_keep_locally(dispatcher, action->node, action->commit_key, err);
    case ACTION_CANCEL:
        return dispatcher_cancel(dispatcher, action->node, action->commit_key, err);
    case ACTION_DISCARD:
        return dispatcher_discard(dispatcher, action->node, action->commit_key, err);
    case ACTION_EVENT:
        post(execution, action);
        return 0;
    case ACTION_MAX:
        break;
    }
    return error_set(err, ERR_INTERNAL, "a plan with an action of type %d", (int)action->type);
}

static int describe(const struct action *action, struct error *err)
{
    const char *what = action_type_name(action->type);

    switch (action->type) {
    case ACTION_PATCH:
    case ACTION_PATCH_STATUS:
    case ACTION_CREATE:
    case ACTION_DELETE:
        return error_wrap(err, "%s %s %s", what, cluster_kind_info(action->kind)->kind,
                          action->name ? action->name : "");
    case ACTION_COMMIT:
    case ACTION_RELEASE_KILL:
    case ACTION_KEEP_LOCALLY:
    case ACTION_CANCEL:
    case ACTION_DISCARD:
    case ACTION_EVENT:
    case ACTION_MAX:
        break;
    }
    return error_wrap(err, "%s", what);
}

int execute_plan(struct controller *controller, const struct event_subject *subject, const struct plan *plan,
                 struct error *err)
{
    const struct execution execution = {
        .controller = controller, .cluster = controller->service->cluster, .subject = subject};

    for (size_t i = 0; i < plan->count; i++) {
        if (controller_is_stopping(controller))
            return error_set(err, ERR_CANCELLED, "the controller stops");
        if (carry_out(&execution, &plan->actions[i], err) < 0)
            return describe(&plan->actions[i], err);
    }
    return 0;
}
