/* Committing by a Job (contract §8.2, §9): on nodes without an agent.
 *
 *   Committing   -- no Job --> create it         (the key is the attempt's: a Job made again answers what the first one did, K10)
 *                -- succeeded --> Succeed, with the digests of its termination message
 *                -- failed, and its last pod said why (so everything is thawed) --> Failed, and an unpause Job all the same
 *                -- will fail for certain, cannot start, or died without a word --> Stopping
 *   Stopping     -- the Job is removed, its pods are gone, the unpause Job has ended --> Failed
 *                   (or Succeed: the unpause Job reads in the journal that all had been done)
 *
 * "Stopping" is a condition, so that it outlives the Job and this process: a Job that was given up is never made again. What we see of
 * its pods may be old, and one of them may just have finished; so nothing is told before the journal was asked, by the unpause Job. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/job_build.h"
#include "snapshot-svc/reconcile/job_pods.h"
#include "snapshot-svc/reconcile/snapshot_pass.h"

enum {
    LOOK_AGAIN_MS = 5 * 1000,      /* if no event of a Job or pod comes first */
    RESULT_MAY_LAG_MS = 10 * 1000, /* the Job's status is told before its pod's to us, now and then */
    PODS_GO_MS = 2 * 60 * 1000,    /* those of a lost node never do */
    JOB_TTL_MS = 300 * 1000,       /* earlier than that no finished Job has vanished by itself */
};

/* Reasons of the condition Stopping. */
#define NEVER_STARTED "JobPodNotStarting" /* as far as we saw, nothing was touched */
#define UNSETTLED     "CommitJobFailed"   /* the containers may be frozen, or all may be done */

/* ---- whose Job is it? ---- */

static bool has_key_of(const struct snapshot_pass *pass, const struct job *job, int32_t attempt)
{
    SCOPED(string) char *key = sandboxsnapshot_commit_key(pass->seen->snapshot, attempt);
    const char *found = meta_annotation(&job->meta, ANNOTATION_COMMIT_KEY);

    return meta_is_controlled_by(&job->meta, pass->seen->snapshot->meta.uid) && found &&
           strcmp(found, key) == 0;
}

static void remove_job(struct snapshot_pass *pass, const struct job *job)
{
    struct object_ref object = {KIND_JOB, &job->meta};

    if (!meta_is_deleting(&job->meta))
        act_delete(pass->plan, object, -1);
    plan_requeue_at(pass->plan, pass->now_ms + LOOK_AGAIN_MS);
}

/* true: it is in the way, and asked to go. */
static bool remove_foreign(struct snapshot_pass *pass, const struct job *job, int32_t attempt)
{
    if (!job || has_key_of(pass, job, attempt))
        return false;
    remove_job(pass, job);
    return true;
}

/* May it still make pods? A failed one is kept for whoever wants to look at it. */
static bool is_unfinished(const struct job *job)
{
    return job && !meta_is_deleting(&job->meta) && !job_has_succeeded(job) && !job_failure(job);
}

static bool keeps_working(const struct job_sighting *seen)
{
    return (seen->job && meta_is_deleting(&seen->job->meta)) || job_pods_are_alive(seen);
}

bool job_leftovers(struct snapshot_pass *pass)
{
    const struct job_sighting *const sightings[] = {&pass->seen->commit_job, &pass->seen->unpause_job};
    const int32_t next = pass->status.attempts + 1;
    bool any = false;

    for (size_t i = 0; i < 2; i++) {
        const struct job *job = sightings[i]->job;
        if (job && has_key_of(pass, job, next)) /* our copy of the snapshot is older than the Job */
            any = true;
        else
            any |= remove_foreign(pass, job, next) || keeps_working(sightings[i]);
    }
    if (any)
        plan_requeue_at(pass->plan, pass->now_ms + LOOK_AGAIN_MS);
    return any;
}

/* ---- making Jobs ---- */

