#include "committer-agent/node/observe.h"

#include <stdlib.h>
#include <string.h>

#include "committer-agent/containerd/tasks.h"
#include "committer-agent/node/labels.h"
#include "shared/base/alloc.h"

enum { NS_PER_MS = 1000000, EXIT_CODE_UNKNOWN = 255, EXPECTED_MAX = 64 };

/* ERR_NOT_FOUND is an answer here: 1 there is a task, 0 none, -1. */
static int look_at_task(const struct observer *observer, const char *id, struct task *ret_task,
                        struct error *err)
{
    if (task_get(observer->containerd, id, ret_task, err) == 0)
        return 1;
    if (err->code != ERR_NOT_FOUND)
        return -1;
    error_clear(err);
    return 0;
}

static enum pod_container_state state_of_task(const struct task *task)
{
    switch (task->state) {
    case TASK_RUNNING:
        return CONTAINER_RUNNING;
    case TASK_PAUSED:
    case TASK_PAUSING:
        return CONTAINER_FROZEN;
    case TASK_STOPPED:
        return CONTAINER_EXITED;
    case TASK_CREATED:
    case TASK_UNKNOWN:
    case TASK_STATE_MAX:
        break;
    }
    return CONTAINER_WAITING;
}

static void set_text(char **slot, const char *text)
{
    free(*slot);
    *slot = xstrdup(text);
}

static const char *reason_of_exit(const struct container_exit *exit, int exit_code)
{
    if (exit->oom_killed)
        return "OOMKilled";
    return exit_code == 0 ? "Completed" : "Error";
}

/* CRI may be a moment behind; what it says of an end that it knows of is best, the event's word comes second.
 */
static void fill_exit(struct pod_container *container, const Runtime__V1__ContainerStatus *status,
                      const struct container_exit *exit, const struct task *task)
{
    bool cri_knows = status->state == RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED;

    container->state = CONTAINER_EXITED;
    if (cri_knows) {
        container->exit_code = status->exit_code;
        container->finished_at_unix_ms = status->finished_at / NS_PER_MS;
    } else if (exit->exited) {
        container->exit_code = (int)exit->status;
        container->finished_at_unix_ms = exit->at_unix_ms;
    } else {
        container->exit_code = task->state == TASK_STOPPED ? (int)task->exit_status : EXIT_CODE_UNKNOWN;
    }
    set_text(&container->reason, cri_knows && *status->reason && !exit->oom_killed
                                     ? status->reason
                                     : reason_of_exit(exit, container->exit_code));
    if (cri_knows)
        set_text(&container->message, status->message);
}

/* Between the end of the task and CRI's own word of it nobody knows the code; an event will tell. */
static bool is_exit_code_known(const Runtime__V1__ContainerStatus *status, const struct container_exit *exit,
                               bool has_task, const struct task *task)
{
    return status->state == RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED || exit->exited ||
           (has_task && task->state == TASK_STOPPED);
}

static int fill_container(const struct observer *observer, const struct container *record,
                          struct pod_container *container, struct error *err)
{
    SCOPED_CRI Runtime__V1__ContainerStatusResponse *answer = NULL;
    const char *id = record->id;
    struct task task = {0};
    struct container_exit exit = exits_get(observer->exits, id);
    int has_task = look_at_task(observer, id, &task, err);

    if (has_task < 0)
        return -1;
    if (cri_container_status(observer->cri, id, &answer, err) < 0) {
        if (err->code != ERR_NOT_FOUND)
            return -1;
        error_clear(err); /* being created, or being removed */
        return 0;
    }
    const Runtime__V1__ContainerStatus *status = answer->status;
    set_text(&container->id, id);
    set_text(&container->image, container_label_get(record, LABEL_IMAGE));
    container->started_at_unix_ms = status->started_at / NS_PER_MS;

    bool started = status->started_at > 0;
    container->state = has_task                 ? state_of_task(&task)
                       : started || exit.exited ? CONTAINER_EXITED
                                                : CONTAINER_WAITING;
    if (exit.exited || status->state == RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED)
        container->state = CONTAINER_EXITED;
    /* Of an init container the code decides what becomes of the pod, for ever. */
    if (container->state == CONTAINER_EXITED && container->is_init &&
        !is_exit_code_known(status, &exit, has_task, &task))
        container->state = CONTAINER_RUNNING;
    if (container->state == CONTAINER_EXITED)
        fill_exit(container, status, &exit, &task);
    else
        set_text(&container->reason, container->state == CONTAINER_WAITING ? "ContainerCreating" : "");
    container->reaped = container->state == CONTAINER_EXITED && !has_task;
    return 0;
}

