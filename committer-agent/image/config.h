/* image/config.h - the image config: everything the base said is kept; layers, history and times are ours.
 * Spec: OCI image-spec "Image Configuration". Threads: belongs to one thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "committer-agent/image/platform.h"
#include "shared/base/cleanup.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/strbuf.h"

#define IMAGE_CONFIG_MAX_BYTES (8u << 20)

struct image_config;

/* What is said about one new layer in "history". */
struct image_history {
    int64_t created_unix_ms;
    const char *created_by;
    const char *comment; /* or NULL */
};

/* ERR_INVALID: "<what>: rootfs.diff_ids[1]: ..."; ERR_EXHAUSTED: beyond IMAGE_CONFIG_MAX_BYTES or
 * MANIFEST_MAX_LAYERS. */
int image_config_parse(const char *bytes, size_t length, const char *what, struct image_config **ret_config,
                       struct error *err);
void image_config_free(struct image_config *config);
DEFINE_FREEP(image_config, struct image_config, image_config_free)

size_t image_config_layer_count(const struct image_config *config);
const struct digest *image_config_diff_id(const struct image_config *config, size_t layer); /* borrowed */
/* Of all layers: the name that containerd gives to their stack. False: there is no layer.
 * Spec: OCI image-spec "Layer ChainID". */
bool image_config_chain_id(const struct image_config *config, struct digest *ret_chain_id);
struct platform image_config_platform(const struct image_config *config);
/* The "comment" of the history entry that made this layer; NULL: none. Borrowed. Tells our own layers from
 * the base's. */
const char *image_config_layer_comment(const struct image_config *config, size_t layer);

void image_config_set_created(struct image_config *config, int64_t unix_ms);
int image_config_add_layer(struct image_config *config, const struct digest *diff_id,
                           const struct image_history *history, struct error *err);
/* Forgets the topmost layers and their history, so that `keep` are left. */
void image_config_keep_layers(struct image_config *config, size_t keep);

/* Bytes in the base's member order: the same steps on the same base give the same bytes. */
int image_config_format(const struct image_config *config, struct strbuf *ret_bytes, struct error *err);
