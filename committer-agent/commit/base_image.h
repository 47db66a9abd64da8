/* base_image.h - the image a container was made from, as the node's content store has it. */
#pragma once

#include "committer-agent/containerd/containers.h"
#include "committer-agent/image/manifest.h"
#include "committer-agent/image/reference.h"
#include "committer-agent/registry/registry.h"

struct base_image {
    struct digest digest;         /* of the manifest */
    bool kept_locally;            /* it was never pushed: its top layer is in no registry (local_image.h) */
    struct strbuf manifest_bytes; /* of this machine's platform */
    struct strbuf config_bytes;
    struct manifest manifest;
};

/* `image` is a name of containerd's image store. ERR_NOT_FOUND: ImageNotFound, or BlobMissing for its
 * manifest or config; ERR_CORRUPT, ERR_INVALID: not an image we understand. */
int base_image_load(struct containerd *containerd, const char *image, struct base_image *ret_base,
                    struct error *err);
/* The same by the digest of its manifest, which base_image_load() told. */
int base_image_load_manifest(struct containerd *containerd, const struct digest *digest,
                             struct base_image *ret_base, struct error *err);
/* Is this what the container was made from? A tag may have moved since, and a layer on another base would be
 * another file system. ERR_NOT_FOUND, ImageNotFound: it is another image. */
int base_image_check_below(struct containerd *containerd, const struct base_image *base,
                           const struct container *container, struct error *err);
void base_image_done(struct base_image *base);

/* Makes the first keep_layers layers of the base known to the target repository: each is there already, or mounted from a
 * repository of the same registry that it was pulled from, or copied from the content store. ERR_NOT_FOUND,
 * BlobMissing: neither the registry nor this node has it. Else the registry's errors. */
int base_image_push_layers(struct containerd *containerd, const struct base_image *base, size_t keep_layers,
                           struct registry *registry, const struct reference *target, struct error *err);
