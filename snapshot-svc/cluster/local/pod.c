#include "snapshot-svc/cluster/local/pod.h"

#include <limits.h>
#include <string.h>

#include "snapshot-svc/cluster/local/grammar.h"
#include "snapshot-svc/cluster/local/local.h"
#include "snapshot-svc/cluster/local/metadata.h"
#include "snapshot-svc/cluster/local/refusal.h"

#define DEFAULT_GRACE_S 30

void pod_begin(json_t *pod, const char *node)
{
    json_t *spec = json_object_get(pod, "spec"), *status = json_object();

    if (node && json_is_object(spec) && !json_string_value(json_object_get(spec, "nodeName")))
        json_object_set_new(spec, "nodeName", json_string(node));
    json_object_set_new(status, "phase", json_string("Pending"));
    json_object_set_new(pod, "status", status);
    metadata_add_finalizer(json_object_get(pod, "metadata"), POD_NODE_FINALIZER);
}

static int check_container(const json_t *container, size_t at, struct error *err)
{
    const char *name = json_string_value(json_object_get(container, "name"));
    const char *image = json_string_value(json_object_get(container, "image"));

    if (!name || !name[0])
        return error_set(err, ERR_INVALID, "spec.containers[%zu].name: Required value", at);
    if (!is_dns_label(name))
        return error_set(err, ERR_INVALID,
                         "spec.containers[%zu].name: Invalid value: \"%.*s\": " DNS_LABEL_MESSAGE, at,
                         QUOTED(name));
    if (!image || !image[0])
        return error_set(err, ERR_INVALID, "spec.containers[%zu].image: Required value", at);
    return 0;
}

static int check_unique(const json_t *containers, size_t at, struct error *err)
{
    const json_t *name = json_object_get(json_array_get(containers, at), "name");

    for (size_t i = 0; i < at; i++)
        if (json_equal(json_object_get(json_array_get(containers, i), "name"), name))
            return error_set(err, ERR_INVALID, "spec.containers[%zu].name: Duplicate value: \"%s\"", at,
                             json_string_value(name));
    return 0;
}

int pod_check(const json_t *pod, struct error *err)
{
    const json_t *containers = json_object_get(json_object_get(pod, "spec"), "containers");
    size_t i;
    json_t *container;

    if (!json_is_array(containers) || json_array_size(containers) == 0)
        return error_set(err, ERR_INVALID, "spec.containers: Required value");
    json_array_foreach(containers, i, container)
    {
        if (check_container(container, i, err) < 0 || check_unique(containers, i, err) < 0)
            return -1;
    }
    return 0;
}

int pod_grace_s(const json_t *pod, int asked_s)
{
    const json_t *own = json_object_get(json_object_get(pod, "spec"), "terminationGracePeriodSeconds");
    json_int_t own_s = json_integer_value(own);

    if (asked_s >= 0)
        return asked_s;
    if (!json_is_integer(own) || own_s < 0 || own_s > INT_MAX)
        return DEFAULT_GRACE_S;
    return (int)own_s;
}