static void create_job(struct snapshot_pass *pass, bool unpause, bool hold)
{
    const struct object_meta *meta = &pass->seen->snapshot->meta;
    const struct job_request request = {
        .snapshot = pass->seen->snapshot, .source = &pass->status, .config = pass->config, .hold = hold};
    SCOPED(string) char *name = unpause ? name_unpause_job(meta->name) : name_commit_job(meta->name);
    SCOPED(string)
    char *message = xasprintf("Created job %s on node %s", name, pass->status.source_node_name);

    act_create(pass->plan, KIND_JOB, meta->ns, name,
               unpause ? job_build_unpause(&request) : job_build_commit(&request), "FailedCreateJob");
    act_event(pass->plan, pass->self, false, "CreatedJob", message);
    plan_requeue_at(pass->plan, pass->now_ms + LOOK_AGAIN_MS);
}

void job_begin(struct snapshot_pass *pass, bool hold)
{
    create_job(pass, false, hold);
}

/* ---- success ---- */

static const char *digest_for(const struct job_result *result, const char *container)
{
    const struct job_result_image *images = result->images.items;

    for (size_t i = 0; i < result->images.count; i++)
        if (strcmp(images[i].name, container) == 0)
            return images[i].digest;
    return NULL;
}

/* A message that cannot be read leaves the tag to resume from (K33): the images are pushed all the same. */
static void succeed(struct snapshot_pass *pass, const struct job_result *result)
{
    struct snapshot_container *containers = pass->status.containers.items;

    for (size_t i = 0; i < pass->status.containers.count; i++)
        snapshot_set_text(&containers[i].image_digest, digest_for(result, containers[i].name));
    snapshot_enter_succeeded(pass, "JobSucceeded");
}

static void job_succeeded(struct snapshot_pass *pass)
{
    const struct job_sighting *commit = &pass->seen->commit_job;
    const struct pod *pod = job_pods_newest(commit, true);
    const int64_t last_ms = commit->job->completion_ms + RESULT_MAY_LAG_MS;
    SCOPED_JOB_RESULT struct job_result result = {0};

    if (!pod && pass->now_ms < last_ms) {
        plan_requeue_at(pass->plan, last_ms);
        return;
    }
    job_pod_result(pod, &result);
    succeed(pass, &result);
}

/* ---- failure ---- */

static void fail(struct snapshot_pass *pass, const char *message)
{
    snapshot_enter_failed(pass, "CommitJobFailed", "JobFailed", message);
}

static void stop(struct snapshot_pass *pass, const char *reason, const char *message)
{
    condition_set(&pass->status.conditions, SNAPSHOT_CONDITION_STOPPING, reason, message, pass->now_ms);
    snapshot_write_status(pass);
    if (is_unfinished(pass->seen->commit_job.job))
        remove_job(pass, pass->seen->commit_job.job);
    plan_requeue_at(pass->plan, pass->now_ms + LOOK_AGAIN_MS);
}

/* Ours is there, or was asked for and refused: nothing more can be done. */
static void thaw_all_the_same(struct snapshot_pass *pass)
{
    if (!pass->seen->unpause_job.job && !pass->seen->job_refused)
        create_job(pass, true, false);
}

static void job_failed(struct snapshot_pass *pass, const struct condition *failure)
{
    const struct job_sighting *commit = &pass->seen->commit_job;
    bool orderly = false;
    SCOPED(string) char *told = job_pod_failure(job_pods_newest(commit, false), &orderly);
    const char *message = told                                    ? told
                          : failure->message && *failure->message ? failure->message
                                                                  : "Commit job failed";

    if (orderly && job_pods_all_failed(commit)) {
        thaw_all_the_same(pass);
        fail(pass, message);
    } else { /* past its deadline the pods are told to end, and say nothing any more */
        stop(pass, UNSETTLED, message);
    }
}

/* ---- while it runs ---- */

/* true: the failure is certain to come again. */
static bool has_failed_for_good(struct snapshot_pass *pass)
{
    const struct pod *pod = job_pods_newest(&pass->seen->commit_job, false);
    SCOPED_JOB_RESULT struct job_result result = {0};
    bool orderly = false;

    job_pod_result(pod, &result);
    if (!result.reason || result.retryable != 0)
        return false;
    SCOPED(string) char *message = job_pod_failure(pod, &orderly);
    stop(pass, UNSETTLED, message);
    return true;
}

