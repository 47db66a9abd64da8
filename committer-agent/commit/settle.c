#include "committer-agent/commit/handover.h"
#include "committer-agent/commit/hold.h"
#include "committer-agent/commit/kill.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "committer-agent/commit/upload_note.h"
#include "committer-agent/containerd/freeze.h"
#include "committer-agent/containerd/frozen_by.h"
#include "committer-agent/layer/spool.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"

/* settle.c - what an earlier process left: read from the journal before any new work is accepted. */

static struct commit_request *request_of(const struct journal_record *record)
{
    struct commit_request *request = xcalloc(1, sizeof(*request));

    *request = (struct commit_request){.key = xstrdup(record->key),
                                       .pod_uid = xstrdup(record->pod_uid),
                                       .pod_ns = xstrdup(record->pod_ns),
                                       .pod_name = xstrdup(record->pod_name),
                                       .containers = xcalloc(record->count, sizeof(*request->containers)),
                                       .hold = record->hold};
    for (size_t i = 0; i < record->count; i++)
        if (record->containers[i].image)
            request->containers[request->count++] = (struct commit_container){
                .name = xstrdup(record->containers[i].name), .image = xstrdup(record->containers[i].image)};
    return request;
}

static struct commit_result result_of(const struct journal_container *container)
{
    const struct journal_skipped *skipped = container->skipped.items;
    struct commit_result result = {.container = xstrdup(container->name),
                                   .image = xstrdup(container->image),
                                   .digest = xstrdup(container->digest),
                                   .layer_digest = xstrdup(container->layer_digest),
                                   .diff_id = xstrdup(container->diff_id),
                                   .chain_id = xstrdup(container->chain_id),
                                   .layer_size = container->layer_size,
                                   .image_size = container->image_size,
                                   .files = container->files,
                                   .layers = (uint32_t)container->layers,
                                   .skipped = xcalloc(container->skipped.count + 1, sizeof(*result.skipped))};

    for (; result.skipped_count < container->skipped.count; result.skipped_count++, skipped++)
        result.skipped[result.skipped_count] = (struct commit_skipped){
            .kind = xstrdup(skipped->kind), .count = skipped->count, .example = xstrdup(skipped->example)};
    return result;
}

/* How long a hold has left. The clock may have been set meanwhile: never more than there was. */
static int64_t hold_left_ms(const struct journal_record *record)
{
    int64_t whole_ms = record->hold_until_unix_ms - record->changed_unix_ms;
    int64_t left_ms = record->hold_until_unix_ms - clock_realtime_ms();

    return left_ms < 0 ? 0 : left_ms < whole_ms ? left_ms : whole_ms;
}

enum commit_state commit_state_at(enum commit_stage stage)
{
    static const enum commit_state states[] = {
        [STAGE_FREEZING] = COMMIT_IS_FAILED, [STAGE_HOLDING] = COMMIT_IS_HOLDING,
        [STAGE_KILLING] = COMMIT_IS_KILLING, [STAGE_HANDED_OVER] = COMMIT_IS_HANDED_OVER,
        [STAGE_KILLED] = COMMIT_IS_KILLED,   [STAGE_EXPIRED] = COMMIT_IS_EXPIRED,
        [STAGE_DONE] = COMMIT_IS_DONE,
    };
    _Static_assert(sizeof(states) / sizeof(states[0]) == STAGE_MAX, "every stage has a state");
    return states[stage];
}

/* What is owed is due at once, what is finished is kept for a while. */
static int64_t due_in_ms(const struct journal_record *record)
{
    switch (record->stage) {
    case STAGE_HOLDING:
        return hold_left_ms(record);
    case STAGE_KILLED:
        return record->kept ? KEPT_RETENTION_MS : RETENTION_MS;
    case STAGE_DONE:
        return RETENTION_MS;
    case STAGE_HANDED_OVER: /* until it is asked for again */
    case STAGE_FREEZING:
    case STAGE_KILLING:
    case STAGE_EXPIRED:
    case STAGE_MAX:
        break;
    }
    return 0;
}

static void remember_results(struct commit *commit, const struct journal_record *record)
{
    commit->results = xcalloc(commit->request->count, sizeof(*commit->results));
    for (; commit->result_count < commit->request->count; commit->result_count++)
        commit->results[commit->result_count] = result_of(&record->containers[commit->result_count]);
}

/* Takes over the record. */
static void remember(struct commits *commits, struct journal_record *record)
{
    struct commit *commit = commit_new(commits, request_of(record));

    commit->state = commit_state_at(record->stage);
    commit->claimed = true;
    commit->record = record;
    if (journal_record_has_results(record))
        remember_results(commit, record);
    commit->finished_ms = commit->started_ms;
    commit->due_at_ms = commit->started_ms + due_in_ms(record);
    commit->owes_thaw = record->stage == STAGE_FREEZING || record->stage == STAGE_EXPIRED;
    atomic_store(&commit->run.progress.phase,
                 commit->state == COMMIT_IS_HOLDING ? COMMIT_HOLDING : COMMIT_DONE);
    if (commit->state == COMMIT_IS_EXPIRED)
        commit_be_expired(commit);
    if (commit->state == COMMIT_IS_HANDED_OVER)
        commit_be_handed_over(commit);
    if (record->kept)
        commit_be_kept(commit);
    if (commit->state == COMMIT_IS_FAILED) {
        (void)error_set(&commit->error, ERR_UNAVAILABLE, "the agent was restarted during the commit");
        (void)error_reason(&commit->error, "AgentRestarted");
    }
    commits_insert(commits, commit);
}

