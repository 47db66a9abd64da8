/* unpause.h - what a commit Job left frozen runs again. */
#pragma once

#include "committer-agent/containerd/containerd.h"
#include "committer-agent/job/job.h"

/* Ends the commits of this key and of this pod that no process works on, and thaws the pod's named containers. Killed
 * ones stay as they are: they are dead. A pod that is gone is fine. ERR_UNAVAILABLE, CommitInProgress: a process works
 * on such a commit, and did not end in time. */
int job_unpause(const struct job *job, struct containerd *containerd, unsigned *ret_thawed,
                struct error *err);

/* The message of a success, when the key's commit killed its pod: then all was done, and only its end was not told. NULL: it did not,
 * or the result fits into no message. The caller frees. */
char *job_finished_message(const struct job *job);
