#include "committer-agent/containerd/snapshot_dirs.h"

#include "committer-agent/containerd/leases.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/ids.h"

enum { VIEW_EXPIRES_AFTER_S = 600 };

static int read_view(struct containerd *containerd, const char *snapshotter, const char *view,
                     const char *name, struct overlay *overlay, struct error *err)
{
    SCOPED_SNAPSHOT_MOUNTS struct snapshot_mounts mounts = {0};
    struct error ignored; /* the lease takes it away, too */

    if (snapshot_view(containerd, snapshotter, view, name, view, &mounts, err) < 0) {
        if (err->code == ERR_NOT_FOUND)
            (void)error_reason(err, "ContainerNotFound");
        return -1;
    }
    int result = overlay_read_view(snapshotter, &mounts, overlay, err);
    (void)snapshot_remove(containerd, snapshotter, view, &ignored);
    return result;
}

int snapshot_dirs(struct containerd *containerd, const char *snapshotter, const char *name,
                  struct overlay *ret_overlay, struct error *err)
{
    char id[HEX_ID_SIZE];
    struct error ignored; /* it expires */

    hex_id(id);
    SCOPED(string) char *view = xasprintf("stasis-view-%s", id);
    if (lease_create(containerd, view, clock_realtime_ms() / 1000 + VIEW_EXPIRES_AFTER_S, NULL, err) < 0)
        return -1;
    int result = read_view(containerd, snapshotter, view, name, ret_overlay, err);
    (void)lease_delete(containerd, view, &ignored);
    return result < 0 ? error_wrap(err, "finding the folders of snapshot %s", name) : 0;
}
