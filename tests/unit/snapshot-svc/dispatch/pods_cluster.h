/* pods_cluster.h - a cluster port that lists nothing and then tells what the test says, word for word: a label selector
 * and a namespace are no help against it. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "snapshot-svc/cluster/cluster.h"

struct pods_cluster {
    struct cluster cluster; /* first: what the informer gets */

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    unsigned version, told;
    json_t *next;
    enum watch_event_type next_type;
    bool stopped;
};

void pods_cluster_init(struct pods_cluster *pods);
void pods_cluster_done(struct pods_cluster *pods);

/* Takes over the pod, gives it the next resourceVersion, and answers when every handler has heard of it. */
void pods_cluster_tell(struct pods_cluster *pods, enum watch_event_type type, json_t *pod);
