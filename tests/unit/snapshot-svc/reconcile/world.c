#include "world.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/strbuf.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/names.h"

enum { SETTLE_ROUNDS = 60, SECOND_MS = 1000 };

/* ---- objects ---- */

static void touch(struct world *world, json_t *object)
{
    char version[24];
    (void)snprintf(version, sizeof(version), "%ld", ++world->versions);
    json_object_set_new(json_object_get(object, "metadata"), "resourceVersion", json_string(version));
}

static json_t *meta_of(const json_t *object)
{
    return json_object_get(object, "metadata");
}

const char *text_at(const json_t *object, const char *path)
{
    const char *text = json_path_string(object, path);
    return text ? text : "";
}

static bool is_deleting(const json_t *object)
{
    return *text_at(object, "metadata.deletionTimestamp") != '\0';
}

static bool is_finalized(const json_t *object)
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

json_t *first_pod(struct world *world)
{
    return json_array_get(world->now.pods, 0);
}

static void law_broken(struct world *world, const char *law)
{
    if (!world->broken_law)
        world->broken_law = law;
}

/* ---- files ---- */

static long files_of_image(const char *image)
{
    const char *digest = strstr(image, "@sha256:");
    return digest ? strtol(digest + strlen("@sha256:"), NULL, 10) : strcmp(image, "busybox:1") == 0 ? 0 : -2;
}

static void digest_of_files(long files, char out[80])
{
    (void)snprintf(out, 80, "sha256:%064ld", files);
}

static long pod_files(const json_t *pod)
{
    return (long)json_integer_value(json_path(pod, "hidden.files"));
}

static struct agent_commit *holder_of(struct world *world, const char *pod_uid)
{
    for (size_t i = 0; i < world->commit_count; i++)
        if (world->commits[i].frozen && strcmp(world->commits[i].pod_uid, pod_uid) == 0)
            return &world->commits[i];
    return NULL;
}

static struct agent_commit *commit_by_key(struct world *world, const char *key)
{
    for (size_t i = 0; i < world->commit_count; i++)
        if (strcmp(world->commits[i].key, key) == 0)
            return &world->commits[i];
    return NULL;
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
                   .commit_timeout_ms = 600 * SECOND_MS},
        .events = json_array(),
    };
    world->now.pods = json_array();
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

static void spec_changed(struct world *world, json_t *object)
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

static void mark_deleted(struct world *world, json_t *object)
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
static void remove_finalized(struct world *world)
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
    else
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

void kubelet_removes_deleted_pods(struct world *world)
{
    for (size_t i = json_array_size(world->now.pods); i-- > 0;) {
        json_t *pod = json_array_get(world->now.pods, i);
        if (!is_deleting(pod))
            continue;
        struct agent_commit *holder = holder_of(world, text_at(pod, "metadata.uid"));
        if (holder) /* a dead pod holds nothing */
            holder->frozen = false;
        if (holder && holder->state == AGENT_RUNNING) {
            holder->state = AGENT_FAILED;
            holder->reason = "PodNotFound";
        }
        json_array_remove(world->now.pods, i);
    }
}

/* ---- agent and dispatcher ---- */

static void thaw(struct agent_commit *commit)
{
    commit->frozen = false;
}

void agent_finishes(struct world *world, enum agent_state state, const char *reason)
{
    for (size_t i = 0; i < world->commit_count; i++) {
        struct agent_commit *commit = &world->commits[i];
        if (commit->state != AGENT_RUNNING)
            continue;
        commit->state = state;
        commit->reason = reason;
        if (state == AGENT_FAILED || !commit->hold)
            thaw(commit);
    }
}

void agent_loses_hold(struct world *world)
{
    for (size_t i = 0; i < world->commit_count; i++)
        if (world->commits[i].state == AGENT_SUCCEEDED && !world->commits[i].killed)
            thaw(&world->commits[i]);
}

void agent_times_out(struct world *world)
{
    for (size_t i = 0; i < world->commit_count; i++) {
        struct agent_commit *commit = &world->commits[i];
        if (!commit->frozen || commit->killed ||
            world->now_ms - commit->started_ms < 2 * world->config.commit_timeout_ms)
            continue;
        thaw(commit);
        if (commit->state == AGENT_RUNNING) {
            commit->state = AGENT_FAILED;
            commit->reason = "Timeout";
        }
    }
}

