#include "snapshot-svc/controller/observe.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/secret/docker_secret.h"

static struct informer *informer_of(const struct controller *controller, enum cluster_kind kind)
{
    return controller->service->informers[kind];
}

/* ---- past the caches ----
 * They follow the cluster each at its own pace, and that of a new leader may be far behind. Where an absence, or an old copy, would
 * decide about files or pods, the cluster itself is asked. */

/* *ret_object NULL: there is none, or it cannot exist under that name. */
static int read_uncached(struct controller *controller, enum cluster_kind kind, const char *ns,
                         const char *name, struct object **ret_object, struct error *err)
{
    json_t *fresh = NULL;

    *ret_object = NULL;
    if (cluster_get(controller->service->cluster, kind, ns, name, &fresh, err) < 0) {
        if (err->code != ERR_NOT_FOUND && err->code != ERR_INVALID)
            return error_wrap(err, "looking for %s %s", cluster_kind_info(kind)->kind, name);
        error_clear(err);
        return 0;
    }
    if (object_adopt(fresh, ret_object, err) == 0)
        return 0;
    json_decref(fresh);
    return -1;
}

/* ---- pods ---- */

static void pod_views_done(struct pod_views *views)
{
    for (size_t i = 0; i < views->count; i++)
        pod_done(&views->pods[i]);
    free(views->pods);
    free(views->list);
    *views = (struct pod_views){0};
}

static int view_pods(const struct object_list *objects, struct pod_views *views, struct error *err)
{
    views->pods = xcalloc(objects->count + 1, sizeof(*views->pods));
    views->list = xcalloc(objects->count + 1, sizeof(*views->list));
    for (size_t i = 0; i < objects->count; i++) {
        if (pod_read(objects->items[i]->json, &views->pods[i], err) < 0)
            return error_wrap(err, "Pod %s", objects->items[i]->name);
        views->list[i] = &views->pods[i];
        views->count = i + 1;
    }
    return 0;
}

/* A sandbox that can be paused has but the first pod. */
static int find_first_pod(struct controller *controller, const struct object_meta *owner,
                          struct object_list *objects, struct error *err)
{
    SCOPED(string) char *name = name_pod(owner->name, 0);
    SCOPED(object) struct object *object = NULL;
    SCOPED_POD struct pod pod = {0};

    if (read_uncached(controller, KIND_POD, owner->ns, name, &object, err) < 0)
        return -1;
    if (object && pod_read(object->json, &pod, err) < 0)
        return error_wrap(err, "Pod %s", name);
    if (object && owner->uid && meta_is_controlled_by(&pod.meta, owner->uid))
        object_list_add(objects, object);
    return 0;
}

static int read_pods(struct controller *controller, const struct object_meta *owner, bool absence_decides,
                     struct object_list *objects, struct pod_views *views, struct error *err)
{
    informer_by_owner(informer_of(controller, KIND_POD), owner->uid ? owner->uid : "", objects);
    if (objects->count == 0 && absence_decides) {
        if (find_first_pod(controller, owner, objects, err) < 0)
            return -1;
        views->unheard_of = objects->count > 0;
    }
    return view_pods(objects, views, err);
}

/* ---- Jobs ---- */

static bool is_pod_of_job(const struct object *pod, const char *job)
{
    const json_t *labels = json_path(pod->json, "metadata.labels");
    const char *name = json_string_value(json_object_get(labels, LABEL_OF_JOB));

    if (!name)
        name = json_string_value(json_object_get(labels, LABEL_OF_JOB_NEW));
    return name && strcmp(name, job) == 0;
}

/* By the label and not by the owner: the pods may outlive the Job. Only pods of commits are in there, so they are few. */
static void find_job_pods(struct controller *controller, const char *ns, const char *job,
                          struct object_list *found)
{
    SCOPED_OBJECT_LIST struct object_list all = OBJECT_LIST_INIT;

    informer_list(controller->service->job_pods, ns, &all);
    for (size_t i = 0; i < all.count; i++)
        if (is_pod_of_job(all.items[i], job))
            object_list_add(found, all.items[i]);
}

static int read_job(struct controller *controller, const char *ns, const char *name, struct job_scene *scene,
                    struct job_sighting *seen, struct error *err)
{
    struct informer *jobs = informer_of(controller, KIND_JOB);

    if (!jobs || !controller->service->job_pods)
        return 0; /* nobody runs Jobs here */
    scene->object = informer_get(jobs, ns, name);
    if (scene->object && job_read(scene->object->json, &scene->job, err) < 0)
        return error_wrap(err, "Job %s", name);
    find_job_pods(controller, ns, name, &scene->pod_objects);
    if (view_pods(&scene->pod_objects, &scene->pods, err) < 0)
        return -1;
    *seen = (struct job_sighting){
        .job = scene->object ? &scene->job : NULL, .pods = scene->pods.list, .pod_count = scene->pods.count};
    return 0;
}

