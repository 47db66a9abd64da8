/* reconcile.c - one pass over one object: observe, plan, carry out. */
#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"
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

/* ---- a snapshot ---- */

static bool has_begun(const struct object *object)
{
    SCOPED_SANDBOXSNAPSHOT struct sandboxsnapshot snapshot = {0};
    struct error ignored = {0}; /* its pass tells what is wrong with it */

    return sandboxsnapshot_read(object->json, &snapshot, &ignored) < 0 ||
           !sandboxsnapshot_may_begin(&snapshot);
}

/* FNV-1a; that two sandboxes share a lock does no harm. */
static pthread_mutex_t *lock_of(struct controller *controller, const char *ns, const char *sandbox)
{
    SCOPED(string) char *key = xasprintf("%s/%s", ns, sandbox ? sandbox : "");
    uint32_t hash = 2166136261u;

    for (const char *c = key; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    return &controller->begin_locks[hash % BEGIN_LOCKS];
}

/* NULL: it begins nothing any more. */
static pthread_mutex_t *lock_to_begin(struct controller *controller, const char *ns, const char *name)
{
    SCOPED(object)
    struct object *object = informer_get(controller->service->informers[KIND_SANDBOX_SNAPSHOT], ns, name);

    if (!object || has_begun(object))
        return NULL;
    return lock_of(controller, ns, json_path_string(object->json, "spec.sandboxName"));
}

static int plan_and_execute(struct controller *controller, const char *ns, const char *name,
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

int reconcile_snapshot(struct controller *controller, const char *ns, const char *name,
                       int64_t *ret_requeue_ms, struct error *err)
{
    pthread_mutex_t *lock = lock_to_begin(controller, ns, name);

    if (lock)
        pthread_mutex_lock(lock);
    int result = plan_and_execute(controller, ns, name, ret_requeue_ms, err);
    if (lock)
        pthread_mutex_unlock(lock);
    return result;
}
