/* moody_cluster.h - a cluster port around another one, whose lists fail and watches break when a test says so.
 * What it tells is always true: only how long a watch lives, and when it tells, is at its mood. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "snapshot-svc/cluster/cluster.h"

struct moody_cluster {
    struct cluster cluster; /* first: what the informer gets */
    struct cluster *inner;  /* borrowed */

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    unsigned seed;           /* of random moods */
    unsigned break_every;    /* a watch breaks after 1 to so many events; 0: never by itself */
    unsigned expire_every;   /* one in so many breaks is "Expired"; 0: none */
    unsigned failing_lists;  /* the next lists fail */
    const char *vanishing;   /* borrowed; NULL: no list stumbles */
    bool gate_closed;        /* watches hold their events back */
    unsigned lists, watches; /* how many there were */
    char last_opened[24];    /* the version that the last watch began behind */
    struct moody_watch *current;
};

void moody_init(struct moody_cluster *moody, struct cluster *inner);
void moody_done(struct moody_cluster *moody);

void moody_gate(struct moody_cluster *moody, bool closed);
/* Ends the watch under way, if there is one: ERR_UNAVAILABLE, or ERR_PRECONDITION "Expired". */
void moody_break(struct moody_cluster *moody, bool expired);
void moody_fail_lists(struct moody_cluster *moody, unsigned count);
/* The next list is told whole, then begins again without the object of that name, which is deleted in between. */
void moody_stumble(struct moody_cluster *moody, const char *vanishing);
unsigned moody_lists(struct moody_cluster *moody);
unsigned moody_watches(struct moody_cluster *moody);
/* Waits until so many watches have been opened. */
void moody_wait_watches(struct moody_cluster *moody, unsigned count);
