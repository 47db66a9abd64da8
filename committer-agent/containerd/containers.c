#include "committer-agent/containerd/containers.h"

#include <containerd/services/containers.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "committer-agent/containerd/connection.h"
#include "shared/base/alloc.h"
#include "shared/base/strbuf.h"

typedef Containerd__Services__Containers__V1__Container container_message;

#define LABEL_KIND           "io.cri-containerd.kind"
#define LABEL_POD_UID        "io.kubernetes.pod.uid"
#define LABEL_POD_NAMESPACE  "io.kubernetes.pod.namespace"
#define LABEL_POD_NAME       "io.kubernetes.pod.name"
#define LABEL_CONTAINER_NAME "io.kubernetes.container.name"

enum { SPEC_MAX_BYTES = 4 << 20 };

static const ProtobufCServiceDescriptor *const service =
    &containerd__services__containers__v1__containers__descriptor;

static const char *label_get(const container_message *message, const char *key)
{
    for (size_t i = 0; i < message->n_labels; i++)
        if (strcmp(message->labels[i]->key, key) == 0)
            return message->labels[i]->value;
    return "";
}

static void container_read(const container_message *message, struct container *container)
{
    *container = (struct container){
        .id = xstrdup(message->id),
        .name = xstrdup(label_get(message, LABEL_CONTAINER_NAME)),
        .pod_uid = xstrdup(label_get(message, LABEL_POD_UID)),
        .pod_namespace = xstrdup(label_get(message, LABEL_POD_NAMESPACE)),
        .pod_name = xstrdup(label_get(message, LABEL_POD_NAME)),
        .image = xstrdup(message->image),
        .snapshotter = xstrdup(message->snapshotter),
        .snapshot_key = xstrdup(message->snapshot_key),
        .runtime = xstrdup(message->runtime ? message->runtime->name : ""),
        .is_sandbox = strcmp(label_get(message, LABEL_KIND), "sandbox") == 0,
        .created_at_unix_ms = containerd_unix_ms(message->created_at),
        .labels = xcalloc(message->n_labels + 1, sizeof(*container->labels)),
        .label_count = message->n_labels,
    };
    for (size_t i = 0; i < message->n_labels; i++)
        container->labels[i] =
            (struct container_label){xstrdup(message->labels[i]->key), xstrdup(message->labels[i]->value)};
}

const char *container_label_get(const struct container *container, const char *key)
{
    for (size_t i = 0; i < container->label_count; i++)
        if (strcmp(container->labels[i].key, key) == 0)
            return container->labels[i].value;
    return "";
}

void container_done(struct container *container)
{
    free(container->id);
    free(container->name);
    free(container->pod_uid);
    free(container->pod_namespace);
    free(container->pod_name);
    free(container->image);
    free(container->snapshotter);
    free(container->snapshot_key);
    free(container->runtime);
    for (size_t i = 0; i < container->label_count; i++) {
        free(container->labels[i].key);
        free(container->labels[i].value);
    }
    free(container->labels);
    *container = (struct container){0};
}

void container_list_done(struct container_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        container_done(&list->items[i]);
    free(list->items);
    *list = (struct container_list){0};
}

/* containerd's filter language: labels."key"=="value", value quoted as in Go. What would need a real escape
 * has no place in a pod's name or uid, so it is refused rather than escaped. */
static int filter_add_label(struct strbuf *filter, const char *key, const char *value, struct error *err)
{
    for (const char *c = value; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
            return error_set(err, ERR_INVALID, "%s: want printable ASCII without quotes", key);
    strbuf_addf(filter, "%slabels.\"%s\"==\"%s\"", filter->length ? "," : "", key, value);
    return 0;
}

static bool is_set(const char *text)
{
    return text && *text;
}

static int pod_filter(const struct pod_name *pod, struct strbuf *filter, struct error *err)
{
    if (is_set(pod->uid))
        return filter_add_label(filter, LABEL_POD_UID, pod->uid, err);
    if (!is_set(pod->pod_namespace) || !is_set(pod->name))
        return error_set(err, ERR_INVALID, "pod: want a uid, or a namespace and a name");
    if (filter_add_label(filter, LABEL_POD_NAMESPACE, pod->pod_namespace, err) < 0)
        return -1;
    return filter_add_label(filter, LABEL_POD_NAME, pod->name, err);
}

static int newest_first(const void *a, const void *b)
{
    const struct container *left = a, *right = b;

    if (left->created_at_unix_ms != right->created_at_unix_ms)
        return left->created_at_unix_ms < right->created_at_unix_ms ? 1 : -1;
    return strcmp(left->id, right->id);
}

static const char *pod_text(const struct pod_name *pod)
{
    return is_set(pod->uid) ? pod->uid : pod->name;
}

static int list_containers(struct containerd *containerd, struct strbuf *filter,
                           struct container_list *ret_list, struct error *err)
{
    Containerd__Services__Containers__V1__ListContainersRequest request =
        CONTAINERD__SERVICES__CONTAINERS__V1__LIST_CONTAINERS_REQUEST__INIT;
    SCOPED_MESSAGE Containerd__Services__Containers__V1__ListContainersResponse *answer = NULL;
    struct containerd_call call = {service, "List", NULL, 0};

    request.filters = &filter->bytes;
    request.n_filters = 1;
    if (containerd_call(containerd, call, &request, &answer, err) < 0)
        return -1;
    struct container_list list = {.items = xcalloc(answer->n_containers + 1, sizeof(*list.items)),
                                  .count = answer->n_containers};
    for (size_t i = 0; i < list.count; i++)
        container_read(answer->containers[i], &list.items[i]);
    qsort(list.items, list.count, sizeof(*list.items), newest_first);
    *ret_list = list;
    return 0;
}

/* Drops what `keep` does not want, in place. */
static void filter_list(struct container_list *list, bool (*keep)(const struct container *, const char *),
                        const char *argument)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++) {
        if (keep(&list->items[i], argument))
            list->items[kept++] = list->items[i];
        else
            container_done(&list->items[i]);
    }
    list->count = kept;
}

