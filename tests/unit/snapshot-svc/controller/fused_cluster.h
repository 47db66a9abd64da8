/* fused_cluster.h - a cluster port around another one, that dies at a chosen moment: before or after the nth write nothing
 * more gets through, as if the process had been killed there. Reads and watches go on; nobody acts on them any more.
 * Events (best effort) are no moments of their own. Threads: any. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "snapshot-svc/cluster/cluster.h"

struct fuse {
    pthread_mutex_t lock; /* guards everything below */
    unsigned steps;       /* moments so far */
    unsigned limit;       /* blows at this one; 0: never */
    bool blown;
    void (*told)(void *self); /* when it blows; no lock held */
    void *self;
};

void fuse_init(struct fuse *fuse, void (*told)(void *self), void *self);
void fuse_done(struct fuse *fuse);
void fuse_set(struct fuse *fuse, unsigned limit); /* whole again */
bool fuse_is_blown(struct fuse *fuse);
unsigned fuse_steps(struct fuse *fuse);
/* One moment passes; self is the fuse. -1 ERR_UNAVAILABLE: it was the last. */
int fuse_step(void *self, struct error *err);

struct fused_cluster {
    struct cluster cluster; /* first: what the service gets */
    struct cluster_ops ops;
    struct cluster *inner;       /* borrowed */
    struct fuse *fuse;           /* borrowed */
    bool refuses_jobs;           /* as a quota does */
    enum cluster_kind deaf_kind; /* its watches hear nothing; KIND_MAX: all hear */
};

void fused_cluster_init(struct fused_cluster *fused, struct cluster *inner, struct fuse *fuse);
