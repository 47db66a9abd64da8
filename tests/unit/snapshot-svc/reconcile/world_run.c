/* Planning on a picture of the world, and carrying the plan out with the cluster's rules and the laws in mind. */
#include "world_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/strbuf.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/names.h"

/* ---- planning ---- */

struct picture picture_copy(const struct picture *picture)
{
    return (struct picture){json_deep_copy(picture->sandbox),
                            json_deep_copy(picture->snapshot),
                            json_deep_copy(picture->public_snapshot),
                            json_deep_copy(picture->pods),
                            json_deep_copy(picture->jobs),
                            json_deep_copy(picture->job_pods)};
}

void picture_done(struct picture *picture)
{
    json_decref(picture->sandbox);
    json_decref(picture->snapshot);
    json_decref(picture->public_snapshot);
    json_decref(picture->pods);
    json_decref(picture->jobs);
    json_decref(picture->job_pods);
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

/* ---- a Job and its pods ---- */

enum { JOB_PODS_MAX = 16 };
struct typed_job {
    struct job job;
    struct pod pods[JOB_PODS_MAX];
    const struct pod *pod_refs[JOB_PODS_MAX];
    size_t pod_count;
};

static void typed_job_read(struct typed_job *typed, const struct picture *picture, const char *name,
                           struct job_sighting *seen)
{
    struct error err = {0};
    size_t i;
    json_t *object;

    *typed = (struct typed_job){0};
    *seen = (struct job_sighting){.pods = typed->pod_refs};
    json_array_foreach(picture->jobs, i, object)
    {
        if (strcmp(text_at(object, "metadata.name"), name) != 0)
            continue;
        if (job_read(object, &typed->job, &err) < 0)
            fail_msg("%s", err.text);
        seen->job = &typed->job;
    }
    json_array_foreach(picture->job_pods, i, object)
    {
        const json_t *labels = json_path(object, "metadata.labels");
        const char *of = json_string_value(json_object_get(labels, LABEL_OF_JOB));
        if (!of || strcmp(of, name) != 0)
            continue;
        assert_true(typed->pod_count < JOB_PODS_MAX);
        typed->pod_refs[typed->pod_count] = &typed->pods[typed->pod_count];
        if (pod_read(object, &typed->pods[typed->pod_count++], &err) < 0)
            fail_msg("%s", err.text);
    }
    seen->pod_count = typed->pod_count;
}

static void typed_job_done(struct typed_job *typed)
{
    job_done(&typed->job);
    for (size_t i = 0; i < typed->pod_count; i++)
        pod_done(&typed->pods[i]);
}

static bool is_final(const json_t *snapshot)
{
    return strcmp(phase_of(snapshot), "Succeed") == 0 || strcmp(phase_of(snapshot), "Failed") == 0;
}

/* ---- planning ---- */

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
    struct picture fresh = *picture; /* nor a sandbox that a snapshot of it depends on */
    struct typed typed;
    struct typed_job commit_job, unpause_job;
    struct commit_view view;
    struct commit_image image;
    char digest[80];
    struct error err = {0};

    *plan = (struct plan)PLAN_INIT;
    if (!snapshot)
        return;
    if (public_snapshot && !is_final(snapshot))
        fresh.sandbox = world->now.sandbox;
    typed_read(&typed, &fresh, snapshot, other);
    SCOPED(string) char *commit_name = name_commit_job(typed.snapshot.meta.name);
    SCOPED(string) char *unpause_name = name_unpause_job(typed.snapshot.meta.name);
    view_commit(world, snapshot, &view, &image, digest);
    bool busy = other && strcmp(phase_of(other), "Committing") == 0;
    struct sandboxsnapshot_observed seen = {.snapshot = &typed.snapshot,
                                            .sandbox = fresh.sandbox ? &typed.sandbox : NULL,
                                            .pause_snapshot = public_snapshot && other ? &typed.other : NULL,
                                            .pods = typed.pod_refs,
                                            .pod_count = typed.pod_count,
                                            .push_secret = world->push_secret,
                                            .commit = &view,
                                            .agent_ready = world->agent_ready,
                                            .job_refused = world->job_refused,
                                            .busy_with = busy ? typed.other.meta.name : NULL};
    const bool looks = !is_final(snapshot) || is_deleting(snapshot); /* as the executor does */
    typed_job_read(&commit_job, picture, looks ? commit_name : "", &seen.commit_job);
    typed_job_read(&unpause_job, picture, looks ? unpause_name : "", &seen.unpause_job);
    if (sandboxsnapshot_plan(&seen, &world->config, world->now_ms, plan, &err) < 0)
        fail_msg("%s", err.text);
    typed_job_done(&commit_job);
    typed_job_done(&unpause_job);
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
    if (kind == KIND_JOB)
        return job_named(world, name);
    return kind == KIND_POD ? pod_by_name(world, name) : *slot_of(world, kind, name);
}

