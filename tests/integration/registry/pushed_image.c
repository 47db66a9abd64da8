#include "tests/integration/registry/pushed_image.h"

#include <string.h>

#include "committer-agent/registry/upload.h"
#include "shared/base/alloc.h"

static char *random_bytes(size_t length, const char *seed_text)
{
    struct digest seed = digest_of(seed_text, strlen(seed_text));
    char *bytes = xcalloc(length, 1);
    uint32_t random = 1;

    for (const char *c = seed.text; *c; c++)
        random = random * 31 + (unsigned char)*c;
    for (size_t i = 0; i < length; i++) {
        random = random * 1664525 + 1013904223;
        bytes[i] = (char)(random >> 24);
    }
    return bytes;
}

static struct descriptor describe(enum media_type type, const char *bytes, size_t length)
{
    return (struct descriptor){.media_type = type, .digest = digest_of(bytes, length), .size_bytes = length};
}

void pushed_image_make(struct pushed_image *image, const char *repository)
{
    SCOPED(string) char *tiny_seed = xasprintf("%s tiny", repository);
    struct error err;

    *image = (struct pushed_image){.base = random_bytes(PUSHED_BASE_BYTES, PUSHED_BASE),
                                   .layer = random_bytes(PUSHED_LAYER_BYTES, repository),
                                   .tiny = random_bytes(PUSHED_TINY_BYTES, tiny_seed),
                                   .config = xasprintf("{\"author\":\"%s\"}", repository)};
    (void)snprintf(image->repository, sizeof(image->repository), "%s", repository);
    const struct descriptor layers[] = {describe(MEDIA_OCI_LAYER_ZSTD, image->base, PUSHED_BASE_BYTES),
                                        describe(MEDIA_OCI_LAYER_ZSTD, image->layer, PUSHED_LAYER_BYTES),
                                        describe(MEDIA_OCI_LAYER_ZSTD, image->tiny, PUSHED_TINY_BYTES)};
    image->manifest.config = describe(MEDIA_OCI_CONFIG, image->config, strlen(image->config));
    for (size_t i = 0; i < 3; i++)
        if (manifest_add_layer(&image->manifest, &layers[i], &err) < 0)
            abort();
    if (manifest_format(&image->manifest, &image->manifest_bytes, &image->manifest_self, &err) < 0)
        abort();
}

void pushed_image_done(struct pushed_image *image)
{
    free(image->base);
    free(image->layer);
    free(image->tiny);
    free(image->config);
    manifest_done(&image->manifest);
    strbuf_done(&image->manifest_bytes);
}

/* ---- pushing ---- */

struct bytes {
    const char *bytes;
    size_t length;
};

static int64_t bytes_ready(void *self, uint64_t offset, uint64_t want, struct error *err)
{
    const struct bytes *all = self;
    uint64_t left = all->length - offset;

    (void)err;
    return (int64_t)(left < want ? left : want);
}

static long bytes_read(void *self, uint64_t offset, char *into, size_t room, struct error *err)
{
    const struct bytes *all = self;
    size_t left = all->length - (size_t)offset, length = left < room ? left : room;

    (void)err;
    memcpy(into, all->bytes + offset, length);
    return (long)length;
}

static int push_layer(struct registry *registry, const char *repository, const char *layer, size_t length,
                      uint32_t chunk_bytes, struct error *err)
{
    SCOPED(upload) struct upload *up = NULL;
    struct bytes bytes = {layer, length};
    const struct blob_source source = {bytes_ready, bytes_read, &bytes};
    const struct upload_options options = {.chunk_bytes = chunk_bytes};
    struct digest digest = digest_of(layer, length);

    if (upload_begin(registry, repository, &options, &up, err) < 0 || upload_stream(up, &source, err) < 0)
        return -1;
    return upload_commit(up, &digest, err);
}

static int push_base(const struct pushed_image *image, struct registry *registry, struct error *err)
{
    const struct digest *digest = &image->manifest.layers[0].digest;

    int there = registry_has_blob(registry, image->repository, digest, NULL, err);
    if (there == 0)
        there = registry_mount_blob(registry, image->repository, PUSHED_BASE, digest, err);
    if (there != 0)
        return there < 0 ? -1 : 0;
    return push_layer(registry, image->repository, image->base, PUSHED_BASE_BYTES, 0, err);
}

int pushed_image_seed(struct registry *registry, struct error *err)
{
    SCOPED(string) char *base = random_bytes(PUSHED_BASE_BYTES, PUSHED_BASE);
    return push_layer(registry, PUSHED_BASE, base, PUSHED_BASE_BYTES, 0, err);
}

int pushed_image_push(const struct pushed_image *image, struct registry *registry, struct error *err)
{
    const char *repository = image->repository;

    if (registry_check(registry, repository, err) < 0 || push_base(image, registry, err) < 0 ||
        push_layer(registry, repository, image->layer, PUSHED_LAYER_BYTES, PUSHED_CHUNK_BYTES, err) < 0 ||
        push_layer(registry, repository, image->tiny, PUSHED_TINY_BYTES, 0, err) < 0 ||
        upload_bytes(registry, repository, image->config, strlen(image->config),
                     &image->manifest.config.digest, err) < 0)
        return -1;
    return registry_put_manifest(registry, repository, PUSHED_TAG, MEDIA_OCI_MANIFEST,
                                 strbuf_text(&image->manifest_bytes), image->manifest_bytes.length, NULL,
                                 err);
}

/* ---- reading back ---- */

static int compare(void *self, const char *bytes, size_t length, struct error *err)
{
    const char **at = self;

    if (memcmp(*at, bytes, length) != 0)
        return error_set(err, ERR_CORRUPT, "other bytes");
    *at += length;
    return 0;
}

static int check_blob(struct registry *registry, const char *repository, const struct descriptor *blob,
                      const char *bytes, struct error *err)
{
    const char *at = bytes;
    const struct blob_sink sink = {compare, &at};
    return registry_get_blob(registry, repository, blob, &sink, err);
}

int pushed_image_check(const struct pushed_image *image, struct registry *registry, struct error *err)
{
    const char *const blobs[] = {image->base, image->layer, image->tiny};
    SCOPED_STRBUF struct strbuf bytes = STRBUF_INIT;
    struct descriptor self;

    int found = registry_head_manifest(registry, image->repository, PUSHED_TAG, &self, err);
    if (found <= 0)
        return found;
    if (registry_get_manifest(registry, image->repository, PUSHED_TAG, &bytes, &self, err) < 0)
        return -1;
    if (strcmp(strbuf_text(&bytes), strbuf_text(&image->manifest_bytes)) != 0)
        return error_set(err, ERR_CORRUPT, "the tag names another manifest");
    for (size_t i = 0; i < 3; i++)
        if (check_blob(registry, image->repository, &image->manifest.layers[i], blobs[i], err) < 0)
            return -1;
    return check_blob(registry, image->repository, &image->manifest.config, image->config, err) < 0 ? -1 : 1;
}
