/* The agent's commits and what a dispatcher knows of them. */
#include "world_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/json/json.h"

/* ---- files ---- */

long files_of_image(const char *image)
{
    const char *digest = strstr(image, "@sha256:");
    return digest ? strtol(digest + strlen("@sha256:"), NULL, 10) : strcmp(image, "busybox:1") == 0 ? 0 : -2;
}

void digest_of_files(long files, char out[80])
{
    (void)snprintf(out, 80, "sha256:%064ld", files);
}

long pod_files(const json_t *pod)
{
    return (long)json_integer_value(json_path(pod, "hidden.files"));
}

struct agent_commit *holder_of(struct world *world, const char *pod_uid)
{
    for (size_t i = 0; i < world->commit_count; i++)
        if (world->commits[i].frozen && strcmp(world->commits[i].pod_uid, pod_uid) == 0)
            return &world->commits[i];
    return NULL;
}

struct agent_commit *commit_by_key(struct world *world, const char *key)
{
    for (size_t i = 0; i < world->commit_count; i++)
        if (strcmp(world->commits[i].key, key) == 0)
            return &world->commits[i];
    return NULL;
}

/* ---- agent and dispatcher ---- */

void thaw(struct agent_commit *commit)
{
    commit->frozen = false;
}

void agent_finishes(struct world *world, enum agent_state state, const char *reason)
{
    for (size_t i = 0; i < world->commit_count; i++) {
        struct agent_commit *commit = &world->commits[i];
        if (commit->state != AGENT_RUNNING || commit->by_job)
            continue;
        if (commit->handed_over && state == AGENT_FAILED)
            continue; /* agent_fails_upload() */
        commit->state = state;
        commit->reason = reason;
        if (state == AGENT_FAILED || !commit->hold)
            thaw(commit);
    }
}

void agent_fails_upload(struct world *world, const char *reason, bool may_pass)
{
    for (size_t i = 0; i < world->commit_count; i++) {
        struct agent_commit *commit = &world->commits[i];
        if (commit->state != AGENT_RUNNING || !commit->handed_over)
            continue;
        commit->upload_reason = reason;
        if (may_pass)
            continue;
        commit->state = AGENT_FAILED;
        commit->reason = reason;
    }
}

void agent_loses_hold(struct world *world)
{
    for (size_t i = 0; i < world->commit_count; i++) {
        struct agent_commit *commit = &world->commits[i];
        if (commit->killed || commit->by_job)
            continue;
        if (commit->state == AGENT_SUCCEEDED)
            thaw(commit);
        if (commit->state != AGENT_RUNNING || !commit->releasable)
            continue;
        thaw(commit);
        commit->state = AGENT_FAILED;
        commit->reason = "HoldExpired";
    }
}

