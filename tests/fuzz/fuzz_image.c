/* An image from a base: the base's manifest on the first line, its config behind it. Whatever the base says, the new
 * image is one we can read again, with our layer on top. */
#include "tests/fuzz/fuzz.h"

#include "committer-agent/image/image.h"

enum { CREATED_UNIX_MS = 1700000000 };

static struct image_layer new_layer(void)
{
    struct image_layer layer = {.created_by = "pause", .comment = "ours"};

    layer.blob = (struct descriptor){MEDIA_OCI_LAYER_ZSTD, digest_of("blob", 4), 4};
    layer.diff_id = digest_of("tar", 3);
    return layer;
}

static void check_config(const char *config, size_t length)
{
    SCOPED(image_config) struct image_config *parsed = NULL;
    SCOPED_STRBUF struct strbuf bytes = STRBUF_INIT;
    struct image_layer layer = new_layer();
    struct image_history history = {CREATED_UNIX_MS, layer.created_by, layer.comment};
    struct error err = {0};

    if (image_config_parse(config, length, "config", &parsed, &err) < 0)
        return;
    size_t layers = image_config_layer_count(parsed);
    if (image_config_add_layer(parsed, &layer.diff_id, &history, &err) < 0)
        return;
    FUZZ_CHECK(strcmp(image_config_layer_comment(parsed, layers), "ours") == 0);
    image_config_keep_layers(parsed, layers / 2);
    FUZZ_CHECK(image_config_layer_count(parsed) == layers / 2);
    if (image_config_format(parsed, &bytes, &err) < 0)
        return;
    image_config_free(TAKE(parsed));
    FUZZ_CHECK(image_config_parse(strbuf_text(&bytes), bytes.length, "again", &parsed, &err) == 0);
    FUZZ_CHECK(image_config_layer_count(parsed) == layers / 2);
}

static void check_image(const struct image *image, const struct image_layer *layer)
{
    SCOPED(image_config) struct image_config *config = NULL;
    struct error err = {0};

    FUZZ_CHECK(image_config_parse(strbuf_text(&image->config_bytes), image->config_bytes.length, "config",
                                  &config, &err) == 0);
    size_t layers = image_config_layer_count(config);
    FUZZ_CHECK(layers == image->manifest.layer_count);
    FUZZ_CHECK(digest_equal(image_config_diff_id(config, layers - 1), &layer->diff_id));
    FUZZ_CHECK(digest_equal(&image->manifest.layers[layers - 1].digest, &layer->blob.digest));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    struct image_layer layer = new_layer();
    struct error err = {0};

    if (!newline)
        return 0;
    const char *config = (const char *)newline + 1;
    size_t manifest_length = (size_t)(newline - data);
    struct image_plan plan = {.base_manifest = (const char *)data,
                              .base_manifest_length = manifest_length,
                              .base_config = config,
                              .base_config_length = size - manifest_length - 1,
                              .keep_layers = SIZE_MAX,
                              .layers = &layer,
                              .layer_count = 1,
                              .created_unix_ms = CREATED_UNIX_MS};
    check_config(plan.base_config, plan.base_config_length);
    SCOPED_IMAGE struct image image = {0};
    if (image_build(&plan, &image, &err) == 0)
        check_image(&image, &layer);
    return 0;
}
