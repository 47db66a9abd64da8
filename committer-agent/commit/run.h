/* run.h - one commit from beginning to end.
 *
 *   resolve, claim the pod, check everything that can fail without touching a process    nothing is frozen
 *     -> journal FREEZING -> freeze every running container of the pod
 *     -> live snapshot: capture, all still frozen?, thaw, push, journal DONE
 *     -> pause, held: capture; its upload follows; all still frozen? push; journal HOLDING, stay frozen
 *     -> pause, handed over: "releasable"; capture and push go on, on a thread of their own, while somebody asks for the
 *        kill: kill.h makes it final; then the push ends, journal KILLED
 *
 * What fails before KILLING is journalled is undone: the containers that the record names are thawed (again and again, if
 * containerd is away), the spool goes, and the journal record last. After it nothing is undone: the record stays, HANDED_OVER,
 * and commit_continue() takes it up. A crash at any point leaves a record that commits.h settles at start-up. */
#pragma once

#include <stdatomic.h>

#include "committer-agent/commit/environment.h"
#include "committer-agent/commit/journal.h"
#include "committer-agent/commit/progress.h"
#include "committer-agent/commit/request.h"
#include "committer-agent/containerd/containers.h"
#include "committer-agent/layer/layer.h"

enum { COMMIT_WHY_MAX = 200 };

struct commit_run {
    const struct commit_environment *env;
    const struct commit_request *request;
    struct commit_progress progress;
    struct layer_progress layers; /* of all captures together */
    bool cancelled;               /* atomically: the run ends with ERR_CANCELLED as soon as it can */
    char path_why
        [COMMIT_WHY_MAX]; /* why a pause that wanted to be is not handed over; set before the freeze */

    /* All of them on the run's own thread but phase_changed, which its helper calls, too. */
    void (*phase_changed)(void *self);
    /* The pod is found; `member` is any of its containers. -1 with CommitSuperseded: another commit has it. */
    int (*claim)(void *self, const struct container *member, struct error *err);
    /* Everything is frozen and the kill may be asked for. */
    void (*releasable)(void *self);
    /* Waits until the kill is asked for (true), or *published is set and phase_changed called (false). */
    bool (*kill_wanted)(void *self, const atomic_bool *published);
    /* The answer, once for each time that it was wanted. 0: no process will ever run again, the record says so. */
    void (*kill_answered)(void *self, int result, const struct error *err);
    /* Waits; false: the agent is stopping. Between tries to thaw, and to finish a kill. */
    bool (*wait)(void *self, int64_t ms);
    void *self;
};

/* *ret_record and *ret_results (request->count of them) are the caller's. 0: HOLDING, DONE or KILLED. -1, errors with the
 * reasons of committer.proto: *ret_record is NULL when all is undone; else KILLING or HANDED_OVER. */
int commit_run(struct commit_run *run, struct journal_record **ret_record, struct commit_result **ret_results,
               struct error *err);

/* Goes on with a record that is HANDED_OVER: push, then KILLED. -1: it still is HANDED_OVER. */
int commit_continue(struct commit_run *run, struct journal_record *record, struct commit_result **ret_results,
                    struct error *err);

/* The same without a registry: the images are made known to this node's containerd alone. */
int commit_keep(struct commit_run *run, struct journal_record *record, struct commit_result **ret_results,
                struct error *err);
