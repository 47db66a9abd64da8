/* fake_committer.h - a committer-agent that speaks real gRPC on a unix socket and commits nothing.
 *
 * It keeps commits by key as the agent does: a key attaches; one live commit per pod; a held commit is killed or thawed
 * by Release. What a commit comes to is the test's to say: fake_committer_succeeds() and so on, or `plan` for all new
 * ones. What is known of commits outlives fake_committer_stop(), as the agent's journal would. Threads: any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "opensandbox/committer/v1/committer.pb-c.h"
#include "shared/base/error.h"

struct fake_committer;

struct fake_committer *fake_committer_new(const char *socket_path);
void fake_committer_free(struct fake_committer *fake);

/* The process: calls under way break when it stops. */
void fake_committer_start(struct fake_committer *fake);
void fake_committer_stop(struct fake_committer *fake);
/* A second process at another address, which knows the same commits; it lives until fake_committer_free(). */
void fake_committer_start_successor(struct fake_committer *fake, const char *socket_path);

enum fake_plan {
    FAKE_WAITS,
    FAKE_SUCCEEDS,
    FAKE_FAILS,
    FAKE_HANDS_OVER,   /* releasable at once; pushed once it was released */
    FAKE_UPLOAD_WAITS, /* likewise, and not pushed */
    FAKE_UPLOAD_FAILS  /* likewise, and never pushed */
};
/* Of commits that begin from now on. */
void fake_committer_plans(struct fake_committer *fake, enum fake_plan plan);
/* The next calls of Commit are answered by this error; then as always. */
void fake_committer_refuses(struct fake_committer *fake, unsigned times, enum error_code code,
                            const char *reason);
/* So many commits run at once, others are refused with RESOURCE_EXHAUSTED; 0: any number. With a bound, those that
 * begin say so by a first progress. */
void fake_committer_slots(struct fake_committer *fake, unsigned slots);
/* The next streams break after their first event, or at once where there is none. */
void fake_committer_breaks(struct fake_committer *fake, unsigned times);

/* Each says something of a commit that is there, to all who follow it. */
void fake_committer_progresses(struct fake_committer *fake, const char *key, uint64_t bytes_read);
void fake_committer_succeeds(struct fake_committer *fake, const char *key);
void fake_committer_fails(struct fake_committer *fake, const char *key, const char *reason);
/* Its pod can be handed over, for it was asked for by early_release: told to all who follow. */
void fake_committer_is_releasable(struct fake_committer *fake, const char *key);
/* Of a commit that was handed over: the next Commit of its key goes on with it. */
void fake_committer_fails_upload(struct fake_committer *fake, const char *key, const char *reason,
                                 bool retryable);
/* The pod of a commit was handed over without anybody who is still there having heard of it. */
void fake_committer_hands_over(struct fake_committer *fake, const char *key);
void fake_committer_hold_runs_out(struct fake_committer *fake, const char *key);
/* From now on each hold has run out by the time its Release comes. */
void fake_committer_loses_holds(struct fake_committer *fake);

/* From now on it knows no key any more, as one that lost its state folder. */
void fake_committer_forgets(struct fake_committer *fake);
/* It is of a time before commits were handed over. */
void fake_committer_is_old(struct fake_committer *fake);
/* Unpause fails with UNAVAILABLE while it is on. */
void fake_committer_refuses_unpause(struct fake_committer *fake, bool refuses);

/* Each blocks until it is so. */
void fake_committer_await_calls(struct fake_committer *fake, unsigned commit_calls);
void fake_committer_await_begun(struct fake_committer *fake, unsigned commits_begun);
void fake_committer_await_followers(struct fake_committer *fake, unsigned streams);
void fake_committer_await_cancels(struct fake_committer *fake, unsigned cancels);
void fake_committer_await_discards(struct fake_committer *fake, unsigned discards);
void fake_committer_await_progress(struct fake_committer *fake, unsigned sent);

bool fake_committer_runs(struct fake_committer *fake, const char *key);

struct fake_seen {
    unsigned commit_calls, commits_begun, progress_sent, releases, cancels, keeps, discards;
    bool early_release;      /* of the last Commit */
    bool insecure;           /* of the last Commit */
    char docker_config[128]; /* of the last Commit */
    int64_t timeout_ms;      /* of the last Commit */
    char hold[32];           /* of the last Commit: "hold" or "thaw" */
    bool pod_is_killed;      /* of the last commit: by Release */
    char digest[80];         /* of the last success */
    char unpaused_pod[64];   /* uid of the last Unpause that was not refused */
};
struct fake_seen fake_committer_seen(struct fake_committer *fake);

/* Asked before each call is carried out and once more before it is answered; -1 fails it there, as a crash of the
 * caller would have. */
void fake_committer_gate(struct fake_committer *fake, int (*gate)(void *self, struct error *err), void *self);
