/* local_image.h - an image that exists on this node alone: known to containerd and CRI under the names and digests that
 * it would have had, had it been pushed.
 *
 *   config    blob, label gc.ref.snapshot.overlayfs: the alias (warm.h) on T
 *   manifest  blob, labels gc.ref.content.*: the config, and the layers, of which only the base's need exist
 *   records   repo:tag, repo@sha256:<manifest>, sha256:<config>, as CRI names images; they keep all of it
 *
 * The lease of the handover keeps it, too: handover_drop() after local_image_forget() frees everything that no container
 * uses. CRI hears of the records by event, a moment after the call. Idempotent. Threads: any; one key by one at a time. */
#pragma once

#include "committer-agent/commit/handover.h"
#include "committer-agent/image/image.h"
#include "committer-agent/image/reference.h"

/* Of the manifest blob, its value the key: the image's top layer is in no registry. */
#define LOCAL_IMAGE_LABEL "stasis.opensandbox.io/kept-locally"

struct local_image {
    const char *key, *container;    /* of T */
    const struct reference *target; /* with a tag */
    const struct image *image;
};

/* ERR_NOT_FOUND, CommitLost: there is no T. ERR_EXHAUSTED: the local chain is too deep. */
int local_image_keep(struct containerd *containerd, const struct local_image *local, struct error *err);

/* Removes the records that point to this manifest; others (a tag that moved on) stay. Missing ones are fine. */
int local_image_forget(struct containerd *containerd, const struct reference *target,
                       const struct digest *manifest, struct error *err);