static const char *what_is_known(const struct snapshot_pass *pass)
{
    const struct job_sighting *commit = &pass->seen->commit_job;
    const bool touched = job_pods_have_started(commit) || commit->job->failed > 0;

    return touched ? UNSETTLED : NEVER_STARTED;
}

/* The reason shows at once, as the phase of the progress and as an Event; then it is given a little time. */
static void tell_trouble(struct snapshot_pass *pass, const struct job_trouble *trouble)
{
    SCOPED(string) char *message = xasprintf("%s: %s", trouble->reason, trouble->message);
    const char *known = pass->status.progress.phase;

    if (pass->now_ms >= trouble->give_up_ms) {
        stop(pass, what_is_known(pass), message);
        return;
    }
    if (!known || strcmp(known, trouble->reason) != 0) {
        snapshot_set_text(&pass->status.progress.phase, trouble->reason);
        snapshot_write_status(pass);
        act_event(pass->plan, pass->self, true, "JobPodNotStarting", message);
    }
    if (trouble->give_up_ms != INT64_MAX)
        plan_requeue_at(pass->plan, trouble->give_up_ms);
}

static void job_running(struct snapshot_pass *pass)
{
    const struct job_sighting *commit = &pass->seen->commit_job;
    const int64_t last_ms = commit->job->meta.created_ms + pass->config->commit_timeout_ms + OUTCOME_GRACE_MS;
    struct job_trouble trouble = {0};
    int64_t look_again_ms = 0;

    if (has_failed_for_good(pass))
        return;
    if (pass->now_ms >= last_ms) { /* nobody ends it at its own deadline */
        stop(pass, what_is_known(pass), "DeadlineExceeded: the Job did not end within --commit-job-timeout");
        return;
    }
    plan_requeue_at(pass->plan, last_ms);
    if (job_pods_trouble(commit, pass->now_ms, &trouble, &look_again_ms)) {
        tell_trouble(pass, &trouble);
    } else if (job_pods_are_running(commit)) {
        snapshot_set_text(&pass->status.progress.phase, "Committing");
        snapshot_write_status(pass);
    }
    if (look_again_ms)
        plan_requeue_at(pass->plan, look_again_ms);
    job_trouble_done(&trouble);
}

/* Not made yet, or gone by its TTL, or removed by somebody: its key finds what was done (K10). */
static void job_absent(struct snapshot_pass *pass)
{
    const bool is_young = pass->now_ms < pass->status.start_ms + JOB_TTL_MS;

    if (job_pods_are_alive(&pass->seen->commit_job))
        plan_requeue_at(pass->plan, pass->now_ms + LOOK_AGAIN_MS);
    else if (pass->seen->job_refused && is_young)
        stop(pass, NEVER_STARTED, pass->seen->job_refused);
    else
        create_job(pass, false, snapshot_is_hold(pass));
}

/* ---- Stopping ---- */

/* true: there is an answer, told by the journal or by the end of the unpause Job. */
static bool unpause_has_ended(struct snapshot_pass *pass, const char *message)
{
    const struct job_sighting *unpause = &pass->seen->unpause_job;
    SCOPED_JOB_RESULT struct job_result result = {0};

    if (!unpause->job || (!job_has_succeeded(unpause->job) && !job_failure(unpause->job)))
        return false;
    if (job_has_succeeded(unpause->job) && !job_pods_newest(unpause, true) &&
        pass->now_ms < unpause->job->completion_ms + RESULT_MAY_LAG_MS)
        return false;
    job_pod_result(job_pods_newest(unpause, true), &result);
    if (result.images.count > 0)
        succeed(pass, &result);
    else
        fail(pass, message);
    return true;
}

/* Its node does not answer any more; or it does not start either, for whatever kept the commit's pod from starting. */
static bool unpause_is_given_up(const struct snapshot_pass *pass, bool never_started)
{
    const struct job_sighting *unpause = &pass->seen->unpause_job;
    struct job_trouble trouble = {0};
    int64_t look_again_ms = 0;

    if (pass->now_ms >= unpause->job->meta.created_ms + pass->config->commit_timeout_ms + OUTCOME_GRACE_MS)
        return true;
    bool certain = never_started && job_pods_trouble(unpause, pass->now_ms, &trouble, &look_again_ms) &&
                   trouble.give_up_ms != INT64_MAX;
    job_trouble_done(&trouble);
    return certain;
}

