/* containerd/overlay.h - what a snapshot's mounts say about its writable layer. Pure: looks at no file. */
#pragma once

#include "committer-agent/containerd/snapshots.h"

struct overlay {
    char *upper_dir;
    char *work_dir;    /* NULL for a layer without parents, which is no overlay but a bind mount */
    char **lower_dirs; /* topmost first */
    size_t lower_count;
    bool redirect_dir, metacopy; /* switched on by the mount: the upper layer alone may be incomplete */
};

/* ERR_UNSUPPORTED, UnsupportedSnapshotter: not the mounts of the overlayfs snapshotter, or a read-only view;
 * ERR_UNSUPPORTED, UnsupportedOverlay: options that cannot be understood. */
int overlay_read(const char *snapshotter, const struct snapshot_mounts *mounts, struct overlay *ret_overlay,
                 struct error *err);
/* The mounts of a read-only view of a committed snapshot: the snapshot's own folder is the first of lower_dirs, and
 * upper_dir stays NULL. ERR_UNSUPPORTED, the same reasons: not such mounts, or writable ones. */
int overlay_read_view(const char *snapshotter, const struct snapshot_mounts *mounts,
                      struct overlay *ret_overlay, struct error *err);
void overlay_done(struct overlay *overlay);
#define SCOPED_OVERLAY __attribute__((cleanup(overlay_done)))
