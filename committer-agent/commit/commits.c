#include "committer-agent/commit/hold.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "committer-agent/containerd/freeze.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"

enum { CANCEL_WAIT_MS = 30000 };

void commits_lock(struct commits *commits)
{
    (void)pthread_mutex_lock(&commits->lock); /* fails only for a mutex that is none */
}

void commits_unlock(struct commits *commits)
{
    (void)pthread_mutex_unlock(&commits->lock);
}

void commits_wait_until(struct commits *commits, int64_t monotonic_ms)
{
    struct timespec until = {.tv_sec = monotonic_ms / 1000, .tv_nsec = (monotonic_ms % 1000) * 1000000};
    (void)pthread_cond_timedwait(&commits->changed, &commits->lock,
                                 &until); /* the caller looks at the clock */
}

struct commit *commits_find(struct commits *commits, const char *key)
{
    for (struct commit *commit = commits->first; commit; commit = commit->next)
        if (strcmp(commit->request->key, key) == 0)
            return commit;
    return NULL;
}

void commits_unlink(struct commits *commits, struct commit *commit)
{
    for (struct commit **link = &commits->first; *link; link = &(*link)->next)
        if (*link == commit) {
            *link = commit->next;
            break;
        }
    commit_drop_locked(commit);
}

void commits_insert(struct commits *commits, struct commit *commit)
{
    commit->next = commits->first;
    commits->first = commit;
}

struct commit *commit_new(struct commits *commits, struct commit_request *request)
{
    struct commit *commit = xcalloc(1, sizeof(*commit));

    commit->commits = commits;
    commit->request = request;
    commit->pod_uid = xstrdup(request->pod_uid);
    commit->pod_ns = xstrdup(request->pod_ns);
    commit->pod_name = xstrdup(request->pod_name);
    commit->started_ms = clock_monotonic_ms();
    commit->refs = 1;
    return commit;
}

static void commit_free(struct commit *commit)
{
    commit_results_free(commit->results, commit->result_count);
    journal_record_free(commit->record);
    commit_request_free(commit->request);
    free(commit->pod_uid);
    free(commit->pod_ns);
    free(commit->pod_name);
    free(commit);
}

void commit_drop_locked(struct commit *commit)
{
    if (--commit->refs == 0)
        commit_free(commit);
}

struct commit *commit_ref(struct commit *commit)
{
    commits_lock(commit->commits);
    commit->refs++;
    commits_unlock(commit->commits);
    return commit;
}

void commit_unref(struct commit *commit)
{
    if (!commit)
        return;
    struct commits *commits = commit->commits;
    commits_lock(commits);
    commit_drop_locked(commit);
    commits_unlock(commits);
}

static void wake(struct commits *commits)
{
    commits_lock(commits);
    (void)pthread_cond_broadcast(&commits->changed);
    commits_unlock(commits);
}

void commit_wake(struct commit *commit)
{
    wake(commit->commits);
}

static void phase_changed(void *self)
{
    struct commit *commit = self;
    wake(commit->commits);
}

static bool has_pod(const struct commit *commit, const char *uid, const char *ns, const char *name)
{
    if (*commit->pod_uid && *uid)
        return strcmp(commit->pod_uid, uid) == 0;
    return *name && strcmp(commit->pod_ns, ns) == 0 && strcmp(commit->pod_name, name) == 0;
}

