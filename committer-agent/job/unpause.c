#include "committer-agent/job/unpause.h"

#include <string.h>

#include "committer-agent/containerd/containers.h"
#include "committer-agent/containerd/freeze.h"
#include "committer-agent/job/result.h"
#include "committer-agent/job/sweep.h"
#include "shared/base/alloc.h"
#include "shared/base/file.h"

enum { OWNER_WAIT_MS = 30 * 1000 };

struct search { /* for folders that concern the pod */
    const struct job *job;
    char **keys;
    size_t count;
};

static bool concerns(const struct journal_record *record, const struct job *job)
{
    if (strcmp(record->key, job->key) == 0)
        return true;
    if (*job->pod_uid)
        return strcmp(record->pod_uid, job->pod_uid) == 0;
    return strcmp(record->pod_ns, job->pod_ns) == 0 && strcmp(record->pod_name, job->pod_name) == 0;
}

static void look(void *self, const char *key)
{
    struct search *search = self;
    SCOPED(string) char *dir = xasprintf("%s/%s", search->job->state_parent, key);
    SCOPED_JOB_RECORDS struct job_records records = {0};
    struct error ignored; /* it is just being removed, or is none */
    bool found = false;

    if (job_records_read(dir, &records, &ignored) < 0)
        return;
    for (size_t i = 0; i < records.count && !found; i++)
        found = concerns(records.items[i], search->job);
    if (!found)
        return;
    search->keys = xrealloc_array(search->keys, search->count + 1, sizeof(*search->keys));
    search->keys[search->count++] = xstrdup(key);
}

static void search_done(struct search *search)
{
    for (size_t i = 0; i < search->count; i++)
        free(search->keys[i]);
    free(search->keys);
}

/* Whatever is remembered about the folder's commits but a kill. */
static int end_commits(const struct job_state *state, const struct job_table *table, struct error *err)
{
    SCOPED_JOB_RECORDS struct job_records records = {0};

    if (job_records_read(state->dir, &records, err) < 0)
        return -1;
    for (size_t i = 0; i < records.count; i++)
        if (commits_cancel(table->commits, records.items[i]->key, err) < 0 ||
            commits_forget(table->commits, records.items[i]->key, err) < 0)
            return error_wrap(err, "ending commit %s", records.items[i]->key);
    return 0;
}

static struct pod_name pod_of(const struct job *job)
{
    return (struct pod_name){.uid = job->pod_uid, .pod_namespace = job->pod_ns, .name = job->pod_name};
}

static bool is_gone(struct error *err)
{
    if (strcmp(err->reason, "PodNotFound") != 0)
        return false;
    error_clear(err);
    return true;
}

static int thaw_named(const struct job *job, const struct job_table *table, struct error *err)
{
    const struct pod_name pod = pod_of(job);
    SCOPED(memory) const char **names = xcalloc(job->count, sizeof(*names));
    unsigned ignored;

    for (size_t i = 0; i < job->count; i++)
        names[i] = job->containers[i].name;
    int result = commits_unpause(table->commits, &pod, names, job->count, &ignored, err);
    return result < 0 && is_gone(err) ? 0 : result;
}

/* Settling and cancelling thaw, too: what counts is the difference. */
static int count_frozen(const struct job *job, struct containerd *containerd, unsigned *ret_count,
                        struct error *err)
{
    const struct pod_name pod = pod_of(job);
    SCOPED_CONTAINER_LIST struct container_list list = {0};
    unsigned count = 0;

    if (containers_of_pod(containerd, &pod, NULL, &list, err) < 0 && !is_gone(err))
        return -1;
    for (size_t i = 0; i < list.count; i++) {
        int frozen = container_is_frozen(containerd, list.items[i].id, err);
        if (frozen < 0)
            return -1;
        count += (unsigned)frozen;
    }
    *ret_count = count;
    return 0;
}

static int unpause_folder(const struct job *job, const char *key, struct containerd *containerd,
                          struct error *err)
{
    SCOPED_JOB_STATE struct job_state state = {.lock_fd = -1};
    SCOPED_JOB_TABLE struct job_table table = {0};

    if (job_state_open(job->state_parent, key, OWNER_WAIT_MS, &state, err) < 0 ||
        job_table_open(&state, containerd, &table, err) < 0 || end_commits(&state, &table, err) < 0 ||
        thaw_named(job, &table, err) < 0)
        return -1;
    job_state_remove_if_empty(&state);
    return 0;
}

int job_unpause(const struct job *job, struct containerd *containerd, unsigned *ret_thawed, struct error *err)
{
    __attribute__((cleanup(search_done))) struct search search = {.job = job};
    unsigned before, after;
    int result = 0;

    if (count_frozen(job, containerd, &before, err) < 0 ||
        job_states_each(job->state_parent, look, &search, err) < 0)
        return -1;
    for (size_t i = 0; i < search.count && result == 0; i++)
        result = unpause_folder(job, search.keys[i], containerd, err);
    if (search.count == 0) /* no folder concerns the pod: one of our own, to have a table */
        result = unpause_folder(job, job->key, containerd, err);
    if (result < 0 || count_frozen(job, containerd, &after, err) < 0)
        return -1;
    *ret_thawed = before > after ? before - after : 0;
    return 0;
}

static char *message_of(const struct journal_record *record)
{
    SCOPED(memory) struct commit_result *results = xcalloc(record->count + 1, sizeof(*results));
    size_t count = 0;

    for (size_t i = 0; i < record->count; i++)
        if (record->containers[i].digest) /* the others were frozen only */
            results[count++] = (struct commit_result){.container = record->containers[i].name,
                                                      .image = record->containers[i].image,
                                                      .digest = record->containers[i].digest};
    return count ? job_success_message(results, count) : NULL;
}

char *job_finished_message(const struct job *job)
{
    SCOPED(string) char *dir = xasprintf("%s/%s", job->state_parent, job->key);
    SCOPED_JOB_RECORDS struct job_records records = {0};
    struct error ignored; /* then nobody knows */

    if (job_records_read(dir, &records, &ignored) < 0)
        return NULL;
    for (size_t i = 0; i < records.count; i++)
        if (records.items[i]->stage == STAGE_KILLED && strcmp(records.items[i]->key, job->key) == 0)
            return message_of(records.items[i]);
    return NULL;
}