void process_restarts(struct world *world)
{
    for (size_t i = 0; i < world->commit_count; i++)
        world->commits[i].followed = world->commits[i].told_lost = false;
}

static json_t *pod_by_uid(struct world *world, const char *uid)
{
    size_t i;
    json_t *pod;

    json_array_foreach(world->now.pods, i, pod)
    {
        if (strcmp(text_at(pod, "metadata.uid"), uid) == 0)
            return pod;
    }
    return NULL;
}

static void start_commit(struct world *world, const struct action *action)
{
    struct agent_commit *commit = commit_by_key(world, action->commit_key);
    const json_t *pod = pod_by_uid(world, action->pod_uid);

    if (commit) {
        commit->followed = true;
        return;
    }
    if (holder_of(world, action->pod_uid))
        return; /* refused: the dispatcher tries again later */
    assert_true(world->commit_count < COMMITS_MAX);
    commit = &world->commits[world->commit_count++];
    *commit = (struct agent_commit){.hold = action->hold, .followed = true, .started_ms = world->now_ms};
    (void)snprintf(commit->key, sizeof(commit->key), "%s", action->commit_key);
    (void)snprintf(commit->pod_uid, sizeof(commit->pod_uid), "%s", action->pod_uid);
    (void)snprintf(commit->container, sizeof(commit->container), "%s", action->targets[0].container);
    (void)snprintf(commit->image, sizeof(commit->image), "%s", action->targets[0].image);
    if (!pod || strcmp(phase_of(pod), "Running") != 0) {
        commit->state = AGENT_FAILED;
        commit->reason = "PodNotFound";
        return;
    }
    commit->frozen = true;
    commit->files = pod_files(pod);
}

static bool release_kill(struct agent_commit *commit)
{
    if (!commit || commit->state != AGENT_SUCCEEDED)
        return false;
    if (!commit->killed && !commit->frozen) {
        commit->followed = commit->told_lost = true;
        return false;
    }
    return commit->killed = true;
}

static void cancel(struct agent_commit *commit)
{
    if (!commit || commit->killed)
        return;
    thaw(commit);
    if (commit->state == AGENT_RUNNING) {
        commit->state = AGENT_FAILED;
        commit->reason = "CommitCancelled";
    }
}

static void view_commit(struct world *world, const json_t *snapshot, struct commit_view *view,
                        struct commit_image *image, char digest[80])
{
    char key[64];
    (void)snprintf(key, sizeof(key), "%s.%lld", text_at(snapshot, "metadata.uid"),
                   status_number(snapshot, "attempts"));
    struct agent_commit *commit = commit_by_key(world, key);

    *view = (struct commit_view){.state = COMMIT_UNKNOWN};
    if (!commit || !commit->followed)
        return;
    if (commit->state == AGENT_FAILED || commit->told_lost) {
        view->state = COMMIT_FAILED;
        view->reason = (char *)(commit->told_lost ? "HoldExpired" : commit->reason);
        view->message = (char *)"says the agent";
    } else if (commit->state == AGENT_RUNNING) {
        view->state = COMMIT_RUNNING;
        view->progress =
            (struct commit_progress){.phase = "Pushing", .bytes_read = 10, .bytes_total = 20, .files = 3};
    } else {
        digest_of_files(commit->files, digest);
        *image = (struct commit_image){.container = commit->container,
                                       .image = commit->image,
                                       .digest = digest,
                                       .image_size = 1000,
                                       .layers = 2};
        view->state = COMMIT_SUCCEEDED;
        view->images = image;
        view->image_count = 1;
    }
}

/* ---- planning ---- */

struct picture picture_copy(const struct picture *picture)
{
    return (struct picture){json_deep_copy(picture->sandbox), json_deep_copy(picture->snapshot),
                            json_deep_copy(picture->public_snapshot), json_deep_copy(picture->pods)};
}

void picture_done(struct picture *picture)
{
    json_decref(picture->sandbox);
    json_decref(picture->snapshot);
    json_decref(picture->public_snapshot);
    json_decref(picture->pods);
    *picture = (struct picture){0};
}

struct typed {
    struct batchsandbox sandbox;
    struct sandboxsnapshot snapshot, other;
    struct pod *pods;
    const struct pod **pod_refs;
    size_t pod_count;
};

