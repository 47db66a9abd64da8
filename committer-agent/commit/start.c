/* start.c - a commit begins, or is attached to; its thread; and what those who wait for it see. */
#include "committer-agent/commit/hold.h"
#include "committer-agent/commit/meter.h"

#include <inttypes.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/niceness.h"
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

static void releasable(void *self)
{
    struct commit *commit = self;

    commits_lock(commit->commits);
    commit->kill = KILL_OFFERED;
    (void)pthread_cond_broadcast(&commit->commits->changed);
    commits_unlock(commit->commits);
}

static bool kill_wanted(void *self, const atomic_bool *published)
{
    struct commit *commit = self;
    struct commits *commits = commit->commits;

    commits_lock(commits);
    while (commit->kill != KILL_WANTED && !atomic_load(published))
        commits_wait_until(commits, clock_monotonic_ms() + 1000);
    bool wanted = commit->kill == KILL_WANTED;
    if (!wanted)
        commit->kill = KILL_SOON; /* whoever asks now waits until it is held */
    commits_unlock(commits);
    return wanted;
}

static void kill_answered(void *self, int result, const struct error *err)
{
    struct commit *commit = self;

    commits_lock(commit->commits);
    commit->kill = result == 0 ? KILL_DONE : KILL_OFFERED;
    if (result < 0) {
        commit->kill_refusals++;
        commit->kill_error = *err;
    }
    (void)pthread_cond_broadcast(&commit->commits->changed);
    commits_unlock(commit->commits);
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
static void conclude_failed(struct commit *commit, const struct error *err)
{
    commit->error = *err;
    if (commit->timed_out)
        say_timed_out(commit, &commit->error);
    else if (err->code == ERR_CANCELLED && commit->commits->closing)
        say_agent_stops(&commit->error);
    else if (err->code == ERR_CANCELLED)
        (void)error_reason(&commit->error, "CommitCancelled"); /* wherever it was noticed */
    commit->state = COMMIT_IS_FAILED;
    if (!commit->record)
        return;
    if (commit->record->stage == STAGE_HANDED_OVER) {
        commit_be_handed_over(commit);
    } else { /* the kill has begun and is not done: the supervisor goes on with it */
        commit->state = COMMIT_IS_KILLING;
        commit->due_at_ms = commit->finished_ms;
    }
}

/* Lock held; the record is the commit's again. */
static void conclude(struct commit *commit, int result, const struct error *err)
{
    commit->finished_ms = clock_monotonic_ms();
    commit->due_at_ms = commit->finished_ms + RETENTION_MS;
    if (commit->kill != KILL_DONE)
        commit->kill = KILL_NOT_OFFERED;
    commit_request_forget_credentials(commit->request);
    if (result < 0) {
        conclude_failed(commit, err);
        return;
    }
    commit->result_count = commit->request->count;
    commit->state = commit_state_at(commit->record->stage);
    if (commit->state == COMMIT_IS_HOLDING)
        commit->due_at_ms = commit->finished_ms + commit->request->hold_timeout_ms;
    else if (commit->state == COMMIT_IS_KILLING)
        commit->due_at_ms = commit->finished_ms;
}

static enum meter_path path_of(const struct commit *commit)
{
    if (!commit->request->hold)
        return METER_LIVE;
    return commit_is_handed_over(commit) ? METER_HANDOVER : METER_HOLD;
}

/* Lock held. */
static void report_end(struct commit *commit)
{
    const bool failed = commit->state == COMMIT_IS_FAILED || commit->state == COMMIT_IS_HANDED_OVER ||
                        (commit->state == COMMIT_IS_KILLING && !commit->results);
    const struct commit_run *run = &commit->run;
    const struct meter_commit ended = {.path = path_of(commit),
                                       .failure = failed ? &commit->error : NULL,
                                       .elapsed_ms = commit->finished_ms - commit->started_ms,
                                       .read_bytes = atomic_load(&run->layers.bytes_read),
                                       .written_bytes = atomic_load(&run->layers.bytes_written),
                                       .pushed_bytes = atomic_load(&run->progress.bytes_pushed),
                                       .files = atomic_load(&run->layers.files)};

    meter_commit(commit->commits->options.env.meter, &ended);
    if (failed)
        log_failure(LOG_WARN, "commit failed", &commit->error);
    else
        log_info("commit finished", log_i64("elapsed_ms", ended.elapsed_ms),
                 log_i64("frozen_ms", commit->record->frozen_ms),
                 log_u64("bytes", commit->results[0].layer_size),
                 log_str("digest", commit->results[0].digest));
}

/* A commit that has a record was handed over and goes on; others begin. */
static void *run_commit(void *arg)
{
    struct commit *commit = arg;
    struct commits *commits = commit->commits;
    struct journal_record *record = commit->record;
    struct commit_result *results = NULL;
    struct error err = {0};

    LOG_SCOPE(log_str("commit", commit->request->key));
    if (commit->request->hold) /* a live snapshot's freeze must be short */
        be_nice(commits->options.env.niceness);
    int result = record ? commit_continue(&commit->run, record, &results, &err)
                        : commit_run(&commit->run, &record, &results, &err);

    commits_lock(commits);
    commit->record = record;
    commit->results = results;
    conclude(commit, result, &err);
    report_end(commit);
    commits->threads--;
    (void)pthread_cond_broadcast(&commits->changed);
    commit_drop_locked(commit);
    commits_unlock(commits);
    return NULL;
}

static int refuse_start(const struct commits *commits, struct error *err)
{
    if (commits->closing)
        return error_set(err, ERR_UNAVAILABLE, "the agent is stopping");
    return error_set(err, ERR_EXHAUSTED, "%u commits run on this node already (--slots)", commits->threads);
}

/* Lock held. */
static int admit(struct commits *commits, const struct commit_request *request, struct error *err)
{
    if (commits->closing || commits->threads >= commits->options.slots)
        return refuse_start(commits, err);
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
                                      .releasable = releasable,
                                      .kill_wanted = kill_wanted,
                                      .kill_answered = kill_answered,
                                      .wait = wait_between_tries,
                                      .self = commit};
    (void)pthread_attr_init(&attributes); /* cannot fail on Linux */
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    commit->due_at_ms = clock_monotonic_ms() + commit->request->timeout_ms;
    commit->timed_out = false;
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
static int start_anew(struct commits *commits, const struct commit_request *request, struct commit *failed,
                      struct commit **ret_commit, struct error *err)
{
    if (admit(commits, request, err) < 0)
        return -1;
    if (failed)
        commits_unlink(commits, failed); /* its caller decided to try again */
    struct commit *commit = commit_new(commits, commit_request_copy(request));
    if (start_thread(commits, commit, err) < 0) {
        commit_drop_locked(commit);
        return -1;
    }
    commits_insert(commits, commit);
    *ret_commit = commit;
    return 0;
}

/* Lock held. The same commit, with the caller's credentials. */
static int go_on(struct commits *commits, const struct commit_request *request, struct commit *commit,
                 struct error *err)
{
    if (commits->closing || commits->threads >= commits->options.slots)
        return refuse_start(commits, err);
    struct commit_request *copy = commit_request_copy(request);
    struct commit_container *theirs = copy->containers;
    copy->containers = commit->request->containers; /* the same, in the record's order */
    commit->request->containers = theirs;
    commit_request_free(commit->request);
    commit->request = copy;
    if (start_thread(commits, commit, err) < 0) {
        commit_request_forget_credentials(commit->request);
        return -1;
    }
    commit->state = COMMIT_IS_RUNNING;
    commit->kill = KILL_DONE;
    error_clear(&commit->error);
    return 0;
}

static bool is_ended(const struct commit *commit)
{
    return commit->state == COMMIT_IS_FAILED || commit->state == COMMIT_IS_HANDED_OVER;
}

/* Lock held. */
static int start_locked(struct commits *commits, const struct commit_request *request,
                        struct commit **ret_commit, struct error *err)
{
    struct commit *commit;
    int result = 0;

    while ((commit = commits_find(commits, request->key)) && commit->busy && is_ended(commit))
        commits_wait_until(commits, clock_monotonic_ms() + 1000); /* it is just being forgotten, or kept */
    if (commit && !commit_request_same(commit->request, request))
        return error_set(err, ERR_EXISTS, "key %s belongs to a commit of other containers or images",
                         request->key);
    if (!commit || commit->state == COMMIT_IS_FAILED)
        result = start_anew(commits, request, commit, &commit, err);
    else if (commit->state == COMMIT_IS_HANDED_OVER)
        result = go_on(commits, request, commit, err);
    if (result < 0)
        return -1;
    (void)pthread_cond_broadcast(&commits->changed); /* there may be a new deadline for the supervisor */
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

static bool is_kept(const struct commit *commit)
{
    return commit->state == COMMIT_IS_KILLED && commit->record->kept;
}

/* Lock held. */
static bool has_failed(const struct commit *commit)
{
    return commit->state == COMMIT_IS_FAILED || commit->state == COMMIT_IS_EXPIRED ||
           commit->state == COMMIT_IS_HANDED_OVER || is_kept(commit);
}

/* Lock held. A kill that has begun without an image ends as HANDED_OVER: that is the outcome. */
static bool has_finished(const struct commit *commit)
{
    return commit->state != COMMIT_IS_RUNNING && (commit->state != COMMIT_IS_KILLING || commit->results);
}

/* Lock held. */
static bool is_being_killed(const struct commit *commit)
{
    return commit->state == COMMIT_IS_RUNNING ? commit->kill == KILL_WANTED : !has_finished(commit);
}

/* Lock held. */
static struct commit_report report_of(struct commit *commit)
{
    const struct commit_run *run = &commit->run;
    struct commit_report report = {.finished = has_finished(commit),
                                   .failed = has_failed(commit),
                                   .error = commit->error,
                                   .hold = commit->request->hold,
                                   .handed_over = commit_is_handed_over(commit),
                                   .releasable = commit->kill != KILL_NOT_OFFERED,
                                   .being_killed = is_being_killed(commit),
                                   .path_why = run->path_why,
                                   .phase = (enum commit_phase)atomic_load(&run->progress.phase),
                                   .bytes_read = atomic_load(&run->layers.bytes_read),
                                   .bytes_total = atomic_load(&run->progress.bytes_total),
                                   .bytes_pushed = atomic_load(&run->progress.bytes_pushed),
                                   .files = atomic_load(&run->layers.files)};
    if (report.finished)
        report.elapsed_ms = commit->finished_ms - commit->started_ms;
    if (report.finished && commit->results) {
        report.results = commit->results;
        report.result_count = commit->result_count;
    }
    if (report.finished && !report.failed) {
        report.frozen_ms = commit->record->frozen_ms;
        report.warm = commit->record->warm;
    }
    return report;
}

static bool is_news(const struct commit_report *now, const struct commit_report *seen)
{
    if (now->being_killed)
        return false; /* its outcome will be */
    return now->finished || now->phase != seen->phase || now->releasable != seen->releasable ||
           now->handed_over != seen->handed_over;
}

struct commit_report commit_wait(struct commit *commit, const struct commit_report *seen, int64_t timeout_ms)
{
    struct commits *commits = commit->commits;
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;

    commits_lock(commits);
    struct commit_report report = report_of(commit);
    if (!is_news(&report, seen) && clock_monotonic_ms() < until_ms) {
        commits_wait_until(commits, until_ms);
        report = report_of(commit);
    }
    commits_unlock(commits);
    return report;
}
