/* Jobs, their pods, and the program in them: a journal by commit key, kept with the agent's commits. */
#include "world_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/names.h"

enum { SECOND_MS = 1000 };

/* ---- looking ---- */

json_t *job_named(struct world *world, const char *name)
{
    size_t i;
    json_t *job;

    json_array_foreach(world->now.jobs, i, job)
    {
        if (strcmp(text_at(job, "metadata.name"), name) == 0)
            return job;
    }
    return NULL;
}

json_t *first_job_pod(struct world *world)
{
    return json_array_get(world->now.job_pods, 0);
}

static const char *owner_uid(const json_t *object)
{
    return text_at(json_array_get(json_path(object, "metadata.ownerReferences"), 0), "uid");
}

static bool is_finished(const json_t *job)
{
    return has_condition(job, "Complete") || has_condition(job, "Failed");
}

static bool is_over(const json_t *pod)
{
    return strcmp(phase_of(pod), "Succeeded") == 0 || strcmp(phase_of(pod), "Failed") == 0;
}

static const json_t *pod_spec(const json_t *job)
{
    return json_path(job, "spec.template.spec");
}

static const char *env_of(const json_t *job, const char *name)
{
    const json_t *container = json_array_get(json_object_get(pod_spec(job), "containers"), 0);
    size_t i;
    json_t *variable;

    json_array_foreach(json_object_get(container, "env"), i, variable)
    {
        if (strcmp(text_at(variable, "name"), name) == 0)
            return text_at(variable, "value");
    }
    return "";
}

static const char *argument(const json_t *job, size_t index)
{
    const json_t *container = json_array_get(json_object_get(pod_spec(job), "containers"), 0);
    const char *text = json_string_value(json_array_get(json_object_get(container, "args"), index));
    return text ? text : "";
}

static bool is_unpause(const json_t *job)
{
    return strcmp(argument(job, 0), "unpause") == 0;
}

static json_t *job_of(struct world *world, const json_t *pod)
{
    size_t i;
    json_t *job;

    json_array_foreach(world->now.jobs, i, job)
    {
        if (strcmp(text_at(job, "metadata.uid"), owner_uid(pod)) == 0)
            return job;
    }
    return NULL;
}

/* ---- objects ---- */

bool create_job(struct world *world, const struct action *action)
{
    json_t *existing = job_named(world, action->name);
    char uid[32], now[RFC3339_SIZE];

    if (existing)
        return strcmp(owner_uid(existing), owner_uid(action->body)) == 0;
    if (world->jobs_refused) {
        world->job_refused = "exceeded quota: jobs";
        json_array_append_new(world->events, json_string(action->on_failure));
        return false;
    }
    json_t *job = json_deep_copy(action->body);
    (void)snprintf(uid, sizeof(uid), "uid-job-%ld", ++world->uids);
    json_object_set_new(meta_of(job), "uid", json_string(uid));
    json_object_set_new(meta_of(job), "creationTimestamp",
                        json_string(rfc3339_format(world->now_ms / SECOND_MS, now)));
    json_object_set_new(job, "status", json_object());
    json_array_append_new(world->now.jobs, job);
    touch(world, job);
    return true;
}

/* ---- the program ---- */

static void set_state(struct world *world, json_t *pod, const char *phase, json_t *state)
{
    json_object_set_new(pod, "status",
                        json_pack("{s:s, s:[{s:s, s:o}]}", "phase", phase, "containerStatuses", "name",
                                  "commit", "state", state));
    touch(world, pod);
}

static void end_pod(struct world *world, json_t *pod, int exit_code, const char *message)
{
    json_t *ended =
        json_pack("{s:i, s:s}", "exitCode", exit_code, "reason", exit_code ? "Error" : "Completed");

    if (message)
        json_object_set_new(ended, "message", json_string(message));
    set_state(world, pod, exit_code ? "Failed" : "Succeeded", json_pack("{s:o}", "terminated", ended));
}

static void end_with_result(struct world *world, json_t *pod, const struct agent_commit *commit)
{
    char digest[80];

    digest_of_files(commit->files, digest);
    SCOPED(string)
    char *message = xasprintf("{\"containers\":[{\"name\":\"%s\",\"image\":\"%s\",\"digest\":\"%s\"}]}",
                              commit->container, commit->image, digest);
    end_pod(world, pod, 0, message);
}

static void end_with_failure(struct world *world, json_t *pod, const char *reason, bool retryable)
{
    SCOPED(string)
    char *message = xasprintf("{\"message\":\"says the job\",\"reason\":\"%s\",\"retryable\":%s}", reason,
                              retryable ? "true" : "false");
    end_pod(world, pod, 1, message);
}

/* What a dead predecessor of the same key left frozen is thawed, unless it had been done. */
static void settle_key(struct agent_commit *commit)
{
    if (commit && commit->state != AGENT_SUCCEEDED)
        thaw(commit);
}

