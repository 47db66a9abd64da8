/* run.h - one commit from beginning to end, on one thread.
 *
 *   resolve, claim the pod, check everything that can fail without touching a process    nothing is frozen
 *     -> journal FREEZING -> freeze every running container of the pod
 *     -> capture each upper layer into a spool; its upload follows; all still frozen?     frozen
 *     -> live snapshot: thaw
 *     -> finish uploads, push config and manifest
 *     -> pause: journal HOLDING, stay frozen; live snapshot: journal DONE
 *
 * Whatever fails: the containers that the record names are thawed (again and again, if containerd is away), the spool goes, and the
 * journal record last. A crash at any point leaves a record that commits.h settles at start-up. */
#pragma once

#include "committer-agent/commit/journal.h"
#include "committer-agent/commit/progress.h"
#include "committer-agent/commit/request.h"
#include "committer-agent/containerd/containers.h"
#include "committer-agent/layer/layer.h"

struct commit_environment { /* the agent's; outlives every run */
    struct containerd *containerd;
    struct journal *journal;
    const char *spool_dir;
    /* Frozen containers are marked with it (frozen_by.h); the same for whoever comes after this process. NULL: not marked. */
    const char *owner;
    uint64_t spool_min_free_bytes; /* beyond what the layers are expected to need */
    int compression_level;         /* 0: the fast default */
    unsigned compression_threads;
    const char *registry_ca_file; /* or NULL */
    const char *user_agent;
};

struct commit_run {
    const struct commit_environment *env;
    const struct commit_request *request;
    struct commit_progress progress;
    struct layer_progress layers; /* of all captures together */
    bool cancelled;               /* atomically: the run ends with ERR_CANCELLED as soon as it can */

    void (*phase_changed)(void *self);
    /* The pod is found; `member` is any of its containers. -1 with CommitSuperseded: another commit has it. */
    int (*claim)(void *self, const struct container *member, struct error *err);
    /* Waits; false: the agent is stopping. Between tries to thaw. */
    bool (*wait)(void *self, int64_t ms);
    void *self;
};

/* *ret_record (HOLDING or DONE) and *ret_results (request->count of them) are the caller's. Errors with the
 * reasons of committer.proto. */
int commit_run(struct commit_run *run, struct journal_record **ret_record, struct commit_result **ret_results,
               struct error *err);

/* Thaws every container of a record. ERR_UNAVAILABLE and the like: try again. */
int commit_thaw(struct containerd *containerd, const struct journal_record *record, struct error *err);

/* Nobody can find any of its containers any more. One that cannot be asked for counts as there. */
bool commit_is_gone(struct containerd *containerd, const struct journal_record *record);

/* Makes sure that no process of the record's containers ever runs again. Errors of container_kill_frozen(). */
int commit_kill(struct containerd *containerd, const struct journal_record *record, struct error *err);
