#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "committer-agent/containerd/containers.h"
#include "committer-agent/containerd/freeze.h"
#include "committer-agent/node/labels.h"
#include "committer-agent/node/node_priv.h"
#include "committer-agent/remove_tree/remove_tree.h"
#include "shared/base/alloc.h"

/* The containers of a pod are stopped side by side, or their grace periods would add up. */
struct stop {
    struct node *node;
    const char *container_id;
    int64_t timeout_s;
    pthread_t thread;
    bool has_thread;
    int result;
    struct error err;
};

/* Killed while none of its processes can run; thawing then only lets them die (cgroup v1). */
static int stop_frozen(struct stop *stop)
{
    struct containerd *containerd = stop->node->containerd;

    if (container_kill_frozen(containerd, stop->container_id, &stop->err) < 0) {
        if (strcmp(stop->err.reason, "HoldExpired") != 0)
            return -1;
        error_clear(&stop->err); /* somebody thawed it first: it is an ordinary container again */
        return 0;
    }
    return container_thaw(containerd, stop->container_id, &stop->err);
}

static int stop_container(struct stop *stop)
{
    int frozen = container_is_frozen(stop->node->containerd, stop->container_id, &stop->err);

    if (frozen < 0 || (frozen && stop_frozen(stop) < 0))
        return -1;
    return cri_stop_container(stop->node->cri, stop->container_id, stop->timeout_s, &stop->err);
}

static void *stop_in_thread(void *arg)
{
    struct stop *stop = arg;
    stop->result = stop_container(stop);
    return NULL;
}

static int stop_containers(struct stop *stops, size_t count, struct error *err)
{
    int result = 0;

    for (size_t i = 0; i < count; i++) {
        stops[i].has_thread = pthread_create(&stops[i].thread, NULL, stop_in_thread, &stops[i]) == 0;
        if (!stops[i].has_thread)
            stop_in_thread(&stops[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (stops[i].has_thread)
            pthread_join(stops[i].thread, NULL);
        if (stops[i].result < 0 && result == 0) {
            *err = stops[i].err;
            result = -1;
        }
    }
    return result;
}

static bool is_ours(const struct container *container)
{
    return strcmp(container_label_get(container, LABEL_MANAGED), "true") == 0;
}

static int stop_listed(struct node *node, const struct container_list *list, int64_t grace_ms,
                       struct error *err)
{
    SCOPED(memory) struct stop *stops = xcalloc(list->count + 1, sizeof(*stops));
    size_t count = 0;

    for (size_t i = 0; i < list->count; i++)
        if (!list->items[i].is_sandbox && is_ours(&list->items[i]))
            stops[count++] = (struct stop){.node = node,
                                           .container_id = list->items[i].id,
                                           .timeout_s = grace_ms > 0 ? (grace_ms + 999) / 1000 : 0};
    if (stop_containers(stops, count, err) < 0)
        return -1;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].is_sandbox && is_ours(&list->items[i]) &&
            (cri_stop_sandbox(node->cri, list->items[i].id, err) < 0 ||
             cri_remove_sandbox(node->cri, list->items[i].id, err) < 0))
            return -1;
    return 0;
}

static const struct container *first_of_ours(const struct container_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (is_ours(&list->items[i]))
            return &list->items[i];
    return NULL;
}

static int remove_pod(struct node *node, const char *uid, int64_t grace_ms, struct error *err)
{
    SCOPED_CONTAINER_LIST struct container_list list = {0};

    if (containers_with_label(node->containerd, LABEL_POD_UID, uid, &list, err) < 0)
        return -1;
    const struct container *pod = first_of_ours(&list);
    if (!pod)
        return 0;
    SCOPED(string) char *logs = pod_log_dir(node->log_dir, pod->pod_namespace, pod->pod_name, uid);
    if (stop_listed(node, &list, grace_ms, err) < 0)
        return -1;
    if (remove_tree(logs, err) < 0)
        return -1;
    return watcher_refresh(node->watcher, uid, err);
}

/* By name: containerd is asked, since the table may not have heard of the pod yet. *ret_uid is NULL: none. */
static int find_uid(struct node *node, const char *pod_namespace, const char *name, char **ret_uid,
                    struct error *err)
{
    SCOPED_CONTAINER_LIST struct container_list list = {0};

    if (containers_with_label(node->containerd, LABEL_POD_NAME, name, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < list.count && !*ret_uid; i++)
        if (is_ours(&list.items[i]) && strcmp(list.items[i].pod_namespace, pod_namespace) == 0)
            *ret_uid = xstrdup(list.items[i].pod_uid);
    return 0;
}

int node_stop_pod(struct node *node, const char *uid, const char *pod_namespace, const char *name,
                  int64_t grace_ms, struct error *err)
{
    SCOPED(string) char *key = uid && *uid ? xstrdup(uid) : NULL;

    if (!key && (!pod_namespace || !*pod_namespace || !name || !*name)) {
        (void)error_set(err, ERR_INVALID, "pod: want a uid, or a namespace and a name");
        return error_reason(err, "InvalidPod");
    }
    if (!key && find_uid(node, pod_namespace, name, &key, err) < 0)
        return error_wrap(err, "stopping pod %s/%s", pod_namespace, name);
    if (!key)
        return 0;
    key_lock_enter(node->busy, key);
    int result = remove_pod(node, key, grace_ms, err);
    key_lock_leave(node->busy, key);
    return result < 0 ? error_wrap(err, "stopping pod %s", key) : 0;
}
