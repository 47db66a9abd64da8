/* local_priv.h - the local cluster as its verbs and its watches share it. */
#pragma once

#include <pthread.h>

#include "snapshot-svc/cluster/local/change.h"
#include "snapshot-svc/cluster/local/local.h"
#include "snapshot-svc/cluster/local/secret_box.h"
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
    struct secret_box *secrets; /* those that are no folder */
    unsigned watches;
    pthread_cond_t changed; /* a commit, or a watch was stopped */
};

struct change local_change(const struct local *local, enum cluster_kind kind);

/* ---- secrets (local_secrets.c): a folder wins over one in memory; each locks ---- */

int local_secret_get(struct local *local, const char *ns, const char *name, json_t **ret_secret,
                     struct error *err);
int local_secret_create(struct local *local, const json_t *wanted, json_t **ret_secret, struct error *err);
int local_secret_patch(struct local *local, const char *ns, const char *name, const json_t *merge_patch,
                       const char *resource_version, json_t **ret_secret, struct error *err);
int local_secret_remove(struct local *local, const char *ns, const char *name, const char *uid,
                        const char *resource_version, struct error *err);
/* With the lock held, after a commit: sandboxes that went since this version take their Secrets with them. */
void local_secrets_follow(struct local *local, uint64_t version);

/* ---- watches (watch.c) ---- */

int local_watch_open(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *labels,
                     const char *resource_version, struct cluster_watch **ret_watch, struct error *err);
int local_watch_run(struct cluster_watch *watch, cluster_watch_fn *fn, void *self, struct error *err);
void local_watch_stop(struct cluster_watch *watch);
void local_watch_free(struct cluster_watch *watch);
