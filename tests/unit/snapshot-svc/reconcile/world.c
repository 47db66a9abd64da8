/* The objects, and everybody who is not under test: users, kubelet, garbage collection. */
#include "world_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/names.h"

enum { SETTLE_ROUNDS = 60, SECOND_MS = 1000 };

/* ---- objects ---- */

void touch(struct world *world, json_t *object)
{
    char version[24];
    (void)snprintf(version, sizeof(version), "%ld", ++world->versions);
    json_object_set_new(json_object_get(object, "metadata"), "resourceVersion", json_string(version));
}

json_t *meta_of(const json_t *object)
{
    return json_object_get(object, "metadata");
}

const char *text_at(const json_t *object, const char *path)
{
    const char *text = json_path_string(object, path);
    return text ? text : "";
}

bool is_deleting(const json_t *object)
{
    return *text_at(object, "metadata.deletionTimestamp") != '\0';
}

bool is_finalized(const json_t *object)
{
    return json_array_size(json_path(object, "metadata.finalizers")) == 0;
}

const char *phase_of(const json_t *object)
{
    return text_at(object, "status.phase");
}

long long status_number(const json_t *object, const char *member)
{
    const json_t *value = json_object_get(json_object_get(object, "status"), member);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

const char *annotation_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(json_path(object, "metadata.annotations"), key));
    return text ? text : "";
}

static const json_t *find_condition(const json_t *object, const char *type)
{
    size_t i;
    json_t *condition;

    json_array_foreach(json_path(object, "status.conditions"), i, condition)
    {
        if (strcmp(text_at(condition, "type"), type) == 0)
            return condition;
    }
    return NULL;
}

bool has_condition(const json_t *object, const char *type)
{
    const json_t *condition = find_condition(object, type);
    return condition && strcmp(text_at(condition, "status"), "True") == 0;
}

const char *condition_text(const json_t *object, const char *type, const char *member)
{
    return text_at(find_condition(object, type), member);
}

bool anything_is_frozen(const struct world *world)
{
    for (size_t i = 0; i < world->commit_count; i++)
        if (world->commits[i].frozen && !world->commits[i].killed)
            return true;
    return false;
}

json_t *first_pod(struct world *world)
{
    return json_array_get(world->now.pods, 0);
}

void law_broken(struct world *world, const char *law)
{
    if (!world->broken_law)
        world->broken_law = law;
}

/* ---- the beginning ---- */

static void acknowledge(struct world *world)
{
    struct batchsandbox sandbox = {0};
    struct error err = {0};

    assert_int_equal(batchsandbox_read(world->now.sandbox, &sandbox, &err), 0);
    SCOPED(string) char *digest = batchsandbox_spec_digest(&sandbox);
    json_t *status = json_object_get(world->now.sandbox, "status");
    json_object_set_new(status, "pauseObservedGeneration", json_integer(sandbox.meta.generation));
    json_object_set_new(status, "observedGeneration", json_integer(sandbox.meta.generation));
    json_object_set_new(status, "observedPause", json_string(pause_wish_name(sandbox.spec.pause)));
    json_object_set_new(status, "observedSpecDigest", json_string(digest));
    batchsandbox_done(&sandbox);
}

static void give_status(struct world *world, const char *phase)
{
    const bool at_rest = strcmp(phase, "Succeed") == 0 || strcmp(phase, "Paused") == 0;

    struct batchsandbox_status zero = {0};

    json_object_set_new(world->now.sandbox, "status", batchsandbox_status_write(&zero));
    json_object_set_new(json_object_get(world->now.sandbox, "status"), "phase", json_string(phase));
    acknowledge(world);
    if (strcmp(phase, "Paused") != 0 && strcmp(phase, "Resuming") != 0)
        (void)kubelet_adds_pod(world, 0, "Running", true);
    if (at_rest)
        (void)pass_sandbox_once(world); /* counters, conditions, endpoints */
}

