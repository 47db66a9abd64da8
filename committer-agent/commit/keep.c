/* keep.c - what becomes of a commit that was handed over and cannot be pushed: kept on this node, or discarded. */
#include "committer-agent/commit/hold.h"

#include "committer-agent/commit/failpoints.h"
#include "committer-agent/commit/kill.h"
#include "committer-agent/commit/local_image.h"
#include "shared/base/clock.h"

static int not_known(const char *key, struct error *err)
{
    (void)error_set(err, ERR_NOT_FOUND, "this agent knows no commit %s", key);
    return error_reason(err, "CommitLost");
}

/* Lock held. Its push ends; waits for that. Others are left as they are. */
static int stop_push(struct commit *commit, struct error *err)
{
    if (commit->state == COMMIT_IS_RUNNING && commit_is_handed_over(commit) &&
        commit_cancel_locked(commit, err) < 0)
        return -1;
    commit_wait_idle(commit);
    return 0;
}

/* Lock held. Somebody else may have let it go while we waited. */
static bool is_known(const struct commit *commit)
{
    return commits_find(commit->commits, commit->request->key) == commit;
}

static bool never_wait(void *self, int64_t ms)
{
    (void)self;
    (void)ms;
    return false;
}

static void nobody_follows(void *self)
{
    (void)self;
}

void commit_be_kept(struct commit *commit)
{
    (void)error_set(&commit->error, ERR_PRECONDITION,
                    "the image was not pushed: it is kept on this node alone, and nobody pushes it any more");
    (void)error_reason(&commit->error, "CommitKept");
}

/* Lock held, let go while it works. */
static int keep_idle(struct commit *commit, struct error *err)
{
    struct commits *commits = commit->commits;
    struct commit_run run = {.env = &commits->options.env,
                             .request = commit->request,
                             .phase_changed = nobody_follows,
                             .wait = never_wait};
    struct commit_result *results = NULL;

    commit->busy = true;
    commits_unlock(commits);
    int result = commit_keep(&run, commit->record, &results, err);
    commits_lock(commits);
    commit->busy = false;
    if (result == 0) {
        commit->results = results;
        commit->result_count = commit->request->count;
        commit->state = COMMIT_IS_KILLED;
        commit->finished_ms = clock_monotonic_ms();
        commit->due_at_ms = commit->finished_ms + KEPT_RETENTION_MS;
        commit_be_kept(commit);
    }
    (void)pthread_cond_broadcast(&commits->changed);
    return result;
}

/* Lock held. */
static int keep_locked(struct commit *commit, struct error *err)
{
    if (stop_push(commit, err) < 0)
        return -1;
    if (!is_known(commit))
        return not_known(commit->request->key, err);
    if (commit->state == COMMIT_IS_HANDED_OVER)
        return keep_idle(commit, err);
    if (commit->state == COMMIT_IS_KILLED)
        return 0; /* the push came through after all, or it is kept already */
    return error_set(err, ERR_PRECONDITION, "commit %s was not handed over: there is nothing to keep",
                     commit->request->key);
}

int commits_keep(struct commits *commits, const char *key, struct commit **ret_commit, struct error *err)
{
    commits_lock(commits);
    struct commit *commit = commits_find(commits, key);
    int result = commit ? 0 : not_known(key, err);
    if (commit) {
        commit->refs++;
        result = keep_locked(commit, err);
        if (result == 0)
            *ret_commit = commit;
        else
            commit_drop_locked(commit);
    }
    commits_unlock(commits);
    return result;
}

/* The names of images that this node alone knows. */
static int forget_images(const struct commit_environment *env, const struct journal_record *record,
                         struct error *err)
{
    for (size_t i = 0; record->kept && i < record->count; i++) {
        const struct journal_container *entry = &record->containers[i];
        struct reference target;
        struct digest manifest;
        if (entry->image && (reference_parse(entry->image, &target, err) < 0 ||
                             digest_parse(entry->digest ? entry->digest : "", &manifest, err) < 0 ||
                             local_image_forget(env->containerd, &target, &manifest, err) < 0))
            return error_wrap(err, "forgetting the image of container %s", entry->name);
    }
    return 0;
}

/* Lock held, let go while it works. The record goes last: until then the next start can do it again. */
static int let_go(struct commit *commit, struct error *err)
{
    struct commits *commits = commit->commits;
    const struct commit_environment *env = &commits->options.env;

    commit->busy = true;
    commits_unlock(commits);
    int result = forget_images(env, commit->record, err);
    if (result == 0)
        result = commit_let_go(env, commit->record, err);
    FAILPOINT(lease_deleted);
    if (result == 0)
        result = journal_remove(env->journal, commit->request->key, err);
    FAILPOINT(record_removed);
    commits_lock(commits);
    commit->busy = false;
    if (result == 0)
        commits_unlink(commits, commit);
    (void)pthread_cond_broadcast(&commits->changed);
    return result;
}

/* Lock held. */
static bool has_files(const struct commit *commit)
{
    return commit->state == COMMIT_IS_HANDED_OVER ||
           (commit->state == COMMIT_IS_KILLED && commit->record->kept);
}

/* Lock held. Undone, or dead: a kill that has begun is finished first, for it may yet hand the files over. */
static int end_locked(struct commit *commit, struct error *err)
{
    if (commit_cancel_locked(commit, err) < 0)
        return -1;
    return commit->state == COMMIT_IS_KILLING && commit_kill_held(commit, err) < 0 &&
                   commit->state == COMMIT_IS_KILLING
               ? -1
               : 0;
}

/* Lock held. */
static int discard_locked(struct commit *commit, struct error *err)
{
    if (stop_push(commit, err) < 0 || (!has_files(commit) && end_locked(commit, err) < 0))
        return -1;
    return has_files(commit) && is_known(commit) ? let_go(commit, err) : 0;
}

int commits_discard(struct commits *commits, const char *key, struct error *err)
{
    int result = 0;

    commits_lock(commits);
    struct commit *commit = commits_find(commits, key);
    if (commit) {
        commit->refs++;
        result = discard_locked(commit, err);
        commit_drop_locked(commit);
    }
    commits_unlock(commits);
    return result;
}