static void load_record(void *self, struct journal_record *record)
{
    bool owes = record->stage != STAGE_KILLED && record->stage != STAGE_DONE;

    log_emit(owes ? LOG_INFO : LOG_DEBUG, "settling a commit of an earlier process",
             (const struct log_field[]){log_str("commit", record->key), log_str("pod", record->pod_name),
                                        log_str("stage", commit_stage_name(record->stage))},
             3);
    remember(self, record);
}

/* Nobody can tell whom it froze; but an agent that does not start could not free the others either. */
static void report_unreadable(void *self, const struct error *err)
{
    (void)self;
    log_failure(
        LOG_ERROR,
        "a journal record cannot be read: if its pod is frozen, thaw it (committer-agent unpause), then "
        "remove the file",
        err);
}

/* Lock held. A hold that somebody ended while we were away must not be taken for a true one. */
static void expire_if_it_ran(struct commit *commit)
{
    struct error err;
    int ran = commit_has_run(commit->commits->options.env.containerd, commit->record, &err);

    if (ran > 0)
        log_warn("held containers ran while the agent was away", log_str("commit", commit->request->key));
    if (ran < 0 || (ran > 0 && commit_expire(commit, &err) < 0))
        log_failure(LOG_ERROR, "a held commit cannot be settled; looked at again when it is released", &err,
                    log_str("commit", commit->request->key));
}

/* Each debt is tried once; what cannot be paid now stays with the supervisor. */
static void pay_debts(struct commits *commits)
{
    commits_lock(commits);
    for (struct commit *commit = commits->first; commit; commit = commit->next)
        if (commit->state == COMMIT_IS_HOLDING)
            expire_if_it_ran(commit);
    while (commits_attend(commits) <= clock_monotonic_ms())
        ;
    commits_unlock(commits);
}

/* Is it frozen, or dead in a frozen cgroup, by a commit that we know? */
static bool is_accounted_for(const struct commits *commits, const char *container_id)
{
    for (const struct commit *commit = commits->first; commit; commit = commit->next)
        if (commit->record && (commit_is_live(commit) || commit_is_dead(commit)) &&
            journal_record_has(commit->record, container_id))
            return true;
    return false;
}

static void free_stray(struct containerd *containerd, const struct container *container)
{
    struct error err = {0};
    int frozen = container_is_frozen(containerd, container->id, &err);

    if (frozen > 0)
        log_warn("an earlier process froze a container, and the journal does not know it: thawing",
                 log_str("container", container->id), log_str("pod", container->pod_name));
    if (frozen < 0 || (frozen > 0 && container_thaw(containerd, container->id, &err) < 0) ||
        container_unmark_frozen(containerd, container->id, &err) < 0)
        log_failure(LOG_ERROR, "a container of an earlier process may stay frozen: committer-agent unpause",
                    &err, log_str("container", container->id), log_str("pod", container->pod_name));
}

/* The state folder was lost, or a record of it: what it knew is on the containers, too. */
static void free_strays(struct commits *commits)
{
    const struct commit_environment *env = &commits->options.env;
    SCOPED_CONTAINER_LIST struct container_list list = {0};
    struct error err;

    if (!env->owner)
        return;
    if (containers_frozen_by(env->containerd, env->owner, &list, &err) < 0) {
        log_failure(LOG_ERROR, "cannot look for containers that an earlier process left frozen", &err);
        return;
    }
    for (size_t i = 0; i < list.count; i++)
        if (!is_accounted_for(commits, list.items[i].id))
            free_stray(env->containerd, &list.items[i]);
}

/* A journal can be lost, a lease is not. Whose files these are nobody can tell any more, so nobody removes them either. */
static void report_unknown_layers(struct commits *commits)
{
    SCOPED_HANDOVER_KEYS struct handover_keys keys = {0};
    struct error err;

    if (handover_list(commits->options.env.containerd, &keys, &err) < 0) {
        log_failure(LOG_WARN, "cannot look for layers that an earlier process kept", &err);
        return;
    }
    for (size_t i = 0; i < keys.count; i++)
        if (!commits_find(commits, keys.items[i]))
            log_warn("this node keeps the files of a commit that the journal does not know; when nobody "
                     "misses them, delete "
                     "containerd's lease stasis-<commit>",
                     log_str("commit", keys.items[i]));
}

static bool is_spool_file(const char *name)
{
    size_t length = strlen(name), suffix = strlen(SPOOL_NAME_SUFFIX);
    return strncmp(name, SPOOL_NAME_PREFIX, strlen(SPOOL_NAME_PREFIX)) == 0 && length > suffix &&
           strcmp(name + length - suffix, SPOOL_NAME_SUFFIX) == 0;
}

/* No commit is under way yet, so every spool file is an orphan. */
static int remove_spools(const char *dir_path, struct error *err)
{
    DIR *dir = opendir(dir_path);
    struct dirent *entry;
    int result = 0;

    if (!dir)
        return error_sys(err, errno, "reading the spool folder %s", dir_path);
    while (result == 0 && (entry = readdir(dir)))
        if (is_spool_file(entry->d_name) && unlinkat(dirfd(dir), entry->d_name, 0) < 0)
            result = error_sys(err, errno, "removing %s/%s", dir_path, entry->d_name);
    (void)closedir(dir);
    return result;
}

int commits_settle(struct commits *commits, struct error *err)
{
    if (journal_each(commits->options.env.journal, load_record, report_unreadable, commits, err) < 0 ||
        remove_spools(commits->options.env.spool_dir, err) < 0)
        return error_wrap(err, "settling what an earlier process left");
    upload_notes_expire(commits->options.env.spool_dir);
    pay_debts(commits);
    free_strays(commits);
    if (commits->options.env.hands_over)
        report_unknown_layers(commits);
    return 0;
}
