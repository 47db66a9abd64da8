#include "snapshot-svc/node/pod_status.h"

#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"

typedef Opensandbox__Committer__V1__Container container_seen;

#define WAITING OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__WAITING
#define RUNNING OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__RUNNING
#define FROZEN  OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__FROZEN
#define EXITED  OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__EXITED

/* How many containers are in which state; init containers apart. */
struct count {
    size_t all, waiting, running, exited, failed;
    size_t init_begun, init_left, init_failed;
};

static void count_init(const container_seen *container, struct count *count)
{
    const bool exited = container->state == EXITED;

    count->init_begun += container->state != WAITING;
    count->init_left += !exited;
    count->init_failed += exited && container->exit_code != 0;
}

static struct count count_of(const pod_seen *seen)
{
    struct count count = {0};

    for (size_t i = 0; i < seen->n_containers; i++) {
        const container_seen *container = seen->containers[i];
        if (container->init) {
            count_init(container, &count);
            continue;
        }
        count.all++;
        count.running += container->state == RUNNING || container->state == FROZEN;
        count.exited += container->state == EXITED;
        count.failed += container->state == EXITED && container->exit_code != 0;
    }
    count.waiting = count.all - count.running - count.exited;
    return count;
}

/* ---- pieces ---- */

static void put(json_t *object, const char *member, const char *text)
{
    if (!text || !*text)
        return;
    json_t *string = json_string(text);
    json_object_set_new(object, member, string ? string : json_string("(not UTF-8)"));
}

static void put_time(json_t *object, const char *member, int64_t unix_ms)
{
    char text[RFC3339_SIZE];

    if (unix_ms > 0)
        put(object, member, rfc3339_format(unix_ms / 1000, text));
}

static json_t *named(const json_t *list, const char *member, const char *name)
{
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item)
    {
        const char *found = json_string_value(json_object_get(item, member));
        if (found && strcmp(found, name) == 0)
            return item;
    }
    return NULL;
}

static json_t *condition(const json_t *old_conditions, const char *type, bool is_true, const char *reason,
                         int64_t now_ms)
{
    const char *status = is_true ? "True" : "False";
    const json_t *old = named(old_conditions, "type", type);
    const char *old_status = json_string_value(json_object_get(old, "status"));
    const char *since = json_string_value(json_object_get(old, "lastTransitionTime"));
    json_t *json = json_pack("{s:s, s:s}", "type", type, "status", status);

    if (!is_true)
        put(json, "reason", reason);
    if (old_status && strcmp(old_status, status) == 0 && since)
        put(json, "lastTransitionTime", since);
    else
        put_time(json, "lastTransitionTime", now_ms);
    return json;
}

static json_t *conditions_after(const json_t *pod, bool is_initialized, bool is_ready, const char *why_not,
                                int64_t now_ms)
{
    const json_t *old = json_path(pod, "status.conditions");

    return json_pack("[o, o, o, o]", condition(old, "PodScheduled", true, NULL, now_ms),
                     condition(old, "Initialized", is_initialized, "ContainersNotInitialized", now_ms),
                     condition(old, "ContainersReady", is_ready, why_not, now_ms),
                     condition(old, "Ready", is_ready, why_not, now_ms));
}

/* Of a pod whose init containers, if there are any, are not in its way. */
static json_t *conditions(const json_t *pod, bool is_ready, const char *why_not, int64_t now_ms)
{
    return conditions_after(pod, true, is_ready, why_not, now_ms);
}

static json_t *status_begin(const json_t *pod, const char *phase, int64_t now_ms)
{
    json_t *status = json_pack("{s:s}", "phase", phase);
    const char *start = json_path_string(pod, "status.startTime");

    if (start)
        put(status, "startTime", start);
    else
        put_time(status, "startTime", now_ms);
    return status;
}

static void put_ip(json_t *status, const char *ip)
{
    if (!ip || !*ip)
        return;
    put(status, "podIP", ip);
    json_object_set_new(status, "podIPs", json_pack("[{s:s}]", "ip", ip));
}

static json_t *container_begin(const json_t *spec, bool is_running)
{
    const char *name = json_string_value(json_object_get(spec, "name"));
    const char *image = json_string_value(json_object_get(spec, "image"));

    return json_pack("{s:s, s:s, s:s, s:i, s:b, s:b}", "name", name ? name : "", "image", image ? image : "",
                     "imageID", "", "restartCount", 0, "ready", is_running, "started", is_running);
}

