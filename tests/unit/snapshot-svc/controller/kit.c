#include "tests/unit/testing.h"

#include <time.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/file.h"
#include "shared/json/json.h"
#include "shared/metrics/metrics.h"
#include "snapshot-svc/controller/controller_priv.h"
#include "snapshot-svc/model/names.h"
#include "tests/unit/snapshot-svc/controller/kit.h"

enum { PATIENCE_MS = 60 * 1000 };

/* ---- news ---- */

static void note_change(void *self)
{
    struct kit *kit = self;

    pthread_mutex_lock(&kit->lock);
    kit->changes++;
    pthread_cond_broadcast(&kit->changed);
    pthread_mutex_unlock(&kit->lock);
}

static void break_law(struct kit *kit, const char *law)
{
    pthread_mutex_lock(&kit->lock);
    if (!kit->broken_law)
        kit->broken_law = law;
    pthread_mutex_unlock(&kit->lock);
}

/* ---- the kubelet: on the Pod informer's thread, straight to the store ---- */

static void run_pod(struct kit *kit, const struct object *pod)
{
    struct error err = {0};
    SCOPED(json) json_t *status = NULL;

    pthread_mutex_lock(&kit->lock);
    const char *waiting = kit->waiting_reason;
    bool stays = kit->pods_stay_pending;
    snprintf(kit->image, sizeof(kit->image), "%s",
             json_string_value(
                 json_object_get(json_array_get(json_path(pod->json, "spec.containers"), 0), "image")));
    pthread_mutex_unlock(&kit->lock);
    if (stays)
        return;
    if (waiting)
        status = json_pack("{s:{s:s, s:[{s:s, s:{s:{s:s}}}]}}", "status", "phase", "Pending",
                           "containerStatuses", "name", "main", "state", "waiting", "reason", waiting);
    else
        status = json_pack("{s:{s:s, s:s, s:[{s:s, s:s}]}}", "status", "phase", "Running", "podIP",
                           "10.0.0.7", "conditions", "type", "Ready", "status", "True");
    (void)cluster_patch_status(kit->local->cluster, KIND_POD, pod->ns, pod->name, status, NULL, NULL,
                               &err); /* gone again at worst */
}

/* ---- the Job controller and the kubelet of its pods ---- */

static const char *job_of(const struct object *pod)
{
    return json_string_value(json_object_get(json_path(pod->json, "metadata.labels"), LABEL_OF_JOB));
}

/* The pod ends at once, and its Job with it. */
static void end_job_pod(struct kit *kit, const struct object *pod, const char *job)
{
    struct error err = {0};
    const bool done = kit->job_exit_code == 0 || strstr(job, "-unpause");
    SCOPED(json)
    json_t *status =
        json_pack("{s:{s:s, s:[{s:s, s:{s:{s:i, s:s}}}]}}", "status", "phase", done ? "Succeeded" : "Failed",
                  "containerStatuses", "name", "commit", "state", "terminated", "exitCode",
                  done ? 0 : kit->job_exit_code, "message", strstr(job, "-unpause") ? "" : kit->job_message);
    SCOPED(json)
    json_t *job_status = done ? json_pack("{s:{s:i}}", "status", "succeeded", 1)
                              : json_pack("{s:{s:i}}", "status", "failed", 1);

    (void)cluster_patch_status(kit->local->cluster, KIND_POD, pod->ns, pod->name, status, NULL, NULL, &err);
    (void)cluster_patch_status(kit->local->cluster, KIND_JOB, pod->ns, job, job_status, NULL, NULL, &err);
}

static void job_there(void *self, struct object *job)
{
    struct kit *kit = self;
    struct error err = {0};
    SCOPED(string) char *name = xasprintf("%s-pod", job->name);
    const json_t *template_ = json_path(job->json, "spec.template");
    SCOPED(json)
    json_t *pod = json_pack("{s:s, s:s, s:{s:s, s:O, s:{s:s}, s:[{s:s, s:s, s:s, s:s, s:b}]}, s:O}",
                            "apiVersion", "v1", "kind", "Pod", "metadata", "name", name, "annotations",
                            json_path(template_, "metadata.annotations"), "labels", LABEL_OF_JOB, job->name,
                            "ownerReferences", "apiVersion", "batch/v1", "kind", "Job", "name", job->name,
                            "uid", job->uid, "controller", 1, "spec", json_object_get(template_, "spec"));
    SCOPED(json) json_t *created = NULL;

    if (!json_path(job->json, "metadata.deletionTimestamp"))
        (void)cluster_create(kit->local->cluster, KIND_POD, job->ns, pod, &created,
                             &err); /* there already at worst */
    note_change(kit);
}

