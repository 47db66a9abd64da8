/* local_priv.h - the local cluster as its verbs and its watches share it. */
#pragma once

#include <pthread.h>

#include "snapshot-svc/cluster/local/local.h"
#include "snapshot-svc/cluster/local/store.h"

struct local {
    struct cluster cluster; /* first: the port is all that callers see */

    /* set once */
    char *secrets_dir, *ns, *node;
    unsigned history_max;
    int64_t (*now_ms)(void *clock);
    void *clock;
    int lock_fd;

    pthread_mutex_t lock; /* guards everything below */
    struct store *store;
    unsigned watches;
    pthread_cond_t changed; /* a commit, or a watch was stopped */
};

int local_watch_open(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *labels,
                     const char *resource_version, struct cluster_watch **ret_watch, struct error *err);
int local_watch_run(struct cluster_watch *watch, cluster_watch_fn *fn, void *self, struct error *err);
void local_watch_stop(struct cluster_watch *watch);
void local_watch_free(struct cluster_watch *watch);
