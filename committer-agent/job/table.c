#include "committer-agent/job/table.h"

#include <errno.h>

#include "shared/base/alloc.h"
#include "shared/base/file.h"

static void add_record(void *self, struct journal_record *record)
{
    struct job_records *records = self;

    records->items = xrealloc_array(records->items, records->count + 1, sizeof(struct journal_record *));
    records->items[records->count++] = record;
}

static void note_unreadable(void *self, const struct error *why)
{
    struct job_records *records = self;

    (void)why; /* whoever settles the folder reports it */
    records->unreadable = true;
}

int job_records_read(const char *state_dir, struct job_records *ret_records, struct error *err)
{
    SCOPED(string) char *dir = xasprintf("%s/commits", state_dir);
    struct job_records records = {0};
    struct journal *journal = NULL;

    if (access(dir, F_OK) < 0 && errno == ENOENT) { /* looking must not make a journal */
        *ret_records = records;
        return 0;
    }
    if (journal_open(state_dir, &journal, err) < 0)
        return -1;
    int result = journal_each(journal, add_record, note_unreadable, &records, err);
    journal_free(journal);
    if (result < 0) {
        job_records_done(&records);
        return -1;
    }
    *ret_records = records;
    return 0;
}

void job_records_done(struct job_records *records)
{
    for (size_t i = 0; i < records->count; i++)
        journal_record_free(records->items[i]);
    free(records->items);
    *records = (struct job_records){0};
}

int job_table_open(const struct job_state *state, struct containerd *containerd, struct job_table *ret_table,
                   struct error *err)
{
    struct job_table table = {.spool_dir = xasprintf("%s/spool", state->dir)};

    if (dir_ensure(table.spool_dir, 0700, err) < 0 || journal_open(state->dir, &table.journal, err) < 0) {
        job_table_done(&table);
        return -1;
    }
    const struct commits_options options = {.env = {.containerd = containerd,
                                                    .journal = table.journal,
                                                    .spool_dir = table.spool_dir,
                                                    .owner = state->owner},
                                            .slots = 1};
    if (commits_open(&options, &table.commits, err) < 0) {
        job_table_done(&table);
        return -1;
    }
    *ret_table = table;
    return 0;
}

void job_table_done(struct job_table *table)
{
    commits_free(table->commits);
    journal_free(table->journal);
    free(table->spool_dir);
    *table = (struct job_table){0};
}