static void bury_pod(struct kit *kit, const struct object *pod)
{
    struct error err = {0};
    SCOPED(json) json_t *patch = json_pack("{s:{s:[]}}", "metadata", "finalizers");
    SCOPED(json) json_t *sandbox = kit_get(kit, KIND_BATCH_SANDBOX, "demo");
    const char *phase = sandbox ? json_path_string(sandbox, "status.phase") : NULL;

    if (!kit->runs_jobs && phase && strcmp(phase, "Pausing") == 0 &&
        !json_path(sandbox, "metadata.deletionTimestamp") && !fake_committer_seen(kit->agent).pod_is_killed)
        break_law(kit, "a pod was deleted for a pause before its processes were killed");
    pthread_mutex_lock(&kit->lock);
    bool stays = kit->pods_keep_their_finalizer;
    pthread_mutex_unlock(&kit->lock);
    if (!stays)
        (void)cluster_patch(kit->local->cluster, KIND_POD, pod->ns, pod->name, patch, NULL, NULL,
                            &err); /* gone already at worst */
}

static void pod_there(void *self, struct object *pod)
{
    const char *phase = json_path_string(pod->json, "status.phase");

    if (json_path(pod->json, "metadata.deletionTimestamp"))
        bury_pod(self, pod);
    else if (job_of(pod) && (!phase || strcmp(phase, "Pending") == 0))
        end_job_pod(self, pod, job_of(pod));
    else if (!phase || strcmp(phase, "Pending") == 0)
        run_pod(self, pod);
    note_change(self);
}

static void pod_updated(void *self, struct object *old, struct object *pod)
{
    (void)old;
    pod_there(self, pod);
}

static bool has_pods(struct kit *kit, const char *sandbox_uid)
{
    SCOPED(json) json_t *pods = NULL;
    SCOPED(string) char *version = NULL;
    struct error err = {0};
    size_t i;
    json_t *pod;

    assert_ok(cluster_list(kit->local->cluster, KIND_POD, KIT_NS, NULL, &pods, &version, &err), &err);
    json_array_foreach(pods, i, pod)
    {
        const char *owner =
            json_path_string(json_array_get(json_path(pod, "metadata.ownerReferences"), 0), "uid");
        if (owner && strcmp(owner, sandbox_uid) == 0)
            return true;
    }
    return false;
}

static void sandbox_updated(void *self, struct object *old, struct object *sandbox)
{
    struct kit *kit = self;
    const char *was = json_path_string(old->json, "status.phase");
    const char *is = json_path_string(sandbox->json, "status.phase");

    if (is && strcmp(is, "Paused") == 0 && (!was || strcmp(was, "Pausing") == 0) &&
        has_pods(kit, sandbox->uid))
        break_law(kit, "Paused with pods that are still there");
    note_change(kit);
}

static void object_there(void *self, struct object *object)
{
    (void)object;
    note_change(self);
}

static void object_updated(void *self, struct object *old, struct object *object)
{
    (void)old;
    object_there(self, object);
}

/* ---- machine and processes ---- */

struct kit *kit_new(void)
{
    struct kit *kit = xcalloc(1, sizeof(*kit));

