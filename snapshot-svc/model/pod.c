#include "snapshot-svc/model/pod.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot-svc/model/names.h"

static const char *const phase_names[] = {
    [POD_PENDING] = "Pending", [POD_RUNNING] = "Running",       [POD_SUCCEEDED] = "Succeeded",
    [POD_FAILED] = "Failed",   [POD_PHASE_UNKNOWN] = "Unknown",
};
_Static_assert(sizeof(phase_names) / sizeof(*phase_names) == POD_PHASE_MAX, "a phase without a name");

/* clang-format off */
static const struct json_field container_fields[] = {
    {"name",  JSON_STR, offsetof(struct pod_container, name),  JSON_REQUIRED, NULL, 0},
    {"image", JSON_STR, offsetof(struct pod_container, image), JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field detail_fields[] = {
    {"reason",   JSON_STR,   offsetof(struct container_state, reason),    JSON_OPTIONAL, NULL, 0},
    {"message",  JSON_STR,   offsetof(struct container_state, message),   JSON_OPTIONAL, NULL, 0},
    {"exitCode", JSON_INT32, offsetof(struct container_state, exit_code), JSON_OPTIONAL, NULL, 0},
    {"finishedAt", JSON_TIME, offsetof(struct container_state, finished_ms), JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field state_fields[] = {
    {"waiting",    JSON_STRUCT, offsetof(struct container_status, waiting),    JSON_OPTIONAL, detail_fields, 0},
    {"terminated", JSON_STRUCT, offsetof(struct container_status, terminated), JSON_OPTIONAL, detail_fields, 0},
    {"terminated", JSON_ANY_OBJECT, offsetof(struct container_status, ended),  JSON_OPTIONAL, NULL, 0},
    {"running",    JSON_ANY_OBJECT, offsetof(struct container_status, runs),   JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field last_state_fields[] = {
    {"terminated", JSON_STRUCT, offsetof(struct container_status, last_terminated), JSON_OPTIONAL, detail_fields, 0},
    JSON_FIELDS_END,
};

static const struct json_field container_status_fields[] = {
    {"name",         JSON_STR,    offsetof(struct container_status, name),     JSON_REQUIRED, NULL, 0},
    {"state",        JSON_STRUCT, 0,                                           JSON_OPTIONAL, state_fields, 0},
    {"lastState",    JSON_STRUCT, 0,                                           JSON_OPTIONAL, last_state_fields, 0},
    {"restartCount", JSON_INT32,  offsetof(struct container_status, restarts), JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

/* These two tables fill members of struct pod itself: offset 0 in pod_fields. */
static const struct json_field spec_fields[] = {
    {"nodeName",   JSON_STR,  offsetof(struct pod, node_name),  JSON_OPTIONAL, NULL, 0},
    {"restartPolicy", JSON_STR, offsetof(struct pod, restart_policy), JSON_OPTIONAL, NULL, 0},
    {"containers", JSON_LIST, offsetof(struct pod, containers), JSON_OPTIONAL, container_fields,
     sizeof(struct pod_container)},
    JSON_FIELDS_END,
};

static const struct json_field status_fields[] = {
    {"phase",      JSON_STR,  offsetof(struct pod, phase_name), JSON_OPTIONAL, NULL, 0},
    {"podIP",      JSON_STR,  offsetof(struct pod, pod_ip),     JSON_OPTIONAL, NULL, 0},
    {"reason",     JSON_STR,  offsetof(struct pod, reason),     JSON_OPTIONAL, NULL, 0},
    {"message",    JSON_STR,  offsetof(struct pod, message),    JSON_OPTIONAL, NULL, 0},
    {"conditions", JSON_LIST, offsetof(struct pod, conditions), JSON_OPTIONAL, condition_fields,
     sizeof(struct condition)},
    {"containerStatuses", JSON_LIST, offsetof(struct pod, container_statuses), JSON_OPTIONAL,
     container_status_fields, sizeof(struct container_status)},
    {"initContainerStatuses", JSON_LIST, offsetof(struct pod, init_container_statuses), JSON_OPTIONAL,
     container_status_fields, sizeof(struct container_status)},
    {"ephemeralContainerStatuses", JSON_LIST, offsetof(struct pod, ephemeral_container_statuses), JSON_OPTIONAL,
     container_status_fields, sizeof(struct container_status)},
    JSON_FIELDS_END,
};

static const struct json_field pod_fields[] = {
    {"metadata", JSON_STRUCT, offsetof(struct pod, meta), JSON_REQUIRED, object_meta_fields, 0},
    {"spec",     JSON_STRUCT, 0,                          JSON_OPTIONAL, spec_fields, 0},
    {"status",   JSON_STRUCT, 0,                          JSON_OPTIONAL, status_fields, 0},
    JSON_FIELDS_END,
};
/* clang-format on */

int pod_read(const json_t *object, struct pod *out, struct error *err)
{
    return json_read(object, pod_fields, "Pod", out, err);
}

void pod_done(struct pod *pod)
{
    json_free_fields(pod_fields, pod);
}

enum pod_phase pod_phase(const struct pod *pod)
{
    if (!pod->phase_name || !*pod->phase_name)
        return POD_PENDING; /* created, and nobody has looked at it yet */
    for (int phase = 0; phase < POD_PHASE_UNKNOWN; phase++)
        if (strcmp(phase_names[phase], pod->phase_name) == 0)
            return (enum pod_phase)phase;
    return POD_PHASE_UNKNOWN;
}

bool pod_is_running(const struct pod *pod)
{
    return pod_phase(pod) == POD_RUNNING && !meta_is_deleting(&pod->meta);
}

bool pod_is_ready(const struct pod *pod)
{
    return pod_is_running(pod) && condition_is_true(&pod->conditions, "Ready");
}

typedef bool status_is(const struct container_status *status);

static bool all_are(const struct json_list *statuses, status_is *is)
{
    const struct container_status *items = statuses->items;

    for (size_t i = 0; i < statuses->count; i++)
        if (!is(&items[i]))
            return false;
    return true;
}

static bool every_container_is(const struct pod *pod, status_is *is)
{
    return pod->container_statuses.count > 0 && pod->container_statuses.count >= pod->containers.count &&
           all_are(&pod->container_statuses, is) && all_are(&pod->init_container_statuses, is) &&
           all_are(&pod->ephemeral_container_statuses, is);
}

static bool has_ended(const struct container_status *status)
{
    return status->ended != NULL;
}

bool pod_has_ended(const struct pod *pod)
{
    return every_container_is(pod, has_ended);
}

/* It ran, and when the pod was deleted the runtime knew no such container any more. The kubelet has the same reason for other losses, so
 * its sentence counts. */
static bool is_forgotten(const struct container_status *status)
{
    const struct container_state *last = &status->last_terminated;

    return !status->runs && !status->ended && last->reason && last->message &&
           strcmp(last->reason, "ContainerStatusUnknown") == 0 &&
           strstr(last->message, "could not be located when the pod was deleted") != NULL;
}

static bool has_ended_or_is_forgotten(const struct container_status *status)
{
    return has_ended(status) || is_forgotten(status);
}

/* One that ended before the deletion may be running again, and its node not have told it yet. */
static bool ended_since(const struct json_list *statuses, int64_t unix_ms)
{
    const struct container_status *items = statuses->items;

    for (size_t i = 0; i < statuses->count; i++)
        if (!is_forgotten(&items[i]) && items[i].terminated.finished_ms < unix_ms)
            return false;
    return true;
}

bool pod_is_only_an_object(const struct pod *pod)
{
    const int64_t asked_ms = pod->meta.deleted_ms - pod->meta.deletion_grace_s * 1000;
    const bool never_restarts = pod->restart_policy && strcmp(pod->restart_policy, "Never") == 0;

    return meta_is_deleting(&pod->meta) && every_container_is(pod, has_ended_or_is_forgotten) &&
           (never_restarts || ended_since(&pod->container_statuses, asked_ms));
}

static bool parse_index(const char *text, int32_t *ret_index)
{
    char *end = NULL;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || *end || value > INT32_MAX)
        return false;
    *ret_index = (int32_t)value;
    return true;
}

int pod_index(const struct pod *pod, int32_t *ret_index, struct error *err)
{
    const char *label = meta_label(&pod->meta, LABEL_POD_INDEX), *dash = strrchr(pod->meta.name, '-');

    if (label && parse_index(label, ret_index))
        return 0;
    if (!label && dash && parse_index(dash + 1, ret_index))
        return 0;
    return error_set(err, ERR_INVALID,
                     "pod %s: want a number in the label " LABEL_POD_INDEX
                     " or at the end of the name, got %s",
                     pod->meta.name, label ? label : "neither");
}
