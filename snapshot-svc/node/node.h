/* node.h - the local backend's kubelet: runs the Pods of the store through the agent's NodeRuntime, and mirrors what
 * becomes of them into their status. See service.h for the order of calls. */
#pragma once

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "snapshot-svc/service.h"

struct node;

struct node_options {
    const char *volumes_dir; /* of emptyDir volumes, see volumes.h; made when needed */
    const char *claims_dir;  /* of volumes by claim; same */
    unsigned workers;        /* 0: 16; each pod that starts or ends takes one */
    int64_t retry_first_ms;  /* of a pod that cannot be started; 0: 10000, as the kubelet */
    int64_t retry_max_ms;    /* 0: 300000 */
};

/* Subscribes to the Pod informer. The service is borrowed and outlives the node; the options are copied. */
struct node *node_new(const struct service *service, const struct node_options *options);
int node_start(struct node *node, struct error *err);
/* Ends its threads and calls; pods go on running. Handlers that still come do nothing. */
void node_stop(struct node *node);
/* Stopped or never started, and after the informers. */
void node_free(struct node *node);
DEFINE_FREEP(node, struct node, node_free)
