#include "committer-agent/commit/hold.h"

#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/cond.h"
#include "shared/log/log.h"

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
    (void)cond_wait_until(&commits->changed, &commits->lock,
                          monotonic_ms); /* the caller looks at the clock */
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
            commit_drop_locked(commit);
            return;
        }
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

void commits_wake(struct commits *commits)
{
    commits_lock(commits);
    (void)pthread_cond_broadcast(&commits->changed);
    commits_unlock(commits);
}

void commit_wake(struct commit *commit)
{
    commits_wake(commit->commits);
}

bool commit_has_pod(const struct commit *commit, const char *uid, const char *ns, const char *name)
{
    if (*commit->pod_uid && *uid)
        return strcmp(commit->pod_uid, uid) == 0;
    return *name && strcmp(commit->pod_ns, ns) == 0 && strcmp(commit->pod_name, name) == 0;
}

bool commit_is_live(const struct commit *commit)
{
    return commit->state == COMMIT_IS_RUNNING || commit->state == COMMIT_IS_HOLDING ||
           commit->state == COMMIT_IS_KILLING || commit->owes_thaw;
}

bool commit_is_handed_over(const struct commit *commit)
{
    return commit->kill == KILL_DONE || commit->state == COMMIT_IS_HANDED_OVER ||
           (commit->state == COMMIT_IS_KILLED && commit->record->hands_over);
}

bool commit_is_dead(const struct commit *commit)
{
    return commit->state == COMMIT_IS_KILLED || commit_is_handed_over(commit);
}

/* Lock held; waits while somebody else works on it. */
void commit_wait_idle(struct commit *commit)
{
    while (commit->busy)
        commits_wait_until(commit->commits, clock_monotonic_ms() + 1000);
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

    commits->options = *options;
    (void)pthread_mutex_init(&commits->lock, NULL); /* cannot fail on Linux */
    cond_init(&commits->changed);
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
        commit_wait_idle(commit);
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