void world_init(struct world *world, const char *phase)
{
    *world = (struct world){
        .now_ms = WORLD_START_MS,
        .config = {.snapshot_registry = "registry:5000/snapshots",
                   .snapshot_push_secret = "",
                   .resume_pull_secret = "pull-secret",
                   .commit_timeout_ms = 600 * SECOND_MS,
                   .upload_timeout_ms = 900 * SECOND_MS,
                   .has_scheduler = true},
        .events = json_array(),
        .agent_ready = true,
    };
    world->config.job = (struct commit_job_config){.image = "committer:1",
                                                   .containerd_socket = "/run/containerd.sock",
                                                   .containerd_root = "/var/lib/containerd"};
    world->now.pods = json_array();
    world->now.jobs = json_array();
    world->now.job_pods = json_array();
    world->now.sandbox = json_pack(
        "{s:s, s:s, s:{s:s, s:s, s:s, s:i}, s:{s:i, s:{s:{s:{s:s}}, s:{s:[{s:s, s:s}]}}}}", "apiVersion",
        "sandbox.opensandbox.io/v1alpha1", "kind", "BatchSandbox", "metadata", "name", "demo", "namespace",
        "default", "uid", SANDBOX_UID, "generation", 1, "spec", "replicas", 1, "template", "metadata",
        "labels", "app", "demo", "spec", "containers", "name", "main", "image", "busybox:1");
    touch(world, world->now.sandbox);
    if (*phase)
        give_status(world, phase);
}

void world_done(struct world *world)
{
    picture_done(&world->now);
    json_decref(world->events);
}

/* ---- users ---- */

void spec_changed(struct world *world, json_t *object)
{
    json_t *generation = json_object_get(meta_of(object), "generation");
    json_integer_set(generation, json_integer_value(generation) + 1);
    touch(world, object);
}

void user_pauses(struct world *world, int pause)
{
    json_t *spec = json_object_get(world->now.sandbox, "spec");
    const json_t *old = json_object_get(spec, "pause");
    const int old_wish = old ? json_is_true(old) : PAUSE_ABSENT;

    if (!spec || old_wish == pause)
        return;
    if (pause == PAUSE_ABSENT)
        json_object_del(spec, "pause");
    else
        json_object_set_new(spec, "pause", json_boolean(pause == PAUSE_TRUE));
    spec_changed(world, world->now.sandbox);
}

void user_bridges(struct world *world, int pause)
{
    user_pauses(world, PAUSE_ABSENT);
    user_pauses(world, pause);
}

void user_edits(struct world *world, const char *member, json_t *value)
{
    json_object_set_new(json_object_get(world->now.sandbox, "spec"), member, value);
    spec_changed(world, world->now.sandbox);
}

void user_writes_files(struct world *world)
{
    json_t *pod = first_pod(world);

    if (!pod || is_deleting(pod) || strcmp(phase_of(pod), "Running") != 0 || !has_condition(pod, "Ready") ||
        holder_of(world, text_at(pod, "metadata.uid")))
        return;
    world->truth = ++world->files_written;
    json_object_set_new(json_object_get(pod, "hidden"), "files", json_integer(world->truth));
}

/* ---- deletion ---- */

static void collect_garbage(struct world *world);

void mark_deleted(struct world *world, json_t *object)
{
    char now[RFC3339_SIZE];

    if (is_deleting(object))
        return;
    json_object_set_new(meta_of(object), "deletionTimestamp",
                        json_string(rfc3339_format(world->now_ms / SECOND_MS, now)));
    touch(world, object);
}

static void drop(json_t **slot)
{
    json_decref(*slot);
    *slot = NULL;
}

/* Objects without finalizers go; a pod waits for its kubelet. */
void remove_finalized(struct world *world)
{
    struct picture *now = &world->now;

    if (now->snapshot && is_deleting(now->snapshot) && is_finalized(now->snapshot))
        drop(&now->snapshot);
    if (now->public_snapshot && is_deleting(now->public_snapshot) && is_finalized(now->public_snapshot))
        drop(&now->public_snapshot);
    if (now->sandbox && is_deleting(now->sandbox) && is_finalized(now->sandbox)) {
        drop(&now->sandbox);
        collect_garbage(world);
    }
}

