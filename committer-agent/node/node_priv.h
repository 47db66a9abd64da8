/* node/node_priv.h - private to this folder. */
#pragma once

#include "committer-agent/containerd/containerd.h"
#include "committer-agent/node/cri.h"
#include "committer-agent/node/exits.h"
#include "committer-agent/node/key_lock.h"
#include "committer-agent/node/node.h"
#include "committer-agent/node/watcher.h"

struct node {
    char *log_dir, *state_dir, *mounts_dir, *cgroup_parent;
    struct containerd *containerd;
    struct cri *cri;
    struct exits *exits;
    struct pods *pods;
    struct watcher *watcher;
    struct key_lock *busy; /* by uid: RunPod and StopPod */
};
