/* informer_priv.h - what the readers' side and the informer's own thread share. */
#pragma once

#include <pthread.h>

#include "shared/base/backoff.h"
#include "snapshot-svc/informer/cache.h"
#include "snapshot-svc/informer/informer.h"

struct informer {
    /* set before the thread starts */
    struct cluster *cluster;
    enum cluster_kind kind;
    char *ns;     /* NULL: all */
    char *labels; /* NULL: all */
    char *index_label;
    struct informer_handler *handlers;
    size_t handler_count;
    pthread_t thread;
    bool started;

    /* informer thread only */
    char *resource_version; /* where the next watch resumes; NULL: list first */
    struct backoff backoff;
    int64_t watch_opened_ms;
    bool watch_told; /* the watch under way has told something */

    pthread_mutex_t lock; /* guards everything below */
    struct cache cache;
    uint64_t seen_version;
    bool synced, stopping;
    struct error last_failure;   /* of the last list or watch; code ERR_NONE: none since the last success */
    struct cluster_watch *watch; /* the one under way, for whoever stops us */
    pthread_cond_t changed;      /* synced or stopping */
};

/* The informer's thread; arg is the informer. */
void *informer_reflect(void *arg);