static void collect_garbage(struct world *world)
{
    size_t i;
    json_t *pod;

    if (world->now.sandbox)
        return;
    json_array_foreach(world->now.pods, i, pod)
    {
        mark_deleted(world, pod);
    }
    if (world->now.snapshot)
        mark_deleted(world, world->now.snapshot);
    remove_finalized(world);
}

void user_deletes(struct world *world, json_t *object)
{
    if (object == world->now.sandbox)
        world->sandbox_was_deleted = true;
    else if (object != world->now.public_snapshot)
        world->truth = -1; /* a pod or a snapshot: who does that loses files */
    mark_deleted(world, object);
    remove_finalized(world);
}

/* ---- kubelet ---- */

json_t *kubelet_adds_pod(struct world *world, int index, const char *phase, bool ready)
{
    char name[32], uid[32];
    (void)snprintf(name, sizeof(name), "demo-%d", index);
    (void)snprintf(uid, sizeof(uid), "uid-pod-%ld", ++world->uids);
    json_t *pod = json_pack(
        "{s:{s:s, s:s, s:s, s:[{s:s, s:s, s:s, s:s, s:b}]}, s:{s:s, s:[{s:s, s:s}]}, s:{}, s:{s:i}}",
        "metadata", "name", name, "namespace", "default", "uid", uid, "ownerReferences", "apiVersion",
        "sandbox.opensandbox.io/v1alpha1", "kind", "BatchSandbox", "name", "demo", "uid", SANDBOX_UID,
        "controller", 1, "spec", "nodeName", "node-1", "containers", "name", "main", "image", "busybox:1",
        "status", "hidden", "files", 0);

    json_array_append_new(world->now.pods, pod);
    touch(world, pod);
    kubelet_sets(pod, phase, ready, NULL);
    return pod;
}

void kubelet_sets(json_t *pod, const char *phase, bool ready, const char *waiting_reason)
{
    json_t *status = json_pack("{s:s, s:[{s:s, s:s}]}", "phase", phase, "conditions", "type", "Ready",
                               "status", ready ? "True" : "False");
    if (strcmp(phase, "Running") == 0)
        json_object_set_new(status, "podIP", json_string("10.0.0.7"));
    if (waiting_reason)
        json_object_set_new(
            status, "containerStatuses",
            json_pack("[{s:s, s:{s:{s:s}}}]", "name", "main", "state", "waiting", "reason", waiting_reason));
    json_object_set_new(json_object_get(pod, "spec"), "nodeName", json_string("node-1"));
    json_object_set_new(pod, "status", status);
}

static void containers_end(struct world *world, const json_t *pod)
{
    struct agent_commit *holder = holder_of(world, text_at(pod, "metadata.uid"));

    if (holder) /* a dead pod holds nothing */
        holder->frozen = false;
    if (holder && holder->state == AGENT_RUNNING && !holder->by_job && !holder->handed_over) {
        holder->state = AGENT_FAILED;
        holder->reason = "PodNotFound";
    }
}

void kubelet_ends_deleted_pods(struct world *world)
{
    char now[RFC3339_SIZE];
    size_t i;
    json_t *pod;

    (void)rfc3339_format(world->now_ms / SECOND_MS, now);
    json_array_foreach(world->now.pods, i, pod)
    {
        if (!is_deleting(pod))
            continue;
        containers_end(world, pod);
        kubelet_sets(pod, "Running", false, NULL);
        json_object_set_new(json_object_get(pod, "status"), "containerStatuses",
                            json_pack("[{s:s, s:{s:{s:i, s:s}}}]", "name", "main", "state", "terminated",
                                      "exitCode", 137, "finishedAt", now));
        touch(world, pod);
    }
}

void remove_pod(struct world *world, json_t *pod)
{
    size_t i;
    json_t *each;

    containers_end(world, pod);
    json_array_foreach(world->now.pods, i, each)
    {
        if (each == pod) {
            json_array_remove(world->now.pods, i);
            return;
        }
    }
}

void kubelet_removes_deleted_pods(struct world *world)
{
    for (size_t i = json_array_size(world->now.pods); i-- > 0;) {
        json_t *pod = json_array_get(world->now.pods, i);
        if (is_deleting(pod))
            remove_pod(world, pod);
    }
}

