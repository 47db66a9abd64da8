#include "committer-agent/containerd/frozen_by.h"

#include <containerd/services/containers.pb-c.h>

#include "committer-agent/containerd/connection.h"

/* An empty value removes the label. */
static int label_set(struct containerd *containerd, const char *id, char *value, struct error *err)
{
    Containerd__Services__Containers__V1__Container__LabelsEntry label =
        CONTAINERD__SERVICES__CONTAINERS__V1__CONTAINER__LABELS_ENTRY__INIT;
    Containerd__Services__Containers__V1__Container__LabelsEntry *labels[] = {&label};
    Containerd__Services__Containers__V1__Container container =
        CONTAINERD__SERVICES__CONTAINERS__V1__CONTAINER__INIT;
    Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
    char *paths[] = {(char *)"labels." FROZEN_BY_LABEL};
    Containerd__Services__Containers__V1__UpdateContainerRequest request =
        CONTAINERD__SERVICES__CONTAINERS__V1__UPDATE_CONTAINER_REQUEST__INIT;
    struct containerd_call call = {&containerd__services__containers__v1__containers__descriptor, "Update",
                                   NULL, 0};

    label.key = (char *)FROZEN_BY_LABEL;
    label.value = value;
    container.id = (char *)id;
    container.labels = labels;
    container.n_labels = 1;
    mask.paths = paths;
    mask.n_paths = 1;
    request.container = &container;
    request.update_mask = &mask;
    if (containerd_tell(containerd, call, &request, err) == 0)
        return 0;
    if (err->code == ERR_NOT_FOUND)
        (void)error_reason(err, "ContainerNotFound");
    return error_wrap(err, "labelling container %s", id);
}

int container_mark_frozen(struct containerd *containerd, const char *container_id, const char *owner,
                          struct error *err)
{
    return label_set(containerd, container_id, (char *)owner, err);
}

int container_unmark_frozen(struct containerd *containerd, const char *container_id, struct error *err)
{
    if (label_set(containerd, container_id, (char *)"", err) == 0)
        return 0;
    if (err->code != ERR_NOT_FOUND)
        return -1;
    error_clear(err);
    return 0;
}

int containers_frozen_by(struct containerd *containerd, const char *owner, struct container_list *ret_list,
                         struct error *err)
{
    return containers_with_label(containerd, FROZEN_BY_LABEL, owner, ret_list, err);
}
