#include "committer-agent/containerd/images.h"

#include <containerd/services/images.pb-c.h>
#include <stdlib.h>

#include "committer-agent/containerd/connection.h"
#include "shared/base/alloc.h"

DEFINE_LABEL_ENTRIES(image, Containerd__Services__Images__V1__Image__LabelsEntry,
                     containerd__services__images__v1__image__labels_entry__init)

static struct containerd_call call_of(const char *method)
{
    return (struct containerd_call){&containerd__services__images__v1__images__descriptor, method, NULL, 0};
}

void image_record_done(struct image_record *image)
{
    free(image->name);
    free(image->media_type);
    *image = (struct image_record){0};
}

int image_get(struct containerd *containerd, const char *name, struct image_record *ret_image,
              struct error *err)
{
    Containerd__Services__Images__V1__GetImageRequest request =
        CONTAINERD__SERVICES__IMAGES__V1__GET_IMAGE_REQUEST__INIT;
    SCOPED_MESSAGE Containerd__Services__Images__V1__GetImageResponse *answer = NULL;
    struct digest digest;

    request.name = (char *)name;
    if (containerd_call(containerd, call_of("Get"), &request, &answer, err) < 0) {
        if (err->code == ERR_NOT_FOUND)
            (void)error_reason(err, "ImageNotFound");
        return error_wrap(err, "looking up image %s on this node", name);
    }
    const Containerd__Types__Descriptor *target = answer->image ? answer->image->target : NULL;
    if (!target || target->size < 0 || digest_parse(target->digest, &digest, err) < 0)
        return error_set(err, ERR_CORRUPT, "containerd's record of image %s has no usable descriptor", name);

    *ret_image = (struct image_record){
        .name = xstrdup(answer->image->name),
        .media_type = xstrdup(target->media_type),
        .digest = digest,
        .size_bytes = (uint64_t)target->size,
    };
    return 0;
}

static int put_message(struct containerd *containerd, Containerd__Services__Images__V1__Image *image,
                       struct error *err)
{
    Containerd__Services__Images__V1__CreateImageRequest create =
        CONTAINERD__SERVICES__IMAGES__V1__CREATE_IMAGE_REQUEST__INIT;
    Containerd__Services__Images__V1__UpdateImageRequest update =
        CONTAINERD__SERVICES__IMAGES__V1__UPDATE_IMAGE_REQUEST__INIT;

    create.image = update.image = image;
    if (containerd_tell(containerd, call_of("Create"), &create, err) == 0)
        return 0;
    if (err->code != ERR_EXISTS)
        return -1;
    return containerd_tell(containerd, call_of("Update"), &update, err);
}

int image_put(struct containerd *containerd, const struct image_record *image,
              const struct resource_labels *labels, struct error *err)
{
    const struct resource_labels given = labels ? *labels : (struct resource_labels){0};
    SCOPED(memory)
    Containerd__Services__Images__V1__Image__LabelsEntry **entries = image_label_entries(&given);
    Containerd__Types__Descriptor target = CONTAINERD__TYPES__DESCRIPTOR__INIT;
    Containerd__Services__Images__V1__Image message = CONTAINERD__SERVICES__IMAGES__V1__IMAGE__INIT;

    target.media_type = image->media_type;
    target.digest = (char *)image->digest.text;
    target.size = (int64_t)image->size_bytes;
    message.name = image->name;
    message.target = &target;
    message.labels = entries;
    message.n_labels = given.count;
    if (put_message(containerd, &message, err) < 0)
        return error_wrap(err, "recording image %s on this node", image->name);
    return 0;
}

int image_remove(struct containerd *containerd, const char *name, struct error *err)
{
    Containerd__Services__Images__V1__DeleteImageRequest request =
        CONTAINERD__SERVICES__IMAGES__V1__DELETE_IMAGE_REQUEST__INIT;

    request.name = (char *)name;
    if (containerd_tell(containerd, call_of("Delete"), &request, err) == 0)
        return 0;
    if (err->code != ERR_NOT_FOUND)
        return error_wrap(err, "removing the record of image %s", name);
    error_clear(err);
    return 0;
}

int image_names_of(struct containerd *containerd, const struct digest *target, struct image_names *ret_names,
                   struct error *err)
{
    Containerd__Services__Images__V1__ListImagesRequest request =
        CONTAINERD__SERVICES__IMAGES__V1__LIST_IMAGES_REQUEST__INIT;
    SCOPED_MESSAGE Containerd__Services__Images__V1__ListImagesResponse *answer = NULL;
    SCOPED(string) char *filter = xasprintf("target.digest==\"%s\"", target->text);

    request.filters = &filter;
    request.n_filters = 1;
    if (containerd_call(containerd, call_of("List"), &request, &answer, err) < 0)
        return error_wrap(err, "listing the names of image %s", target->text);
    struct image_names names = {.items = xcalloc(answer->n_images + 1, sizeof(*names.items)),
                                .count = answer->n_images};
    for (size_t i = 0; i < names.count; i++)
        names.items[i] = xstrdup(answer->images[i]->name);
    *ret_names = names;
    return 0;
}

void image_names_done(struct image_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct image_names){0};
}
