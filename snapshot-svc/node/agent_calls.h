/* agent_calls.h - NodeRuntime of this node's agent, in calls that the table can end.
 * ERR_CANCELLED: the pod is not to be started any more, or the node stops. */
#pragma once

#include "snapshot-svc/node/node_priv.h"
#include "snapshot-svc/node/pod_request.h"

/* *ret_seen is the caller's. */
int agent_run_pod(struct node *node, const run_pod_request *request, pod_seen **ret_seen, struct error *err);
int agent_stop_pod(struct node *node, const char *uid, int64_t grace_ms, struct error *err);
/* A fresh list instead of what the watch told last. *ret_seen NULL: the agent has no such pod. */
int agent_look_up_pod(struct node *node, const char *uid, pod_seen **ret_seen, struct error *err);
