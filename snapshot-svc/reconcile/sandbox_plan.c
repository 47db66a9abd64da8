/* The BatchSandbox planner: deletion and expiry first, then the step of the phase, then one status write. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/sandbox_pass.h"

enum {
    POD_GOES_MS = 60 * 1000, /* past its grace period */
    TELL_AGAIN_MS = 5 * 60 * 1000,
};

static enum snapshot_standing standing_of(const struct batchsandbox *sandbox,
                                          const struct sandboxsnapshot *snapshot)
{
    if (!snapshot)
        return SNAPSHOT_ABSENT;
    if (sandboxsnapshot_is_internal(snapshot, sandbox->meta.uid))
        return strcmp(snapshot->sandbox_name, sandbox->meta.name) == 0 ? SNAPSHOT_OURS : SNAPSHOT_FOREIGN;

    const struct owner_reference *owner = meta_controller(&snapshot->meta);
    bool former = owner && strcmp(owner->name, sandbox->meta.name) == 0 &&
                  sandboxsnapshot_is_internal(snapshot, owner->uid);
    return former ? SNAPSHOT_FORMER : SNAPSHOT_FOREIGN;
}

/* What the sandbox alone says. */
static void pass_init(struct sandbox_pass *pass, const struct batchsandbox_observed *seen,
                      const struct reconcile_config *config, int64_t now_ms)
{
    const struct batchsandbox *sandbox = seen->sandbox;

    *pass = (struct sandbox_pass){.seen = seen, .config = config, .sandbox = sandbox, .now_ms = now_ms};
    pass->phase = batchsandbox_phase(&sandbox->status);
    pass->intent = sandbox_intent(sandbox);
    pass->ttl = ttl_decide(sandbox, pass->intent, config, now_ms);
    pass->retention = retention_decide(sandbox, pass->intent, config, now_ms);
}

/* What its pods and its snapshot add. */
static int pass_look_around(struct sandbox_pass *pass, struct error *err)
{
    const struct batchsandbox_observed *seen = pass->seen;
    const struct batchsandbox *sandbox = pass->sandbox;

    if (pod_health_read(seen->pods, seen->pod_count, &pass->health, err) < 0)
        return error_wrap(err, "BatchSandbox %s", sandbox->meta.name);
    pass->standing = standing_of(sandbox, seen->snapshot);
    if (pass->standing == SNAPSHOT_OURS)
        pass->snapshot_phase = sandboxsnapshot_phase(&seen->snapshot->status);
    pass->snapshot_deleting = seen->snapshot && meta_is_deleting(&seen->snapshot->meta);
    batchsandbox_status_copy(&sandbox->status, &pass->status);
    return 0;
}

static void pass_done(struct sandbox_pass *pass)
{
    pod_health_done(&pass->health);
    batchsandbox_status_done(&pass->status);
    plan_done(&pass->before);
    plan_done(&pass->events);
    plan_done(&pass->after);
    free(pass->unbuildable);
}

/* Deletion wins over everything: nothing is started for a sandbox that goes (K15). Its pods and its snapshot
 * go with it by garbage collection. We run no tasks, so a task finalizer of an earlier controller has nothing
 * left to wait for. */
static void plan_deletion(const struct batchsandbox *sandbox, struct plan *plan)
{
    if (!meta_has_finalizer(&sandbox->meta, FINALIZER_TASK_CLEANUP))
        return;
    json_t *rest = meta_finalizers_without(&sandbox->meta, FINALIZER_TASK_CLEANUP);
    struct object_ref self = {KIND_BATCH_SANDBOX, &sandbox->meta};
    act_patch(plan, self, json_pack("{s:{s:o}}", "metadata", "finalizers", rest));
}

/* Where Pool allocation and the pooled pause (contract §10, §13) will plug in. Until then the sandbox says
 * why nothing happens. */
static void pooled_step(struct sandbox_pass *pass)
{
    pass_enter(pass, SANDBOX_PENDING);
    pass_set_condition(
        pass, CONDITION_PROGRESSING, "PoolNotSupported",
        "spec.poolRef: this controller serves template sandboxes only; remove poolRef and set template");
}

static void take_step(struct sandbox_pass *pass)
{
    if (batchsandbox_is_pooled(pass->sandbox)) {
        pooled_step(pass);
        return;
    }
    switch (pass->phase) {
    case SANDBOX_PAUSING:
        pausing_step(pass);
        return;
    case SANDBOX_PAUSED:
        paused_step(pass);
        return;
    case SANDBOX_RESUMING:
        resuming_step(pass);
        return;
    case SANDBOX_PHASE_NONE:
    case SANDBOX_PENDING:
    case SANDBOX_SUCCEED:
    case SANDBOX_FAILED:
    case SANDBOX_PHASE_UNKNOWN:
    case SANDBOX_PHASE_MAX:
        steady_step(pass);
        return;
    }
}

static void count_pods(struct sandbox_pass *pass)
{
    pass->status.replicas = pass->health.total;
    pass->status.allocated = pass->health.allocated;
    pass->status.ready = pass->health.ready;
    pass->status.observed_generation = pass->sandbox->meta.generation;
}

/* A spec change without a wish, or a status from before we kept a memory. */
static void acknowledge_quietly(struct sandbox_pass *pass)
{
    if (pass->phase == SANDBOX_PAUSING)
        return; /* pauseObservedGeneration names this pause, see ANNOTATION_PAUSE_CYCLE_OF */
    if (pass->intent == INTENT_ACK_ONLY || (pass->intent == INTENT_NONE && !pass->status.observed_pause))
        pass_acknowledge(pass);
}