static void start_to_commit(struct world *world, const json_t *job, json_t *pod)
{
    struct agent_commit *commit = commit_by_key(world, env_of(job, "STASIS_COMMIT_KEY"));
    const char *pod_uid = env_of(job, "STASIS_POD_UID");
    char container[32];

    if (commit && commit->state == AGENT_SUCCEEDED) {
        end_with_result(world, pod, commit);
        return;
    }
    settle_key(commit);
    const json_t *source = pod_by_uid(world, pod_uid);
    if (!source || strcmp(phase_of(source), "Running") != 0) {
        end_with_failure(world, pod, "PodNotFound", false);
        return;
    }
    if (holder_of(world, pod_uid)) {
        end_with_failure(world, pod, "CommitInProgress", true);
        return;
    }
    const char *spec = argument(job, 2), *colon = strchr(spec, ':');
    (void)snprintf(container, sizeof(container), "%.*s", (int)(colon - spec), spec);
    if (!commit)
        commit = add_commit(world, env_of(job, "STASIS_COMMIT_KEY"), pod_uid, container, colon + 1);
    commit->by_job = true;
    commit->hold = strcmp(env_of(job, "STASIS_COMMIT_HOLD"), "kill") == 0;
    commit->state = AGENT_RUNNING;
    commit->frozen = true;
    commit->files = pod_files(source);
    set_state(world, pod, "Running", json_pack("{s:{}}", "running"));
}

static void unpause(struct world *world, const json_t *job, json_t *pod)
{
    struct agent_commit *commit = commit_by_key(world, env_of(job, "STASIS_COMMIT_KEY"));

    if (commit && commit->state == AGENT_SUCCEEDED) {
        end_with_result(world, pod, commit);
        return;
    }
    settle_key(commit);
    end_pod(world, pod, 0, "{\"thawed\":1}");
}

void job_pods_start(struct world *world)
{
    size_t i;
    json_t *pod;

    json_array_foreach(world->now.job_pods, i, pod)
    {
        const json_t *job = job_of(world, pod);
        if (!job || is_deleting(pod) || strcmp(phase_of(pod), "Pending") != 0)
            continue;
        if (is_unpause(job))
            unpause(world, job, pod);
        else
            start_to_commit(world, job, pod);
    }
}

/* What has started once on the node starts again: its image is there. The planner relies on that, too. */
static bool has_started_before(struct world *world, const json_t *pod)
{
    const json_t *job = job_of(world, pod);
    return job && commit_by_key(world, env_of(job, "STASIS_COMMIT_KEY"));
}

void job_pods_wait(struct world *world, const char *reason)
{
    size_t i;
    json_t *pod;

    json_array_foreach(world->now.job_pods, i, pod)
    {
        if (!is_deleting(pod) && strcmp(phase_of(pod), "Pending") == 0 && !has_started_before(world, pod))
            set_state(
                world, pod, "Pending",
                json_pack("{s:{s:s, s:s}}", "waiting", "reason", reason, "message", "says the kubelet"));
    }
}

static void succeed(struct world *world, json_t *pod, struct agent_commit *commit)
{
    commit->state = AGENT_SUCCEEDED;
    if (commit->hold)
        commit->killed = true;
    else
        thaw(commit);
    end_with_result(world, pod, commit);
}

static void end_running_pod(struct world *world, json_t *pod, const json_t *job, enum job_end end)
{
    struct agent_commit *commit = commit_by_key(world, env_of(job, "STASIS_COMMIT_KEY"));

    if (end == JOB_END_DEATH) {
        end_pod(world, pod, 137, NULL);
        return;
    }
    if (end == JOB_END_SUCCESS && commit->frozen) {
        succeed(world, pod, commit);
        return;
    }
    thaw(commit);
    commit->state = AGENT_FAILED;
    end_with_failure(world, pod, end == JOB_END_FOR_GOOD ? "RegistryDenied" : "RegistryUnavailable",
                     end != JOB_END_FOR_GOOD);
}

void job_pods_end(struct world *world, enum job_end end)
{
    size_t i;
    json_t *pod;

    json_array_foreach(world->now.job_pods, i, pod)
    {
        const json_t *job = job_of(world, pod);
        if (job && strcmp(phase_of(pod), "Running") == 0)
            end_running_pod(world, pod, job, end);
    }
}

/* ---- the Job controller ---- */

static void make_pod(struct world *world, json_t *job)
{
    char name[96], now[RFC3339_SIZE];
    const char *job_name = text_at(job, "metadata.name");

    (void)snprintf(name, sizeof(name), "%s-%ld", job_name, ++world->uids);
    json_t *pod = json_pack("{s:{s:s, s:s, s:s, s:s, s:{s:s}, s:[{s:s, s:s, s:s, s:s, s:b}]}, s:O, s:{s:s}}",
                            "metadata", "name", name, "namespace", "default", "uid", name,
                            "creationTimestamp", rfc3339_format(world->now_ms / SECOND_MS, now), "labels",
                            LABEL_OF_JOB, job_name, "ownerReferences", "apiVersion", "batch/v1", "kind",
                            "Job", "name", job_name, "uid", text_at(job, "metadata.uid"), "controller", 1,
                            "spec", pod_spec(job), "status", "phase", "Pending");
    json_array_append_new(world->now.job_pods, pod);
    touch(world, pod);
}

