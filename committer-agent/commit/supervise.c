#include "committer-agent/commit/commits_priv.h"

#include "committer-agent/containerd/freeze.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"

/* supervise.c - one thread that knows the time: deadlines of running commits, holds that run out, and what
 * may be forgotten. It sleeps until the earliest of them or until something changes. */

enum { RETRY_EXPIRE_MS = 5000, LOOK_AGAIN_MS = 60 * 1000 };

/* Lock held. When does the supervisor have to look at this commit? */
static int64_t due_ms(const struct commit *commit, int64_t now_ms)
{
    switch (commit->state) {
    case COMMIT_IS_RUNNING:
        return commit->timed_out ? INT64_MAX : commit->started_ms + commit->request->timeout_ms;
    case COMMIT_IS_HOLDING:
        return now_ms + commit->record->hold_until_unix_ms - clock_realtime_ms();
    case COMMIT_IS_KILLED:
    case COMMIT_IS_EXPIRED:
    case COMMIT_IS_DONE:
    case COMMIT_IS_FAILED:
        return commit->forget_at_ms;
    }
    return INT64_MAX;
}

/* A killed commit is remembered until nobody can find its containers any more. */
static bool may_be_forgotten(struct containerd *containerd, const struct journal_record *record)
{
    SCOPED_CONTAINER struct container container = {0};
    struct error err;

    if (!record || record->stage != STAGE_KILLED)
        return true;
    return container_get(containerd, record->containers[0].id, &container, &err) < 0 &&
           err.code == ERR_NOT_FOUND;
}

/* Lock held. */
static void forget(struct commits *commits, struct commit *commit)
{
    const struct commit_environment *env = &commits->options.env;
    struct error err;

    if (!may_be_forgotten(env->containerd, commit->record)) {
        commit->forget_at_ms = clock_monotonic_ms() + LOOK_AGAIN_MS;
        return;
    }
    if (commit->record && journal_remove(env->journal, commit->request->key, &err) < 0) {
        log_failure(LOG_WARN, "a finished commit cannot be forgotten yet", &err,
                    log_str("commit", commit->request->key));
        commit->forget_at_ms = clock_monotonic_ms() + LOOK_AGAIN_MS;
        return;
    }
    commits_unlink(commits, commit);
}

/* Lock held. */
static void run_out(struct commit *commit)
{
    struct error err;

    log_warn("nobody released the commit: its containers run again", log_str("commit", commit->request->key),
             log_str("pod", commit->record->pod_name));
    if (commit_expire(commit, &err) < 0) {
        log_failure(LOG_ERROR, "thawing after a hold failed; tried again", &err);
        commit->record->hold_until_unix_ms = clock_realtime_ms() + RETRY_EXPIRE_MS;
    }
}

/* Lock held; true when the list may have changed. */
static bool attend(struct commits *commits, struct commit *commit)
{
    switch (commit->state) {
    case COMMIT_IS_RUNNING:
        commit->timed_out = true;
        __atomic_store_n(&commit->run.cancelled, true, __ATOMIC_RELEASE);
        return false;
    case COMMIT_IS_HOLDING:
        if (commit->busy)
            return false;
        commit->refs++;
        run_out(commit);
        commit_drop_locked(commit);
        return true;
    case COMMIT_IS_KILLED:
    case COMMIT_IS_EXPIRED:
    case COMMIT_IS_DONE:
    case COMMIT_IS_FAILED:
        forget(commits, commit);
        return true;
    }
    return false;
}

/* Lock held; answers when to look again. */
static int64_t attend_all(struct commits *commits)
{
    int64_t now_ms = clock_monotonic_ms(), next_ms = now_ms + LOOK_AGAIN_MS;

    for (struct commit *commit = commits->first; commit; commit = commit->next) {
        int64_t due = due_ms(commit, now_ms);
        if (due > now_ms) {
            next_ms = due < next_ms ? due : next_ms;
            continue;
        }
        if (attend(commits, commit))
            return now_ms; /* from the start: the list is another now */
    }
    return next_ms;
}

static void *supervise(void *arg)
{
    struct commits *commits = arg;

    commits_lock(commits);
    while (!commits->stopping) {
        int64_t next_ms = attend_all(commits);
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
