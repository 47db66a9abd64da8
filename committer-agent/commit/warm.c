#include "committer-agent/commit/warm.h"

#include "committer-agent/commit/alias.h"
#include "committer-agent/containerd/leases.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"

char *warm_lease_id(const char *key)
{
    return xasprintf("stasis-warm-%s", key);
}

/* No label of a handover: nobody needs to look for it, it ends by itself. */
static int ensure_lease(struct containerd *containerd, const char *lease, int64_t retention_ms,
                        struct error *err)
{
    const int64_t round_up_ms = 999;
    int64_t until_s = (clock_realtime_ms() + retention_ms + round_up_ms) / 1000;

    if (lease_create(containerd, lease, until_s, NULL, err) == 0)
        return 0;
    if (err->code != ERR_EXISTS)
        return -1;
    error_clear(err);
    return 0;
}

int warm_keep(struct containerd *containerd, const struct warm_image *image, const char **ret_why,
              struct error *err)
{
    SCOPED(string) char *lease = warm_lease_id(image->key);
    const struct alias alias = {.key = image->key,
                                .container = image->container,
                                .chain_id = image->chain_id,
                                .lease = lease,
                                .depth_max = WARM_DEPTH_MAX};

    if (image->retention_ms <= 0) {
        *ret_why = "images are not kept warm on this node";
        return 0;
    }
    if (ensure_lease(containerd, lease, image->retention_ms, err) < 0)
        return -1;
    int made = alias_make(containerd, &alias, err);
    if (made == 0)
        *ret_why = "the local chain of layers has become long: a pull makes it short again";
    return made;
}

int warm_drop(struct containerd *containerd, const char *key, struct error *err)
{
    SCOPED(string) char *lease = warm_lease_id(key);
    return lease_delete(containerd, lease, err);
}