static int read_jobs(struct controller *controller, struct snapshot_scene *scene, struct error *err)
{
    const struct object_meta *meta = &scene->snapshot.meta;
    const char *ns = scene->snapshot_object->ns;
    SCOPED(string) char *commit = name_commit_job(meta->name), *unpause = name_unpause_job(meta->name);

    if (snapshot_phase_is_final(sandboxsnapshot_phase(&scene->snapshot.status)) && !meta_is_deleting(meta))
        return 0; /* nothing is decided on them any more */
    scene->seen.job_refused = scene->job_refused = refusals_get(controller->refusals, meta->uid);
    if (read_job(controller, ns, commit, &scene->commit_job, &scene->seen.commit_job, err) < 0)
        return -1;
    return read_job(controller, ns, unpause, &scene->unpause_job, &scene->seen.unpause_job, err);
}

static void job_scene_done(struct job_scene *scene)
{
    job_done(&scene->job);
    pod_views_done(&scene->pods);
    object_list_done(&scene->pod_objects);
    object_unref(scene->object);
}

/* ---- commits ---- */

/* NULL: it was never asked for. */
static const struct commit_view *look_at_commit(struct controller *controller,
                                                const struct sandboxsnapshot *snapshot,
                                                struct commit_view *view)
{
    if (snapshot->status.attempts == 0 || sandboxsnapshot_committer(&snapshot->status) != COMMITTER_AGENT)
        return NULL;
    SCOPED(string) char *key = sandboxsnapshot_commit_key(snapshot, snapshot->status.attempts);
    dispatcher_view(controller->dispatcher, key, view);
    return view;
}

/* ---- a sandbox ---- */

/* Is the snapshot that the cache has one of an earlier pause? And while the sandbox resumes, anything but a complete one would
 * end that. */
static bool snapshot_may_be_old(const struct sandbox_scene *scene)
{
    const struct object *snapshot = scene->snapshot_object;
    const json_t *annotations = snapshot ? json_path(snapshot->json, "metadata.annotations") : NULL;
    const char *phase = snapshot ? json_path_string(snapshot->json, "status.phase") : NULL;
    const bool complete = snapshot_phase_parse(phase) == SNAPSHOT_SUCCEED ||
                          (snapshot && json_path_string(snapshot->json, "status.keptOnNode"));
    const int64_t of =
        pause_cycle_parse(json_string_value(json_object_get(annotations, ANNOTATION_PAUSE_CYCLE)));
    const int64_t wanted = pause_cycle_parse(meta_annotation(&scene->sandbox.meta, ANNOTATION_PAUSE_CYCLE));

    return (of > 0 && of < wanted) ||
           (batchsandbox_phase(&scene->sandbox.status) == SANDBOX_RESUMING && !complete);
}

static int find_internal_snapshot(struct controller *controller, struct sandbox_scene *scene,
                                  const char *name, struct error *err)
{
    const char *ns = scene->sandbox_object->ns;

    scene->snapshot_object = informer_get(informer_of(controller, KIND_SANDBOX_SNAPSHOT), ns, name);
    if (!snapshot_may_be_old(scene))
        return 0;
    object_unref(TAKE(scene->snapshot_object));
    return read_uncached(controller, KIND_SANDBOX_SNAPSHOT, ns, name, &scene->snapshot_object, err);
}

static int read_internal_snapshot(struct controller *controller, struct sandbox_scene *scene,
                                  struct error *err)
{
    SCOPED(string) char *name = name_internal_snapshot(scene->sandbox.meta.name);

    if (find_internal_snapshot(controller, scene, name, err) < 0)
        return -1;
    if (!scene->snapshot_object)
        return 0;
    if (sandboxsnapshot_read(scene->snapshot_object->json, &scene->snapshot, err) < 0)
        return error_wrap(err, "SandboxSnapshot %s", name);
    scene->seen.snapshot = &scene->snapshot;
    scene->seen.commit = look_at_commit(controller, &scene->snapshot, &scene->commit);
    return 0;
}

