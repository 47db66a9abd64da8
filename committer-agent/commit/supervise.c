#include "committer-agent/commit/freezing.h"
#include "committer-agent/commit/hold.h"
#include "committer-agent/commit/kill.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"

/* supervise.c - one thread that knows the time: deadlines of running commits, holds that run out, kills and thaws
 * that are owed, and what may be forgotten. It sleeps until the earliest of them or until something changes. */

enum { LOOK_AGAIN_MS = 60 * 1000 };

/* A killed commit is remembered until nobody can find its containers any more. */
static bool may_be_forgotten(struct containerd *containerd, const struct journal_record *record)
{
    return !record || record->stage != STAGE_KILLED || commit_is_gone(containerd, record);
}

/* Lock held; it is let go while containerd and the disk are asked. A record that cannot be removed is met again by
 * the next start, and owes nothing. */
static void forget(struct commit *commit)
{
    struct commits *commits = commit->commits;
    const struct commit_environment *env = &commits->options.env;
    struct error err;

    commit->busy = true;
    commits_unlock(commits);
    bool may = may_be_forgotten(env->containerd, commit->record);
    if (may && commit->record && commit_let_go(env, commit->record, &err) < 0) {
        log_failure(LOG_WARN, "the layers of a finished commit stay on the node; tried again", &err,
                    log_str("commit", commit->request->key));
        may = false;
    }
    if (may && commit->record && journal_remove(env->journal, commit->request->key, &err) < 0)
        log_failure(LOG_WARN, "the record of a finished commit stays", &err,
                    log_str("commit", commit->request->key));
    commits_lock(commits);
    commit->busy = false;
    if (may)
        commits_unlink(commits, commit);
    else
        commit->due_at_ms = clock_monotonic_ms() + LOOK_AGAIN_MS;
    (void)pthread_cond_broadcast(&commits->changed);
}

static void report(int result, const char *what, const struct error *err, const struct commit *commit)
{
    if (result < 0)
        log_failure(LOG_ERROR, what, err, log_str("commit", commit->request->key),
                    log_str("pod", commit->pod_name));
}

/* Lock held. */
static void run_out(struct commit *commit)
{
    struct error err;

    log_warn("nobody released the commit: its containers run again", log_str("commit", commit->request->key),
             log_str("pod", commit->pod_name));
    report(commit_expire(commit, &err), "thawing after a hold failed; tried again", &err, commit);
}

/* Lock held; the commit is due and not busy. */
static void attend(struct commit *commit)
{
    struct error err;

    switch (commit->state) {
    case COMMIT_IS_RUNNING:
        commit->timed_out = true;
        commit->due_at_ms = INT64_MAX;
        __atomic_store_n(&commit->run.cancelled, true, __ATOMIC_RELEASE);
        break;
    case COMMIT_IS_HOLDING:
        run_out(commit);
        break;
    case COMMIT_IS_KILLING:
        report(commit_kill_held(commit, &err), "frozen processes are not all killed; tried again", &err,
               commit);
        break;
    case COMMIT_IS_HANDED_OVER:
        commit->due_at_ms = INT64_MAX; /* the only copy: nobody's time runs out on it */
        break;
    case COMMIT_IS_KILLED:
    case COMMIT_IS_EXPIRED:
    case COMMIT_IS_DONE:
    case COMMIT_IS_FAILED:
        if (commit->owes_thaw)
            report(commit_pay_thaw(commit, &err), "containers stay frozen; tried again", &err, commit);
        else
            forget(commit);
        break;
    }
}

/* Nobody needs it as much as a KILLED one, whose caller may still have to hear so. */
static bool is_expendable(const struct commit *commit)
{
    return !commit->owes_thaw && !commit->busy &&
           (commit->state == COMMIT_IS_DONE || commit->state == COMMIT_IS_EXPIRED ||
            commit->state == COMMIT_IS_FAILED);
}

/* Lock held. Beyond REMEMBERED_MAX the one that would go first goes now. */
static void make_room(struct commits *commits)
{
    struct commit *oldest = NULL;
    unsigned count = 0;

    for (struct commit *commit = commits->first; commit; commit = commit->next) {
        if (!is_expendable(commit))
            continue;
        count++;
        if (!oldest || commit->due_at_ms < oldest->due_at_ms)
            oldest = commit;
    }
    if (count > REMEMBERED_MAX)
        oldest->due_at_ms = 0;
}

int64_t commits_attend(struct commits *commits)
{
    int64_t now_ms = clock_monotonic_ms(), next_ms = now_ms + LOOK_AGAIN_MS;

    make_room(commits);
    for (struct commit *commit = commits->first; commit; commit = commit->next) {
        if (commit->busy)
            continue; /* whoever works on it wakes us */
        if (commit->due_at_ms <= now_ms) {
            commit->refs++;
            attend(commit);
            commit_drop_locked(commit);
            return now_ms; /* from the start: the list may be another now */
        }
        next_ms = commit->due_at_ms < next_ms ? commit->due_at_ms : next_ms;
    }
    return next_ms;
}

static void *supervise(void *arg)
{
    struct commits *commits = arg;

    commits_lock(commits);
    while (!commits->stopping) {
        int64_t next_ms = commits_attend(commits);
        if (!commits->stopping && next_ms > clock_monotonic_ms())
            commits_wait_until(commits, next_ms);
    }
    commits_unlock(commits);
    return NULL;
}

int commits_supervise(struct commits *commits, struct error *err)
{
    int failed = pthread_create(&commits->supervisor, NULL, supervise, commits);
    if (failed)
        return error_sys(err, failed, "starting the supervisor of commits");
    commits->supervised = true;
    return 0;
}