static void typed_read(struct typed *typed, const struct picture *picture, json_t *snapshot, json_t *other)
{
    struct error err = {0};
    size_t i;
    json_t *pod;

    *typed = (struct typed){.pod_count = json_array_size(picture->pods)};
    typed->pods = xcalloc(typed->pod_count + 1, sizeof(*typed->pods));
    typed->pod_refs = xcalloc(typed->pod_count + 1, sizeof(*typed->pod_refs));
    if (picture->sandbox && batchsandbox_read(picture->sandbox, &typed->sandbox, &err) < 0)
        fail_msg("%s", err.text);
    if (snapshot && sandboxsnapshot_read(snapshot, &typed->snapshot, &err) < 0)
        fail_msg("%s", err.text);
    if (other && sandboxsnapshot_read(other, &typed->other, &err) < 0)
        fail_msg("%s", err.text);
    json_array_foreach(picture->pods, i, pod)
    {
        if (pod_read(pod, &typed->pods[i], &err) < 0)
            fail_msg("%s", err.text);
        typed->pod_refs[i] = &typed->pods[i];
    }
}

static void typed_done(struct typed *typed)
{
    batchsandbox_done(&typed->sandbox);
    sandboxsnapshot_done(&typed->snapshot);
    sandboxsnapshot_done(&typed->other);
    for (size_t i = 0; i < typed->pod_count; i++)
        pod_done(&typed->pods[i]);
    free(typed->pods);
    free(typed->pod_refs);
}

void world_plan_sandbox(struct world *world, const struct picture *picture, struct plan *plan)
{
    struct typed typed;
    struct commit_view view;
    struct commit_image image;
    char digest[80];
    struct error err = {0};

    *plan = (struct plan)PLAN_INIT;
    if (!picture->sandbox)
        return;
    typed_read(&typed, picture, picture->snapshot, NULL);
    view_commit(world, picture->snapshot, &view, &image, digest);
    struct batchsandbox_observed seen = {.sandbox = &typed.sandbox,
                                         .pods = typed.pod_refs,
                                         .pod_count = typed.pod_count,
                                         .snapshot = picture->snapshot ? &typed.snapshot : NULL,
                                         .commit = &view};
    if (batchsandbox_plan(&seen, &world->config, world->now_ms, plan, &err) < 0)
        fail_msg("%s", err.text);
    typed_done(&typed);
}

void world_plan_snapshot(struct world *world, const struct picture *picture, bool public_snapshot,
                         struct plan *plan)
{
    json_t *snapshot = public_snapshot ? picture->public_snapshot : picture->snapshot;
    /* The executor looks at the other snapshots just before: an old view may overlook one, the agent does not. */
    json_t *other = public_snapshot ? world->now.snapshot : world->now.public_snapshot;
    struct typed typed;
    struct commit_view view;
    struct commit_image image;
    char digest[80];
    struct error err = {0};

    *plan = (struct plan)PLAN_INIT;
    if (!snapshot)
        return;
    typed_read(&typed, picture, snapshot, other);
    view_commit(world, snapshot, &view, &image, digest);
    bool busy = other && strcmp(phase_of(other), "Committing") == 0;
    struct sandboxsnapshot_observed seen = {.snapshot = &typed.snapshot,
                                            .sandbox = picture->sandbox ? &typed.sandbox : NULL,
                                            .pods = typed.pod_refs,
                                            .pod_count = typed.pod_count,
                                            .push_secret = world->push_secret,
                                            .commit = &view,
                                            .busy_with = busy ? typed.other.meta.name : NULL};
    if (sandboxsnapshot_plan(&seen, &world->config, world->now_ms, plan, &err) < 0)
        fail_msg("%s", err.text);
    typed_done(&typed);
}

/* ---- executing ---- */

static json_t **slot_of(struct world *world, enum cluster_kind kind, const char *name)
{
    if (kind == KIND_BATCH_SANDBOX)
        return &world->now.sandbox;
    return strcmp(name, "demo-pause") == 0 ? &world->now.snapshot : &world->now.public_snapshot;
}

static json_t *pod_by_name(struct world *world, const char *name)
{
    size_t i;
    json_t *pod;

    json_array_foreach(world->now.pods, i, pod)
    {
        if (strcmp(text_at(pod, "metadata.name"), name) == 0)
            return pod;
    }
    return NULL;
}

static json_t *find_object(struct world *world, enum cluster_kind kind, const char *name)
{
    return kind == KIND_POD ? pod_by_name(world, name) : *slot_of(world, kind, name);
}

