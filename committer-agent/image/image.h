/* image/image.h - a new single-platform image from a base and the layers that were captured on it. */
#pragma once

#include "committer-agent/image/config.h"
#include "committer-agent/image/manifest.h"

struct image_layer {
    struct descriptor blob; /* as pushed */
    struct digest diff_id;  /* of the uncompressed tar */
    const char *created_by; /* for the history */
    const char *comment;    /* for the history, or NULL */
};

struct image_plan {
    const char *base_manifest; /* bytes, of one platform */
    size_t base_manifest_length;
    const char *base_config;
    size_t base_config_length;
    size_t keep_layers;               /* of the base; SIZE_MAX keeps all */
    const struct image_layer *layers; /* new ones, bottom first */
    size_t layer_count;
    int64_t created_unix_ms;
    const struct json_map *annotations; /* of the manifest, or NULL: the base's are not inherited */
};

struct image {
    struct strbuf config_bytes;
    struct strbuf manifest_bytes;
    struct descriptor manifest_self; /* its digest is the image's */
    struct manifest manifest; /* .config and .layers: what the registry must hold before the manifest */
};

/* ERR_INVALID: the base's manifest and config contradict each other, or cannot be read; ERR_EXHAUSTED: too
 * many layers. */
int image_build(const struct image_plan *plan, struct image *ret_image, struct error *err);
void image_done(struct image *image);

/* The chainID of all its layers: what containerd names the unpacked image by. ERR_INVALID: it has none. */
int image_chain_id(const struct image *image, struct digest *ret_chain, struct error *err);
#define SCOPED_IMAGE __attribute__((cleanup(image_done)))
