#include "committer-agent/commit/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "committer-agent/containerd/content.h"
#include "committer-agent/containerd/leases.h"
#include "committer-agent/containerd/snapshot_dirs.h"
#include "shared/base/alloc.h"

char *handover_lease_id(const char *key)
{
    return xasprintf("stasis-%s", key);
}

char *handover_snapshot_name(const char *key, const char *container)
{
    return xasprintf("stasis-%s-%s", key, container);
}

bool handover_supported(const struct container *container, const struct overlay *overlay,
                        const char **ret_why)
{
    if (strcmp(container->snapshotter, HANDOVER_SNAPSHOTTER) != 0)
        *ret_why = "only the snapshotter overlayfs keeps a writable layer where it can be handed over";
    else if (!overlay->upper_dir)
        *ret_why = "the container has no writable layer";
    else if (overlay->redirect_dir || overlay->metacopy)
        *ret_why = "with redirect_dir or metacopy a writable layer cannot be read alone";
    else if (overlay->lower_count + 2 > HANDOVER_DEPTH_MAX)
        *ret_why = "too many layers lie below the writable one";
    else
        return true;
    return false;
}

/* 1: T is there, and of this key; 0; -1: it is somebody else's. */
static int find_taken(struct containerd *containerd, const char *key, const char *name, struct error *err)
{
    SCOPED(string) char *owner = NULL;
    enum snapshot_kind kind;
    int found = snapshot_find(containerd, HANDOVER_SNAPSHOTTER, name, HANDOVER_LABEL, &kind, &owner, err);

    if (found <= 0)
        return found;
    if (kind != SNAPSHOT_COMMITTED || strcmp(owner, key) != 0)
        return error_set(err, ERR_CONFLICT, "snapshot %s is there already, and not of commit %s", name, key);
    return 1;
}

static int ensure_lease(struct containerd *containerd, const char *key, const char *lease, struct error *err)
{
    const struct resource_label of_key = {HANDOVER_LABEL, key};

    if (lease_create(containerd, lease, LEASE_FOREVER, &(struct resource_labels){&of_key, 1}, err) < 0) {
        if (err->code != ERR_EXISTS)
            return -1;
        error_clear(err);
    }
    return 0;
}

/* An earlier try was cut off between this and its journal: the writable snapshot must be gone then, or T is another's. */
static int check_gone(struct containerd *containerd, const struct container *container, const char *name,
                      struct error *err)
{
    int there = snapshot_exists(containerd, container->snapshotter, container->snapshot_key, err);

    if (there <= 0)
        return there;
    return error_set(err, ERR_CONFLICT,
                     "snapshot %s is there already, and so is %s that it would be made from", name,
                     container->snapshot_key);
}

static int take(struct containerd *containerd, const struct container *container, const char *key,
                const char *name, const char *lease, struct error *err)
{
    const struct resource_label labels[] = {{HANDOVER_LABEL, key},
                                            {"stasis.opensandbox.io/container", container->name}};
    int taken = find_taken(containerd, key, name, err);

    if (taken != 0)
        return taken < 0 ? -1 : check_gone(containerd, container, name, err);
    /* Leased in this very call: a snapshot that nobody keeps is collected, and its folder with it, below the container. */
    if (snapshot_commit(containerd, HANDOVER_SNAPSHOTTER, name, container->snapshot_key, lease,
                        &(struct resource_labels){labels, 2}, err) < 0)
        return err->code == ERR_NOT_FOUND ? error_reason(err, "ContainerNotFound") : -1;
    return 0;
}

int handover_take(struct containerd *containerd, const struct container *container, const char *key,
                  struct error *err)
{
    SCOPED(string) char *lease = handover_lease_id(key);
    SCOPED(string) char *name = handover_snapshot_name(key, container->name);

    if (strcmp(container->snapshotter, HANDOVER_SNAPSHOTTER) != 0) {
        (void)error_set(err, ERR_UNSUPPORTED, "want the snapshotter %s, got %s", HANDOVER_SNAPSHOTTER,
                        container->snapshotter);
        (void)error_reason(err, "UnsupportedSnapshotter");
    } else if (ensure_lease(containerd, key, lease, err) == 0 &&
               take(containerd, container, key, name, lease, err) == 0) {
        return 0;
    }
    return error_wrap(err, "taking over the writable layer of container %s", container->name);
}

int handover_taken(struct containerd *containerd, const char *key, const char *container, struct error *err)
{
    SCOPED(string) char *name = handover_snapshot_name(key, container);
    return find_taken(containerd, key, name, err);
}

int handover_open(struct containerd *containerd, const char *key, const char *container, int *ret_fd,
                  struct error *err)
{
    SCOPED(string) char *name = handover_snapshot_name(key, container);
    SCOPED_OVERLAY struct overlay overlay = {0};
    int taken = find_taken(containerd, key, name, err);

    if (taken < 0)
        return -1;
    if (taken == 0) {
        (void)error_set(err, ERR_NOT_FOUND,
                        "the files of container %s, taken over by commit %s, are gone: somebody "
                        "removed snapshot %s",
                        container, key, name);
        return error_reason(err, "CommitLost");
    }
    if (snapshot_dirs(containerd, HANDOVER_SNAPSHOTTER, name, &overlay, err) < 0)
        return -1;
    int fd = open(overlay.lower_dirs[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return error_sys(err, errno, "opening the folder %s of snapshot %s", overlay.lower_dirs[0], name);
    *ret_fd = fd;
    return 0;
}

int handover_keep_blob(struct containerd *containerd, const char *key, const struct digest *digest,
                       struct error *err)
{
    SCOPED(string) char *lease = handover_lease_id(key);
    SCOPED_CONTENT_RECORD struct content_record record = {0};

    if (lease_add_blob(containerd, lease, digest, err) < 0)
        return error_wrap(err, "keeping %s", digest->text);
    return content_stat(containerd, digest, &record, err); /* not collected before it was kept */
}

int handover_drop(struct containerd *containerd, const char *key, struct error *err)
{
    SCOPED(string) char *lease = handover_lease_id(key);
    return lease_delete(containerd, lease, err);
}

int handover_list(struct containerd *containerd, struct handover_keys *ret_keys, struct error *err)
{
    SCOPED_LEASE_LIST struct lease_list leases = {0};

    if (leases_with_label(containerd, HANDOVER_LABEL, &leases, err) < 0)
        return -1;
    struct handover_keys keys = {.items = xcalloc(leases.count + 1, sizeof(*keys.items))};
    for (size_t i = 0; i < leases.count; i++)
        keys.items[keys.count++] = TAKE(leases.items[i].label);
    *ret_keys = keys;
    return 0;
}

void handover_keys_done(struct handover_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        free(keys->items[i]);
    free(keys->items);
    *keys = (struct handover_keys){0};
}
