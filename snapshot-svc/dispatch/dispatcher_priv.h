/* dispatcher_priv.h - what the dispatcher's table (dispatcher.c) and its followers (follow.c) share. */
#pragma once

#include <pthread.h>
#include <uthash.h>

#include "snapshot-svc/dispatch/dispatcher.h"
#include "snapshot-svc/dispatch/view.h"
#include "snapshot-svc/workqueue/workqueue.h"

/* One commit by key. */
struct follow {
    /* set when it is made */
    char *key;
    struct plan order; /* one ACTION_COMMIT; empty: the key was only released */

    /* guarded by the dispatcher's lock */
    struct commit_view view;
    struct rpc_stream *stream; /* while it is read, for whoever ends it */
    bool busy;                 /* a follower works on it; only then it is used without the lock */
    bool given_up;             /* cancelled: no more tries */
    bool forgotten;            /* to be freed when no longer busy */
    int64_t told_at_ms;        /* when the last progress was told, or will be */
    UT_hash_handle hh;
};

struct dispatcher {
    struct dispatcher_options options; /* set once, defaults filled in */
    struct workqueue *queue;           /* keys to be tried, now or later */

    pthread_mutex_t lock; /* guards everything below */
    struct follow *follows;
    pthread_t *followers;
    unsigned follower_count;
    unsigned unfinished; /* commits without an outcome */
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
