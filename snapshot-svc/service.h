/* service.h - what the parts of snapshot-svc share. main makes it and everything in it; the parts borrow it.
 *
 * The order in which main goes, because handlers are subscribed before an informer starts and may run until
 * it is freed:
 *   make: cluster, informers, agents -> every part: x_new(), which subscribes -> informer_start(),
 *         informer_wait_synced() -> every part: x_start() -> the gRPC server
 *   end:  the server -> every part: x_stop(), after which its handlers do nothing -> informer_free() -> every
 *         part: x_free() -> agents, cluster
 * Threads: nothing in here changes after the parts were made. */
#pragma once

#include "snapshot-svc/cluster/cluster.h"
#include "snapshot-svc/dispatch/agents.h"
#include "snapshot-svc/informer/informer.h"

struct metrics;

struct service {
    struct cluster *cluster;
    const char *ns; /* where the API makes sandboxes and looks for them; the informers see all namespaces */
    /* BATCH_SANDBOX, SANDBOX_SNAPSHOT, POD (of sandboxes), JOB (of commits; NULL on the local backend). NULL: not cached. */
    struct informer *informers[KIND_MAX];
    struct informer *job_pods;      /* the pods of those Jobs; NULL on the local backend */
    const char *resume_pull_secret; /* what snapshots' images are pulled with; NULL or "": nothing */
    struct agents *agents;
    const char *node_name; /* local backend: this machine; NULL on Kubernetes */
    struct metrics *metrics;
};