static void check_phase_law(struct world *world, const struct action *action)
{
    if (action->kind == KIND_BATCH_SANDBOX && strcmp(text_at(action->body, "status.phase"), "Paused") == 0 &&
        json_array_size(world->now.pods) > 0)
        law_broken(world, "Paused only when the pods are gone");
}

static bool execute_patch(struct world *world, const struct action *action)
{
    json_t *object = find_object(world, action->kind, action->name);
    const bool status = action->type == ACTION_PATCH_STATUS;

    if (!object)
        return false;
    if (action->resource_version &&
        strcmp(action->resource_version, text_at(object, "metadata.resourceVersion")) != 0)
        return false;
    if (!action->resource_version &&
        !json_object_get(json_path(action->body, "metadata.annotations"), ANNOTATION_ENDPOINTS))
        law_broken(world, "a write is refused when it was decided on an old copy");
    if (status)
        check_phase_law(world, action);
    assert_true(status == (json_object_get(action->body, "status") != NULL));
    SCOPED(json) json_t *old = json_deep_copy(object);
    (void)json_merge_patch(object, action->body);
    if (json_equal(old, object))
        return true;
    touch(world, object);
    if (!json_equal(json_object_get(old, "spec"), json_object_get(object, "spec")))
        spec_changed(world, object);
    remove_finalized(world);
    return true;
}

static bool execute_create(struct world *world, const struct action *action)
{
    json_t *existing = find_object(world, action->kind, action->name);
    char uid[32];

    if (existing) {
        size_t last = 0;
        const json_t *owner = json_array_get(json_path(existing, "metadata.ownerReferences"), last);
        return strcmp(text_at(owner, "uid"), SANDBOX_UID) == 0;
    }
    if (!world->now.sandbox)
        return true; /* created, and collected at once */
    json_t *object = json_deep_copy(action->body);
    (void)snprintf(uid, sizeof(uid), "uid-made-%ld", ++world->uids);
    json_object_set_new(meta_of(object), "uid", json_string(uid));
    json_object_set_new(meta_of(object), "generation", json_integer(1));
    touch(world, object);
    if (action->kind != KIND_POD) {
        *slot_of(world, action->kind, action->name) = object;
        return true;
    }
    const char *image = text_at(json_array_get(json_path(object, "spec.containers"), 0), "image");
    json_object_set_new(object, "hidden", json_pack("{s:i}", "files", (int)files_of_image(image)));
    if (is_deleting(world->now.sandbox))
        law_broken(world, "no pods for a sandbox that is being deleted");
    json_array_append_new(world->now.pods, object);
    return true;
}

static long snapshot_files(const json_t *snapshot)
{
    char text[100];
    (void)snprintf(text, sizeof(text), "@%s",
                   text_at(json_array_get(json_path(snapshot, "status.containers"), 0), "imageDigest"));
    return files_of_image(text);
}

/* No transition loses files: a pod goes when a snapshot has what is in it, or with the sandbox, or when its user wants another try. */
static void check_pod_law(struct world *world, const json_t *pod)
{
    const json_t *sandbox = world->now.sandbox, *snapshot = world->now.snapshot;
    const bool kept = snapshot && strcmp(phase_of(snapshot), "Succeed") == 0 && !is_deleting(snapshot);
    struct agent_commit *holder = holder_of(world, text_at(pod, "metadata.uid"));

    if (is_deleting(pod) || !sandbox || is_deleting(sandbox))
        return;
    if (kept && snapshot_files(snapshot) == pod_files(pod) && holder && holder->killed)
        return;
    if (kept && strcmp(phase_of(sandbox), "Failed") == 0 && json_is_false(json_path(sandbox, "spec.pause"))) {
        world->truth = world->truth == -1 ? -1 : snapshot_files(snapshot);
        return;
    }
    law_broken(world, "a pod is deleted only when a snapshot holds its files");
}

static void check_snapshot_law(struct world *world, const json_t *snapshot)
{
    if (is_deleting(snapshot) || strcmp(phase_of(snapshot), "Succeed") != 0 || !world->now.sandbox ||
        is_deleting(world->now.sandbox))
        return;
    if (world->truth >= 0 && snapshot_files(snapshot) == world->truth) {
        const json_t *pod = first_pod(world);
        if (!pod || is_deleting(pod) || pod_files(pod) != world->truth)
            law_broken(world, "the only copy of the files is never deleted");
    }
}