static void settle(struct snapshot_pass *pass, bool never_started, const char *message)
{
    const struct job *unpause = pass->seen->unpause_job.job;

    if (remove_foreign(pass, unpause, pass->status.attempts) || unpause_has_ended(pass, message))
        return;
    if (unpause ? unpause_is_given_up(pass, never_started) : pass->seen->job_refused != NULL)
        fail(pass, message);
    else if (!unpause)
        create_job(pass, true, false);
    else
        plan_requeue_at(pass->plan, pass->now_ms + LOOK_AGAIN_MS);
}

static void stopping_step(struct snapshot_pass *pass, const struct condition *stopping)
{
    const struct job_sighting *commit = &pass->seen->commit_job;
    const bool never_started = stopping->reason && strcmp(stopping->reason, NEVER_STARTED) == 0;
    SCOPED(string) char *message = xstrdup(stopping->message ? stopping->message : "Commit job failed");

    if (commit->job && has_key_of(pass, commit->job, pass->status.attempts) &&
        job_has_succeeded(commit->job)) /* it was faster than we */
        job_succeeded(pass);
    else if (is_unfinished(commit->job))
        remove_job(pass, commit->job);
    else if (keeps_working(commit) && pass->now_ms < stopping->last_transition_ms + PODS_GO_MS)
        plan_requeue_at(pass->plan, pass->now_ms + LOOK_AGAIN_MS);
    else
        settle(pass, never_started, message);
}

/* ---- the step ---- */

void job_committing_step(struct snapshot_pass *pass)
{
    const struct job *job = pass->seen->commit_job.job;
    const struct condition *stopping = condition_find(&pass->status.conditions, SNAPSHOT_CONDITION_STOPPING);

    if (stopping) {
        stopping_step(pass, stopping);
        return;
    }
    if (!job) {
        job_absent(pass);
        return;
    }
    if (remove_foreign(pass, job, pass->status.attempts))
        return;
    if (job_has_succeeded(job))
        job_succeeded(pass);
    else if (job_failure(job))
        job_failed(pass, job_failure(job));
    else if (meta_is_deleting(&job->meta))
        plan_requeue_at(pass->plan, pass->now_ms + LOOK_AGAIN_MS);
    else
        job_running(pass);
}

/* ---- being deleted (K20) ---- */

/* A pod on its way out is thawed by its own end. */
static bool owes_a_thaw(const struct snapshot_pass *pass)
{
    const struct sandboxsnapshot_status *status = &pass->seen->snapshot->status;

    return sandboxsnapshot_committer(status) == COMMITTER_JOB && status->attempts > 0 &&
           sandboxsnapshot_phase(status) == SNAPSHOT_COMMITTING && status->source_node_name &&
           status->source_pod_name && snapshot_source_is_live(pass->seen);
}

/* true: paid, or it cannot be. */
static bool pay_thaw(struct snapshot_pass *pass)
{
    const struct job *unpause = pass->seen->unpause_job.job;

    if (unpause)
        return !remove_foreign(pass, unpause, pass->status.attempts) &&
               (job_has_succeeded(unpause) || job_failure(unpause));
    if (pass->seen->job_refused)
        return true;
    create_job(pass, true, false);
    return false;
}

bool jobs_are_settled(struct snapshot_pass *pass, int64_t give_up_ms)
{
    const struct job_sighting *commit = &pass->seen->commit_job, *unpause = &pass->seen->unpause_job;
    const bool wait = pass->now_ms < give_up_ms;

    if (commit->job && !meta_is_deleting(&commit->job->meta))
        remove_job(pass, commit->job);
    if (wait && (commit->job || keeps_working(commit) || (owes_a_thaw(pass) && !pay_thaw(pass)))) {
        plan_requeue_at(pass->plan, pass->now_ms + LOOK_AGAIN_MS);
        plan_requeue_at(pass->plan, give_up_ms);
        return false;
    }
    if (unpause->job && !meta_is_deleting(&unpause->job->meta))
        remove_job(pass, unpause->job);
    return true;
}
