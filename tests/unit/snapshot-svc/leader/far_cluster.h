/* far_cluster.h - a cluster port around another one, whose calls fail, hang, or lose their answers when a test says so: one
 * process's way to the API server. Watches go on telling in all of these but CUT. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "snapshot-svc/cluster/cluster.h"

enum far_mood {
    FAR_WELL,
    FAR_AWAY,        /* each call fails at once */
    FAR_HANGS,       /* each call waits until the mood is another, and is carried out then */
    FAR_MUTE,        /* each write is carried out, and its answer lost */
    FAR_CUT,         /* as HANGS, and watches wait as well */
    FAR_TELLS_FIRST, /* a write is answered when the watch has told it */
};

struct far_cluster {
    struct cluster cluster; /* first: what the leader gets */
    struct cluster *inner;  /* borrowed */

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    enum far_mood mood;
    unsigned calls;   /* gets and writes */
    unsigned watches; /* opened so far */
    unsigned told;    /* events, by them */
};

void far_cluster_init(struct far_cluster *far, struct cluster *inner);
void far_cluster_done(struct far_cluster *far);
void far_cluster_is(struct far_cluster *far, enum far_mood mood);
void far_cluster_await_watch(
    struct far_cluster *far); /* it has been told what there is, and hears what comes */
unsigned far_cluster_calls(struct far_cluster *far);