    kit->local = local_kit_new();
    kit->local->options.ns = KIT_NS;
    kit->local->options.node = KIT_NODE;
    snprintf(kit->socket, sizeof(kit->socket), "%s/agent.sock", kit->local->folder);
    pthread_mutex_init(&kit->lock, NULL);
    pthread_cond_init(&kit->changed, NULL);
    fuse_init(&kit->fuse, note_change, kit);
    kit->agent = fake_committer_new(kit->socket);
    fake_committer_plans(kit->agent, FAKE_SUCCEEDS);
    fake_committer_gate(kit->agent, fuse_step, &kit->fuse);
    fake_committer_start(kit->agent);
    kit->options = (struct controller_options){.config = {.snapshot_registry = "registry:5000/snapshots",
                                                          .commit_timeout_ms = 600 * 1000,
                                                          .upload_timeout_ms = 600 * 1000},
                                               .sandbox_workers = 4,
                                               .snapshot_workers = 4,
                                               .commit_retry_first_ms = 5};
    return kit;
}

static void make_job_informers(struct kit *kit)
{
    const struct informer_options jobs = {.cluster = &kit->cluster.cluster, .kind = KIND_JOB};
    const struct informer_options job_pods = {
        .cluster = &kit->cluster.cluster, .kind = KIND_POD, .labels = LABEL_JOB_SNAPSHOT};
    const struct informer_handler handler = {
        .added = job_there, .updated = object_updated, .deleted = object_there, .self = kit};

    kit->service.informers[KIND_JOB] = informer_new(&jobs);
    kit->service.job_pods = informer_new(&job_pods);
    informer_subscribe(kit->service.informers[KIND_JOB], &handler);
}

static void make_informers(struct kit *kit)
{
    static const enum cluster_kind kinds[] = {KIND_BATCH_SANDBOX, KIND_SANDBOX_SNAPSHOT, KIND_POD};

    for (size_t i = 0; i < 3; i++) {
        const struct informer_options options = {.cluster = &kit->cluster.cluster, .kind = kinds[i]};
        kit->service.informers[kinds[i]] = informer_new(&options);
    }
    const struct informer_handler pods = {
        .added = pod_there, .updated = pod_updated, .deleted = object_there, .self = kit};
    const struct informer_handler sandboxes = {
        .added = object_there, .updated = sandbox_updated, .deleted = object_there, .self = kit};
    const struct informer_handler snapshots = {
        .added = object_there, .updated = object_updated, .deleted = object_there, .self = kit};
    informer_subscribe(kit->service.informers[KIND_POD], &pods);
    informer_subscribe(kit->service.informers[KIND_BATCH_SANDBOX], &sandboxes);
    informer_subscribe(kit->service.informers[KIND_SANDBOX_SNAPSHOT], &snapshots);
    if (kit->runs_jobs)
        make_job_informers(kit);
}

void kit_begin(struct kit *kit)
{
    struct error err = {0};
    SCOPED(string) char *address = xasprintf("unix:%s", kit->socket);

    local_kit_open(kit->local);
    fused_cluster_init(&kit->cluster, kit->local->cluster, &kit->fuse);
    kit->service = (struct service){.cluster = &kit->cluster.cluster,
                                    .ns = KIT_NS,
                                    .node_name = KIT_NODE,
                                    .metrics = metrics_new(),
                                    .agents = agents_new(NULL)};
    agents_put(kit->service.agents, KIT_NODE, address);
    make_informers(kit);
    kit->options.service = &kit->service;
    kit->controller = controller_new(&kit->options);
    for (size_t kind = 0; kind < KIND_MAX; kind++)
        if (kit->service.informers[kind])
            assert_ok(informer_start(kit->service.informers[kind], &err), &err);
    for (size_t kind = 0; kind < KIND_MAX; kind++)
        if (kit->service.informers[kind])
            assert_ok(informer_wait_synced(kit->service.informers[kind], PATIENCE_MS, &err), &err);
    if (kit->service.job_pods) {
        assert_ok(informer_start(kit->service.job_pods, &err), &err);
        assert_ok(informer_wait_synced(kit->service.job_pods, PATIENCE_MS, &err), &err);
    }
    assert_ok(controller_start(kit->controller, &err), &err);
}

void kit_end(struct kit *kit)
{
    if (!kit->controller)
        return;
    controller_stop(kit->controller);
    for (size_t kind = 0; kind < KIND_MAX; kind++)
        informer_free(kit->service.informers[kind]);
    informer_free(kit->service.job_pods);
    controller_free(kit->controller);
    agents_free(kit->service.agents);
    metrics_free(kit->service.metrics);
    local_kit_close(kit->local);
    kit->controller = NULL;
}