static void finish_job(struct world *world, json_t *job, const char *condition, const char *reason)
{
    char now[RFC3339_SIZE];
    json_t *status = json_object_get(job, "status");

    (void)rfc3339_format(world->now_ms / SECOND_MS, now);
    json_object_set_new(status, "conditions",
                        json_pack("[{s:s, s:s, s:s, s:s, s:s}]", "type", condition, "status", "True",
                                  "reason", reason, "message", "says the Job controller",
                                  "lastTransitionTime", now));
    if (strcmp(condition, "Complete") == 0)
        json_object_set_new(status, "completionTime", json_string(now));
    touch(world, job);
}

static void sync_job(struct world *world, json_t *job)
{
    int failed = 0, alive = 0, succeeded = 0;
    size_t i;
    json_t *pod;

    json_array_foreach(world->now.job_pods, i, pod)
    {
        if (job_of(world, pod) != job)
            continue;
        failed += strcmp(phase_of(pod), "Failed") == 0;
        succeeded += strcmp(phase_of(pod), "Succeeded") == 0;
        alive += !is_over(pod);
    }
    json_t *status = json_object_get(job, "status");
    if (json_integer_value(json_object_get(status, "failed")) != failed) {
        json_object_set_new(status, "failed", json_integer(failed));
        touch(world, job);
    }
    if (succeeded) {
        json_object_set_new(status, "succeeded", json_integer(1));
        finish_job(world, job, "Complete", "");
    } else if (failed > json_integer_value(json_path(job, "spec.backoffLimit")) && !alive)
        finish_job(world, job, "Failed", "BackoffLimitExceeded");
    else if (!alive)
        make_pod(world, job);
}

static bool snapshot_lives(const struct world *world, const char *uid)
{
    return strcmp(text_at(world->now.snapshot, "metadata.uid"), uid) == 0 ||
           strcmp(text_at(world->now.public_snapshot, "metadata.uid"), uid) == 0;
}

/* A pod that is told to end thaws what it froze, and goes. */
static void remove_job_pod(struct world *world, size_t index)
{
    const json_t *pod = json_array_get(world->now.job_pods, index);
    struct agent_commit *commit = NULL;

    if (strcmp(phase_of(pod), "Running") == 0) {
        const json_t *container = json_array_get(json_path(pod, "spec.containers"), 0);
        size_t i;
        json_t *variable;
        json_array_foreach(json_object_get(container, "env"), i, variable)
        {
            if (strcmp(text_at(variable, "name"), "STASIS_COMMIT_KEY") == 0)
                commit = commit_by_key(world, text_at(variable, "value"));
        }
    }
    if (commit && commit->state == AGENT_RUNNING) {
        thaw(commit);
        commit->state = AGENT_FAILED;
    }
    json_array_remove(world->now.job_pods, index);
    world->versions++;
}

static void collect(struct world *world)
{
    for (size_t i = json_array_size(world->now.jobs); i-- > 0;) {
        json_t *job = json_array_get(world->now.jobs, i);
        if (!is_deleting(job) && snapshot_lives(world, owner_uid(job)))
            continue;
        json_array_remove(world->now.jobs, i);
        world->versions++;
    }
    for (size_t i = json_array_size(world->now.job_pods); i-- > 0;)
        if (!job_of(world, json_array_get(world->now.job_pods, i)))
            remove_job_pod(world, i);
}

void job_controller_acts(struct world *world)
{
    size_t i;
    json_t *job;

    collect(world);
    json_array_foreach(world->now.jobs, i, job)
    {
        if (!is_finished(job))
            sync_job(world, job);
    }
}

void jobs_expire(struct world *world)
{
    for (size_t i = json_array_size(world->now.jobs); i-- > 0;)
        if (is_finished(json_array_get(world->now.jobs, i)))
            json_array_remove(world->now.jobs, i);
    collect(world);
}

/* ---- a law ---- */

void check_no_job_commits(struct world *world, const char *snapshot_name)
{
    SCOPED(string) char *name = name_commit_job(snapshot_name);
    const json_t *job = job_named(world, name);
    const json_t *snapshot =
        strcmp(snapshot_name, "demo-pause") == 0 ? world->now.snapshot : world->now.public_snapshot;

    if (job && !is_deleting(job) && !is_finished(job) &&
        strcmp(owner_uid(job), text_at(snapshot, "metadata.uid")) == 0)
        law_broken(world, "a Failed snapshot has no Job that could commit later");
}