static json_t *reason_and_message(const char *reason, const char *message)
{
    json_t *json = json_object();

    put(json, "reason", reason);
    put(json, "message", message);
    return json;
}

/* Takes `detail`. */
static void put_state(json_t *container, const char *state, json_t *detail)
{
    json_object_set_new(container, "state", json_pack("{s:o}", state, detail));
}

/* ---- as the agent sees it ---- */

static json_t *terminated(const container_seen *seen, const char *id)
{
    json_t *json = reason_and_message(seen->reason, seen->message);

    json_object_set_new(json, "exitCode", json_integer(seen->exit_code));
    put_time(json, "startedAt", seen->started_at_unix_ms);
    put_time(json, "finishedAt", seen->finished_at_unix_ms);
    put(json, "containerID", id);
    return json;
}

static json_t *container_status(const json_t *spec, const container_seen *seen, const char *waits_for)
{
    bool is_running = seen && (seen->state == RUNNING || seen->state == FROZEN);
    json_t *json = container_begin(spec, is_running);
    SCOPED(string) char *id = seen && *seen->id ? xasprintf("containerd://%s", seen->id) : xstrdup("");

    put(json, "containerID", id);
    if (is_running) {
        json_t *running = json_object();
        put_time(running, "startedAt", seen->started_at_unix_ms);
        put_state(json, "running", running);
    } else if (seen && seen->state == EXITED) {
        put_state(json, "terminated", terminated(seen, id));
    } else {
        put_state(json, "waiting", reason_and_message(waits_for, seen ? seen->message : ""));
    }
    return json;
}

static const container_seen *container_of(const pod_seen *seen, const json_t *spec)
{
    const char *name = json_string_value(json_object_get(spec, "name"));

    for (size_t i = 0; name && i < seen->n_containers; i++)
        if (strcmp(seen->containers[i]->name, name) == 0)
            return seen->containers[i];
    return NULL;
}

static const char *phase_of(const pod_seen *seen, const struct count *count, bool *ret_sandbox_ended)
{
    bool ended = seen->state == OPENSANDBOX__COMMITTER__V1__POD_STATE__ENDED;

    *ret_sandbox_ended = ended && count->exited == 0 && count->init_failed == 0;
    if (*ret_sandbox_ended || count->init_failed)
        return "Failed";
    if (count->waiting > 0 && count->exited == 0)
        return "Pending";
    if (count->exited < count->all && count->running > 0)
        return "Running";
    return count->failed || count->waiting ? "Failed" : "Succeeded";
}

/* An init container is ready when it has ended well. */
static json_t *statuses(const json_t *specs, const pod_seen *seen, const char *waits_for, bool are_init)
{
    json_t *list = json_array(), *spec;
    size_t i;

    json_array_foreach(specs, i, spec)
    {
        const container_seen *container = container_of(seen, spec);
        json_t *status = container_status(spec, container, waits_for);
        if (are_init)
            json_object_set_new(
                status, "ready",
                json_boolean(container && container->state == EXITED && container->exit_code == 0));
        json_array_append_new(list, status);
    }
    return list;
}

json_t *pod_status_seen(const json_t *pod, const pod_seen *seen, int64_t now_unix_ms)
{
    const struct count count = count_of(seen);
    bool sandbox_ended, is_ready = seen->state == OPENSANDBOX__COMMITTER__V1__POD_STATE__READY;
    const char *phase = phase_of(seen, &count, &sandbox_ended);
    json_t *status = status_begin(pod, phase, now_unix_ms);
    const json_t *inits = json_path(pod, "spec.initContainers");
    const bool is_over = strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
    const bool is_initialized = count.init_left == 0 && count.init_failed == 0;

    if (sandbox_ended) {
        put(status, "reason", "PodSandboxEnded");
        put(status, "message", "the pod's sandbox ended under its containers");
    }
    put_ip(status, seen->ip);
    json_object_set_new(status, "conditions",
                        conditions_after(pod, is_initialized, is_ready && !is_over,
                                         is_over && is_initialized ? "PodCompleted" : "ContainersNotReady",
                                         now_unix_ms));
    if (json_array_size(inits))
        json_object_set_new(status, "initContainerStatuses", statuses(inits, seen, "PodInitializing", true));
    json_object_set_new(status, "containerStatuses",
                        statuses(json_path(pod, "spec.containers"), seen,
                                 is_initialized ? "ContainerCreating" : "PodInitializing", false));
    return status;
}

