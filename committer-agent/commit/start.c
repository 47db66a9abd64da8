/* start.c - a commit begins, or is attached to; its thread; and what those who wait for it see. */
#include "committer-agent/commit/hold.h"

#include <inttypes.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"

static void phase_changed(void *self)
{
    struct commit *commit = self;
    commits_wake(commit->commits);
}

static int superseded(const struct commit *by, struct error *err)
{
    (void)error_set(err, ERR_PRECONDITION, "commit %s works on this pod", by->request->key);
    return error_reason(err, "CommitSuperseded");
}

static void replace(char **text, const char *with)
{
    free(*text);
    *text = xstrdup(with);
}

/* One request may have named the pod by uid and another by name: only now they are seen to mean the same. Whoever
 * has found it first has it. */
static int claim(void *self, const struct container *member, struct error *err)
{
    struct commit *commit = self;
    struct commits *commits = commit->commits;
    int result = 0;

    commits_lock(commits);
    for (struct commit *other = commits->first; other && result == 0; other = other->next)
        if (other->claimed && commit_is_live(other) &&
            commit_has_pod(other, member->pod_uid, member->pod_namespace, member->pod_name))
            result = superseded(other, err);
    if (result == 0) {
        replace(&commit->pod_uid, member->pod_uid);
        replace(&commit->pod_ns, member->pod_namespace);
        replace(&commit->pod_name, member->pod_name);
        commit->claimed = true;
    }
    commits_unlock(commits);
    return result;
}

static bool wait_between_tries(void *self, int64_t ms)
{
    struct commit *commit = self;
    struct commits *commits = commit->commits;
    int64_t until_ms = clock_monotonic_ms() + ms;

    commits_lock(commits);
    while (!commits->stopping && clock_monotonic_ms() < until_ms)
        commits_wait_until(commits, until_ms);
    bool go_on = !commits->stopping;
    commits_unlock(commits);
    return go_on;
}

static void say_timed_out(const struct commit *commit, struct error *err)
{
    (void)error_set(err, ERR_TIMEOUT,
                    "the commit did not finish within %" PRId64 " ms (--commit-job-timeout)",
                    commit->request->timeout_ms);
    (void)error_reason(err, "DeadlineExceeded");
}

static void say_agent_stops(struct error *err)
{
    (void)error_set(err, ERR_UNAVAILABLE, "the agent stopped during the commit");
    (void)error_reason(err, "AgentRestarted");
}

/* Lock held. */
static void conclude(struct commit *commit, int result, const struct error *err)
{
    bool holds = result == 0 && commit->record->stage == STAGE_HOLDING;

    commit->finished_ms = clock_monotonic_ms();
    commit->due_at_ms = commit->finished_ms + (holds ? commit->request->hold_timeout_ms : RETENTION_MS);
    commit_request_forget_credentials(commit->request);
    if (result == 0) {
        commit->result_count = commit->request->count;
        commit->state = holds ? COMMIT_IS_HOLDING : COMMIT_IS_DONE;
        return;
    }
    commit->state = COMMIT_IS_FAILED;
    commit->error = *err;
    if (commit->timed_out)
        say_timed_out(commit, &commit->error);
    else if (err->code == ERR_CANCELLED && commit->commits->closing)
        say_agent_stops(&commit->error);
    else if (err->code == ERR_CANCELLED)
        (void)error_reason(&commit->error, "CommitCancelled"); /* wherever it was noticed */
}

static void *run_commit(void *arg)
{
    struct commit *commit = arg;
    struct commits *commits = commit->commits;
    struct journal_record *record = NULL;
    struct commit_result *results = NULL;
    struct error err = {0};

    LOG_SCOPE(log_str("commit", commit->request->key));
    int result = commit_run(&commit->run, &record, &results, &err);

    commits_lock(commits);
    commit->record = record;
    commit->results = results;
    conclude(commit, result, &err);
    if (result == 0)
        log_info("commit finished", log_i64("elapsed_ms", commit->finished_ms - commit->started_ms),
                 log_i64("frozen_ms", record->frozen_ms), log_u64("bytes", results[0].layer_size),
                 log_str("digest", results[0].digest));
    else
        log_failure(LOG_WARN, "commit failed", &commit->error);
    commits->threads--;
    (void)pthread_cond_broadcast(&commits->changed);
    commit_drop_locked(commit);
    commits_unlock(commits);
    return NULL;
}

