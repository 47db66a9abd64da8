/* sweep.h - what Jobs left on this node: debts of dead ones are paid, old results go. A Job's pod may never come back,
 * so every Job attends to the others' folders, too. */
#pragma once

#include "committer-agent/job/table.h"

/* How long a result is kept for a pod that asks again. A killed one is kept until its containers are gone, too. */
enum { JOB_RETENTION_MS = 60 * 60 * 1000 };

/* Settles every folder that nobody works on and removes the ones that owe nothing and are old, or empty. So the folder
 * holds what is under way and an hour of results. Failures are logged: the next sweep tries again. */
void jobs_sweep(const char *parent, struct containerd *containerd);

/* Removes the folder if no record is left in it. */
void job_state_remove_if_empty(struct job_state *state);