/* [] is not written over nothing (crds.md §6.2). */
static void plan_endpoints(struct sandbox_pass *pass, struct plan *plan)
{
    const char *old = meta_annotation(&pass->sandbox->meta, ANNOTATION_ENDPOINTS);
    SCOPED(string) char *wanted = pod_health_endpoints(&pass->health);

    if (strcmp(old ? old : "[]", wanted) == 0)
        return;
    act_patch_unconditionally(
        plan, pass_sandbox(pass),
        json_pack("{s:{s:{s:s}}}", "metadata", "annotations", ANNOTATION_ENDPOINTS, wanted));
}

/* ---- what keeps pods from coming and going: the cluster's to know, the operator's to repair (K40) ---- */

static void tell_unschedulable(struct sandbox_pass *pass, const struct pod *pod)
{
    const struct condition *scheduled = condition_find(&pod->conditions, "PodScheduled");

    if (meta_is_deleting(&pod->meta) || pod_phase(pod) != POD_PENDING || !scheduled || !scheduled->status ||
        strcmp(scheduled->status, "False") != 0)
        return;
    SCOPED(string)
    char *message = xasprintf("pod %s waits for a node: %s: %s", pod->meta.name,
                              scheduled->reason ? scheduled->reason : "Unschedulable",
                              scheduled->message ? scheduled->message : "no details");
    pass_event(pass, true, "PodUnschedulable", message);
}

/* Its node is gone, or its kubelet: then nobody knows whether its containers still run, and it is not ours to assume. */
static void tell_stuck(struct sandbox_pass *pass, const struct pod *pod)
{
    const int64_t late_ms = pod->meta.deleted_ms + POD_GOES_MS;

    if (!meta_is_deleting(&pod->meta))
        return;
    if (pass->now_ms < late_ms) {
        plan_requeue_at(&pass->after, late_ms);
        return;
    }
    SCOPED(string)
    char *message = xasprintf(
        "pod %s is being deleted for more than %d s and node %s does not end it: repair the node, or "
        "delete the Node object when it is gone for good",
        pod->meta.name, POD_GOES_MS / 1000, pod->node_name ? pod->node_name : "(none)");
    pass_event(pass, true, "PodStuckTerminating", message);
    plan_requeue_at(&pass->after, pass->now_ms + TELL_AGAIN_MS);
}

static void tell_about_pods(struct sandbox_pass *pass)
{
    for (int32_t i = 0; i < pass->health.total; i++) {
        tell_unschedulable(pass, pass->health.pods[i].pod);
        tell_stuck(pass, pass->health.pods[i].pod);
    }
}

/* ---- how long it lives ---- */

/* The write of this pass that carries the sandbox's resourceVersion, or NULL. */
static struct action *own_write(const struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct action *action = &plan->actions[i];
        if (action->kind == KIND_BATCH_SANDBOX && action->resource_version)
            return action;
    }
    return NULL;
}

static void plan_clock(struct sandbox_pass *pass, struct plan *plan)
{
    SCOPED(json) json_t *patch = ttl_patch(pass->sandbox, &pass->ttl, pass->now_ms);
    struct action *write = own_write(plan);

    if (pass->ttl.requeue_at_ms)
        plan_requeue_at(plan, pass->ttl.requeue_at_ms);
    if (!patch)
        return;
    if (!write)
        act_patch(plan, pass_sandbox(pass), TAKE(patch));
    else if (write->type == ACTION_PATCH && pass->ttl.move != TTL_START)
        json_object_update_recursive(write->body, patch);
}

/* Told before it is noted that it was: rather twice than never. */
static void plan_retention(struct sandbox_pass *pass, struct plan *plan)
{
    if (pass->retention.requeue_at_ms)
        plan_requeue_at(plan, pass->retention.requeue_at_ms);
    if (pass->retention.move != RETENTION_WARN || own_write(plan))
        return;
    SCOPED(string) char *message = retention_message(&pass->retention);
    act_event(plan, pass_sandbox(pass), true, "PausedRetention", message);
    act_patch(plan, pass_sandbox(pass), retention_patch(&pass->retention));
}

static void compose(struct sandbox_pass *pass, struct plan *plan)
{
    plan_append(plan, &pass->before);
    if (!pass->hold_status) {
        json_t *before =
            pass->sandbox->has_status ? batchsandbox_status_write(&pass->sandbox->status) : json_object();
        act_status(plan, pass_sandbox(pass), before, batchsandbox_status_write(&pass->status));
    }
    plan_append(plan, &pass->events);
    plan_clock(pass, plan);
    plan_retention(pass, plan);
    plan_append(plan, &pass->after);
    plan_endpoints(pass, plan);
}

/* Deleted under its resourceVersion: an old copy may not know of the wish, the renewal or the resume that keeps it. */
static bool is_over(const struct sandbox_pass *pass)
{
    return pass->ttl.move == TTL_EXPIRE || pass->retention.move == RETENTION_DELETE;
}

int batchsandbox_plan(const struct batchsandbox_observed *seen, const struct reconcile_config *config,
                      int64_t now_unix_ms, struct plan *plan, struct error *err)
{
    struct sandbox_pass pass;

    *plan = (struct plan)PLAN_INIT;
    if (meta_is_deleting(&seen->sandbox->meta)) {
        plan_deletion(seen->sandbox, plan);
        return 0;
    }
    pass_init(&pass, seen, config, now_unix_ms);
    if (is_over(&pass)) {
        act_delete_version(plan, pass_sandbox(&pass));
        return 0;
    }
    int done = pass_look_around(&pass, err);
    if (done == 0) {
        count_pods(&pass);
        take_step(&pass);
        acknowledge_quietly(&pass);
        tell_about_pods(&pass);
        compose(&pass, plan);
    }
    pass_done(&pass);
    if (done < 0)
        plan_done(plan);
    return done;
}
