#include "committer-agent/image/image.h"

#include <stdlib.h>

void image_done(struct image *image)
{
    strbuf_done(&image->config_bytes);
    strbuf_done(&image->manifest_bytes);
    manifest_done(&image->manifest);
    *image = (struct image){0};
}

/* Base manifest and config must speak of the same layers, or our diff would land on another tree. */
static int base_load(const struct image_plan *plan, struct manifest *manifest,
                     struct image_config **ret_config, struct error *err)
{
    if (manifest_parse(plan->base_manifest, plan->base_manifest_length, "base manifest", manifest, err) < 0 ||
        image_config_parse(plan->base_config, plan->base_config_length, "base config", ret_config, err) < 0)
        return -1;

    struct digest digest = digest_of(plan->base_config, plan->base_config_length);
    if (!digest_equal(&digest, &manifest->config.digest))
        return error_set(err, ERR_CORRUPT, "base manifest names config %s, the bytes are %s",
                         manifest->config.digest.text, digest.text);
    size_t diff_ids = image_config_layer_count(*ret_config);
    if (diff_ids != manifest->layer_count)
        return error_set(err, ERR_INVALID, "base manifest has %zu layers, its config %zu diff_ids",
                         manifest->layer_count, diff_ids);
    return 0;
}

static int add_layers(const struct image_plan *plan, struct manifest *manifest, struct image_config *config,
                      struct error *err)
{
    for (size_t i = 0; i < plan->layer_count; i++) {
        const struct image_layer *layer = &plan->layers[i];
        struct image_history history = {plan->created_unix_ms, layer->created_by, layer->comment};
        if (manifest_add_layer(manifest, &layer->blob, err) < 0 ||
            image_config_add_layer(config, &layer->diff_id, &history, err) < 0)
            return -1;
    }
    return 0;
}

static void translate_types(struct manifest *manifest)
{
    manifest->config.media_type = MEDIA_OCI_CONFIG;
    for (size_t i = 0; i < manifest->layer_count; i++)
        manifest->layers[i].media_type = media_type_to_oci(manifest->layers[i].media_type);
}

static void replace_annotations(struct manifest *manifest, const struct json_map *annotations)
{
    json_map_free(&manifest->annotations);
    manifest->annotations = (struct json_map){0};
    for (size_t i = 0; annotations && i < annotations->count; i++)
        json_map_set(&manifest->annotations, annotations->pairs[i].key, annotations->pairs[i].value);
}

int image_build(const struct image_plan *plan, struct image *ret_image, struct error *err)
{
    SCOPED_IMAGE struct image image = {0};
    SCOPED(image_config)
    struct image_config *config = NULL;
    struct manifest *manifest = &image.manifest;

    if (base_load(plan, manifest, &config, err) < 0)
        return error_wrap(err, "building the image");
    if (plan->keep_layers < manifest->layer_count) {
        manifest->layer_count = plan->keep_layers;
        image_config_keep_layers(config, plan->keep_layers);
    }
    image_config_set_created(config, plan->created_unix_ms);
    replace_annotations(manifest, plan->annotations);
    if (add_layers(plan, manifest, config, err) < 0 ||
        image_config_format(config, &image.config_bytes, err) < 0)
        return error_wrap(err, "building the image");
    translate_types(manifest);
    manifest->config.digest = digest_of(image.config_bytes.bytes, image.config_bytes.length);
    manifest->config.size_bytes = image.config_bytes.length;
    if (manifest_format(manifest, &image.manifest_bytes, &image.manifest_self, err) < 0)
        return error_wrap(err, "building the image");
    *ret_image = image;
    image = (struct image){0};
    return 0;
}

int image_chain_id(const struct image *image, struct digest *ret_chain, struct error *err)
{
    SCOPED(image_config) struct image_config *config = NULL;

    if (image_config_parse(strbuf_text(&image->config_bytes), image->config_bytes.length, "config", &config,
                           err) < 0)
        return -1;
    if (!image_config_chain_id(config, ret_chain))
        return error_set(err, ERR_INVALID, "an image without layers has no chainID");
    return 0;
}
