/* node/node.h - runs pods on this node through CRI; the kubelet's part for the local backend.
 *
 * A pod's containers are started once and never again. Pods of others on the same containerd are never
 * touched: ours carry a label (labels.h). Threads: any; what is done to one pod happens one after the other. */
#pragma once

#include "committer-agent/node/pod_spec.h"
#include "committer-agent/node/pods.h"
#include "shared/base/cleanup.h"
#include "shared/rpc/client.h"

struct containerd;
struct node;

struct node_options {
    const char *socket;     /* containerd's, which also serves CRI */
    const char *log_dir;    /* the containers' logs: <log_dir>/<namespace>_<name>_<uid>/<container>/0.log */
    const char *state_dir;  /* for the FIFOs of exec; emptied at the start */
    const char *mounts_dir; /* parts of volumes are mounted here while a container starts; see subpath.h */
    const char *cgroup_parent; /* NULL: the runtime's own */
};

/* Makes the folders. */
int node_new(const struct node_options *options, struct node **ret_node, struct error *err);
int node_start(struct node *node,
               struct error *err); /* begins to watch; pods_watch_new waits for the first list */
void node_free(struct node *node);
DEFINE_FREEP(node, struct node, node_free)

struct pods *node_get_pods(struct node *node);

/* Pulls, creates and starts what is missing; the uid decides. *ret_pod is the caller's. parent: the call
 * whose end ends the pulls, or NULL. Reasons: InvalidPod, ErrImagePull, CreatePodSandboxError,
 * CreateContainerError, RunContainerError. */
int node_run_pod(struct node *node, const pod_request *request, struct rpc_call *parent, struct pod **ret_pod,
                 struct error *err);

/* Stops and removes the pod and its logs; an unknown pod is fine. What is frozen is killed before it is
 * thawed, so its processes never run again. uid, or namespace and name. */
int node_stop_pod(struct node *node, const char *uid, const char *pod_namespace, const char *name,
                  int64_t grace_ms, struct error *err);

/* For exec.h and logs.h: the container as it is seen now. name "" means the first. *ret_pod is the caller's,
 * *ret_container part of it. ERR_NOT_FOUND: PodNotFound, ContainerNotFound. */
int node_find_container(struct node *node, const char *uid, const char *pod_namespace, const char *pod_name,
                        const char *container, struct pod **ret_pod,
                        const struct pod_container **ret_container, struct error *err);

struct containerd *node_get_containerd(struct node *node);
const char *node_get_state_dir(const struct node *node);
/* The log of a container of the pod. The caller frees. */
char *node_log_path(const struct node *node, const struct pod *pod, const char *container);
