/* fold.h - growth is bounded: which layers of ours go into the new one again.
 *
 * An image is its original base and layers of ours, one for each commit. When there are layers_max of them, the next commit makes
 * one layer of all of them and the new writable layer: what was deleted since is gone for good, and the image is base + 1 again.
 * Which are ours says the config's history (FOLD_COMMENT); what somebody else marks so is folded, too, to the same files. The
 * lowest layer always counts as base.
 *
 * Spec: OCI image-spec config.md, "history". */
#pragma once

#include "committer-agent/commit/base_image.h"
#include "committer-agent/image/config.h"

#define FOLD_COMMENT            "stasis" /* in the history entries of our layers */
#define FOLD_LAYERS_MAX_DEFAULT 4

struct fold_place { /* the writable snapshot, and what it is mounted on */
    const char *snapshotter, *snapshot;
    char *const *lower_dirs; /* topmost first; the chain of its parents, one by one */
    size_t lower_count;
};

struct fold {
    size_t keep_layers; /* of the base image, for image_plan */
    /* Directories above those, topmost first, that go into the new layer with the writable one. Empty ones are left out, so
     * there may be none although layers are folded. */
    int *lower_fds;
    size_t lower_count;
    /* Directories of the kept layers, topmost first: what the new layer lies on. Only when layers are folded. */
    int *below_fds;
    size_t below_count;
};

/* How many layers of the image stay: all, or those below ours. layers_max 0: the default. */
size_t fold_keep_layers(const struct image_config *config, unsigned layers_max);

/* A chain in which the kept layers cannot be found (foreign names) is not folded, and logged.
 * Local chains are longer than images: each handover leaves an alias and the layer below it. */
int fold_plan(struct containerd *containerd, const struct fold_place *place, const struct base_image *base,
              unsigned layers_max, struct fold *ret_fold, struct error *err);
void fold_done(struct fold *fold);
