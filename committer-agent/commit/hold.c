#include "committer-agent/commit/hold.h"

#include <string.h>

#include "committer-agent/containerd/tasks.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"

enum { RETRY_MS = 5000 };

int commit_has_run(struct containerd *containerd, const struct journal_record *record, struct error *err)
{
    for (size_t i = 0; i < record->count; i++) {
        struct task task;
        int found = task_get(containerd, record->containers[i].id, &task, err);
        if (found < 0 && err->code != ERR_NOT_FOUND)
            return -1;
        if (found == 0 && task.state == TASK_RUNNING)
            return 1;
    }
    return 0;
}

/* The record is ours while the commit is busy; it keeps its stage when it cannot be written. */
static int write_stage(const struct commit *commit, enum commit_stage stage, struct error *err)
{
    struct journal_record *record = commit->record;
    enum commit_stage before = record->stage;

    record->stage = stage;
    record->changed_unix_ms = clock_realtime_ms();
    if (journal_write(commit->commits->options.env.journal, record, err) == 0)
        return 0;
    record->stage = before;
    return -1;
}

/* A full disk must not keep anybody frozen. Where a record cannot be written, none is as good: a commit that nobody
 * knows cannot be killed either. */
static int write_expired(const struct commit *commit, struct error *err)
{
    if (write_stage(commit, STAGE_EXPIRED, err) == 0)
        return 0;
    log_failure(LOG_ERROR, "a hold cannot be ended in the journal: its record is removed", err,
                log_str("commit", commit->request->key));
    if (journal_remove(commit->commits->options.env.journal, commit->request->key, err) < 0)
        return -1;
    commit->record->stage = STAGE_EXPIRED;
    return 0;
}

static void step_out(struct commit *commit)
{
    commit->busy = true;
    commits_unlock(commit->commits);
}

static void step_in(struct commit *commit)
{
    commits_lock(commit->commits);
    commit->busy = false;
    (void)pthread_cond_broadcast(&commit->commits->changed);
}

static int hold_expired(struct error *err)
{
    (void)error_set(err, ERR_PRECONDITION, "the hold ended and the containers run again");
    return error_reason(err, "HoldExpired");
}

void commit_be_expired(struct commit *commit)
{
    commit->state = COMMIT_IS_EXPIRED;
    (void)hold_expired(&commit->error);
}

/* Lock held. */
static void note_thaw(struct commit *commit, int result, int64_t kept_ms)
{
    commit->owes_thaw = result < 0;
    commit->due_at_ms = clock_monotonic_ms() + (result < 0 ? RETRY_MS : kept_ms);
}

int commit_expire(struct commit *commit, struct error *err)
{
    struct containerd *containerd = commit->commits->options.env.containerd;
    int thawed = -1;

    step_out(commit);
    int written = write_expired(commit, err);
    if (written == 0)
        thawed = commit_thaw(containerd, commit->record, err);
    step_in(commit);
    if (written == 0)
        commit_be_expired(commit);
    note_thaw(commit, thawed, RETENTION_MS);
    commit->owes_thaw = commit->owes_thaw && written == 0;
    return thawed;
}

int commit_pay_thaw(struct commit *commit, struct error *err)
{
    struct containerd *containerd = commit->commits->options.env.containerd;

    step_out(commit);
    int thawed = commit_thaw(containerd, commit->record, err);
    step_in(commit);
    note_thaw(commit, thawed, commit->state == COMMIT_IS_FAILED ? 0 : RETENTION_MS);
    return thawed;
}

/* While busy. All containers are looked at before the first process is killed: a refusal leaves everybody alive. */
static int kill_frozen(const struct commit *commit, struct error *err)
{
    struct containerd *containerd = commit->commits->options.env.containerd;
    int runs = commit_has_run(containerd, commit->record, err);

    if (runs > 0)
        return hold_expired(err);
    if (runs < 0 || write_stage(commit, STAGE_KILLING, err) < 0 ||
        commit_kill(containerd, commit->record, err) < 0)
        return -1;
    return write_stage(commit, STAGE_KILLED, err);
}

int commit_kill_held(struct commit *commit, struct error *err)
{
    struct error thawing;

    step_out(commit);
    int result = kill_frozen(commit, err);
    step_in(commit);
    if (result < 0 && strcmp(err->reason, "HoldExpired") == 0) {
        if (commit_expire(commit, &thawing) < 0)
            log_failure(LOG_ERROR, "thawing after a hold failed; tried again", &thawing);
        return -1;
    }
    if (commit->record->stage == STAGE_KILLED) {
        commit->state = COMMIT_IS_KILLED;
        commit->due_at_ms = clock_monotonic_ms() + RETENTION_MS;
    } else if (commit->record->stage == STAGE_KILLING) {
        commit->state = COMMIT_IS_KILLING;
        commit->due_at_ms = clock_monotonic_ms() + RETRY_MS;
    }
    return result;
}