int observe_sandbox(struct controller *controller, const char *ns, const char *name,
                    struct sandbox_scene *scene, struct error *err)
{
    scene->sandbox_object = informer_get(informer_of(controller, KIND_BATCH_SANDBOX), ns, name);
    if (!scene->sandbox_object)
        return 0;
    if (batchsandbox_read(scene->sandbox_object->json, &scene->sandbox, err) < 0)
        return -1;
    const bool pauses = batchsandbox_phase(&scene->sandbox.status) == SANDBOX_PAUSING;
    if (read_pods(controller, &scene->sandbox.meta, pauses, &scene->pod_objects, &scene->pods, err) < 0 ||
        read_internal_snapshot(controller, scene, err) < 0)
        return -1;
    scene->seen.sandbox = &scene->sandbox;
    scene->seen.pods = scene->pods.list;
    scene->seen.pod_count = scene->pods.count;
    return 1;
}

void sandbox_scene_done(struct sandbox_scene *scene)
{
    batchsandbox_done(&scene->sandbox);
    sandboxsnapshot_done(&scene->snapshot);
    pod_views_done(&scene->pods);
    commit_view_done(&scene->commit);
    object_list_done(&scene->pod_objects);
    object_unref(scene->snapshot_object);
    object_unref(scene->sandbox_object);
}

/* ---- a snapshot ---- */

static int read_source(struct controller *controller, const struct snapshot_scene *scene,
                       struct object **ret_object, struct error *err)
{
    return read_uncached(controller, KIND_BATCH_SANDBOX, scene->snapshot_object->ns,
                         scene->snapshot.sandbox_name, ret_object, err);
}

static int read_pause(struct controller *controller, struct snapshot_scene *scene, struct error *err)
{
    SCOPED(string) char *name = name_internal_snapshot(scene->snapshot.sandbox_name);

    if (read_uncached(controller, KIND_SANDBOX_SNAPSHOT, scene->snapshot_object->ns, name,
                      &scene->pause_object, err) < 0)
        return -1;
    if (!scene->pause_object)
        return 0;
    if (sandboxsnapshot_read(scene->pause_object->json, &scene->pause, err) < 0)
        return error_wrap(err, "SandboxSnapshot %s", name);
    scene->seen.pause_snapshot = &scene->pause;
    return 0;
}

static bool is_paused(const struct object *sandbox)
{
    return sandbox_phase_parse(json_path_string(sandbox->json, "status.phase")) == SANDBOX_PAUSED;
}

/* Both of one moment: the sandbox is the same before and after. ERR_CONFLICT: it is not, and is looked at again. */
static int read_source_and_pause(struct controller *controller, struct snapshot_scene *scene,
                                 struct error *err)
{
    SCOPED(object) struct object *after = NULL;

    if (read_source(controller, scene, &scene->sandbox_object, err) < 0)
        return -1;
    if (!scene->sandbox_object || !is_paused(scene->sandbox_object))
        return 0;
    if (read_pause(controller, scene, err) < 0 || read_source(controller, scene, &after, err) < 0)
        return -1;
    if (after && after->version == scene->sandbox_object->version)
        return 0;
    return error_set(err, ERR_CONFLICT, "BatchSandbox %s changed while it was looked at",
                     scene->snapshot.sandbox_name);
}

/* Absence decides about the snapshot's fate, so it is confirmed by a read that is not cached. */
static int find_sandbox(struct controller *controller, struct snapshot_scene *scene, struct error *err)
{
    const char *ns = scene->snapshot_object->ns, *name = scene->snapshot.sandbox_name;

    if (sandboxsnapshot_depends_on_phase(&scene->snapshot))
        return read_source_and_pause(controller, scene, err);
    scene->sandbox_object = informer_get(informer_of(controller, KIND_BATCH_SANDBOX), ns, name);
    if (scene->sandbox_object)
        return 0;
    return read_source(controller, scene, &scene->sandbox_object, err);
}

/* Without a pod a snapshot that has not begun fails; one that is captured needs none. */
static bool needs_pod(const struct snapshot_scene *scene)
{
    return !meta_is_deleting(&scene->snapshot.meta) &&
           !snapshot_phase_is_final(sandboxsnapshot_phase(&scene->snapshot.status)) &&
           !sandboxsnapshot_is_captured(&scene->snapshot.status) &&
           batchsandbox_phase(&scene->sandbox.status) != SANDBOX_PAUSED;
}

static int read_sandbox(struct controller *controller, struct snapshot_scene *scene, struct error *err)
{
    if (find_sandbox(controller, scene, err) < 0)
        return -1;
    if (!scene->sandbox_object)
        return 0;
    if (batchsandbox_read(scene->sandbox_object->json, &scene->sandbox, err) < 0)
        return error_wrap(err, "BatchSandbox %s", scene->snapshot.sandbox_name);
    scene->seen.sandbox = &scene->sandbox;
    return read_pods(controller, &scene->sandbox.meta, needs_pod(scene), &scene->pod_objects, &scene->pods,
                     err);
}

