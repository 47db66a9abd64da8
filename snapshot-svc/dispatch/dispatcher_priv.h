/* dispatcher_priv.h - what the dispatcher's table (dispatcher.c), its followers (follow.c), its other calls (calls.c) and
 * what wakes them (wake.c) share. */
#pragma once

#include <pthread.h>
#define HASH_FUNCTION HASH_FNV /* the default falls through a switch, which clang warns of */
#include <uthash.h>

#include "shared/base/backoff.h"
#include "snapshot-svc/dispatch/dispatcher.h"
#include "snapshot-svc/dispatch/view.h"
#include "snapshot-svc/workqueue/workqueue.h"

/* One commit by key. */
struct follow {
    /* set when it is made */
    char *key, *node;
    struct plan order; /* one ACTION_COMMIT; empty: the key was only released or cancelled */
    uint64_t number;   /* counts follows: the older one is served first */

    /* guarded by the dispatcher's lock */
    struct commit_view view;
    struct rpc_stream *stream;           /* while it is read, for whoever ends it */
    const struct agent_channel *channel; /* the stream's */
    int64_t deadline_ms;                 /* Unix ms: of the commit; once it is handed over, of its upload */
    bool asked_in_doubt; /* the view was in doubt when the stream was opened: its first event settles that */
    struct backoff uploads;  /* of a commit that was handed over: no progress shortens it */
    bool in_line;            /* refused for want of a slot: waits for its turn on the node */
    bool slot_came_free;     /* on its node, since it was last refused one */
    bool busy;               /* a follower works on it; only then it is used without the lock */
    bool given_up;           /* cancelled: no more tries */
    bool forgotten;          /* to be freed when no longer busy */
    int64_t told_at_ms;      /* when the last progress was told, or will be */
    int64_t cancel_until_ms; /* the agent has still to hear that the commit is not wanted; 0: it has not */
    bool owes_discard;       /* nor its files: Discard, not Cancel */
    UT_hash_handle hh;
};

struct dispatcher {
    struct dispatcher_options options; /* set once, defaults filled in */
    struct workqueue *queue;           /* keys to be tried, now or later */

    pthread_mutex_t lock; /* guards everything below */
    struct follow *follows;
    pthread_t *followers;
    unsigned follower_count;
    uint64_t numbered;   /* follows so far */
    unsigned unfinished; /* commits without an outcome */
    unsigned debts;      /* commits that the agent has to be told to end */
    bool stopping;
    pthread_cond_t changed; /* a follow is no longer busy */
};

/* A follower's thread; arg is the dispatcher. */
void *dispatcher_follow(void *arg);

/* All with the lock held. */
struct follow *follow_find(struct dispatcher *dispatcher, const char *key);
/* Sets the outcome unless there is one. */
void follow_fail(struct dispatcher *dispatcher, struct follow *follow, const char *reason,
                 const char *message);
void follow_succeed(struct dispatcher *dispatcher, struct follow *follow,
                    const Opensandbox__Committer__V1__CommitSuccess *success);
void follow_remove(struct dispatcher *dispatcher, struct follow *follow);
struct follow *follow_add(struct dispatcher *dispatcher, const char *node, const char *key);
bool follow_is_unfinished(const struct follow *follow);
void follow_give_up(struct dispatcher *dispatcher, struct follow *follow); /* no more tries */
/* Its pod is dead: from now on only its upload matters, and that has a time of its own. */
void follow_handed_over(struct follow *follow);
/* Its containers may be frozen for nobody: told to the agent, over and over, until it hears or its own timeouts have
 * thawed them for sure. */
void follow_owe_cancel(struct dispatcher *dispatcher, struct follow *follow);
void follow_settle_cancel(struct dispatcher *dispatcher, struct follow *follow);

/* wake.c, with the lock held: see there. */
void line_join(struct dispatcher *dispatcher, struct follow *follow);
void line_leave(struct dispatcher *dispatcher, struct follow *follow);
void line_advance(struct dispatcher *dispatcher, const char *node);
unsigned line_length(const struct dispatcher *dispatcher); /* on all nodes */

/* A node's agent has come, moved or gone; self is the dispatcher. Without the lock held. */
agents_changed_fn follow_agent_changed;

/* calls.c: Cancel or Discard, without the lock held. */
int dispatcher_tell_end(struct dispatcher *dispatcher, const char *node, const char *key, bool discard,
                        struct error *err);