/* Lock held. */
static int admit(struct commits *commits, const struct commit_request *request, struct error *err)
{
    if (commits->closing)
        return error_set(err, ERR_UNAVAILABLE, "the agent is stopping");
    if (commits->threads >= commits->options.slots)
        return error_set(err, ERR_EXHAUSTED, "%u commits run on this node already (--slots)",
                         commits->threads);
    for (struct commit *other = commits->first; other; other = other->next)
        if (commit_is_live(other) &&
            commit_has_pod(other, request->pod_uid, request->pod_ns, request->pod_name))
            return superseded(other, err);
    return 0;
}

/* Lock held. */
static int start_thread(struct commits *commits, struct commit *commit, struct error *err)
{
    pthread_attr_t attributes;
    pthread_t thread;

    commit->run = (struct commit_run){.env = &commits->options.env,
                                      .request = commit->request,
                                      .phase_changed = phase_changed,
                                      .claim = claim,
                                      .wait = wait_between_tries,
                                      .self = commit};
    (void)pthread_attr_init(&attributes); /* cannot fail on Linux */
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    commit->due_at_ms = commit->started_ms + commit->request->timeout_ms;
    commit->refs++;
    int failed = pthread_create(&thread, &attributes, run_commit, commit);
    (void)pthread_attr_destroy(&attributes);
    if (failed) {
        commit->refs--;
        return error_sys(err, failed, "starting commit %s", commit->request->key);
    }
    commits->threads++;
    return 0;
}

/* Lock held. */
static int start_locked(struct commits *commits, const struct commit_request *request,
                        struct commit **ret_commit, struct error *err)
{
    struct commit *commit;

    while ((commit = commits_find(commits, request->key)) && commit->busy &&
           commit->state == COMMIT_IS_FAILED)
        commits_wait_until(commits, clock_monotonic_ms() + 1000); /* it is just being forgotten */
    if (commit && !commit_request_same(commit->request, request))
        return error_set(err, ERR_EXISTS, "key %s belongs to a commit of other containers or images",
                         request->key);
    if (!commit || commit->state == COMMIT_IS_FAILED) {
        if (admit(commits, request, err) < 0)
            return -1;
        if (commit)
            commits_unlink(commits, commit); /* its caller decided to try again */
        commit = commit_new(commits, commit_request_copy(request));
        if (start_thread(commits, commit, err) < 0) {
            commit_drop_locked(commit);
            return -1;
        }
        commits_insert(commits, commit);
        (void)pthread_cond_broadcast(&commits->changed); /* a new deadline for the supervisor */
    }
    commit->refs++;
    *ret_commit = commit;
    return 0;
}

int commits_start(struct commits *commits, const struct commit_request *request, struct commit **ret_commit,
                  struct error *err)
{
    if (commit_request_check(request, err) < 0)
        return -1;
    commits_lock(commits);
    int result = start_locked(commits, request, ret_commit, err);
    commits_unlock(commits);
    return result;
}

/* Lock held. */
static struct commit_report report_of(struct commit *commit)
{
    const struct commit_run *run = &commit->run;
    bool finished = commit->state != COMMIT_IS_RUNNING;
    struct commit_report report = {.finished = finished,
                                   .failed = commit->state == COMMIT_IS_FAILED ||
                                             commit->state == COMMIT_IS_EXPIRED,
                                   .error = commit->error,
                                   .phase = (enum commit_phase)atomic_load(&run->progress.phase),
                                   .bytes_read = atomic_load(&run->layers.bytes_read),
                                   .bytes_total = atomic_load(&run->progress.bytes_total),
                                   .bytes_pushed = atomic_load(&run->progress.bytes_pushed),
                                   .files = atomic_load(&run->layers.files)};
    if (finished)
        report.elapsed_ms = commit->finished_ms - commit->started_ms;
    if (finished && !report.failed) {
        report.results = commit->results;
        report.result_count = commit->result_count;
        report.frozen_ms = commit->record->frozen_ms;
    }
    return report;
}

struct commit_report commit_wait(struct commit *commit, int seen_phase, int64_t timeout_ms)
{
    struct commits *commits = commit->commits;
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;

    commits_lock(commits);
    if (commit->state == COMMIT_IS_RUNNING && atomic_load(&commit->run.progress.phase) == seen_phase &&
        clock_monotonic_ms() < until_ms)
        commits_wait_until(commits, until_ms);
    struct commit_report report = report_of(commit);
    commits_unlock(commits);
    return report;
}
