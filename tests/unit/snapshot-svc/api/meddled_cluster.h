/* meddled_cluster.h - a cluster between the code under test and the real one of the test: it may act before a call
 * reaches it (as another replica would), refuse the call, or lose its answer. Watches go straight through. */
#pragma once

#include "snapshot-svc/cluster/cluster.h"

enum meddled_verb { MEDDLED_GET, MEDDLED_CREATE, MEDDLED_PATCH, MEDDLED_REMOVE };

struct meddled_call {
    enum meddled_verb verb;
    enum cluster_kind kind;
    const char *name;   /* NULL: a create */
    const json_t *body; /* NULL: a get or a remove */
};

/* -1, with the error in err, is what the caller is told. */
typedef int meddle_fn(void *self, const struct meddled_call *call, struct error *err);

struct meddled_cluster {
    struct cluster cluster; /* first */
    struct cluster *inner;  /* borrowed */
    meddle_fn *before;      /* -1: the call is not made; NULL: nothing happens */
    meddle_fn *after;       /* of a call that succeeded; -1: its answer is lost */
    void *self;
};

void meddled_cluster_init(struct meddled_cluster *meddled, struct cluster *inner);
