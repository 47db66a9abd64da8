#include "snapshot-svc/api/pod_message.h"

#include <string.h>

#include "shared/base/clock.h"
#include "shared/json/json.h"

typedef Opensandbox__Orchestrator__V1__ContainerDescription container_message;

static char *text_at(const struct message_memory *memory, const json_t *object, const char *path)
{
    return message_text(memory, json_path_string(object, path));
}

static int64_t time_at(const json_t *object, const char *path)
{
    const char *text = json_path_string(object, path);
    struct error ignored = {0};
    int64_t unix_ms = 0;

    return text && rfc3339_parse(text, &unix_ms, &ignored) == 0 ? unix_ms : 0;
}

static const json_t *status_of(const json_t *statuses, const char *container)
{
    size_t i;
    json_t *status;

    json_array_foreach((json_t *)statuses, i, status)
    {
        const char *name = json_path_string(status, "name");
        if (name && strcmp(name, container) == 0)
            return status;
    }
    return NULL;
}

static void fill_state(const struct message_memory *memory, const json_t *status, container_message *out)
{
    static const char *const states[] = {"waiting", "running", "terminated"};
    const json_t *state = json_object_get(status, "state");

    for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
        const json_t *details = json_object_get(state, states[i]);
        if (!details)
            continue;
        out->state = message_text(memory, states[i]);
        out->reason = text_at(memory, details, "reason");
        out->message = text_at(memory, details, "message");
        out->exit_code = (int32_t)json_integer_value(json_object_get(details, "exitCode"));
        return;
    }
}

static void fill_container(const struct message_memory *memory, const json_t *container,
                           const json_t *statuses, container_message *out)
{
    const char *name = json_path_string(container, "name");
    const json_t *status = status_of(statuses, name ? name : "");

    out->name = message_text(memory, name);
    out->image = text_at(memory, container, "image");
    fill_state(memory, status, out);
    out->restarts = (int32_t)json_integer_value(json_object_get(status, "restartCount"));
    out->ready = json_is_true(json_object_get(status, "ready"));
}

static void add_containers(const struct message_memory *memory, const json_t *containers,
                           const json_t *statuses, pod_message *out)
{
    size_t i;
    json_t *container;

    json_array_foreach((json_t *)containers, i, container)
    {
        container_message *message = message_part(memory, sizeof(*message));
        opensandbox__orchestrator__v1__container_description__init(message);
        fill_container(memory, container, statuses, message);
        out->containers[out->n_containers++] = message;
    }
}

void pod_message_fill(const struct message_memory *memory, const json_t *pod, pod_message *out)
{
    const json_t *init = json_path(pod, "spec.initContainers"), *others = json_path(pod, "spec.containers");

    out->name = text_at(memory, pod, "metadata.name");
    out->uid = text_at(memory, pod, "metadata.uid");
    out->phase = text_at(memory, pod, "status.phase");
    out->node = text_at(memory, pod, "spec.nodeName");
    out->ip = text_at(memory, pod, "status.podIP");
    out->deleting = json_path(pod, "metadata.deletionTimestamp") != NULL;
    out->created_at_unix_ms = time_at(pod, "metadata.creationTimestamp");
    out->containers = message_part(memory, (json_array_size(init) + json_array_size(others) + 1) *
                                               sizeof(*out->containers));
    add_containers(memory, init, json_path(pod, "status.initContainerStatuses"), out);
    add_containers(memory, others, json_path(pod, "status.containerStatuses"), out);
}