static const struct container *find_sandbox(const struct container *containers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (containers[i].is_sandbox)
            return &containers[i];
    return NULL;
}

/* The containers that the pod is to have, in order, as its sandbox's label says. */
static void add_expected(struct pod *pod, const char *names, bool are_init)
{
    SCOPED(string) char *copy = xstrdup(names);
    char *rest;

    for (char *name = strtok_r(copy, ",", &rest); name && pod->container_count < EXPECTED_MAX;
         name = strtok_r(NULL, ",", &rest)) {
        struct pod_container *container = &pod->containers[pod->container_count++];
        container->name = xstrdup(name);
        container->id = xstrdup("");
        container->reason = xstrdup("ContainerCreating");
        container->message = xstrdup("");
        container->image = xstrdup("");
        container->state = CONTAINER_WAITING;
        container->is_init = are_init;
    }
}

static const struct container *newest_named(const struct container *containers, size_t count,
                                            const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!containers[i].is_sandbox && strcmp(containers[i].name, name) == 0)
            return &containers[i];
    return NULL;
}

/* A sandbox that is being created has a record, but no task yet, and CRI does not know it: it counts as running, and
 * its containers as waiting. One that broke off in between is taken in by CRI when containerd starts again. */
static int fill_sandbox(const struct observer *observer, struct pod *pod, bool *ret_runs, struct error *err)
{
    SCOPED_CRI Runtime__V1__PodSandboxStatusResponse *answer = NULL;
    bool ended = exits_get(observer->exits, pod->sandbox_id).exited;
    struct task task;
    int has_task = look_at_task(observer, pod->sandbox_id, &task, err);

    if (has_task < 0)
        return -1;
    if (cri_sandbox_status(observer->cri, pod->sandbox_id, &answer, err) < 0) {
        if (err->code != ERR_NOT_FOUND)
            return -1;
        error_clear(err);
    }
    pod->ip = xstrdup(answer && answer->status->network ? answer->status->network->ip : "");
    *ret_runs = !ended && (has_task ? task.state != TASK_STOPPED : !answer);
    return 0;
}

int observe_containers(const struct observer *observer, const char *uid, const struct container *containers,
                       size_t count, struct pod **ret_pod, struct error *err)
{
    SCOPED(pod) struct pod *pod = xcalloc(1, sizeof(*pod));
    const struct container *sandbox = find_sandbox(containers, count);
    bool sandbox_runs = false;

    pod->uid = xstrdup(uid);
    pod->state = POD_GONE;
    if (!sandbox) {
        pod->pod_namespace = xstrdup(count ? containers[0].pod_namespace : "");
        pod->name = xstrdup(count ? containers[0].pod_name : "");
        pod->sandbox_id = xstrdup("");
        pod->ip = xstrdup("");
        *ret_pod = TAKE(pod);
        return 0;
    }
    pod->pod_namespace = xstrdup(sandbox->pod_namespace);
    pod->name = xstrdup(sandbox->pod_name);
    pod->sandbox_id = xstrdup(sandbox->id);
    pod->containers = xcalloc(EXPECTED_MAX, sizeof(*pod->containers));
    add_expected(pod, container_label_get(sandbox, LABEL_INIT_CONTAINERS), true);
    add_expected(pod, container_label_get(sandbox, LABEL_CONTAINERS), false);
    if (fill_sandbox(observer, pod, &sandbox_runs, err) < 0)
        return error_wrap(err, "looking at pod %s", uid);
    for (size_t i = 0; i < pod->container_count; i++) {
        const struct container *found = newest_named(containers, count, pod->containers[i].name);
        if (found && fill_container(observer, found, &pod->containers[i], err) < 0)
            return error_wrap(err, "looking at pod %s", uid);
    }
    pod->state = pod_state_of(sandbox_runs, pod->containers, pod->container_count);
    *ret_pod = TAKE(pod);
    return 0;
}

int observe_pod(const struct observer *observer, const char *uid, struct pod **ret_pod, struct error *err)
{
    SCOPED_CONTAINER_LIST struct container_list list = {0};
    size_t ours = 0;

    if (containers_with_label(observer->containerd, LABEL_POD_UID, uid, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < list.count;
         i++) /* a kubelet's pod on the same containerd is none of our business */
        ours += strcmp(container_label_get(&list.items[i], LABEL_MANAGED), "true") == 0;
    return observe_containers(observer, uid, list.items, ours == list.count ? list.count : 0, ret_pod, err);
}