void kit_free(struct kit *kit)
{
    kit_end(kit);
    fake_committer_free(kit->agent);
    local_kit_free(kit->local);
    fuse_done(&kit->fuse);
    pthread_cond_destroy(&kit->changed);
    pthread_mutex_destroy(&kit->lock);
    free(kit);
}

/* ---- what users do ---- */

static json_t *parse(const char *text)
{
    json_t *value = NULL;
    struct error err = {0};

    assert_ok(json_parse(text, strlen(text), "the test's object", &value, &err), &err);
    return value;
}

void kit_create(struct kit *kit, enum cluster_kind kind, const char *text)
{
    SCOPED(json) json_t *object = parse(text);
    SCOPED(json) json_t *created = NULL;
    struct error err = {0};

    assert_ok(cluster_create(kit->local->cluster, kind, KIT_NS, object, &created, &err), &err);
}

void kit_create_sandbox(struct kit *kit, const char *name)
{
    SCOPED(string)
    char *text = xasprintf("{\"apiVersion\":\"sandbox.opensandbox.io/v1alpha1\",\"kind\":\"BatchSandbox\","
                           "\"metadata\":{\"name\":\"%s\"},\"spec\":{\"replicas\":1,\"template\":{\"spec\":"
                           "{\"containers\":[{\"name\":\"main\",\"image\":\"base:1\"}]}}}}",
                           name);
    kit_create(kit, KIND_BATCH_SANDBOX, text);
}

void kit_patch(struct kit *kit, enum cluster_kind kind, const char *name, const char *merge_patch)
{
    SCOPED(json) json_t *patch = parse(merge_patch);
    struct error err = {0};

    assert_ok(cluster_patch(kit->local->cluster, kind, KIT_NS, name, patch, NULL, NULL, &err), &err);
}

void kit_patch_status(struct kit *kit, enum cluster_kind kind, const char *name, const char *merge_patch)
{
    SCOPED(json) json_t *patch = parse(merge_patch);
    struct error err = {0};

    assert_ok(cluster_patch_status(kit->local->cluster, kind, KIT_NS, name, patch, NULL, NULL, &err), &err);
}

void kit_delete(struct kit *kit, enum cluster_kind kind, const char *name)
{
    struct error err = {0};

    assert_ok(cluster_remove(kit->local->cluster, kind, KIT_NS, name, NULL, -1, &err), &err);
}

void kit_write_secret(struct kit *kit, const char *name, const char *key, const char *content)
{
    SCOPED(string) char *folder = xasprintf("%s/%s", kit->local->secrets_dir, name);
    SCOPED(string) char *path = xasprintf("%s/%s", folder, key);
    struct error err = {0};

    assert_ok(dir_ensure(folder, 0700, &err), &err);
    assert_ok(file_write_atomic(path, content, strlen(content), 0600, &err), &err);
}

/* ---- looking ---- */

json_t *kit_get(struct kit *kit, enum cluster_kind kind, const char *name)
{
    json_t *object = NULL;
    struct error err = {0};

    return cluster_get(kit->local->cluster, kind, KIT_NS, name, &object, &err) == 0 ? object : NULL;
}

struct sought {
    enum cluster_kind kind;
    const char *name, *word, *reason;
};

static bool has_phase(struct kit *kit, const void *context)
{
    const struct sought *sought = context;
    SCOPED(json) json_t *object = kit_get(kit, sought->kind, sought->name);
    const char *phase = object ? json_path_string(object, "status.phase") : NULL;

    return phase && strcmp(phase, sought->word) == 0;
}

static bool is_gone(struct kit *kit, const void *context)
{
    const struct sought *sought = context;
    SCOPED(json) json_t *object = kit_get(kit, sought->kind, sought->name);

    return !object;
}

static bool has_condition(struct kit *kit, const void *context)
{
    const struct sought *sought = context;
    SCOPED(json) json_t *object = kit_get(kit, sought->kind, sought->name);
    size_t i;
    json_t *condition;

    json_array_foreach(object ? json_path(object, "status.conditions") : NULL, i, condition)
    {
        if (strcmp(json_path_string(condition, "type"), sought->word) == 0 &&
            strcmp(json_path_string(condition, "reason"), sought->reason) == 0)
            return true;
    }
    return false;
}

