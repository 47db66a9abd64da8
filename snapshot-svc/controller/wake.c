/* wake.c - which keys an event wakes; the rules are in reconcile/plan.h. Handlers run on informer threads. */
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "snapshot-svc/controller/controller_priv.h"
#include "snapshot-svc/controller/outcomes.h"
#include "snapshot-svc/model/batchsandbox.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/model/sandboxsnapshot.h"

static void wake_after(struct loop *loop, const char *ns, const char *name, int64_t delay_ms)
{
    if (!controller_leads(loop->controller))
        return; /* nobody would take the key out of the queue again */
    SCOPED(string) char *key = xasprintf("%s/%s", ns, name);
    workqueue_add_after(loop->queue, key, delay_ms);
}

static void wake(struct loop *loop, const char *ns, const char *name)
{
    wake_after(loop, ns, name, 0);
}

static void wake_those(struct loop *loop, enum cluster_kind kind, bool (*wanted)(const struct packed *object))
{
    SCOPED_PACKED_LIST struct packed_list all = PACKED_LIST_INIT;

    informer_scan(loop->controller->service->informers[kind], NULL, &all);
    for (size_t i = 0; i < all.count; i++)
        if (wanted(all.items[i]))
            wake(loop, all.items[i]->ns, all.items[i]->name);
}

static bool is_any(const struct packed *object)
{
    (void)object;
    return true;
}

void wake_all(struct controller *controller)
{
    wake_those(&controller->sandboxes, KIND_BATCH_SANDBOX, is_any);
    wake_those(&controller->snapshots, KIND_SANDBOX_SNAPSHOT, is_any);
}

static void wake_snapshots_of(struct controller *controller, const char *ns, const char *sandbox,
                              bool finished_too)
{
    struct json_strings names = {0};

    snapshot_index_list(controller->index, ns, sandbox, finished_too, &names);
    for (size_t i = 0; i < names.count; i++)
        wake(&controller->snapshots, ns, names.items[i]);
    json_strings_free(&names);
}

/* ---- BatchSandbox ---- */

static void sandbox_changed(struct controller *controller, const struct object *sandbox)
{
    wake(&controller->sandboxes, sandbox->ns, sandbox->name);
    wake_snapshots_of(controller, sandbox->ns, sandbox->name, false);
}

static void sandbox_added(void *self, struct object *sandbox)
{
    sandbox_changed(self, sandbox);
}

static void sandbox_updated(void *self, struct object *old, struct object *sandbox)
{
    struct controller *controller = self;

    if (controller_leads(controller))
        outcomes_sandbox_updated(controller->outcomes, old, sandbox);
    sandbox_changed(controller, sandbox);
}

static void sandbox_deleted(void *self, struct object *last)
{
    struct controller *controller = self;

    outcomes_sandbox_deleted(controller->outcomes, last);
    sandbox_changed(controller, last);
}

/* ---- SandboxSnapshot ---- */

static const char *sandbox_of(const struct object *snapshot)
{
    const char *sandbox = json_path_string(snapshot->json, "spec.sandboxName");
    return sandbox ? sandbox : "";
}

static bool is_finished(const struct object *snapshot)
{
    return snapshot_phase_is_final(snapshot_phase_parse(json_path_string(snapshot->json, "status.phase"))) &&
           !json_path(snapshot->json, "metadata.deletionTimestamp");
}

static void snapshot_changed(struct controller *controller, const struct object *snapshot)
{
    wake(&controller->snapshots, snapshot->ns, snapshot->name);
    wake(&controller->sandboxes, snapshot->ns, sandbox_of(snapshot));
    wake_snapshots_of(controller, snapshot->ns, sandbox_of(snapshot), false);
}

static void snapshot_added(void *self, struct object *snapshot)
{
    struct controller *controller = self;

    snapshot_index_put(controller->index, snapshot->ns, sandbox_of(snapshot), snapshot->name,
                       is_finished(snapshot));
    snapshot_changed(controller, snapshot);
}

static void snapshot_updated(void *self, struct object *old, struct object *snapshot)
{
    struct controller *controller = self;

    if (controller_leads(controller))
        outcomes_snapshot_updated(controller->outcomes, old, snapshot);
    if (strcmp(sandbox_of(old), sandbox_of(snapshot)) != 0)
        snapshot_index_remove(controller->index, old->ns, sandbox_of(old), old->name);
    snapshot_added(controller, snapshot);
}

static void snapshot_deleted(void *self, struct object *last)
{
    struct controller *controller = self;

    snapshot_index_remove(controller->index, last->ns, sandbox_of(last), last->name);
    dispatcher_forget(controller->dispatcher, last->uid);
    refusals_forget(controller->refusals, last->uid);
    snapshot_changed(controller, last);
}

