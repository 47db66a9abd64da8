#include "committer-agent/commit/kill.h"

#include <string.h>

#include "committer-agent/commit/failpoints.h"
#include "committer-agent/commit/handover.h"
#include "committer-agent/commit/meter.h"
#include "committer-agent/commit/warm.h"
#include "committer-agent/containerd/freeze.h"
#include "committer-agent/containerd/tasks.h"
#include "shared/base/clock.h"
#include "shared/base/digest.h"
#include "shared/log/log.h"

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

int commit_write_stage(const struct commit_environment *env, struct journal_record *record,
                       enum commit_stage stage, struct error *err)
{
    const enum commit_stage before = record->stage;
    const int64_t changed_before_unix_ms = record->changed_unix_ms;

    record->stage = stage;
    record->changed_unix_ms = clock_realtime_ms();
    if (journal_write(env->journal, record, err) == 0)
        return 0;
    record->stage = before;
    record->changed_unix_ms = changed_before_unix_ms; /* an image that is made again says it (run.c) */
    return -1;
}

int commit_hold_expired(struct error *err)
{
    (void)error_set(err, ERR_PRECONDITION, "the hold ended and the containers run again");
    return error_reason(err, "HoldExpired");
}

static int kill_all(struct containerd *containerd, const struct journal_record *record, struct error *err)
{
    for (size_t i = 0; i < record->count; i++) {
        if (container_kill_frozen(containerd, record->containers[i].id, err) < 0)
            return error_wrap(err, "killing container %s", record->containers[i].name);
        FAILPOINT(container_killed);
    }
    FAILPOINT(all_killed);
    return 0;
}

/* As much of the container as its layer is found by: it may be gone by now. */
static struct container owner_of(const struct journal_container *entry)
{
    return (struct container){.id = entry->id,
                              .name = entry->name,
                              .snapshotter = entry->snapshotter,
                              .snapshot_key = entry->snapshot_key};
}

/* The image it was made from may be forgotten by this node before ours is pushed. This process has read it already; the next
 * one could not. */
static void keep_base(struct containerd *containerd, const char *key, const struct digest *manifest)
{
    struct error err;

    if (handover_keep_blob(containerd, key, manifest, &err) < 0)
        log_failure(LOG_WARN, "the base image is not kept: the upload could not go on after a restart", &err,
                    log_str("commit", key));
}

static int take_layer(struct containerd *containerd, const char *key, const struct journal_container *entry,
                      struct error *err)
{
    const struct container container = owner_of(entry);
    struct digest base;

    if (digest_parse(entry->base_manifest ? entry->base_manifest : "", &base, err) < 0 ||
        handover_take(containerd, &container, key, err) < 0)
        return -1;
    FAILPOINT(snapshot_committed);
    keep_base(containerd, key, &base);
    return 0;
}

static int take_layers(struct containerd *containerd, const struct journal_record *record, struct error *err)
{
    for (size_t i = 0; i < record->count; i++) {
        const struct journal_container *entry = &record->containers[i];
        if (entry->image && take_layer(containerd, record->key, entry, err) < 0)
            return error_wrap(err, "taking the writable layer of container %s", entry->name);
    }
    return 0;
}

/* All containers are looked at before the first process is killed: a refusal leaves everybody alive. */
static int begin(const struct commit_environment *env, struct journal_record *record, struct error *err)
{
    int runs = commit_has_run(env->containerd, record, err);

    if (runs != 0)
        return runs < 0 ? -1 : commit_hold_expired(err);
    if (commit_write_stage(env, record, STAGE_KILLING, err) < 0)
        return -1;
    FAILPOINT(killing_journalled);
    return 0;
}

static int finish(const struct commit_environment *env, struct journal_record *record, struct error *err)
{
    if (journal_record_has_results(record)) {
        commit_warm(env, record);
        if (commit_write_stage(env, record, STAGE_KILLED, err) < 0)
            return -1;
        FAILPOINT(killed_journalled);
        return 0;
    }
    if (commit_write_stage(env, record, STAGE_HANDED_OVER, err) < 0)
        return -1;
    FAILPOINT(handed_over_journalled);
    return 0;
}

int commit_kill(const struct commit_environment *env, struct journal_record *record, struct error *err)
{
    if (record->stage != STAGE_KILLING && begin(env, record, err) < 0)
        return -1;
    if (kill_all(env->containerd, record, err) < 0)
        return -1;
    if (record->hands_over && take_layers(env->containerd, record, err) < 0) {
        if (err->code != ERR_NOT_FOUND || !journal_record_has_results(record) ||
            commit_let_go(env, record, err) < 0)
            return -1;
        record->hands_over = false; /* somebody removed a container meanwhile; the image is there, though */
    }
    return finish(env, record, err);
}

/* 1 made, 0 not with the reason in err, -1. */
static int warm_one(const struct commit_environment *env, const char *key,
                    const struct journal_container *entry, struct error *err)
{
    const char *why = NULL;
    struct digest chain;

    if (digest_parse(entry->chain_id ? entry->chain_id : "", &chain, err) < 0)
        return -1;
    const struct warm_image image = {
        .key = key, .container = entry->name, .chain_id = &chain, .retention_ms = env->warm_retention_ms};
    int made = warm_keep(env->containerd, &image, &why, err);
    if (made == 0)
        (void)error_set(err, ERR_EXHAUSTED, "%s", why);
    return made;
}

void commit_warm(const struct commit_environment *env, struct journal_record *record)
{
    struct error err;

    record->warm = record->hands_over && env->warm_retention_ms > 0;
    for (size_t i = 0; record->warm && i < record->count; i++) {
        const struct journal_container *entry = &record->containers[i];
        if (!entry->image)
            continue;
        if (warm_one(env, record->key, entry, &err) <= 0) {
            record->warm = false;
            log_failure(LOG_INFO, "the image will be pulled when it is started here", &err,
                        log_str("commit", record->key), log_str("container", entry->name));
            return;
        }
        meter_warm(env->meter);
        FAILPOINT(alias_made);
    }
}

int commit_let_go(const struct commit_environment *env, const struct journal_record *record,
                  struct error *err)
{
    return record->hands_over ? handover_drop(env->containerd, record->key, err) : 0;
}
