/* node/observe.h - looks a pod up on this node: containerd says what runs, CRI adds addresses, times and
 * reasons. */
#pragma once

#include "committer-agent/containerd/containers.h"
#include "committer-agent/node/cri.h"
#include "committer-agent/node/exits.h"
#include "committer-agent/node/pod.h"

struct observer {
    struct containerd *containerd;
    struct cri *cri;
    struct exits *exits;
};

/* *ret_pod is the caller's; POD_GONE when there is no sandbox of ours with that uid. */
int observe_pod(const struct observer *observer, const char *uid, struct pod **ret_pod, struct error *err);
/* From containers that were listed already (every one of the pod, sandboxes too, newest first). */
int observe_containers(const struct observer *observer, const char *uid, const struct container *containers,
                       size_t count, struct pod **ret_pod, struct error *err);
