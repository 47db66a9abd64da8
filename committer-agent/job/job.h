/* job.h - what a commit Job is asked to do: the contract of OpenSandbox's image-committer, as arguments and environment.
 *
 *   image-committer <pod> <namespace> <container>:<image>...      commit; each spec is split at its first ':'
 *   image-committer unpause <pod> <namespace> <container>...      thaw what a dead commit left frozen
 *
 * Beyond the contract, from the environment: STASIS_COMMIT_KEY (the same key is the same commit, over restarts),
 * STASIS_COMMIT_HOLD (thaw: live snapshot; kill: pause), STASIS_POD_UID, STASIS_STATE_DIR, STASIS_TERMINATION_LOG. */
#pragma once

#include "committer-agent/commit/request.h"
#include "committer-agent/settings.h"

struct job {
    /* Texts are borrowed from argv, the environment and defaults. */
    struct settings agent; /* its state_dir is the caller's to set: one folder per key below state_parent */
    const char *key, *hold_name, *pod_uid, *state_parent, *termination_log;
    const char *pod_name, *pod_ns;
    bool unpause;
    bool key_given;
    bool kill; /* STASIS_COMMIT_HOLD=kill: stay frozen, and kill while frozen */

    /* Ours: job_done(). */
    struct commit_container *containers; /* unpause: without images */
    size_t count;
    char *random_key;
};

/* Fills the zeroed *job and configures the log. ERR_INVALID names the argument or variable, what was wanted, and --help. */
int job_load(struct job *job, int argc, char **argv, enum config_outcome *ret_outcome, struct error *err);
void job_done(struct job *job);
#define SCOPED_JOB __attribute__((cleanup(job_done)))

/* As the table of commits wants it, with the mounted credentials: none when there is no such file. */
int job_request(const struct job *job, struct commit_request **ret_request, struct error *err);
