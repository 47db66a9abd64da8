/* node/subpath.h - a part of a volume as the source of a container's mount.
 *
 * What is in a volume belongs to the sandboxes that write it: a path in it may be a symlink to anywhere, and become one between
 * a look and a mount. So each sub path is walked by file descriptors, following no link, and what was found is mounted at a
 * place of ours that the runtime is told of. The place is needed only until the container has started: then its own mount
 * stands. Spec: Kubernetes docs, "Using subPath"; the kubelet does the same.
 * Threads: one at a time for each container. */
#pragma once

#include <stddef.h>

#include "committer-agent/node/pod_spec.h"

/* Where the part for mount `index` of the container is mounted meanwhile. The caller frees. */
char *subpath_place(const char *mounts_dir, const pod_request *request, const container_spec_message *spec,
                    size_t index);

/* Mounts all sub paths of the container; missing folders are made as the volume's own is. Repeatable. On an error nothing
 * stays mounted. ERR_INVALID: a link on the way, or a file where a folder is wanted; it names mount and path. */
int subpaths_mount(const char *mounts_dir, const pod_request *request, const container_spec_message *spec,
                   struct error *err);
/* Takes the places away; what is in the volumes stays. A failure is logged: the next start of the agent tries again. */
void subpaths_unmount(const char *mounts_dir, const pod_request *request, const container_spec_message *spec);
/* Makes the folder, and unmounts what a dead agent left in it. */
int subpaths_sweep(const char *mounts_dir, struct error *err);
