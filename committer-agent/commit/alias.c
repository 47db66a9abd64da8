#include "committer-agent/commit/alias.h"

#include "committer-agent/commit/handover.h"
#include "committer-agent/containerd/leases.h"
#include "shared/base/alloc.h"

static int check_taken(struct containerd *containerd, const struct alias *alias, const char *name,
                       struct error *err)
{
    int taken = handover_taken(containerd, alias->key, alias->container, err);

    if (taken != 0)
        return taken < 0 ? -1 : 0;
    (void)error_set(err, ERR_NOT_FOUND, "snapshot %s with its files is gone", name);
    return error_reason(err, "CommitLost");
}

/* Leased first, so that it is not collected between the look and the lease. A name in a lease without a snapshot means
 * nothing to containerd. */
static int adopt_existing(struct containerd *containerd, const struct alias *alias, struct error *err)
{
    if (lease_add_snapshot(containerd, alias->lease, HANDOVER_SNAPSHOTTER, alias->chain_id->text, err) < 0)
        return -1;
    return snapshot_exists(containerd, HANDOVER_SNAPSHOTTER, alias->chain_id->text, err);
}

/* Of the chain below T, with T. */
static int depth_of(struct containerd *containerd, const char *name, size_t *ret_depth, struct error *err)
{
    SCOPED_SNAPSHOT_CHAIN struct snapshot_chain below = {0};

    if (snapshot_parents(containerd, HANDOVER_SNAPSHOTTER, name, &below, err) < 0)
        return -1;
    *ret_depth = below.count + 1;
    return 0;
}

static int make(struct containerd *containerd, const struct alias *alias, const char *name, struct error *err)
{
    SCOPED(string) char *active = xasprintf("%s-alias", name);
    struct error ignored; /* it goes with the lease */

    if (snapshot_prepare(containerd, HANDOVER_SNAPSHOTTER, active, name, alias->lease, NULL, err) < 0) {
        if (err->code != ERR_EXISTS)
            return -1;
        error_clear(err); /* of an earlier try, which a crash cut off */
    }
    if (snapshot_commit(containerd, HANDOVER_SNAPSHOTTER, alias->chain_id->text, active, alias->lease, NULL,
                        err) == 0)
        return 0;
    (void)snapshot_remove(containerd, HANDOVER_SNAPSHOTTER, active, &ignored);
    if (err->code != ERR_EXISTS)
        return -1;
    error_clear(err); /* somebody pulled the image this very moment */
    return adopt_existing(containerd, alias, err) < 0 ? -1 : 0;
}

static int make_if_shallow(struct containerd *containerd, const struct alias *alias, const char *name,
                           struct error *err)
{
    size_t depth = 0;
    int there = adopt_existing(containerd, alias, err);

    if (there != 0)
        return there;
    if (check_taken(containerd, alias, name, err) < 0 || depth_of(containerd, name, &depth, err) < 0)
        return -1;
    if (depth + 1 > alias->depth_max)
        return 0;
    return make(containerd, alias, name, err) < 0 ? -1 : 1;
}

int alias_make(struct containerd *containerd, const struct alias *alias, struct error *err)
{
    SCOPED(string) char *name = handover_snapshot_name(alias->key, alias->container);
    int made = make_if_shallow(containerd, alias, name, err);

    return made < 0 ? error_wrap(err, "naming the files of container %s %s", alias->container,
                                 alias->chain_id->text)
                    : made;
}
