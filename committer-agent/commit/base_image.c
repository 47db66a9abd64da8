#include "committer-agent/commit/base_image.h"

#include <string.h>

#include "committer-agent/commit/local_image.h"
#include "committer-agent/containerd/content.h"
#include "committer-agent/containerd/images.h"
#include "committer-agent/containerd/snapshots.h"
#include "committer-agent/image/config.h"
#include "committer-agent/registry/upload.h"
#include "shared/base/alloc.h"

enum { INDEX_DEPTH_MAX = 4 }; /* an index may point to an index; nobody nests deeper in earnest */

/* Follows indexes down to the manifest for this machine; leaves its bytes in `manifest_bytes`, its digest in *digest. */
static int read_manifest(struct containerd *containerd, struct digest *digest, struct strbuf *manifest_bytes,
                         struct error *err)
{
    const struct platform host = platform_host();

    for (int depth = 0; depth < INDEX_DEPTH_MAX; depth++) {
        enum media_type type;
        strbuf_reset(manifest_bytes);
        if (content_read(containerd, digest, MANIFEST_MAX_BYTES, manifest_bytes, err) < 0 ||
            manifest_media_type(strbuf_text(manifest_bytes), manifest_bytes->length, &type, err) < 0)
            return -1;
        if (media_type_is_manifest(type))
            return 0;

        SCOPED_INDEX struct index index = {0};
        struct descriptor chosen;
        if (index_parse(strbuf_text(manifest_bytes), manifest_bytes->length, digest->text, &index, err) < 0 ||
            index_select(&index, &host, &chosen, err) < 0)
            return -1;
        *digest = chosen.digest;
    }
    return error_set(err, ERR_INVALID, "image index nested deeper than %d", INDEX_DEPTH_MAX);
}

static int read_label(struct containerd *containerd, struct base_image *base, struct error *err)
{
    SCOPED_CONTENT_RECORD struct content_record stored = {0};

    if (content_stat(containerd, &base->digest, &stored, err) < 0)
        return -1;
    base->kept_locally = content_label_get(&stored, LOCAL_IMAGE_LABEL) != NULL;
    return 0;
}

int base_image_load_manifest(struct containerd *containerd, const struct digest *digest,
                             struct base_image *ret_base, struct error *err)
{
    struct base_image base = {.digest = *digest};

    if (read_manifest(containerd, &base.digest, &base.manifest_bytes, err) < 0 ||
        read_label(containerd, &base, err) < 0 ||
        manifest_parse(strbuf_text(&base.manifest_bytes), base.manifest_bytes.length, "manifest",
                       &base.manifest, err) < 0 ||
        content_read(containerd, &base.manifest.config.digest, IMAGE_CONFIG_MAX_BYTES, &base.config_bytes,
                     err) < 0) {
        base_image_done(&base);
        return error_wrap(err, "manifest %s", digest->text);
    }
    *ret_base = base;
    return 0;
}

int base_image_load(struct containerd *containerd, const char *image, struct base_image *ret_base,
                    struct error *err)
{
    SCOPED_IMAGE_RECORD struct image_record record = {0};

    if (image_get(containerd, image, &record, err) < 0 ||
        base_image_load_manifest(containerd, &record.digest, ret_base, err) < 0)
        return error_wrap(err, "base image %s", image);
    return 0;
}

int base_image_check_below(struct containerd *containerd, const struct base_image *base,
                           const struct container *container, struct error *err)
{
    SCOPED(image_config)
    struct image_config *config = NULL;
    SCOPED(string)
    char *parent = NULL;
    struct digest chain;

    if (image_config_parse(strbuf_text(&base->config_bytes), base->config_bytes.length, "config", &config,
                           err) < 0 ||
        snapshot_parent(containerd, container->snapshotter, container->snapshot_key, &parent, err) < 0)
        return error_wrap(err, "base image %s", container->image);
    if (strcmp(parent, image_config_chain_id(config, &chain) ? chain.text : "") == 0)
        return 0;
    (void)error_set(err, ERR_NOT_FOUND,
                    "image %s is not the one that the container was made from: the name points to another "
                    "image by now",
                    container->image);
    return error_reason(err, "ImageNotFound");
}

void base_image_done(struct base_image *base)
{
    manifest_done(&base->manifest);
    strbuf_done(&base->manifest_bytes);
    strbuf_done(&base->config_bytes);
}

/* One of the repositories that the node pulled the layer from may have it still, in the same registry. */
static int mount_layer(struct registry *registry, const struct reference *target, const struct digest *digest,
                       const char *sources, struct error *err)
{
    SCOPED(string)
    char *list = xstrdup(sources);
    char *rest = list;

    for (char *from = strsep(&rest, ","); from; from = strsep(&rest, ",")) {
        if (!*from || strcmp(from, target->repository) == 0)
            continue;
        int mounted = registry_mount_blob(registry, target->repository, from, digest, err);
        if (mounted != 0)
            return mounted;
    }
    return 0;
}

static int64_t stored_ready(void *self, uint64_t offset, uint64_t want, struct error *err)
{
    (void)err;
    uint64_t size = content_blob_size(self);
    uint64_t left = offset < size ? size - offset : 0;
    return (int64_t)(left < want ? left : want);
}

static long stored_read(void *self, uint64_t offset, char *into, size_t room, struct error *err)
{
    return content_blob_read(self, offset, into, room, err);
}

static int copy_layer(struct containerd *containerd, struct registry *registry,
                      const struct reference *target, const struct digest *digest, struct error *err)
{
    SCOPED(content_blob)
    struct content_blob *blob = NULL;
    SCOPED(upload)
    struct upload *up = NULL;

    if (content_open(containerd, digest, &blob, err) < 0)
        return -1;
    const struct blob_source source = {.ready = stored_ready, .read = stored_read, .self = blob};
    if (upload_begin(registry, target->repository, NULL, &up, err) < 0 ||
        upload_stream(up, &source, err) < 0 || upload_commit(up, digest, err) < 0)
        return -1;
    return 0;
}

static int push_layer(struct containerd *containerd, struct registry *registry,
                      const struct reference *target, const struct digest *digest, struct error *err)
{
    SCOPED_CONTENT_RECORD struct content_record stored = {0};
    int known = registry_has_blob(registry, target->repository, digest, NULL, err);

    if (known != 0)
        return known < 0 ? -1 : 0;
    if (content_stat(containerd, digest, &stored, err) < 0)
        return error_wrap(err,
                          "%s does not have it, and the node discarded it after unpacking (containerd's "
                          "discard_unpacked_layers), so it cannot be copied",
                          target->host);
    const char *sources = content_sources(&stored, target->host);
    int mounted = sources ? mount_layer(registry, target, digest, sources, err) : 0;
    if (mounted != 0)
        return mounted < 0 ? -1 : 0;
    return copy_layer(containerd, registry, target, digest, err);
}

int base_image_push_layers(struct containerd *containerd, const struct base_image *base, size_t keep_layers,
                           struct registry *registry, const struct reference *target, struct error *err)
{
    for (size_t i = 0; i < base->manifest.layer_count && i < keep_layers; i++) {
        const struct digest *digest = &base->manifest.layers[i].digest;
        if (push_layer(containerd, registry, target, digest, err) < 0)
            return error_wrap(err, "base layer %s", digest->text);
    }
    return 0;
}
