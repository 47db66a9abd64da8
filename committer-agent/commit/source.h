/* source.h - what a commit works on, found and checked before anything is frozen; or found again after it was handed over. */
#pragma once

#include "committer-agent/commit/base_image.h"
#include "committer-agent/commit/environment.h"
#include "committer-agent/commit/fold.h"
#include "committer-agent/commit/journal.h"
#include "committer-agent/commit/request.h"
#include "committer-agent/containerd/containers.h"
#include "committer-agent/layer/layer.h"

struct commit_source {                     /* one container that gets an image */
    const struct commit_container *wanted; /* borrowed from the request */
    const struct container *container;     /* borrowed from the pod; NULL: handed over already */
    struct reference target;
    struct base_image base;
    const char *key; /* borrowed from the request */
    int upper_fd; /* directory: its writable layer; -1: cannot be read, containerd's differ makes the layer */
    struct fold fold;                /* layers of ours that go into the new one */
    uint64_t bytes;                  /* of all files in them now, the container still runs; 0: not known */
    const char *why_not_handed_over; /* static text; NULL: it can be */
};

struct commit_pod {
    struct container_list running; /* every running container: all are frozen, for one moment in time */
    struct commit_source *sources; /* in the order of the request */
    size_t count;
};

/* Errors with the reasons of committer.proto: PodNotFound, ContainerNotFound, ContainerNotRunning,
 * UnsupportedRuntime, UnsupportedOverlay, ImageNotFound, BlobMissing. */
int commit_pod_resolve(const struct commit_environment *env, const struct commit_request *request,
                       struct commit_pod *ret_pod, struct error *err);
/* The sources of a record that was handed over; nothing runs any more. ERR_NOT_FOUND, CommitLost: somebody removed them. */
int commit_pod_reopen(const struct commit_environment *env, const struct commit_request *request,
                      const struct journal_record *record, struct commit_pod *ret_pod, struct error *err);
/* ERR_CONFLICT, FreezeFailed: a container of the pod runs that was not there when it was resolved. */
int commit_pod_check_complete(struct containerd *containerd, const struct commit_pod *pod, struct error *err);
void commit_pod_done(struct commit_pod *pod);

/* The directories of its layer, topmost first: borrowed, but for the list itself. Only with an upper_fd. */
struct walk_roots commit_source_roots(const struct commit_source *source);
void commit_source_roots_done(const struct walk_roots *roots);
#define SCOPED_SOURCE_ROOTS __attribute__((cleanup(commit_source_roots_done)))

/* Its layer into the spool; errors of layer_capture() and diff_capture(). timeout_ms: of containerd's differ. */
int commit_source_capture(const struct commit_source *source, const struct commit_environment *env,
                          const struct layer_options *options, int64_t timeout_ms, struct spool *spool,
                          struct layer_progress *progress, const bool *cancelled,
                          struct layer_result *ret_result, struct error *err);
