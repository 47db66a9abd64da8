/* source.h - what a commit works on, found and checked before anything is frozen. */
#pragma once

#include "committer-agent/commit/base_image.h"
#include "committer-agent/commit/request.h"
#include "committer-agent/containerd/containers.h"

struct commit_source {                     /* one container that gets an image */
    const struct commit_container *wanted; /* borrowed from the request */
    const struct container *container;     /* borrowed from the pod */
    struct reference target;
    struct base_image base;
    int upper_fd;         /* directory: its writable layer */
    uint64_t upper_bytes; /* of its files now, the container still runs; 0: not known */
};

struct commit_pod {
    struct container_list running; /* every running container: all are frozen, for one moment in time */
    struct commit_source *sources; /* in the order of the request */
    size_t count;
};

/* Errors with the reasons of committer.proto: PodNotFound, ContainerNotFound, ContainerNotRunning,
 * UnsupportedRuntime, UnsupportedSnapshotter, UnsupportedOverlay, ImageNotFound, BlobMissing. */
int commit_pod_resolve(struct containerd *containerd, const struct commit_request *request,
                       struct commit_pod *ret_pod, struct error *err);
/* ERR_CONFLICT, FreezeFailed: a container of the pod runs that was not there when it was resolved. */
int commit_pod_check_complete(struct containerd *containerd, const struct commit_pod *pod, struct error *err);
void commit_pod_done(struct commit_pod *pod);