static bool is_live(const struct commit *commit)
{
    return commit->state == COMMIT_IS_RUNNING || commit->state == COMMIT_IS_HOLDING ||
           commit->state == COMMIT_IS_KILLING || commit->owes_thaw;
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
        if (other->claimed && is_live(other) &&
            has_pod(other, member->pod_uid, member->pod_namespace, member->pod_name))
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
        if (is_live(other) && has_pod(other, request->pod_uid, request->pod_ns, request->pod_name))
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

static int refuse_kill(const struct commit *commit, struct error *err)
{
    static const char *const why[] = {
        [COMMIT_IS_RUNNING] = "is still running",
        [COMMIT_IS_DONE] = "was a live snapshot and holds nothing",
        [COMMIT_IS_EXPIRED] =
            "held its containers until the hold ran out; they have run since, so the image may lack "
            "their latest writes",
        [COMMIT_IS_FAILED] = "failed, and its containers run",
    };
    (void)error_set(err, ERR_PRECONDITION, "commit %s %s", commit->request->key, why[commit->state]);
    return commit->state == COMMIT_IS_EXPIRED ? error_reason(err, "HoldExpired") : -1;
}

/* Lock held; waits while somebody else works on it. */
static void wait_idle(struct commit *commit)
{
    while (commit->busy)
        commits_wait_until(commit->commits, clock_monotonic_ms() + 1000);
}

/* Lock held. */
static int cancel_locked(struct commit *commit, struct error *err)
{
    struct commits *commits = commit->commits;

    if (commit->state == COMMIT_IS_RUNNING) {
        int64_t until_ms = clock_monotonic_ms() + CANCEL_WAIT_MS;
        __atomic_store_n(&commit->run.cancelled, true, __ATOMIC_RELEASE);
        (void)pthread_cond_broadcast(&commits->changed);
        while (commit->state == COMMIT_IS_RUNNING && clock_monotonic_ms() < until_ms)
            commits_wait_until(commits, until_ms);
        if (commit->state == COMMIT_IS_RUNNING)
            return error_set(err, ERR_TIMEOUT, "commit %s is cancelled, but not yet undone: ask again",
                             commit->request->key);
    }
    wait_idle(commit); /* it may have finished just before */
    if (commit->state == COMMIT_IS_HOLDING)
        return commit_expire(commit, err);
    return commit->owes_thaw ? commit_pay_thaw(commit, err) : 0;
}

int commits_cancel(struct commits *commits, const char *key, struct error *err)
{
    int result = 0;

    commits_lock(commits);
    struct commit *commit = commits_find(commits, key);
    if (commit) {
        commit->refs++;
        result = cancel_locked(commit, err);
        commit_drop_locked(commit);
    }
    commits_unlock(commits);
    return result;
}

int commits_release(struct commits *commits, const char *key, enum commit_release how, struct error *err)
{
    int result = 0;

    commits_lock(commits);
    struct commit *commit = commits_find(commits, key);
    if (!commit) {
        commits_unlock(commits);
        (void)error_set(err, ERR_NOT_FOUND, "this agent knows no commit %s", key);
        return error_reason(err, "CommitLost");
    }
    commit->refs++;
    wait_idle(commit);
    if (how == COMMIT_RELEASE_THAW)
        result = cancel_locked(commit, err);
    else if (commit->state == COMMIT_IS_HOLDING || commit->state == COMMIT_IS_KILLING)
        result = commit_kill_held(commit, err);
    else if (commit->state != COMMIT_IS_KILLED)
        result = refuse_kill(commit, err);
    commit_drop_locked(commit);
    commits_unlock(commits);
    return result;
}

/* Is the pod a commit's, to freeze or to keep frozen? */
static bool is_owned(struct commits *commits, const struct container *member)
{
    bool owned = false;

    commits_lock(commits);
    for (struct commit *commit = commits->first; commit && !owned; commit = commit->next)
        owned = commit->claimed && (is_live(commit) || commit->state == COMMIT_IS_KILLED) &&
                has_pod(commit, member->pod_uid, member->pod_namespace, member->pod_name);
    commits_unlock(commits);
    return owned;
}

static bool is_named(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return count == 0;
}

int commits_unpause(struct commits *commits, const struct pod_name *pod, const char *const *names,
                    size_t name_count, unsigned *ret_thawed, struct error *err)
{
    struct containerd *containerd = commits->options.env.containerd;
    SCOPED_CONTAINER_LIST struct container_list list = {0};
    unsigned thawed = 0;

    if (containers_of_pod(containerd, pod, NULL, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < list.count; i++) {
        const struct container *container = &list.items[i];
        if (!is_named(container->name, names, name_count))
            continue;
        int frozen = container_is_frozen(containerd, container->id, err);
        if (frozen < 0)
            return error_wrap(err, "container %s", container->name);
        if (!frozen)
            continue;
        if (is_owned(commits, container))
            return error_set(err, ERR_PRECONDITION,
                             "container %s is frozen by a commit that is under way: cancel it first",
                             container->name);
        if (container_thaw(containerd, container->id, err) < 0)
            return error_wrap(err, "container %s", container->name);
        thawed++;
    }
    *ret_thawed = thawed;
    return 0;
}

int commits_forget(struct commits *commits, const char *key, struct error *err)
{
    int result = 0;

    commits_lock(commits);
    struct commit *commit;
    while ((commit = commits_find(commits, key)) && commit->busy)
        commits_wait_until(commits, clock_monotonic_ms() + 1000);
    if (commit && !commit->owes_thaw &&
        (commit->state == COMMIT_IS_DONE || commit->state == COMMIT_IS_FAILED)) {
        result = commit->record ? journal_remove(commits->options.env.journal, key, err) : 0;
        if (result == 0)
            commits_unlink(commits, commit);
    }
    commits_unlock(commits);
    return result;
}

struct commits_load commits_load(struct commits *commits)
{
    struct commits_load load = {0};

    commits_lock(commits);
    for (struct commit *commit = commits->first; commit; commit = commit->next) {
        load.running += commit->state == COMMIT_IS_RUNNING;
        load.holding += commit->state == COMMIT_IS_HOLDING;
        load.remembered++;
    }
    commits_unlock(commits);
    return load;
}

int commits_open(const struct commits_options *options, struct commits **ret_commits, struct error *err)
{
    struct commits *commits = xcalloc(1, sizeof(*commits));
    pthread_condattr_t monotonic;

    commits->options = *options;
    (void)pthread_mutex_init(&commits->lock, NULL); /* cannot fail on Linux */
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&commits->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    if (commits_settle(commits, err) < 0 || commits_supervise(commits, err) < 0) {
        commits_free(commits);
        return -1;
    }
    *ret_commits = commits;
    return 0;
}

/* Lock held; borrowed. */
static struct commit *find_holding(struct commits *commits)
{
    for (struct commit *commit = commits->first; commit; commit = commit->next)
        if (commit->state == COMMIT_IS_HOLDING)
            return commit;
    return NULL;
}

/* Lock held. One that cannot be thawed must not keep the others frozen; its record stays for the next start. */
static void expire_all(struct commits *commits)
{
    struct commit *commit;
    struct error err;
    bool journal_works = true;

    while (journal_works && (commit = find_holding(commits))) {
        commit->refs++;
        wait_idle(commit);
        if (commit->state == COMMIT_IS_HOLDING && commit_expire(commit, &err) < 0)
            log_failure(LOG_ERROR, "held containers stay frozen until the agent starts again", &err,
                        log_str("commit", commit->request->key));
        journal_works = commit->state != COMMIT_IS_HOLDING;
        commit_drop_locked(commit);
    }
}

void commits_close(struct commits *commits, int64_t grace_ms)
{
    int64_t until_ms = clock_monotonic_ms() + grace_ms;

    commits_lock(commits);
    commits->closing = true;
    for (struct commit *commit = commits->first; commit; commit = commit->next)
        __atomic_store_n(&commit->run.cancelled, true, __ATOMIC_RELEASE);
    (void)pthread_cond_broadcast(&commits->changed);
    while ((commits->threads || find_holding(commits)) && clock_monotonic_ms() < until_ms)
        commits_wait_until(commits, until_ms);
    commits->stopping = true;
    (void)pthread_cond_broadcast(&commits->changed);
    while (commits->threads)
        commits_wait_until(commits, clock_monotonic_ms() + 1000);
    expire_all(commits); /* last: a run may have ended as a hold only now */
    commits_unlock(commits);
}

void commits_free(struct commits *commits)
{
    if (!commits)
        return;
    if (commits->supervised) {
        commits_lock(commits);
        commits->stopping = true;
        (void)pthread_cond_broadcast(&commits->changed);
        commits_unlock(commits);
        (void)pthread_join(commits->supervisor, NULL);
    }
    while (commits->first) {
        struct commit *commit = commits->first;
        commits->first = commit->next;
        commit_drop_locked(commit);
    }
    (void)pthread_cond_destroy(&commits->changed);
    (void)pthread_mutex_destroy(&commits->lock);
    free(commits);
}
