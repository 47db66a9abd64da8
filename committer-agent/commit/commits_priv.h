/* commits_priv.h - the table's insides, shared by commits.c (the table, open and close), start.c (begin, run, wait),
 * release.c (what ends a commit from outside), hold.c (the ways out of a hold), keep.c (what becomes of a commit that was handed
 * over), supervise.c (time) and settle.c (start-up). */
#pragma once

#include <pthread.h>

#include "committer-agent/commit/commits.h"
#include "committer-agent/containerd/containers.h"
#include "shared/base/failpoint.h"

#define RETENTION_MS failpoint_ms("STASIS_RETENTION_MS", 60 * 60 * 1000)
/* Of an image that this node alone has: the node may be away for a while before the sandbox comes back to it. */
#define KEPT_RETENTION_MS failpoint_ms("STASIS_RETENTION_MS", (int64_t)7 * 24 * 60 * 60 * 1000)
#define REMEMBERED_MAX    1024 /* DONE, EXPIRED and FAILED ones; KILLED ones are as many as their containers */

/* The kill of a commit that still runs, which its own thread does: run.h. */
enum kill_request {
    KILL_NOT_OFFERED,
    KILL_OFFERED, /* releasable */
    KILL_WANTED,
    KILL_SOON, /* it is pushed and about to be held: then */
    KILL_DONE
};

enum commit_state {
    COMMIT_IS_RUNNING,
    COMMIT_IS_HOLDING,
    COMMIT_IS_KILLING,
    COMMIT_IS_HANDED_OVER,
    COMMIT_IS_KILLED,
    COMMIT_IS_EXPIRED,
    COMMIT_IS_DONE,
    COMMIT_IS_FAILED
};

struct commit {
    struct commits *commits;
    struct commit_request *request; /* set before anybody else sees it */
    int64_t started_ms;             /* monotonic */

    /* Under commits->lock. */
    unsigned refs;
    enum commit_state state;
    char *pod_uid, *pod_ns, *pod_name; /* as asked for; all three once the run has found the pod ... */
    bool claimed;                      /* ... and it is this commit's */
    bool busy;                         /* somebody works on it outside the lock */
    bool owes_thaw;                    /* EXPIRED, FAILED: its containers may still be frozen */
    bool timed_out;                    /* why the supervisor cancelled it */
    enum kill_request kill;
    unsigned kill_refusals;
    struct error kill_error; /* of the last refusal */
    struct error error;
    /* Not RUNNING, but for one that goes on after it was handed over: its run has it then. NULL in a FAILED one that owes
     * nothing. */
    struct journal_record *record;
    struct commit_result *results;
    size_t result_count;
    int64_t finished_ms; /* monotonic */
    int64_t due_at_ms;   /* monotonic: when the supervisor looks at it, for whatever its state is due */
    struct commit *next;

    struct commit_run run; /* the run's own thread; progress is atomic */
};

struct commits {
    struct commits_options options; /* set at open */

    pthread_mutex_t lock;   /* guards everything below */
    pthread_cond_t changed; /* any state, phase or the stop flags; monotonic clock */
    struct commit *first;
    unsigned threads; /* runs that have not ended */
    bool closing;     /* no new work */
    bool stopping;    /* the supervisor ends; thawing is not retried any more */
    pthread_t supervisor;
    bool supervised;
};

void commits_lock(struct commits *commits);
void commits_unlock(struct commits *commits);
/* Waits for `changed`, at most until a point in monotonic time. */
void commits_wait_until(struct commits *commits, int64_t monotonic_ms);

void commits_wake(struct commits *commits); /* everybody who waits for `changed` */

struct commit *commits_find(struct commits *commits, const char *key); /* lock held; borrowed */
void commits_insert(struct commits *commits, struct commit *commit);   /* lock held; takes the reference */
/* Lock held; gives the table's reference back. Nothing, when it was done before. */
void commits_unlink(struct commits *commits, struct commit *commit);
struct commit *commit_new(struct commits *commits, struct commit_request *request);
void commit_drop_locked(struct commit *commit); /* unref with the lock held */

bool commit_is_live(const struct commit *commit); /* lock held: RUNNING, or frozen for its pause */
/* Lock held: its containers are dead for good, and its files are here. */
bool commit_is_handed_over(const struct commit *commit);
bool commit_is_dead(const struct commit *commit); /* lock held: so are its containers, by its kill */
/* Lock held: does it work on this pod, named by uid, or by namespace and name? */
bool commit_has_pod(const struct commit *commit, const char *uid, const char *ns, const char *name);
void commit_wait_idle(struct commit *commit); /* lock held; until nobody works on it outside the lock */

/* Lock held; as commits_cancel(). */
int commit_cancel_locked(struct commit *commit, struct error *err);

void commit_be_expired(struct commit *commit); /* lock held; state and error */
void commit_be_kept(
    struct commit *commit); /* lock held; KILLED, by record->kept: the error that callers get */

enum commit_state commit_state_at(enum commit_stage stage);

int commits_settle(struct commits *commits, struct error *err);
/* Lock held, let go in between. Attends to one commit that is due; answers when to look again. */
int64_t commits_attend(struct commits *commits);
int commits_supervise(struct commits *commits, struct error *err); /* starts the thread */
