#include "committer-agent/node/pod.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

void pod_free(struct pod *pod)
{
    if (!pod)
        return;
    for (size_t i = 0; i < pod->container_count; i++) {
        free(pod->containers[i].name);
        free(pod->containers[i].id);
        free(pod->containers[i].reason);
        free(pod->containers[i].message);
        free(pod->containers[i].image);
    }
    free(pod->containers);
    free(pod->uid);
    free(pod->pod_namespace);
    free(pod->name);
    free(pod->ip);
    free(pod->sandbox_id);
    free(pod);
}

struct pod *pod_copy(const struct pod *pod)
{
    struct pod *copy = xcalloc(1, sizeof(*copy));

    *copy = (struct pod){
        .uid = xstrdup(pod->uid),
        .pod_namespace = xstrdup(pod->pod_namespace),
        .name = xstrdup(pod->name),
        .ip = xstrdup(pod->ip),
        .sandbox_id = xstrdup(pod->sandbox_id),
        .state = pod->state,
        .containers = xcalloc(pod->container_count + 1, sizeof(*copy->containers)),
        .container_count = pod->container_count,
    };
    for (size_t i = 0; i < pod->container_count; i++) {
        copy->containers[i] = pod->containers[i];
        copy->containers[i].name = xstrdup(pod->containers[i].name);
        copy->containers[i].id = xstrdup(pod->containers[i].id);
        copy->containers[i].reason = xstrdup(pod->containers[i].reason);
        copy->containers[i].message = xstrdup(pod->containers[i].message);
        copy->containers[i].image = xstrdup(pod->containers[i].image);
    }
    return copy;
}

static bool text_equal(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool container_equal(const struct pod_container *a, const struct pod_container *b)
{
    return a->state == b->state && a->reaped == b->reaped && a->exit_code == b->exit_code &&
           a->started_at_unix_ms == b->started_at_unix_ms &&
           a->finished_at_unix_ms == b->finished_at_unix_ms && text_equal(a->name, b->name) &&
           text_equal(a->id, b->id) && text_equal(a->reason, b->reason) &&
           text_equal(a->message, b->message) && text_equal(a->image, b->image);
}

bool pod_equal(const struct pod *a, const struct pod *b)
{
    if (a->state != b->state || a->container_count != b->container_count || !text_equal(a->uid, b->uid) ||
        !text_equal(a->ip, b->ip) || !text_equal(a->sandbox_id, b->sandbox_id))
        return false;
    for (size_t i = 0; i < a->container_count; i++)
        if (!container_equal(&a->containers[i], &b->containers[i]))
            return false;
    return true;
}

const struct pod_container *pod_container_get(const struct pod *pod, const char *name)
{
    for (size_t i = 0; i < pod->container_count; i++)
        if (name && *name ? strcmp(pod->containers[i].name, name) == 0 : !pod->containers[i].is_init)
            return &pod->containers[i];
    return NULL;
}

enum pod_state pod_state_of(bool sandbox_runs, const struct pod_container *containers, size_t count)
{
    bool waiting = false;

    if (!sandbox_runs)
        return POD_ENDED;
    for (size_t i = 0; i < count; i++) {
        const bool exited = containers[i].state == CONTAINER_EXITED;
        if (exited && (!containers[i].is_init || containers[i].exit_code != 0))
            return POD_ENDED;
        waiting |= containers[i].is_init ? !exited : containers[i].state == CONTAINER_WAITING;
    }
    return waiting ? POD_STARTING : POD_READY;
}
