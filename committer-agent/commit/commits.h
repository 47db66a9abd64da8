/* commits.h - all commits of this node by key: started once, attached to by anybody, settled after a crash.
 *
 *   RUNNING ──▶ HOLDING ──release KILL──▶ KILLING ──▶ KILLED   (the image equals the sandbox, and always will)
 *      │           └──thaw, or the hold ran out──▶ EXPIRED   (it may not any more: a later KILL is refused)
 *      ├──▶ DONE      live snapshot
 *      └──▶ FAILED    everything runs again
 *
 * At most one commit per pod runs, holds, kills or still owes a thaw. A finished commit is remembered for
 * RETENTION_MS (fewer than REMEMBERED_MAX of them), so that a caller who lost the answer gets it by asking again;
 * the key of a FAILED one starts anew. One that was KILLED stays known until its containers are gone.
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
    enum commit_phase phase;
    uint64_t bytes_read, bytes_total, bytes_pushed, files;
    const struct commit_result *results; /* finished and not failed; borrowed from the commit */
    size_t result_count;
    int64_t frozen_ms, elapsed_ms;
};

/* Blocks until the phase changes from `seen_phase`, the commit is finished, or timeout_ms are over. */
struct commit_report commit_wait(struct commit *commit, int seen_phase, int64_t timeout_ms);
/* Wakes everybody in commit_wait (a caller has left). */
void commit_wake(struct commit *commit);

enum commit_release { COMMIT_RELEASE_THAW, COMMIT_RELEASE_KILL };

/* Idempotent. ERR_NOT_FOUND, CommitLost: no such key. ERR_PRECONDITION: KILL of a commit that is not finished yet; with
 * reason HoldExpired when its containers run, because the hold ended, it failed, or it never held them. */
int commits_release(struct commits *commits, const char *key, enum commit_release how, struct error *err);

/* Ends the commit and thaws; waits until that is done. Unknown keys are fine; what is being killed, or was, stays so.
 * ERR_TIMEOUT: cancelled, but containerd or the registry has not let go of it yet: ask again. */
int commits_cancel(struct commits *commits, const char *key, struct error *err);

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
