#include "committer-agent/containerd/images.h"

#include <containerd/services/images.pb-c.h>
#include <stdlib.h>

#include "committer-agent/containerd/connection.h"
#include "shared/base/alloc.h"

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
    struct containerd_call call = {&containerd__services__images__v1__images__descriptor, "Get", NULL, 0};
    struct digest digest;

    request.name = (char *)name;
    if (containerd_call(containerd, call, &request, &answer, err) < 0) {
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
