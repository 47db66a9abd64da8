/* node.h - the local backend's kubelet: runs the Pods of the store through the agent's NodeRuntime, and mirrors what
 * becomes of them into their status. See service.h for the order of calls. */
#pragma once

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "snapshot-svc/service.h"

struct node;

/* Subscribes to the Pod informer. The service is borrowed and outlives the node. */
struct node *node_new(const struct service *service);
int node_start(struct node *node, struct error *err);
/* Ends its threads and calls; pods go on running. Handlers that still come do nothing. */
void node_stop(struct node *node);
/* Stopped or never started, and after the informers. */
void node_free(struct node *node);
DEFINE_FREEP(node, struct node, node_free)