static bool is_no_sandbox(const struct container *container, const char *unused)
{
    (void)unused;
    return !container->is_sandbox;
}

static bool is_named(const struct container *container, const char *name)
{
    return strcmp(container->name, name) == 0;
}

int containers_of_pod(struct containerd *containerd, const struct pod_name *pod, const char *container_name,
                      struct container_list *ret_list, struct error *err)
{
    SCOPED_CONTAINER_LIST struct container_list list = {0};
    SCOPED_STRBUF struct strbuf filter = STRBUF_INIT;

    if (pod_filter(pod, &filter, err) < 0)
        return -1;
    if (list_containers(containerd, &filter, &list, err) < 0)
        return error_wrap(err, "listing the containers of pod %s", pod_text(pod));
    filter_list(&list, is_no_sandbox, NULL);
    if (list.count == 0) {
        (void)error_set(err, ERR_NOT_FOUND, "pod %s has no container on this node", pod_text(pod));
        return error_reason(err, "PodNotFound");
    }
    if (container_name)
        filter_list(&list, is_named, container_name);
    if (list.count == 0) {
        (void)error_set(err, ERR_NOT_FOUND, "pod %s has no container named %s", pod_text(pod),
                        container_name);
        return error_reason(err, "ContainerNotFound");
    }
    *ret_list = list;
    list = (struct container_list){0};
    return 0;
}

int containers_with_label(struct containerd *containerd, const char *key, const char *value,
                          struct container_list *ret_list, struct error *err)
{
    SCOPED_STRBUF struct strbuf filter = STRBUF_INIT;

    if (filter_add_label(&filter, key, value, err) < 0)
        return -1;
    if (list_containers(containerd, &filter, ret_list, err) < 0)
        return error_wrap(err, "listing the containers with %s=%s", key, value);
    return 0;
}

static int get_message(struct containerd *containerd, const char *id,
                       Containerd__Services__Containers__V1__GetContainerResponse **ret_answer,
                       struct error *err)
{
    Containerd__Services__Containers__V1__GetContainerRequest request =
        CONTAINERD__SERVICES__CONTAINERS__V1__GET_CONTAINER_REQUEST__INIT;
    SCOPED_MESSAGE Containerd__Services__Containers__V1__GetContainerResponse *answer = NULL;
    struct containerd_call call = {service, "Get", NULL, 0};

    request.id = (char *)id;
    if (containerd_call(containerd, call, &request, &answer, err) < 0) {
        if (err->code == ERR_NOT_FOUND)
            (void)error_reason(err, "ContainerNotFound");
        return error_wrap(err, "looking up container %s", id);
    }
    if (!answer->container)
        return error_set(err, ERR_INTERNAL, "containerd answered container %s without a record", id);
    *ret_answer = TAKE(answer);
    return 0;
}

int container_get(struct containerd *containerd, const char *id, struct container *ret_container,
                  struct error *err)
{
    SCOPED_MESSAGE Containerd__Services__Containers__V1__GetContainerResponse *answer = NULL;

    if (get_message(containerd, id, &answer, err) < 0)
        return -1;
    container_read(answer->container, ret_container);
    return 0;
}

int container_spec(struct containerd *containerd, const char *id, char **ret_json, struct error *err)
{
    SCOPED_MESSAGE Containerd__Services__Containers__V1__GetContainerResponse *answer = NULL;

    if (get_message(containerd, id, &answer, err) < 0)
        return -1;
    const Google__Protobuf__Any *spec = answer->container->spec;
    if (!spec || spec->value.len == 0)
        return error_set(err, ERR_PRECONDITION, "container %s has no runtime spec", id);
    if (spec->value.len > SPEC_MAX_BYTES || memchr(spec->value.data, '\0', spec->value.len))
        return error_set(err, ERR_INVALID, "container %s: want a runtime spec in JSON of at most %d bytes",
                         id, SPEC_MAX_BYTES);
    *ret_json = xstrndup((const char *)spec->value.data, spec->value.len);
    return 0;
}
