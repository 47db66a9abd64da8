/* release.c - what ends a commit from outside: release, cancel, unpause, forget. */
#include "committer-agent/commit/hold.h"

#include <string.h>

#include "committer-agent/containerd/freeze.h"
#include "committer-agent/containerd/frozen_by.h"
#include "shared/base/clock.h"

enum { CANCEL_WAIT_MS = 30000, KILL_WAIT_MS = 30000 };

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
    return commit->state == COMMIT_IS_RUNNING ? -1 : error_reason(err, "HoldExpired"); /* they all run */
}

/* Lock held. Nobody else is about to kill. */
static int kill_ended(struct commit *commit, struct error *err)
{
    commit_wait_idle(commit);
    if (commit->state == COMMIT_IS_HOLDING || commit->state == COMMIT_IS_KILLING)
        return commit_kill_held(commit, err);
    return commit_is_dead(commit) ? 0 : refuse_kill(commit, err);
}

/* Lock held. The run's own thread kills, and answers. It may have ended meanwhile: then the pod is held. */
static int kill_running(struct commit *commit, struct error *err)
{
    struct commits *commits = commit->commits;
    int64_t until_ms = clock_monotonic_ms() + KILL_WAIT_MS;
    unsigned refusals = commit->kill_refusals;

    if (commit->kill == KILL_OFFERED)
        commit->kill = KILL_WANTED;
    (void)pthread_cond_broadcast(&commits->changed);
    while (commit->state == COMMIT_IS_RUNNING && commit->kill != KILL_DONE &&
           commit->kill_refusals == refusals && clock_monotonic_ms() < until_ms)
        commits_wait_until(commits, until_ms);
    if (commit->kill_refusals != refusals) {
        *err = commit->kill_error;
        return -1;
    }
    if (commit->state == COMMIT_IS_RUNNING && commit->kill != KILL_DONE)
        return error_set(err, ERR_TIMEOUT, "commit %s is not killed yet: ask again", commit->request->key);
    return kill_ended(commit, err);
}

/* Lock held. */
static int kill_locked(struct commit *commit, struct error *err)
{
    commit_wait_idle(commit);
    if (commit->state == COMMIT_IS_RUNNING && commit->kill != KILL_NOT_OFFERED)
        return kill_running(commit, err);
    return kill_ended(commit, err);
}

/* Lock held. */
int commit_cancel_locked(struct commit *commit, struct error *err)
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
    commit_wait_idle(commit); /* it may have finished just before */
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
        result = commit_cancel_locked(commit, err);
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
    result = how == COMMIT_RELEASE_THAW ? commit_cancel_locked(commit, err) : kill_locked(commit, err);
    commit_drop_locked(commit);
    commits_unlock(commits);
    return result;
}

enum owner { OWNED_BY_NOBODY, OWNED_BY_A_LIVE_COMMIT, OWNED_BY_A_KILL };

/* Is the pod a commit's, to freeze or to keep frozen? */
static enum owner owner_of(struct commits *commits, const struct container *member)
{
    enum owner owner = OWNED_BY_NOBODY;

    commits_lock(commits);
    for (struct commit *commit = commits->first; commit && owner == OWNED_BY_NOBODY; commit = commit->next) {
        if (!commit->claimed ||
            !commit_has_pod(commit, member->pod_uid, member->pod_namespace, member->pod_name))
            continue;
        if (commit_is_handed_over(commit))
            owner = OWNED_BY_A_KILL;
        else if (commit_is_live(commit))
            owner = OWNED_BY_A_LIVE_COMMIT;
        else if (commit->state == COMMIT_IS_KILLED && journal_record_has(commit->record, member->id))
            owner = OWNED_BY_A_KILL;
    }
    commits_unlock(commits);
    return owner;
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
        enum owner owner = owner_of(commits, container);
        if (owner == OWNED_BY_A_KILL)
            continue;
        if (owner == OWNED_BY_A_LIVE_COMMIT)
            return error_set(err, ERR_PRECONDITION,
                             "container %s is frozen by a commit that is under way: cancel it first",
                             container->name);
        if (container_thaw(containerd, container->id, err) < 0 ||
            container_unmark_frozen(containerd, container->id, err) < 0)
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
        (commit->state == COMMIT_IS_DONE || commit->state == COMMIT_IS_FAILED ||
         commit->state == COMMIT_IS_EXPIRED)) {
        result = commit->record ? journal_remove(commits->options.env.journal, key, err) : 0;
        if (result == 0)
            commits_unlink(commits, commit);
    }
    commits_unlock(commits);
    return result;
}