static bool execute_delete(struct world *world, const struct action *action)
{
    json_t *object = find_object(world, action->kind, action->name);

    if (!object || strcmp(text_at(object, "metadata.uid"), action->uid ? action->uid : "") != 0)
        return true;
    if (action->kind == KIND_POD)
        check_pod_law(world, object);
    if (action->kind == KIND_SANDBOX_SNAPSHOT)
        check_snapshot_law(world, object);
    if (action->kind == KIND_BATCH_SANDBOX)
        world->sandbox_was_deleted = true;
    mark_deleted(world, object);
    remove_finalized(world);
    return true;
}

static bool execute_one(struct world *world, const struct action *action)
{
    switch (action->type) {
    case ACTION_PATCH:
    case ACTION_PATCH_STATUS:
        return execute_patch(world, action);
    case ACTION_CREATE:
        return execute_create(world, action);
    case ACTION_DELETE:
        return execute_delete(world, action);
    case ACTION_COMMIT:
        start_commit(world, action);
        return true;
    case ACTION_RELEASE_KILL:
        return release_kill(commit_by_key(world, action->commit_key));
    case ACTION_CANCEL:
        cancel(commit_by_key(world, action->commit_key));
        return true;
    case ACTION_EVENT:
        json_array_append_new(world->events, json_string(action->reason));
        return true;
    case ACTION_MAX:
        break;
    }
    return false;
}

bool world_execute(struct world *world, const struct plan *plan, size_t max_actions)
{
    for (size_t i = 0; i < plan->count; i++)
        if (i >= max_actions || !execute_one(world, &plan->actions[i]))
            return false;
    return true;
}

/* ---- text ---- */

static void spell(struct strbuf *text, const struct action *action)
{
    static const char *const kinds[] = {"sandbox", "snapshot", "pod", "secret", "event"};

    if (text->length)
        (void)strbuf_addc(text, ' ');
    switch (action->type) {
    case ACTION_PATCH:
        (void)strbuf_addf(text, "patch(%s)", action->resource_version ? kinds[action->kind] : "endpoints");
        return;
    case ACTION_PATCH_STATUS:
        (void)strbuf_addf(text, "status(%s)", text_at(action->body, "status.phase"));
        return;
    case ACTION_CREATE:
    case ACTION_DELETE:
        (void)strbuf_addf(text, "%s(%s)", action->type == ACTION_CREATE ? "create" : "delete", action->name);
        return;
    case ACTION_COMMIT:
        (void)strbuf_addf(text, "commit(%s)", action->hold ? "hold" : "thaw");
        return;
    case ACTION_RELEASE_KILL:
        (void)strbuf_adds(text, "kill()");
        return;
    case ACTION_CANCEL:
        (void)strbuf_adds(text, "cancel()");
        return;
    case ACTION_EVENT:
        (void)strbuf_addf(text, "event(%s)", action->reason);
        return;
    case ACTION_MAX:
        return;
    }
}

char *plan_text(const struct plan *plan)
{
    struct strbuf text = STRBUF_INIT;

    for (size_t i = 0; i < plan->count; i++)
        spell(&text, &plan->actions[i]);
    return text.length ? strbuf_take(&text) : xstrdup("");
}

static const char *run_once(struct world *world, void (*make)(struct world *, struct plan *))
{
    static char text[512];
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    make(world, &plan);
    (void)world_execute(world, &plan, SIZE_MAX);
    SCOPED(string) char *spelled = plan_text(&plan);
    (void)snprintf(text, sizeof(text), "%s", spelled);
    if (world->tell && *text)
        print_message("    %-70s now %s, snapshot %s\n", text, phase_of(world->now.sandbox),
                      phase_of(world->now.snapshot));
    return text;
}

static void make_sandbox_plan(struct world *world, struct plan *plan)
{
    world_plan_sandbox(world, &world->now, plan);
}

static void make_snapshot_plan(struct world *world, struct plan *plan)
{
    world_plan_snapshot(world, &world->now, false, plan);
}

static void make_public_plan(struct world *world, struct plan *plan)
{
    world_plan_snapshot(world, &world->now, true, plan);
}

const char *pass_sandbox_once(struct world *world)
{
    return run_once(world, make_sandbox_plan);
}

const char *pass_snapshot_once(struct world *world)
{
    return run_once(world, world->now.public_snapshot && !world->now.snapshot ? make_public_plan
                                                                              : make_snapshot_plan);
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
