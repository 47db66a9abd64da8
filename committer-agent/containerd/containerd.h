/* containerd/containerd.h - a connection to a containerd: what all calls of this folder share.
 *
 *   containers.h   the containers of a pod           snapshots.h   mounts and parents of a file system
 *   frozen_by.h    who froze one                     overlay.h     what the mounts say about the writable layer
 *   freeze.h       freezing, with its guards         images.h      names of images
 *   tasks.h        a container's processes           content.h     blobs
 *   processes.h    one process more                  diff.h        containerd's own differ
 *   cgroup.h       what the kernel says of them      leases.h      what keeps new blobs from the collector
 *   snapshot_dirs.h  the folders of a committed one
 *   events.h       containers and tasks, as they come and go
 *
 * Errors carry the code of containerd's answer; where committer.proto has a word for the failure, the call's comment
 * names the reason. A containerd that is away or still starting is ERR_UNAVAILABLE. Every unary call ends within a
 * limit of its own. Threads: one connection serves any number of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"

struct containerd;

#define CONTAINERD_NAMESPACE "k8s.io" /* where CRI keeps its containers */

/* containerd keeps labels on nearly everything; some steer its garbage collector. At most 4096 bytes, key and value. */
struct resource_label {
    const char *key, *value;
};
struct resource_labels { /* borrowed for the call; all zero: none */
    const struct resource_label *items;
    size_t count;
};

/* `socket` is a path ("/run/containerd/containerd.sock"); namespace NULL: CONTAINERD_NAMESPACE. Connects at
 * the first call. */
struct containerd *containerd_new(const char *socket, const char *containerd_namespace);
void containerd_free(struct containerd *containerd);
DEFINE_FREEP(containerd, struct containerd, containerd_free)

/* *ret_version is the caller's: "1.6.20~ds1". Also the way to ask whether it is there at all. */
int containerd_version(struct containerd *containerd, char **ret_version, struct error *err);

/* Do process numbers mean the same to us as to containerd? In another PID namespace they name nobody, or somebody else.
 * ERR_PRECONDITION: they do not. */
int containerd_check_pids(struct containerd *containerd, struct error *err);