void agent_times_out(struct world *world)
{
    for (size_t i = 0; i < world->commit_count; i++) {
        struct agent_commit *commit = &world->commits[i];
        if (!commit->frozen || commit->killed || commit->by_job ||
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

json_t *pod_by_uid(struct world *world, const char *uid)
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

struct agent_commit *add_commit(struct world *world, const char *key, const char *pod_uid,
                                const char *container, const char *image)
{
    assert_true(world->commit_count < COMMITS_MAX);
    struct agent_commit *commit = &world->commits[world->commit_count++];

    *commit = (struct agent_commit){.started_ms = world->now_ms};
    (void)snprintf(commit->key, sizeof(commit->key), "%s", key);
    (void)snprintf(commit->pod_uid, sizeof(commit->pod_uid), "%s", pod_uid);
    (void)snprintf(commit->container, sizeof(commit->container), "%s", container);
    (void)snprintf(commit->image, sizeof(commit->image), "%s", image);
    return commit;
}

void start_commit(struct world *world, const struct action *action)
{
    struct agent_commit *commit = commit_by_key(world, action->commit_key);
    const json_t *pod = pod_by_uid(world, action->pod_uid);

    if (commit) {
        commit->followed = true;
        return;
    }
    if (holder_of(world, action->pod_uid))
        return; /* refused: the dispatcher tries again later */
    commit = add_commit(world, action->commit_key, action->pod_uid, action->targets[0].container,
                        action->targets[0].image);
    commit->hold = action->hold;
    commit->followed = true;
    if (!pod || strcmp(phase_of(pod), "Running") != 0) {
        commit->state = AGENT_FAILED;
        commit->reason = "PodNotFound";
        return;
    }
    commit->frozen = true;
    commit->releasable = world->hands_over && action->hold && action->early_release;
    commit->files = pod_files(pod);
}

bool release_kill(struct agent_commit *commit)
{
    if (commit && commit->handed_over)
        return true;
    if (commit && commit->state == AGENT_RUNNING && commit->releasable && commit->frozen)
        return commit->killed = commit->handed_over = true;
    if (!commit || commit->state != AGENT_SUCCEEDED)
        return false;
    if (!commit->killed && !commit->frozen) {
        commit->followed = commit->told_lost = true;
        return false;
    }
    return commit->killed = true;
}

void cancel(struct agent_commit *commit)
{
    if (!commit || commit->killed)
        return;
    thaw(commit);
    if (commit->state == AGENT_RUNNING) {
        commit->state = AGENT_FAILED;
        commit->reason = "CommitCancelled";
    }
}

bool keep_locally(struct world *world, struct agent_commit *commit)
{
    if (!world->agent_ready || !commit || !commit->handed_over || commit->discarded)
        return false;
    if (commit->state == AGENT_SUCCEEDED)
        return true;
    commit->state = AGENT_FAILED;
    if (!commit->kept)
        json_array_append_new(world->events, json_string("kept"));
    commit->kept = true;
    return true;
}

void discard(struct agent_commit *commit)
{
    if (!commit)
        return;
    if (!commit->handed_over) {
        cancel(commit);
        return;
    }
    commit->discarded = true;
    if (commit->state == AGENT_RUNNING) {
        commit->state = AGENT_FAILED;
        commit->reason = "CommitCancelled";
    }
}

struct agent_commit *commit_of(struct world *world, const json_t *snapshot)
{
    char key[64];

    (void)snprintf(key, sizeof(key), "%s.%lld", text_at(snapshot, "metadata.uid"),
                   status_number(snapshot, "attempts"));
    return commit_by_key(world, key);
}

static void view_images(const struct agent_commit *commit, struct commit_view *view,
                        struct commit_image *image, char digest[80])
{
    digest_of_files(commit->files, digest);
    *image = (struct commit_image){.container = (char *)commit->container,
                                   .image = (char *)commit->image,
                                   .digest = digest,
                                   .image_size = 1000,
                                   .layers = 2};
    view->images = image;
    view->image_count = 1;
}

void view_commit(struct world *world, const json_t *snapshot, struct commit_view *view,
                 struct commit_image *image, char digest[80])
{
    struct agent_commit *commit = commit_of(world, snapshot);

    *view = (struct commit_view){.state = COMMIT_UNKNOWN};
    if (!commit || !commit->followed)
        return;
    view->handed_over = commit->handed_over;
    if (commit->kept) {
        view->kept = true;
        view_images(commit, view, image, digest);
    }
    if (commit->state == AGENT_FAILED || commit->told_lost) {
        view->state = COMMIT_FAILED;
        view->reason = (char *)(commit->told_lost ? "HoldExpired" : commit->reason);
        if (!view->reason)
            view->reason = (char *)commit->upload_reason;
        view->message = view->reason ? (char *)"says the agent" : NULL;
    } else if (commit->state == AGENT_RUNNING) {
        view->state = COMMIT_RUNNING;
        view->releasable = commit->releasable;
        view->in_doubt = commit->in_doubt;
        view->reason = (char *)commit->upload_reason;
        view->message = commit->upload_reason ? (char *)"says the agent" : NULL;
        view->progress =
            (struct commit_progress){.phase = "Pushing", .bytes_read = 10, .bytes_total = 20, .files = 3};
    } else {
        view->state = COMMIT_SUCCEEDED;
        view->path = commit->handed_over ? "Handover" : commit->hold ? "Hold" : "Live";
        view->frozen_ms = 7;
        view_images(commit, view, image, digest);
    }
}