/* ---- settling ---- */

static void kubelet_brings_up(struct world *world)
{
    size_t i;
    json_t *pod;

    json_array_foreach(world->now.pods, i, pod)
    {
        if (is_deleting(pod) || has_condition(pod, "Ready") || *text_at(pod, "status.reason"))
            continue;
        bool pullable = pod_files(pod) >= 0;
        SCOPED(json) json_t *old = json_incref(json_object_get(pod, "status"));
        kubelet_sets(pod, pullable ? "Running" : "Pending", pullable, pullable ? NULL : "ImagePullBackOff");
        if (!json_equal(old, json_object_get(pod, "status")))
            touch(world, pod);
    }
}

void world_settles(struct world *world)
{
    for (int round = 0; round < SETTLE_ROUNDS; round++) {
        const long before = world->versions;
        (void)run_once(world, make_sandbox_plan);
        (void)run_once(world, make_snapshot_plan);
        (void)run_once(world, make_public_plan);
        agent_finishes(world, AGENT_SUCCEEDED, NULL);
        job_controller_acts(world);
        job_pods_end(world, JOB_END_SUCCESS);
        job_pods_start(world);
        job_controller_acts(world);
        kubelet_removes_deleted_pods(world);
        kubelet_brings_up(world);
        world->now_ms += SECOND_MS;
        if (world->versions == before && round > 3)
            return;
    }
    law_broken(world, "everything settles");
}

json_t *snapshot_appears(struct world *world, const char *phase)
{
    char digest[80];
    const json_t *pod = first_pod(world);

    digest_of_files(pod ? pod_files(pod) : 0, digest);
    world->now.snapshot = json_pack(
        "{s:{s:s, s:s, s:s, s:i, s:[s], s:{s:s}, s:[{s:s, s:s, s:s, s:s, s:b}]}, s:{s:s}, s:{}}", "metadata",
        "name", "demo-pause", "namespace", "default", "uid", "uid-snap", "generation", 1, "finalizers",
        FINALIZER_SNAPSHOT, "annotations", ANNOTATION_PAUSE_CYCLE, "1", "ownerReferences", "apiVersion",
        "sandbox.opensandbox.io/v1alpha1", "kind", "BatchSandbox", "name", "demo", "uid", SANDBOX_UID,
        "controller", 1, "spec", "sandboxName", "demo", "status");
    json_t *snapshot = world->now.snapshot, *status = json_object_get(snapshot, "status");
    touch(world, snapshot);
    SCOPED(json)
    json_t *numbered = json_pack("{s:{s:{s:s}}}", "metadata", "annotations", ANNOTATION_PAUSE_CYCLE, "1");
    (void)json_merge_patch(world->now.sandbox, numbered);
    if (*phase)
        json_object_set_new(status, "phase", json_string(phase));
    if (strcmp(phase, "Succeed") == 0 || strcmp(phase, "Committing") == 0) {
        json_object_set_new(status, "containers",
                            json_pack("[{s:s, s:s}]", "containerName", "main", "imageUri",
                                      "registry:5000/snapshots/demo-main:snap-gen1"));
        json_object_set_new(status, "attempts", json_integer(1));
        json_object_set_new(status, "sourceNodeName", json_string("node-1"));
        json_object_set_new(status, "sourcePodName", json_string("demo-0"));
        json_object_set_new(status, "sourcePodUid",
                            json_string(pod ? text_at(pod, "metadata.uid") : "uid-gone"));
        json_object_set_new(status, "startTime", json_string("2030-03-17T17:46:40Z"));
    }
    if (strcmp(phase, "Succeed") == 0)
        json_object_set_new(json_array_get(json_object_get(status, "containers"), 0), "imageDigest",
                            json_string(digest));
    if (strcmp(phase, "Failed") == 0)
        json_object_set_new(status, "conditions",
                            json_pack("[{s:s, s:s, s:s, s:s}]", "type", "Failed", "status", "True", "reason",
                                      "CommitJobFailed", "message", "RegistryDenied: says the registry"));
    return snapshot;
}