json_int_t kit_event_count(struct kit *kit, const char *object, const char *reason)
{
    SCOPED(json) json_t *events = NULL;
    SCOPED(string) char *version = NULL;
    struct error err = {0};
    json_int_t count = 0;
    size_t i;
    json_t *event;

    assert_true(recorder_flush(kit->controller->recorder, PATIENCE_MS));
    assert_ok(cluster_list(kit->local->cluster, KIND_EVENT, KIT_NS, NULL, &events, &version, &err), &err);
    json_array_foreach(events, i, event)
    {
        if (strcmp(json_path_string(event, "involvedObject.name"), object) == 0 &&
            strcmp(json_path_string(event, "reason"), reason) == 0)
            count += json_integer_value(json_object_get(event, "count"));
    }
    return count;
}

static bool has_event(struct kit *kit, const void *context)
{
    const struct sought *sought = context;
    return kit_event_count(kit, sought->name, sought->reason) > 0;
}

/* ---- waiting ---- */

static void check_laws(struct kit *kit)
{
    pthread_mutex_lock(&kit->lock);
    const char *law = kit->broken_law;
    pthread_mutex_unlock(&kit->lock);
    if (law)
        fail_msg("%s (killed at moment %u)", law, kit->fuse.limit);
}

/* Until something changes; a second at most, for what is told by nobody here (Events). */
static void await_news(struct kit *kit, unsigned seen)
{
    const int64_t until_ms = clock_realtime_ms() + 1000;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};

    pthread_mutex_lock(&kit->lock);
    while (kit->changes == seen && pthread_cond_timedwait(&kit->changed, &kit->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&kit->lock);
}

static void dump(struct kit *kit, const char *what)
{
    static const enum cluster_kind kinds[] = {KIND_BATCH_SANDBOX, KIND_SANDBOX_SNAPSHOT, KIND_POD};

    print_error("%s did not come (killed at moment %u)\n", what, kit->fuse.limit);
    for (size_t i = 0; i < 3; i++) {
        SCOPED(json) json_t *items = NULL;
        SCOPED(string) char *version = NULL;
        struct error err = {0};
        if (cluster_list(kit->local->cluster, kinds[i], KIT_NS, NULL, &items, &version, &err) < 0)
            continue;
        SCOPED(string) char *text = json_dumps(items, JSON_INDENT(1));
        print_error("%s\n", text);
    }
}

void kit_await(struct kit *kit, kit_predicate *predicate, const void *context, const char *what)
{
    const int64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;

    for (;;) {
        pthread_mutex_lock(&kit->lock);
        unsigned seen = kit->changes;
        pthread_mutex_unlock(&kit->lock);
        check_laws(kit);
        if (predicate(kit, context))
            return;
        if (fuse_is_blown(&kit->fuse)) {
            kit_end(kit);
            fuse_set(&kit->fuse, 0);
            kit_begin(kit);
            continue;
        }
        if (clock_monotonic_ms() > until_ms) {
            dump(kit, what);
            fail_msg("%s did not come", what);
        }
        await_news(kit, seen);
    }
}

void kit_await_phase(struct kit *kit, enum cluster_kind kind, const char *name, const char *phase)
{
    kit_await(kit, has_phase, &(struct sought){.kind = kind, .name = name, .word = phase}, phase);
}

void kit_await_gone(struct kit *kit, enum cluster_kind kind, const char *name)
{
    kit_await(kit, is_gone, &(struct sought){.kind = kind, .name = name}, "the end of an object");
}

void kit_await_condition(struct kit *kit, enum cluster_kind kind, const char *name, const char *condition,
                         const char *reason)
{
    kit_await(kit, has_condition,
              &(struct sought){.kind = kind, .name = name, .word = condition, .reason = reason}, condition);
}

void kit_await_event(struct kit *kit, const char *object, const char *reason)
{
    kit_await(kit, has_event, &(struct sought){.name = object, .reason = reason}, reason);
}