static enum push_secret_state judge(const struct docker_secret *secret, const char *registry)
{
    struct error ignored = {0}; /* the state says it */

    if (strcmp(secret->type, SECRET_TYPE_DOCKER) != 0)
        return PUSH_SECRET_WRONG_TYPE;
    if (secret->config.length == 0)
        return PUSH_SECRET_NO_KEY;
    switch (docker_config_has_registry(&secret->config, registry, &ignored)) {
    case 1:
        return PUSH_SECRET_OK;
    case 0:
        return PUSH_SECRET_NO_REGISTRY;
    default:
        return PUSH_SECRET_NO_KEY;
    }
}

static int check_push_secret(struct controller *controller, struct snapshot_scene *scene, struct error *err)
{
    const char *name = controller->config.snapshot_push_secret;
    const char *registry = controller->config.snapshot_registry ? controller->config.snapshot_registry : "";
    struct push_secret_check *check = &scene->seen.push_secret;
    SCOPED_DOCKER_SECRET struct docker_secret secret = {0};

    check->state = PUSH_SECRET_NOT_CONFIGURED;
    if (!name || !*name || !sandboxsnapshot_needs_push_secret(&scene->snapshot))
        return 0;
    if (docker_secret_read(controller->service->cluster, scene->snapshot_object->ns, name, &secret, err) <
        0) {
        if (err->code != ERR_NOT_FOUND)
            return error_wrap(err, "reading push Secret %s", name);
        error_clear(err);
        check->state = PUSH_SECRET_NOT_FOUND;
        return 0;
    }
    check->state = judge(&secret, registry);
    check->found_type = scene->push_secret_type = TAKE(secret.type);
    return 0;
}

static bool is_committing(struct controller *controller, const char *ns, const char *name)
{
    SCOPED(object)
    struct object *other = informer_get(informer_of(controller, KIND_SANDBOX_SNAPSHOT), ns, name);

    return other &&
           snapshot_phase_parse(json_path_string(other->json, "status.phase")) == SNAPSHOT_COMMITTING;
}

static void look_for_another(struct controller *controller, struct snapshot_scene *scene)
{
    const char *ns = scene->snapshot_object->ns;
    struct json_strings names = {0};

    snapshot_index_list(controller->index, ns, scene->snapshot.sandbox_name, false, &names);
    for (size_t i = 0; i < names.count && !scene->busy_with; i++)
        if (strcmp(names.items[i], scene->snapshot.meta.name) != 0 &&
            is_committing(controller, ns, names.items[i]))
            scene->busy_with = xstrdup(names.items[i]);
    json_strings_free(&names);
    scene->seen.busy_with = scene->busy_with;
}

static bool agent_is_ready(struct controller *controller, const struct snapshot_scene *scene)
{
    const char *node = sandboxsnapshot_source_node(&scene->snapshot, scene->pods.list, scene->pods.count);
    return node && agents_has(controller->service->agents, node);
}

int observe_snapshot(struct controller *controller, const char *ns, const char *name,
                     struct snapshot_scene *scene, struct error *err)
{
    scene->snapshot_object = informer_get(informer_of(controller, KIND_SANDBOX_SNAPSHOT), ns, name);
    if (!scene->snapshot_object)
        return 0;
    if (sandboxsnapshot_read(scene->snapshot_object->json, &scene->snapshot, err) < 0 ||
        read_sandbox(controller, scene, err) < 0 || check_push_secret(controller, scene, err) < 0 ||
        read_jobs(controller, scene, err) < 0)
        return -1;
    look_for_another(controller, scene);
    scene->seen.snapshot = &scene->snapshot;
    scene->seen.pods = scene->pods.list;
    scene->seen.pod_count = scene->pods.count;
    scene->seen.agent_ready = agent_is_ready(controller, scene);
    scene->seen.commit = look_at_commit(controller, &scene->snapshot, &scene->commit);
    return 1;
}

void snapshot_scene_done(struct snapshot_scene *scene)
{
    sandboxsnapshot_done(&scene->snapshot);
    sandboxsnapshot_done(&scene->pause);
    batchsandbox_done(&scene->sandbox);
    pod_views_done(&scene->pods);
    commit_view_done(&scene->commit);
    object_list_done(&scene->pod_objects);
    object_unref(scene->pause_object);
    object_unref(scene->sandbox_object);
    object_unref(scene->snapshot_object);
    job_scene_done(&scene->commit_job);
    job_scene_done(&scene->unpause_job);
    free(scene->job_refused);
    free(scene->push_secret_type);
    free(scene->busy_with);
}
