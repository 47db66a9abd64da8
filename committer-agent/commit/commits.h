/* commits.h - all commits of this node by key: started once, attached to by anybody, settled after a crash.
 *
 *   RUNNING ──▶ HOLDING ──release KILL──▶ KILLING ──▶ KILLED   (the image equals the sandbox, and always will)
 *      │           └──thaw, or the hold ran out──▶ EXPIRED   (it may not any more: a later KILL is refused)
 *      ├──release KILL, while it runs: handed over──▶ KILLED
 *      │           └──cannot be pushed──▶ HANDED_OVER ──asked for again──▶ RUNNING ──▶ KILLED
 *      │                                       ├──keep──▶ KILLED     (the image is on this node alone)
 *      │                                       └──discard──▶ gone
 *      ├──▶ DONE      live snapshot
 *      └──▶ FAILED    everything runs again
 *
 * At most one commit per pod runs, holds, kills or still owes a thaw. A finished commit is remembered for
 * RETENTION_MS (fewer than REMEMBERED_MAX of them), so that a caller who lost the answer gets it by asking again;
 * the key of a FAILED one starts anew. One that was KILLED stays known until its containers are gone, one that is HANDED_OVER
 * until somebody says what becomes of it: it is the only copy.
 * Threads: any; one thread per running commit, and one supervisor for deadlines, holds and forgetting. */
#pragma once

#include "committer-agent/commit/run.h"

struct commits;
struct commit; /* reference-counted */

struct commits_options {
    struct commit_environment env; /* what it points to outlives the table */
    unsigned slots;                /* commits that may run at once */
};

/* Settles what an earlier process owed, then accepts work. A record that cannot be read is reported; a thaw or kill
 * that fails is tried again while the pod is refused to others: neither keeps other pods frozen. Fails when the
 * journal or the spool folder cannot be listed. */
int commits_open(const struct commits_options *options, struct commits **ret_commits, struct error *err);

/* Takes no more work, cancels what runs, gives held commits up to grace_ms to be released and thaws the
 * others. */
void commits_close(struct commits *commits, int64_t grace_ms);
void commits_free(struct commits *commits); /* closed, or never used */
DEFINE_FREEP(commits, struct commits, commits_free)

/* Starts the commit or attaches to the one of the same key; the request is copied. *ret_commit is the
 * caller's. ERR_INVALID; ERR_EXISTS: the key means another commit; ERR_EXHAUSTED: no slot; ERR_PRECONDITION,
 * CommitSuperseded: another commit has the pod; ERR_UNAVAILABLE: closing. */
int commits_start(struct commits *commits, const struct commit_request *request, struct commit **ret_commit,
                  struct error *err);
struct commit *commit_ref(struct commit *commit);
void commit_unref(struct commit *commit);
DEFINE_FREEP(commit, struct commit, commit_unref)

struct commit_report {
    bool finished;
    bool failed;
    struct error error; /* failed */
    bool hold;          /* as asked for */
    bool releasable;    /* Release KILL is possible although it is not finished */
    bool
        handed_over; /* its containers are dead for good, and its files are on this node whatever becomes of the push */
    bool being_killed;    /* not finished, and nobody can tell yet whether it will be handed over */
    bool warm;            /* finished and not failed: a pod of these images starts here without a pull */
    const char *path_why; /* why a pause is not handed over, "" otherwise; borrowed from the commit */
    enum commit_phase phase;
    uint64_t bytes_read, bytes_total, bytes_pushed, files;
    const struct commit_result
        *results; /* finished, and not failed but with CommitKept; borrowed from the commit */
    size_t result_count;
    int64_t frozen_ms, elapsed_ms;
};

/* Blocks until phase, releasable or handed_over are others than in `seen`, the commit is finished, or timeout_ms are over. */
struct commit_report commit_wait(struct commit *commit, const struct commit_report *seen, int64_t timeout_ms);
/* Wakes everybody in commit_wait (a caller has left). */
void commit_wake(struct commit *commit);

enum commit_release { COMMIT_RELEASE_THAW, COMMIT_RELEASE_KILL };

/* Idempotent. ERR_NOT_FOUND, CommitLost: no such key. ERR_PRECONDITION: KILL of a commit that is neither releasable nor finished
 * yet; with reason HoldExpired when its containers run, because the hold ended, it failed, or it never held them. */
int commits_release(struct commits *commits, const char *key, enum commit_release how, struct error *err);

/* Ends the commit and thaws; waits until that is done. Unknown keys are fine; what is being killed, or was, stays so, and what
 * was handed over stays here.
 * ERR_TIMEOUT: cancelled, but containerd or the registry has not let go of it yet: ask again. */
int commits_cancel(struct commits *commits, const char *key, struct error *err);

/* Gives up the push of a commit that was handed over: its images become known to this node's containerd alone. *ret_commit is
 * the caller's; its report has the results. Idempotent. ERR_NOT_FOUND, CommitLost; ERR_PRECONDITION: it was not handed over. */
int commits_keep(struct commits *commits, const char *key, struct commit **ret_commit, struct error *err);

/* Nobody needs the files of the commit any more. What was handed over and not pushed is let go; others are cancelled.
 * Unknown keys are fine. */
int commits_discard(struct commits *commits, const char *key, struct error *err);

/* Thaws the pod's frozen containers (names NULL: all). ERR_PRECONDITION: a live commit owns one. Killed ones are left as
 * they are: there is nobody to thaw. */
int commits_unpause(struct commits *commits, const struct pod_name *pod, const char *const *names,
                    size_t name_count, unsigned *ret_thawed, struct error *err);

/* Drops a finished commit that nobody will ask for again, and its record. One that still owes something stays, and so
 * does a killed one. */
int commits_forget(struct commits *commits, const char *key, struct error *err);

struct commits_load {
    unsigned running, holding, remembered;
};
struct commits_load commits_load(struct commits *commits);
