/* reconcile.c - one pass over one object: observe, plan, carry out. */
#include "shared/base/clock.h"
#include "shared/log/log.h"
#include "snapshot-svc/controller/execute.h"
#include "snapshot-svc/controller/observe.h"

enum { LOOK_AGAIN_MS = 1000 }; /* at what no event may tell of */

static struct event_subject subject_of(enum cluster_kind kind, const struct object *object)
{
    return (struct event_subject){.kind = kind, .ns = object->ns, .name = object->name, .uid = object->uid};
}

int reconcile_sandbox(struct controller *controller, const char *ns, const char *name,
                      int64_t *ret_requeue_ms, struct error *err)
{
    SCOPED_SANDBOX_SCENE struct sandbox_scene scene = {0};
    SCOPED_PLAN struct plan plan = PLAN_INIT;
    int there = observe_sandbox(controller, ns, name, &scene, err);

    if (there <= 0)
        return there;
    if (batchsandbox_plan(&scene.seen, &controller->config, clock_realtime_ms(), &plan, err) < 0)
        return -1;
    if (scene.pods.unheard_of)
        plan_requeue_at(&plan, clock_realtime_ms() + LOOK_AGAIN_MS);
    const struct event_subject subject = subject_of(KIND_BATCH_SANDBOX, scene.sandbox_object);
    *ret_requeue_ms = plan.requeue_at_ms;
    return execute_plan(controller, &subject, &plan, err);
}

int reconcile_snapshot(struct controller *controller, const char *ns, const char *name,
                       int64_t *ret_requeue_ms, struct error *err)
{
    SCOPED_SNAPSHOT_SCENE struct snapshot_scene scene = {0};
    SCOPED_PLAN struct plan plan = PLAN_INIT;
    int there = observe_snapshot(controller, ns, name, &scene, err);

    if (there <= 0)
        return there;
    if (sandboxsnapshot_plan(&scene.seen, &controller->config, clock_realtime_ms(), &plan, err) < 0)
        return -1;
    const struct event_subject subject = subject_of(KIND_SANDBOX_SNAPSHOT, scene.snapshot_object);
    *ret_requeue_ms = plan.requeue_at_ms;
    return execute_plan(controller, &subject, &plan, err);
}