static bool is_wanted(const struct world *world)
{
    return world->now.sandbox && !is_deleting(world->now.sandbox) && world->truth >= 0;
}

/* From the handover on the files are in one place, and whoever says that a snapshot failed says where. */
static void check_capture_law(struct world *world, const struct action *action)
{
    const json_t *snapshot = *slot_of(world, action->kind, action->name);
    const struct agent_commit *commit = snapshot ? commit_of(world, snapshot) : NULL;

    if (commit && commit->handed_over && strcmp(text_at(action->body, "status.phase"), "Failed") == 0 &&
        strcmp(text_at(action->body, "status.keptOnNode"), "node-1") != 0)
        law_broken(world, "what was handed over does not fail into nothing");
}

/* Whoever refers to images has to know that they are the newest there is. */
static void check_reference_law(struct world *world, const struct action *action)
{
    if (strcmp(text_at(action->body, "status.path"), "Reference") == 0 && is_wanted(world) &&
        snapshot_files(action->body) != world->truth)
        law_broken(world, "a snapshot of a paused sandbox has its files");
}

static void check_phase_law(struct world *world, const struct action *action)
{
    if (action->kind == KIND_BATCH_SANDBOX && strcmp(text_at(action->body, "status.phase"), "Paused") == 0 &&
        json_array_size(world->now.pods) > 0)
        law_broken(world, "Paused only when the pods are gone");
    if (action->kind == KIND_SANDBOX_SNAPSHOT && strcmp(text_at(action->body, "status.phase"), "Failed") == 0)
        check_no_job_commits(world, action->name);
    if (action->kind == KIND_SANDBOX_SNAPSHOT) {
        check_capture_law(world, action);
        check_reference_law(world, action);
    }
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

/* An image that could not be pushed starts on the node that has it, or not at all. */
static void check_place_law(struct world *world, const json_t *pod, const char *image)
{
    const json_t *required =
        json_path(pod, "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution");

    for (size_t i = 0; i < world->commit_count; i++) {
        const struct agent_commit *commit = &world->commits[i];
        if (commit->kept && strncmp(image, commit->image, strlen(commit->image)) == 0 && !required)
            law_broken(world, "an image that one node has is started there");
    }
}

static bool execute_create(struct world *world, const struct action *action)
{
    if (action->kind == KIND_JOB)
        return create_job(world, action);
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
    check_place_law(world, object, image);
    json_object_set_new(object, "hidden", json_pack("{s:i}", "files", (int)files_of_image(image)));
    if (is_deleting(world->now.sandbox))
        law_broken(world, "no pods for a sandbox that is being deleted");
    json_array_append_new(world->now.pods, object);
    return true;
}

long snapshot_files(const json_t *snapshot)
{
    char text[100];
    (void)snprintf(text, sizeof(text), "@%s",
                   text_at(json_array_get(json_path(snapshot, "status.containers"), 0), "imageDigest"));
    return files_of_image(text);
}

/* No transition loses files: a pod goes when a snapshot has what is in it, or with the sandbox, or when its user wants another try. */
static bool has_files(const json_t *snapshot)
{
    return snapshot && !is_deleting(snapshot) &&
           (strcmp(phase_of(snapshot), "Succeed") == 0 || *text_at(snapshot, "status.keptOnNode"));
}

static void check_pod_law(struct world *world, const json_t *pod)
{
    const json_t *sandbox = world->now.sandbox, *snapshot = world->now.snapshot;
    const bool kept = snapshot && strcmp(phase_of(snapshot), "Succeed") == 0 && !is_deleting(snapshot);
    struct agent_commit *holder = holder_of(world, text_at(pod, "metadata.uid"));

    if (is_deleting(pod) || !sandbox || is_deleting(sandbox))
        return;
    if (kept && snapshot_files(snapshot) == pod_files(pod) && holder && holder->killed)
        return;
    const struct agent_commit *captured = snapshot ? commit_of(world, snapshot) : NULL;
    if (captured && captured->handed_over && !captured->discarded && !is_deleting(snapshot) &&
        has_condition(snapshot, "Captured") && captured->files == pod_files(pod))
        return;
    if (has_files(snapshot) && strcmp(phase_of(sandbox), "Failed") == 0 &&
        json_is_false(json_path(sandbox, "spec.pause"))) {
        world->truth = world->truth == -1 ? -1 : snapshot_files(snapshot);
        return;
    }
    law_broken(world, "a pod is deleted only when a snapshot holds its files");
}

static void check_a_pod_has_the_files(struct world *world)
{
    const json_t *pod = first_pod(world);

    if (!pod || is_deleting(pod) || pod_files(pod) != world->truth)
        law_broken(world, "the only copy of the files is never deleted");
}

static void check_snapshot_law(struct world *world, const json_t *snapshot)
{
    const struct agent_commit *captured = commit_of(world, snapshot);
    const bool handed_over = captured && captured->handed_over && captured->files == world->truth;

    if (is_deleting(snapshot) || !is_wanted(world))
        return;
    if (handed_over ||
        (strcmp(phase_of(snapshot), "Succeed") == 0 && snapshot_files(snapshot) == world->truth))
        check_a_pod_has_the_files(world);
}

static void execute_discard(struct world *world, struct agent_commit *commit)
{
    if (commit && commit->handed_over && commit->files == world->truth && is_wanted(world))
        check_a_pod_has_the_files(world);
    discard(commit);
}

static const json_t *container_state(const json_t *pod)
{
    return json_object_get(json_array_get(json_path(pod, "status.containerStatuses"), 0), "state");
}

/* Its time to live ends no sandbox that its user has paused, or asked to be. */
static void check_expiry_law(struct world *world, const json_t *sandbox)
{
    const bool steady = strcmp(phase_of(sandbox), "Succeed") == 0 ||
                        strcmp(phase_of(sandbox), "Failed") == 0 ||
                        strcmp(phase_of(sandbox), "Pending") == 0 || !*phase_of(sandbox);

    if (!world->config.ttl_runs_while_paused && world->config.paused_retention_ms == 0 && !steady)
        law_broken(world, "a paused sandbox does not lose to its time to live");
}

static bool execute_delete(struct world *world, const struct action *action)
{
    json_t *object = find_object(world, action->kind, action->name);

    if (!object || strcmp(text_at(object, "metadata.uid"), action->uid ? action->uid : "") != 0)
        return true;
    if (action->resource_version &&
        strcmp(action->resource_version, text_at(object, "metadata.resourceVersion")) != 0)
        return false;
    if (action->kind == KIND_POD)
        check_pod_law(world, object);
    if (action->kind == KIND_SANDBOX_SNAPSHOT)
        check_snapshot_law(world, object);
    if (action->kind == KIND_BATCH_SANDBOX) {
        check_expiry_law(world, object);
        world->sandbox_was_deleted = true;
    }
    const bool forgets = action->kind == KIND_POD && is_deleting(object) && action->grace_s == 0;
    if (forgets && !json_path(container_state(object), "terminated"))
        law_broken(world, "a pod's object goes after its containers");
    mark_deleted(world, object);
    if (forgets)
        remove_pod(world, object);
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
    case ACTION_KEEP_LOCALLY:
        return keep_locally(world, commit_by_key(world, action->commit_key));
    case ACTION_DISCARD:
        execute_discard(world, commit_by_key(world, action->commit_key));
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
    static const char *const kinds[] = {"sandbox", "snapshot", "pod", "secret", "event", "job", "lease"};

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
        (void)strbuf_addf(text, "%s(%s)",
                          action->type == ACTION_CREATE                      ? "create"
                          : action->kind == KIND_POD && action->grace_s == 0 ? "forget"
                                                                             : "delete",
                          action->name);
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
    case ACTION_KEEP_LOCALLY:
        (void)strbuf_adds(text, "keep()");
        return;
    case ACTION_DISCARD:
        (void)strbuf_adds(text, "discard()");
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

const char *run_once(struct world *world, void (*make)(struct world *, struct plan *))
{
    static char text[512];
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    make(world, &plan);
    (void)world_execute(world, &plan, SIZE_MAX);
    SCOPED(string) char *spelled = plan_text(&plan);
    (void)snprintf(text, sizeof(text), "%s", spelled);
    if (world->tell && *text)
        print_message("    %-70s now %s, snapshot %s\n", text, phase_of(world->now.sandbox),
                      phase_of(world->now.public_snapshot && !world->now.snapshot ? world->now.public_snapshot
                                                                                  : world->now.snapshot));
    return text;
}

void make_sandbox_plan(struct world *world, struct plan *plan)
{
    world_plan_sandbox(world, &world->now, plan);
}

void make_snapshot_plan(struct world *world, struct plan *plan)
{
    world_plan_snapshot(world, &world->now, false, plan);
}

void make_public_plan(struct world *world, struct plan *plan)
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
