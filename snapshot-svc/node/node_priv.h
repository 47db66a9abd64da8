/* node_priv.h - private to this folder. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "snapshot-svc/node/node.h"
#include "snapshot-svc/node/table.h"
#include "snapshot-svc/recorder/recorder.h"
#include "snapshot-svc/workqueue/workqueue.h"

struct node {
    /* Set by node_new, then read by anyone. */
    const struct service *service;
    char *volumes_dir, *claims_dir;
    unsigned worker_count;
    int64_t retry_first_ms, retry_max_ms;
    struct table *table;     /* locks for itself, like the queue and the recorder */
    struct workqueue *queue; /* of uids */
    struct recorder *recorder;

    /* Owner's thread. */
    pthread_t follower, *workers;
    unsigned workers_started;
    bool follower_started, stopped;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t stop_asked;
    bool stopping;
    struct rpc_stream *watch; /* for node_stop to cancel; the follower's */
};

/* One look at one pod, and what it takes to bring store and node together. *ret_wait_ms: look again then; 0: when
 * something changes. An error is worth another try, with backoff. */
int node_sync_pod(struct node *node, const char *uid, int64_t *ret_wait_ms, struct error *err);

/* Starts the pod: 0 also when it cannot be started for now, which its status then tells. */
int node_run_pod(struct node *node, const json_t *pod, int64_t *ret_wait_ms, struct error *err);

/* Changes the pod's status, if it is another. Takes `status`. */
int node_write_status(struct node *node, const json_t *pod, json_t *status, struct error *err);
void node_post(struct node *node, const json_t *pod, bool warning, const char *reason, const char *message);
/* READY, ENDED, ...: what the agent says becomes the pod's status. */
int node_mirror(struct node *node, const json_t *pod, const pod_seen *seen, struct error *err);

/* The follower's thread: reads WatchPods, for ever. */
void *node_follow_agent(void *node);
bool node_is_stopping(struct node *node);