/* ---- Pod ---- */

/* The BatchSandbox that controls it, or NULL. Borrowed. */
static const char *owner_of(const struct object *pod)
{
    size_t i;
    json_t *owner;

    json_array_foreach(json_path(pod->json, "metadata.ownerReferences"), i, owner)
    {
        const char *kind = json_path_string(owner, "kind");
        if (kind && strcmp(kind, "BatchSandbox") == 0 && json_is_true(json_object_get(owner, "controller")))
            return json_path_string(owner, "name");
    }
    return NULL;
}

static void pod_changed(void *self, struct object *pod)
{
    struct controller *controller = self;
    const char *sandbox = owner_of(pod);

    if (!sandbox)
        return; /* somebody else's */
    wake(&controller->sandboxes, pod->ns, sandbox);
    wake_snapshots_of(controller, pod->ns, sandbox, false);
}

static void pod_updated(void *self, struct object *old, struct object *pod)
{
    const char *was = owner_of(old), *is = owner_of(pod);

    if (was && (!is || strcmp(was, is) != 0))
        pod_changed(self, old);
    pod_changed(self, pod);
}

/* ---- Jobs and their pods ---- */

/* The snapshot's whole name, or NULL. Borrowed. Both are made from one template, so both carry it; those of another
 * controller have but the label. */
static const char *snapshot_of(const struct object *object)
{
    const json_t *annotations = json_path(object->json, "metadata.annotations");
    const json_t *labels = json_path(object->json, "metadata.labels");
    const char *whole = json_string_value(json_object_get(annotations, ANNOTATION_JOB_SNAPSHOT));

    return whole ? whole : json_string_value(json_object_get(labels, LABEL_JOB_SNAPSHOT));
}

static void job_changed(void *self, struct object *object)
{
    struct controller *controller = self;
    const char *snapshot = snapshot_of(object);

    if (snapshot)
        wake(&controller->snapshots, object->ns, snapshot);
}

static void job_updated(void *self, struct object *old, struct object *object)
{
    (void)old; /* the name never changes */
    job_changed(self, object);
}

/* ---- agents and commits ---- */

static bool is_open(const struct packed *snapshot)
{
    return snapshot->signs.deleting || !snapshot_phase_is_final(snapshot_phase_parse(snapshot->signs.phase));
}

/* Retries of what needs an agent back off to a minute; meanwhile containers may be frozen for nobody. */
static bool may_wait_for_agent(const struct packed *sandbox)
{
    return sandbox_phase_parse(sandbox->signs.phase) == SANDBOX_PAUSING; /* its pod is to be killed */
}

/* Which node each is about may not be written down yet. */
void wake_for_agent(void *self, const char *node)
{
    struct controller *controller = self;

    (void)node;
    wake_those(&controller->snapshots, KIND_SANDBOX_SNAPSHOT, is_open);
    wake_those(&controller->sandboxes, KIND_BATCH_SANDBOX, may_wait_for_agent);
}

void wake_for_commit(void *self, const char *ns, const char *name, int64_t delay_ms)
{
    struct controller *controller = self;
    SCOPED(object)
    struct object *snapshot = informer_get(controller->service->informers[KIND_SANDBOX_SNAPSHOT], ns, name);

    wake_after(&controller->snapshots, ns, name, delay_ms);
    if (snapshot)
        wake_after(&controller->sandboxes, ns, sandbox_of(snapshot), delay_ms);
}

void wake_subscribe(struct controller *controller)
{
    struct informer *const *informers = controller->service->informers;
    const struct informer_handler sandboxes = {
        .added = sandbox_added, .updated = sandbox_updated, .deleted = sandbox_deleted, .self = controller};
    const struct informer_handler snapshots = {.added = snapshot_added,
                                               .updated = snapshot_updated,
                                               .deleted = snapshot_deleted,
                                               .self = controller};
    const struct informer_handler pods = {
        .added = pod_changed, .updated = pod_updated, .deleted = pod_changed, .self = controller};

    informer_subscribe(informers[KIND_BATCH_SANDBOX], &sandboxes);
    informer_subscribe(informers[KIND_SANDBOX_SNAPSHOT], &snapshots);
    const struct informer_handler jobs = {
        .added = job_changed, .updated = job_updated, .deleted = job_changed, .self = controller};

    informer_subscribe(informers[KIND_POD], &pods);
    if (informers[KIND_JOB])
        informer_subscribe(informers[KIND_JOB], &jobs);
    if (controller->service->job_pods)
        informer_subscribe(controller->service->job_pods, &jobs);
}
