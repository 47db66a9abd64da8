#include "committer-agent/job/sweep.h"

#include "committer-agent/commit/freezing.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"

struct sweep {
    const char *parent;
    struct containerd *containerd;
};

static bool owes(const struct journal_record *record)
{
    switch (record->stage) {
    case STAGE_FREEZING:
    case STAGE_KILLING:
        return true;
    case STAGE_HOLDING: /* its own next process takes it; one that never comes lets it run out */
        return record->hold_until_unix_ms <= clock_realtime_ms();
    case STAGE_HANDED_OVER: /* no Job hands over */
    case STAGE_KILLED:
    case STAGE_EXPIRED:
    case STAGE_DONE:
    case STAGE_MAX:
        break;
    }
    return false;
}

/* A record from the future is one from before the clock was set. */
static bool is_old(const struct journal_record *record)
{
    int64_t age_ms = clock_realtime_ms() - record->changed_unix_ms;
    return age_ms > JOB_RETENTION_MS || age_ms < -JOB_RETENTION_MS;
}

static bool may_go(const struct journal_record *record, struct containerd *containerd)
{
    if (record->stage == STAGE_KILLED)
        return is_old(record) && commit_is_gone(containerd, record);
    return (record->stage == STAGE_DONE || record->stage == STAGE_EXPIRED) && is_old(record);
}

static bool any_owes(const struct job_records *records)
{
    for (size_t i = 0; i < records->count; i++)
        if (owes(records->items[i]))
            return true;
    return false;
}

static bool all_may_go(const struct job_records *records, struct containerd *containerd)
{
    for (size_t i = 0; i < records->count; i++)
        if (!may_go(records->items[i], containerd))
            return false;
    return !records->unreadable;
}

static int settle(const struct job_state *state, struct containerd *containerd, struct error *err)
{
    SCOPED_JOB_RECORDS struct job_records records = {0};
    SCOPED_JOB_TABLE struct job_table table = {0};

    if (job_records_read(state->dir, &records, err) < 0)
        return -1;
    return any_owes(&records) ? job_table_open(state, containerd, &table, err) : 0;
}

static void sweep_one(void *self, const char *key)
{
    const struct sweep *sweep = self;
    SCOPED_JOB_STATE struct job_state state = {.lock_fd = -1};
    SCOPED_JOB_RECORDS struct job_records records = {0};
    struct error err;

    if (job_state_take(sweep->parent, key, &state, &err) < 0)
        return; /* somebody works on it */
    if (settle(&state, sweep->containerd, &err) < 0 || job_records_read(state.dir, &records, &err) < 0) {
        log_failure(LOG_WARN, "what a Job left cannot be settled; tried again by the next", &err,
                    log_str("commit", key));
        return;
    }
    if (all_may_go(&records, sweep->containerd))
        job_state_remove(&state);
}

void jobs_sweep(const char *parent, struct containerd *containerd)
{
    struct sweep sweep = {.parent = parent, .containerd = containerd};
    struct error err;

    if (job_states_each(parent, sweep_one, &sweep, &err) < 0)
        log_failure(LOG_WARN, "old state folders cannot be looked at", &err);
}

void job_state_remove_if_empty(struct job_state *state)
{
    SCOPED_JOB_RECORDS struct job_records records = {0};
    struct error err;

    if (job_records_read(state->dir, &records, &err) < 0)
        log_failure(LOG_WARN, "a state folder stays", &err);
    else if (records.count == 0 && !records.unreadable)
        job_state_remove(state);
}
