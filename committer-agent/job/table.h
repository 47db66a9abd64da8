/* table.h - the commits in one Job's state folder: looked at, or opened and settled. */
#pragma once

#include "committer-agent/commit/commits.h"
#include "committer-agent/job/state.h"

/* What the records of a folder say, read without its lock: each is whole, but the owner may be writing the next. */
struct job_records {
    struct journal_record **items;
    size_t count;
    bool unreadable; /* there are some that cannot be read */
};
int job_records_read(const char *state_dir, struct job_records *ret_records, struct error *err);
void job_records_done(struct job_records *records);
#define SCOPED_JOB_RECORDS __attribute__((cleanup(job_records_done)))

struct job_table {
    struct journal *journal;
    struct commits *commits;
    char *spool_dir;
};

/* Settles the folder as its own next process would: what was frozen for a dead Job is thawed, a kill that began is
 * finished, a hold lasts until it runs out. Under the folder's lock. */
int job_table_open(const struct job_state *state, struct containerd *containerd, struct job_table *ret_table,
                   struct error *err);
void job_table_done(struct job_table *table); /* what is held stays held */
#define SCOPED_JOB_TABLE __attribute__((cleanup(job_table_done)))
