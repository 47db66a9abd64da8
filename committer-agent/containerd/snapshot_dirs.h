/* containerd/snapshot_dirs.h - the folders that a committed snapshot of the overlayfs snapshotter consists of: its own
 * topmost, then its parents'. The snapshot must be kept by somebody while they are in use. */
#pragma once

#include "committer-agent/containerd/overlay.h"

/* Into ret_overlay->lower_dirs (upper_dir stays NULL). Asks for a read-only view, which is gone again when the call
 * returns, and after a crash when its lease expires.
 * ERR_NOT_FOUND, ContainerNotFound: no such snapshot; ERR_UNSUPPORTED as overlay_read_view(). */
int snapshot_dirs(struct containerd *containerd, const char *snapshotter, const char *name,
                  struct overlay *ret_overlay, struct error *err);
