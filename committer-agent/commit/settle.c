#include "committer-agent/commit/commits_priv.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "committer-agent/containerd/tasks.h"
#include "committer-agent/layer/spool.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"

/* settle.c - what an earlier process left: read from the journal before any new work is accepted. */

/* Has any of the containers run since it was frozen? 1, 0, -1. Stopped ones and ones that are gone have not.
 */
static int has_run_since(struct containerd *containerd, const struct journal_record *record,
                         struct error *err)
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
    return (struct commit_result){.container = xstrdup(container->name),
                                  .image = xstrdup(container->image),
                                  .digest = xstrdup(container->digest),
                                  .layer_digest = xstrdup(container->layer_digest),
                                  .diff_id = xstrdup(container->diff_id),
                                  .layer_size = container->layer_size,
                                  .image_size = container->image_size,
                                  .files = container->files,
                                  .layers = (uint32_t)container->layers};
}

/* Takes over the record. */
static void remember(struct commits *commits, struct journal_record *record, enum commit_state state)
{
    struct commit *commit = commit_new(commits, request_of(record));

    commit->state = state;
    commit->claimed = true;
    commit->record = record;
    commit->results = xcalloc(commit->request->count, sizeof(*commit->results));
    for (size_t i = 0; i < record->count; i++)
        if (record->containers[i].image)
            commit->results[commit->result_count++] = result_of(&record->containers[i]);
    commit->finished_ms = commit->started_ms;
    commit->forget_at_ms = commit->started_ms + RETENTION_MS;
    atomic_store(&commit->run.progress.phase, state == COMMIT_IS_HOLDING ? COMMIT_HOLDING : COMMIT_DONE);
    if (state == COMMIT_IS_EXPIRED) {
        (void)error_set(&commit->error, ERR_STATE, "the hold ended and the containers run again");
        (void)error_reason(&commit->error, "HoldExpired");
    }
    commits_insert(commits, commit);
}

static int settle_freezing(struct commits *commits, struct journal_record *record, struct error *err)
{
    int result = commit_thaw(commits->options.env.containerd, record, err);

    if (result == 0)
        result = journal_remove(commits->options.env.journal, record->key, err);
    journal_record_free(record);
    return result;
}

static int settle_expired(struct commits *commits, struct journal_record *record, struct error *err)
{
    if (commit_thaw(commits->options.env.containerd, record, err) < 0) {
        journal_record_free(record);
        return -1;
    }
    remember(commits, record, COMMIT_IS_EXPIRED);
    return 0;
}

static int settle_holding(struct commits *commits, struct journal_record *record, struct error *err)
{
    int stale = has_run_since(commits->options.env.containerd, record, err);

    if (stale == 0) {
        remember(commits, record, COMMIT_IS_HOLDING);
        return 0;
    }
    record->stage = STAGE_EXPIRED;
    if (stale < 0 || journal_write(commits->options.env.journal, record, err) < 0) {
        journal_record_free(record);
        return -1;
    }
    return settle_expired(commits, record, err);
}

static int settle_record(void *self, struct journal_record *record, struct error *err)
{
    struct commits *commits = self;

    LOG_SCOPE(log_str("commit", record->key), log_str("pod", record->pod_name));
    bool owes = record->stage == STAGE_FREEZING || record->stage == STAGE_HOLDING;
    log_emit(owes ? LOG_INFO : LOG_DEBUG, "settling a commit of an earlier process",
             (const struct log_field[]){log_str("stage", commit_stage_name(record->stage))}, 1);
    switch (record->stage) {
    case STAGE_FREEZING:
        return settle_freezing(commits, record, err);
    case STAGE_HOLDING:
        return settle_holding(commits, record, err);
    case STAGE_EXPIRED:
        return settle_expired(commits, record, err);
    case STAGE_KILLED:
        remember(commits, record, COMMIT_IS_KILLED);
        return 0;
    case STAGE_DONE:
        remember(commits, record, COMMIT_IS_DONE);
        return 0;
    case STAGE_MAX:
        break;
    }
    return error_set(err, ERR_INTERNAL, "a journal record without a stage");
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
    if (journal_each(commits->options.env.journal, settle_record, commits, err) < 0 ||
        remove_spools(commits->options.env.spool_dir, err) < 0)
        return error_wrap(err, "settling what an earlier process left");
    return 0;
}
