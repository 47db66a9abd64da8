#include "committer-agent/commit/hold.h"

#include <string.h>

#include "committer-agent/commit/failpoints.h"
#include "committer-agent/commit/freezing.h"
#include "committer-agent/commit/kill.h"
#include "committer-agent/commit/meter.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"

enum { RETRY_MS = 5000 };

/* A full disk must not keep anybody frozen. Where a record cannot be written, none is as good: a commit that nobody
 * knows cannot be killed either. */
static int write_expired(const struct commit *commit, struct error *err)
{
    const struct commit_environment *env = &commit->commits->options.env;

    if (commit_write_stage(env, commit->record, STAGE_EXPIRED, err) == 0) {
        FAILPOINT(expired_journalled);
        return 0;
    }
    log_failure(LOG_ERROR, "a hold cannot be ended in the journal: its record is removed", err,
                log_str("commit", commit->request->key));
    if (journal_remove(env->journal, commit->request->key, err) < 0)
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

void commit_be_expired(struct commit *commit)
{
    commit->state = COMMIT_IS_EXPIRED;
    (void)commit_hold_expired(&commit->error);
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

/* Lock held. As far as the kill has come. */
static void note_kill(struct commit *commit)
{
    const struct journal_record *record = commit->record;

    if (record->stage == STAGE_KILLED) {
        commit->state = COMMIT_IS_KILLED;
        commit->due_at_ms = clock_monotonic_ms() + RETENTION_MS;
    } else if (record->stage == STAGE_HANDED_OVER) {
        commit_be_handed_over(commit);
    } else if (record->stage == STAGE_KILLING) {
        commit->state = COMMIT_IS_KILLING;
        commit->due_at_ms = clock_monotonic_ms() + RETRY_MS;
    }
}

void commit_be_handed_over(struct commit *commit)
{
    commit->state = COMMIT_IS_HANDED_OVER;
    commit->due_at_ms = INT64_MAX; /* whoever asked for it knows what becomes of it */
    if (commit->error.code != ERR_NONE)
        return;
    (void)error_set(&commit->error, ERR_UNAVAILABLE,
                    "the agent was restarted before the image was pushed: ask again");
    (void)error_reason(&commit->error, "AgentRestarted");
}

/* A container was removed while it was being killed, and its files with it: what others left is half a sandbox. */
static void let_go_of_lost(const struct commit *commit)
{
    const struct commit_environment *env = &commit->commits->options.env;
    struct error ignored; /* met again, and found lost again, at the next start */

    if (commit_let_go(env, commit->record, &ignored) == 0)
        (void)journal_remove(env->journal, commit->request->key, &ignored);
}

/* Lock held. */
static void note_lost(struct commit *commit, const struct error *err)
{
    commit->state = COMMIT_IS_FAILED;
    commit->error = *err;
    commit->due_at_ms = clock_monotonic_ms() + RETENTION_MS;
}

int commit_kill_held(struct commit *commit, struct error *err)
{
    struct error thawing;

    step_out(commit);
    int result = commit_kill(&commit->commits->options.env, commit->record, err);
    const bool is_lost = result < 0 && err->code == ERR_NOT_FOUND;
    if (is_lost)
        let_go_of_lost(commit);
    step_in(commit);
    if (result < 0 && strcmp(err->reason, "HoldExpired") == 0) {
        if (commit_expire(commit, &thawing) < 0)
            log_failure(LOG_ERROR, "thawing after a hold failed; tried again", &thawing);
        return -1;
    }
    if (is_lost)
        note_lost(commit, err);
    else
        note_kill(commit);
    if (result == 0)
        meter_frozen(commit->commits->options.env.meter, METER_HOLD, commit->record->frozen_ms);
    return result;
}
