#include "committer-agent/containerd/leases.h"

#include <containerd/services/leases.pb-c.h>

#include "committer-agent/containerd/connection.h"
#include "shared/base/clock.h"

static struct containerd_call call_of(const char *method)
{
    return (struct containerd_call){&containerd__services__leases__v1__leases__descriptor, method, NULL, 0};
}

int lease_create(struct containerd *containerd, const char *id, int64_t expires_at_unix_s, struct error *err)
{
    Containerd__Services__Leases__V1__CreateRequest request =
        CONTAINERD__SERVICES__LEASES__V1__CREATE_REQUEST__INIT;
    Containerd__Services__Leases__V1__CreateRequest__LabelsEntry expiry =
        CONTAINERD__SERVICES__LEASES__V1__CREATE_REQUEST__LABELS_ENTRY__INIT;
    Containerd__Services__Leases__V1__CreateRequest__LabelsEntry *labels[] = {&expiry};
    char when[RFC3339_SIZE];

    expiry.key = (char *)"containerd.io/gc.expire";
    expiry.value = (char *)rfc3339_format(expires_at_unix_s, when);
    request.id = (char *)id;
    request.labels = labels;
    request.n_labels = 1;
    if (containerd_tell(containerd, call_of("Create"), &request, err) < 0)
        return error_wrap(err, "creating lease %s", id);
    return 0;
}

int lease_delete(struct containerd *containerd, const char *id, struct error *err)
{
    Containerd__Services__Leases__V1__DeleteRequest request =
        CONTAINERD__SERVICES__LEASES__V1__DELETE_REQUEST__INIT;

    request.id = (char *)id;
    if (containerd_tell(containerd, call_of("Delete"), &request, err) == 0)
        return 0;
    if (err->code != ERR_NOT_FOUND)
        return error_wrap(err, "deleting lease %s", id);
    error_clear(err);
    return 0;
}
