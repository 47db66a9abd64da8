#include "committer-agent/containerd/leases.h"

#include <containerd/services/leases.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "committer-agent/containerd/connection.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"

typedef Containerd__Services__Leases__V1__Lease lease_message;

DEFINE_LABEL_ENTRIES(create, Containerd__Services__Leases__V1__CreateRequest__LabelsEntry,
                     containerd__services__leases__v1__create_request__labels_entry__init)

static struct containerd_call call_of(const char *method)
{
    return (struct containerd_call){&containerd__services__leases__v1__leases__descriptor, method, NULL, 0};
}

int lease_create(struct containerd *containerd, const char *id, int64_t expires_at_unix_s,
                 const struct resource_labels *labels, struct error *err)
{
    Containerd__Services__Leases__V1__CreateRequest request =
        CONTAINERD__SERVICES__LEASES__V1__CREATE_REQUEST__INIT;
    const size_t wanted = labels ? labels->count : 0;
    SCOPED(memory) struct resource_label *all = xcalloc(wanted + 1, sizeof(*all));
    struct resource_labels given = {all, wanted};
    char when[RFC3339_SIZE];

    for (size_t i = 0; i < wanted; i++)
        all[i] = labels->items[i];
    if (expires_at_unix_s != LEASE_FOREVER)
        all[given.count++] =
            (struct resource_label){"containerd.io/gc.expire", rfc3339_format(expires_at_unix_s, when)};
    SCOPED(memory)
    Containerd__Services__Leases__V1__CreateRequest__LabelsEntry **entries = create_label_entries(&given);
    request.id = (char *)id;
    request.labels = entries;
    request.n_labels = given.count;
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

static int add_resource(struct containerd *containerd, const char *id, const char *type, const char *name,
                        struct error *err)
{
    Containerd__Services__Leases__V1__Resource resource = CONTAINERD__SERVICES__LEASES__V1__RESOURCE__INIT;
    Containerd__Services__Leases__V1__AddResourceRequest request =
        CONTAINERD__SERVICES__LEASES__V1__ADD_RESOURCE_REQUEST__INIT;

    resource.id = (char *)name;
    resource.type = (char *)type;
    request.id = (char *)id;
    request.resource = &resource;
    if (containerd_tell(containerd, call_of("AddResource"), &request, err) < 0)
        return error_wrap(err, "adding %s to lease %s", name, id);
    return 0;
}

int lease_add_snapshot(struct containerd *containerd, const char *id, const char *snapshotter,
                       const char *name, struct error *err)
{
    SCOPED(string) char *type = xasprintf("snapshots/%s", snapshotter);
    return add_resource(containerd, id, type, name, err);
}

int lease_add_blob(struct containerd *containerd, const char *id, const struct digest *digest,
                   struct error *err)
{
    return add_resource(containerd, id, "content", digest->text, err);
}

static const char *label_of(const lease_message *message, const char *key)
{
    for (size_t i = 0; i < message->n_labels; i++)
        if (strcmp(message->labels[i]->key, key) == 0)
            return message->labels[i]->value;
    return NULL;
}

int leases_with_label(struct containerd *containerd, const char *key, struct lease_list *ret_list,
                      struct error *err)
{
    Containerd__Services__Leases__V1__ListRequest request =
        CONTAINERD__SERVICES__LEASES__V1__LIST_REQUEST__INIT;
    SCOPED_MESSAGE Containerd__Services__Leases__V1__ListResponse *answer = NULL;
    SCOPED(string) char *filter = xasprintf("labels.\"%s\"", key);

    request.filters = &filter;
    request.n_filters = 1;
    if (containerd_call(containerd, call_of("List"), &request, &answer, err) < 0)
        return error_wrap(err, "listing the leases with a label %s", key);
    struct lease_list list = {.items = xcalloc(answer->n_leases + 1, sizeof(*list.items))};
    for (size_t i = 0; i < answer->n_leases; i++) {
        const char *label = label_of(answer->leases[i], key);
        if (label)
            list.items[list.count++] = (struct lease){xstrdup(answer->leases[i]->id), xstrdup(label)};
    }
    *ret_list = list;
    return 0;
}

void lease_list_done(struct lease_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].id);
        free(list->items[i].label);
    }
    free(list->items);
    *list = (struct lease_list){0};
}
