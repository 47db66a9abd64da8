/* diff_capture.h - the layer of a container whose upper directory cannot be read (another snapshotter, redirect_dir,
 * metacopy): containerd's own differ makes it, slower and less faithful than layer_capture().
 *
 *   View of the parent + the container's mounts -> Diff service -> tar in the content store -> pipeline -> spool
 *
 * All that containerd holds meanwhile (view, ingest, blob) is under the lease "stasis-diff-<key>", which goes on every
 * way out and expires by itself after a crash. */
#pragma once

#include "committer-agent/containerd/containers.h"
#include "committer-agent/layer/layer.h"

/* What the differ loses without a word and nobody can count; for commit_skipped: kind, count 1, example. */
#define DIFF_CAPTURE_LOSS_KIND "containerd-diff"
#define DIFF_CAPTURE_LOSS      "user.* xattrs, fractions of mtimes, files rewritten with their size and mtime kept"

struct diff_capture {
    const char *key;
    const struct container *container;
    const struct layer_options *options; /* the compression counts */
    struct layer_progress *progress;     /* or NULL */
    const bool *cancelled; /* or NULL; seen before and after containerd compares, not meanwhile */
    int64_t timeout_ms;    /* of the comparison; > 0 */
};

/* As layer_capture(): the container is frozen; spool (borrowed, new) ends finished on success, failed with err's copy
 * otherwise. ERR_TIMEOUT: containerd was not done in time. ret_result->lost is empty: see DIFF_CAPTURE_LOSS. */
int diff_capture(struct containerd *containerd, const struct diff_capture *capture, struct spool *spool,
                 struct layer_result *ret_result, struct error *err);

/* Removes what a crashed capture left of this key, now instead of when its lease expires. An unknown key is fine. */
int diff_capture_settle(struct containerd *containerd, const char *key, const char *container,
                        struct error *err);
