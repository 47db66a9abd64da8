#include "snapshot-svc/reconcile/pod_health.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"

/* The contract's four, and those that no waiting can cure either. */
static const char *const failing_reasons[] = {
    "CrashLoopBackOff", "ImagePullBackOff",  "ErrImagePull",         "CreateContainerConfigError",
    "InvalidImageName", "ErrImageNeverPull", "CreateContainerError",
};

static bool is_failing_reason(const char *reason)
{
    for (size_t i = 0; i < sizeof(failing_reasons) / sizeof(*failing_reasons); i++)
        if (reason && strcmp(failing_reasons[i], reason) == 0)
            return true;
    return false;
}

static const char *waiting_failure(const struct json_list *statuses)
{
    const struct container_status *items = statuses->items;

    for (size_t i = 0; i < statuses->count; i++)
        if (is_failing_reason(items[i].waiting.reason))
            return items[i].waiting.reason;
    return NULL;
}

static const char *terminated_reason(const struct json_list *statuses)
{
    const struct container_status *items = statuses->items;

    for (size_t i = 0; i < statuses->count; i++)
        if (items[i].terminated.reason)
            return items[i].terminated.reason;
    return NULL;
}

static const char *failed_reason(const struct json_list *statuses)
{
    const struct container_status *items = statuses->items;

    for (size_t i = 0; i < statuses->count; i++)
        if (items[i].terminated.reason && items[i].terminated.exit_code != 0)
            return items[i].terminated.reason;
    return NULL;
}

static const char *end_of_pod(const struct pod *pod, const char *otherwise)
{
    const char *reason = terminated_reason(&pod->container_statuses);
    if (pod->reason && *pod->reason)
        return pod->reason;
    if (!reason && pod_phase(pod) == POD_FAILED) /* then none of the others was started (K40) */
        reason = failed_reason(&pod->init_container_statuses);
    return reason ? reason : otherwise;
}

const char *pod_failure(const struct pod *pod)
{
    if (meta_is_deleting(&pod->meta))
        return NULL;
    switch (pod_phase(pod)) {
    case POD_FAILED:
        return end_of_pod(pod, "PodFailed");
    case POD_SUCCEEDED:
        return end_of_pod(pod, "PodSucceeded");
    case POD_PENDING:
    case POD_RUNNING:
    case POD_PHASE_UNKNOWN:
    case POD_PHASE_MAX:
        break;
    }
    const char *reason = waiting_failure(&pod->container_statuses);
    return reason ? reason : waiting_failure(&pod->init_container_statuses);
}

static int compare_pods(const void *a, const void *b)
{
    const struct indexed_pod *left = a, *right = b;

    if (left->index != right->index)
        return left->index < right->index ? -1 : 1;
    return strcmp(left->pod->meta.name, right->pod->meta.name);
}

static void count_pod(struct pod_health *health, const struct pod *pod)
{
    health->allocated += (pod->node_name && *pod->node_name) || (pod->pod_ip && *pod->pod_ip);
    health->live += !meta_is_deleting(&pod->meta);
    health->ready += pod_is_ready(pod);
    health->failing += pod_failure(pod) != NULL;
    if (!health->running && pod_is_running(pod))
        health->running = pod;
}

/* How many of the pods up to `last` fail for the same reason as `last` does. */
static int32_t reason_count(const struct pod_health *health, int32_t last, const char *reason)
{
    int32_t count = 0;

    for (int32_t i = 0; i <= last; i++) {
        const char *other = pod_failure(health->pods[i].pod);
        count += other && strcmp(other, reason) == 0;
    }
    return count;
}

/* The most frequent reason; of several, the one that reached that number first. */
static void find_primary_reason(struct pod_health *health)
{
    int32_t most = 0;

    for (int32_t i = 0; health->failing && i < health->total; i++) {
        const char *reason = pod_failure(health->pods[i].pod);
        int32_t count = reason ? reason_count(health, i, reason) : 0;
        if (count > most) {
            most = count;
            health->primary_reason = reason;
        }
    }
    for (int32_t i = 0; health->primary_reason && !health->sample_pod; i++) {
        const char *reason = pod_failure(health->pods[i].pod);
        if (reason && strcmp(reason, health->primary_reason) == 0)
            health->sample_pod = health->pods[i].pod->meta.name;
    }
}

int pod_health_read(const struct pod *const *pods, size_t count, struct pod_health *ret_health,
                    struct error *err)
{
    struct pod_health health = {.pods = xcalloc(count ? count : 1, sizeof(*health.pods)),
                                .total = (int32_t)count};

    for (size_t i = 0; i < count; i++) {
        health.pods[i].pod = pods[i];
        if (pod_index(pods[i], &health.pods[i].index, err) < 0) {
            pod_health_done(&health);
            return -1;
        }
    }
    qsort(health.pods, count, sizeof(*health.pods), compare_pods);
    for (size_t i = 0; i < count; i++)
        count_pod(&health, health.pods[i].pod);
    find_primary_reason(&health);
    *ret_health = health;
    return 0;
}

void pod_health_done(struct pod_health *health)
{
    free(health->pods);
    *health = (struct pod_health){0};
}

char *pod_health_message(const struct pod_health *health, bool during_resume)
{
    return xasprintf("%d/%d observed pods failed%s; primary reason=%s; sample pod=%s", (int)health->failing,
                     (int)health->live, during_resume ? " during resume" : "",
                     health->primary_reason ? health->primary_reason : "",
                     health->sample_pod ? health->sample_pod : "");
}

char *pod_health_endpoints(const struct pod_health *health)
{
    SCOPED(json) json_t *addresses = json_array();

    for (int32_t i = 0; i < health->total; i++) {
        const struct pod *pod = health->pods[i].pod;
        if (!meta_is_deleting(&pod->meta))
            json_array_append_new(addresses, json_string(pod->pod_ip ? pod->pod_ip : ""));
    }
    return json_text(addresses);
}