/* ---- without containers to look at ---- */

json_t *pod_status_waiting(const json_t *pod, const char *reason, const char *message, int64_t now_unix_ms)
{
    json_t *status = status_begin(pod, "Pending", now_unix_ms), *containers = json_array();
    size_t i;
    json_t *spec;

    json_array_foreach(json_path(pod, "spec.containers"), i, spec)
    {
        json_t *container = container_begin(spec, false);
        put_state(container, "waiting", reason_and_message(reason, message));
        json_array_append_new(containers, container);
    }
    json_object_set_new(status, "conditions", conditions(pod, false, "ContainersNotReady", now_unix_ms));
    json_object_set_new(status, "containerStatuses", containers);
    return status;
}

static json_t *ended_container(const json_t *pod, const json_t *spec, const char *reason, const char *message,
                               int exit_code, int64_t now_ms)
{
    const char *name = json_string_value(json_object_get(spec, "name"));
    const json_t *old = name ? named(json_path(pod, "status.containerStatuses"), "name", name) : NULL;
    const char *started = json_path_string(old, "state.running.startedAt");

    if (json_path(old, "state.terminated"))
        return json_deep_copy(old);
    json_t *container = container_begin(spec, false);
    put(container, "containerID", json_string_value(json_object_get(old, "containerID")));
    json_t *end = reason_and_message(reason, message);
    json_object_set_new(end, "exitCode", json_integer(exit_code));
    put(end, "startedAt", started);
    put_time(end, "finishedAt", now_ms);
    put_state(container, "terminated", end);
    return container;
}

json_t *pod_status_failed(const json_t *pod, const char *reason, const char *message, int exit_code,
                          int64_t now_unix_ms)
{
    json_t *status = status_begin(pod, "Failed", now_unix_ms), *containers = json_array();
    size_t i;
    json_t *spec;

    json_array_foreach(json_path(pod, "spec.containers"), i, spec)
    {
        if (exit_code >= 0)
            json_array_append_new(containers,
                                  ended_container(pod, spec, reason, message, exit_code, now_unix_ms));
    }
    put(status, "reason", reason);
    put(status, "message", message);
    put_ip(status, json_path_string(pod, "status.podIP"));
    json_object_set_new(status, "conditions", conditions(pod, false, "PodFailed", now_unix_ms));
    json_object_set_new(status, "containerStatuses", containers);
    return status;
}

/* ---- writing ---- */

json_t *pod_status_patch(const json_t *pod, const json_t *status)
{
    const json_t *old = json_object_get(pod, "status");
    const char *member;
    json_t *value;

    if (json_equal(old, status))
        return NULL;
    json_t *change = json_copy((json_t *)status);
    json_object_foreach((json_t *)old, member, value)
    {
        if (!json_object_get(status, member))
            json_object_set_new(change, member, json_null());
    }
    return json_pack("{s:{s:s}, s:o}", "metadata", "uid", json_path_string(pod, "metadata.uid"), "status",
                     change);
}

/* ---- questions ---- */

bool pod_object_has_ended(const json_t *pod)
{
    const char *phase = json_path_string(pod, "status.phase");
    return phase && (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0);
}

bool pod_has_started(const json_t *pod)
{
    size_t i;
    json_t *container;

    json_array_foreach(json_path(pod, "status.containerStatuses"), i, container)
    {
        if (json_path(container, "state.running") || json_path(container, "state.terminated"))
            return true;
    }
    return false;
}

bool pod_seen_is_incomplete(const pod_seen *seen)
{
    const struct count count = count_of(seen);

    if (seen->state == OPENSANDBOX__COMMITTER__V1__POD_STATE__STARTING)
        return true;
    /* A sandbox whose making was cut off before any of its containers began: RunPod makes another. */
    return seen->state == OPENSANDBOX__COMMITTER__V1__POD_STATE__ENDED && count.waiting == count.all &&
           count.init_begun == 0;
}
