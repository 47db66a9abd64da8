/* warm.h - the next pod with this image starts on this node without a pull.
 *
 *   alias  snapshot named by the new image's chainID: empty, on top of T (handover.h). Whoever pulls the image finds it
 *          and skips the layers' download and unpacking; credentials and manifest are checked as ever.
 *   lease  "stasis-warm-<key>": keeps the alias, and T below it, until it expires. The pull's own records keep it then.
 *
 * An alias costs one layer of the local chain, T another: at WARM_DEPTH_MAX none is made, the next resume is a cold pull
 * and the chain is as short as the image again. Threads: any; one key by one at a time. */
#pragma once

#include "committer-agent/commit/handover.h"

enum { WARM_DEPTH_MAX = 100 };

struct warm_image {
    const char *key, *container;   /* of T */
    const struct digest *chain_id; /* image_config_chain_id() of the new image's config */
    int64_t retention_ms;          /* 0: no warm resume */
};

/* 1 made, or there already; 0 not: *ret_why is a static text for people; -1. Before handover_drop(), which would take T
 * away. Idempotent; retention counts from the first call. ERR_NOT_FOUND, CommitLost: there is no T. */
int warm_keep(struct containerd *containerd, const struct warm_image *image, const char **ret_why,
              struct error *err);

/* Lets the alias go, unless an image or a container uses it. An unknown key is fine. */
int warm_drop(struct containerd *containerd, const char *key, struct error *err);

/* The caller frees. */
char *warm_lease_id(const char *key);
