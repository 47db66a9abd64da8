#include "committer-agent/commit/local_image.h"

#include <stdlib.h>
#include <string.h>

#include "committer-agent/commit/alias.h"
#include "committer-agent/containerd/content.h"
#include "committer-agent/containerd/images.h"
#include "committer-agent/image/config.h"
#include "shared/base/alloc.h"

static int keep_alias(struct containerd *containerd, const struct local_image *local, const char *lease,
                      const struct digest *chain, struct error *err)
{
    const struct alias alias = {.key = local->key,
                                .container = local->container,
                                .chain_id = chain,
                                .lease = lease,
                                .depth_max = HANDOVER_DEPTH_MAX};
    int made = alias_make(containerd, &alias, err);

    if (made != 0)
        return made < 0 ? -1 : 0;
    return error_set(err, ERR_EXHAUSTED, "its local chain of layers is longer than %d", HANDOVER_DEPTH_MAX);
}

/* Without it the collector takes the snapshot once the lease is gone, while the image seems to be there. */
static int keep_config(struct containerd *containerd, const struct image *image, const struct digest *chain,
                       const char *lease, struct error *err)
{
    const struct resource_label label = {"containerd.io/gc.ref.snapshot." HANDOVER_SNAPSHOTTER, chain->text};

    return content_write(containerd, &image->manifest.config.digest, strbuf_text(&image->config_bytes),
                         image->config_bytes.length, &(struct resource_labels){&label, 1}, lease, err);
}

enum { LABELS_BESIDE_LAYERS = 2 };

/* Layers that are in no content store (ours, and what CRI discarded) are no harm: nobody unpacks them here. */
static int keep_manifest(struct containerd *containerd, const struct local_image *local, const char *lease,
                         struct error *err)
{
    const struct image *image = local->image;
    const size_t layers = image->manifest.layer_count;
    SCOPED(memory)
    struct resource_label *labels = xcalloc(layers + LABELS_BESIDE_LAYERS, sizeof(*labels));
    SCOPED(memory) char **keys = xcalloc(layers + 1, sizeof(*keys));

    for (size_t i = 0; i < layers; i++) {
        keys[i] = xasprintf("containerd.io/gc.ref.content.l.%zu", i);
        labels[i] = (struct resource_label){keys[i], image->manifest.layers[i].digest.text};
    }
    labels[layers] =
        (struct resource_label){"containerd.io/gc.ref.content.config", image->manifest.config.digest.text};
    labels[layers + 1] = (struct resource_label){LOCAL_IMAGE_LABEL, local->key};
    int result = content_write(containerd, &image->manifest_self.digest, strbuf_text(&image->manifest_bytes),
                               image->manifest_bytes.length,
                               &(struct resource_labels){labels, layers + LABELS_BESIDE_LAYERS}, lease, err);
    for (size_t i = 0; i < layers; i++)
        free(keys[i]);
    return result;
}

static int record(struct containerd *containerd, const struct image *image, char *name, struct error *err)
{
    const struct resource_label managed = {"io.cri-containerd.image", "managed"};
    const struct image_record of_name = {
        .name = name,
        .media_type = (char *)media_type_text(image->manifest_self.media_type),
        .digest = image->manifest_self.digest,
        .size_bytes = image->manifest_self.size_bytes,
    };
    return image_put(containerd, &of_name, &(struct resource_labels){&managed, 1}, err);
}

/* As CRI does after a pull. The id first: whoever finds another name of CRI's looks for it. */
static int keep_records(struct containerd *containerd, const struct local_image *local, struct error *err)
{
    const struct image *image = local->image;
    const struct reference *target = local->target;
    SCOPED(string) char *id = xstrdup(image->manifest.config.digest.text);
    SCOPED(string)
    char *by_digest =
        xasprintf("%s/%s@%s", target->host, target->repository, image->manifest_self.digest.text);
    SCOPED(string) char *by_tag = xasprintf("%s/%s:%s", target->host, target->repository, target->tag);

    if (record(containerd, image, id, err) < 0 || record(containerd, image, by_digest, err) < 0)
        return -1;
    return *target->tag ? record(containerd, image, by_tag, err) : 0;
}

int local_image_keep(struct containerd *containerd, const struct local_image *local, struct error *err)
{
    SCOPED(string) char *lease = handover_lease_id(local->key);
    struct digest chain;

    if (image_chain_id(local->image, &chain, err) < 0 ||
        keep_alias(containerd, local, lease, &chain, err) < 0 ||
        keep_config(containerd, local->image, &chain, lease, err) < 0 ||
        keep_manifest(containerd, local, lease, err) < 0 || keep_records(containerd, local, err) < 0)
        return error_wrap(err, "keeping the image of container %s on this node", local->container);
    return 0;
}

static bool is_ours(const struct reference *target, const char *name)
{
    SCOPED(string) char *repository = xasprintf("%s/%s", target->host, target->repository);
    size_t length = strlen(repository);

    if (strncmp(name, "sha256:", strlen("sha256:")) == 0)
        return true;
    return strncmp(name, repository, length) == 0 && (name[length] == '@' || name[length] == ':');
}

int local_image_forget(struct containerd *containerd, const struct reference *target,
                       const struct digest *manifest, struct error *err)
{
    SCOPED_IMAGE_NAMES struct image_names names = {0};

    if (image_names_of(containerd, manifest, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (is_ours(target, names.items[i]) && image_remove(containerd, names.items[i], err) < 0)
            return -1;
    return 0;
}
