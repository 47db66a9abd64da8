#include "committer-agent/node/node.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "committer-agent/node/node_priv.h"
#include "committer-agent/node/subpath.h"
#include "committer-agent/remove_tree/remove_tree.h"
#include "shared/base/alloc.h"
#include "shared/base/file.h"

int node_new(const struct node_options *options, struct node **ret_node, struct error *err)
{
    if (dir_ensure(options->log_dir, 0750, err) < 0 || remove_tree(options->state_dir, err) < 0 ||
        dir_ensure(options->state_dir, 0700, err) < 0 || subpaths_sweep(options->mounts_dir, err) < 0)
        return error_wrap(err, "preparing the node's folders");

    struct node *node = xcalloc(1, sizeof(*node));
    node->log_dir = xstrdup(options->log_dir);
    node->state_dir = xstrdup(options->state_dir);
    node->mounts_dir = xstrdup(options->mounts_dir);
    node->cgroup_parent = xstrdup(options->cgroup_parent);
    node->containerd = containerd_new(options->socket, NULL);
    node->cri = cri_new(options->socket);
    node->exits = exits_new();
    node->pods = pods_new();
    node->busy = key_lock_new();
    struct observer observer = {.containerd = node->containerd, .cri = node->cri, .exits = node->exits};
    node->watcher = watcher_new(&observer, node->pods);
    *ret_node = node;
    return 0;
}

int node_start(struct node *node, struct error *err)
{
    return watcher_start(node->watcher, err);
}

void node_free(struct node *node)
{
    if (!node)
        return;
    watcher_free(node->watcher);
    key_lock_free(node->busy);
    pods_free(node->pods);
    exits_free(node->exits);
    cri_free(node->cri);
    containerd_free(node->containerd);
    free(node->cgroup_parent);
    free(node->state_dir);
    free(node->mounts_dir);
    free(node->log_dir);
    free(node);
}

struct pods *node_get_pods(struct node *node)
{
    return node->pods;
}

struct containerd *node_get_containerd(struct node *node)
{
    return node->containerd;
}

const char *node_get_state_dir(const struct node *node)
{
    return node->state_dir;
}

char *node_log_path(const struct node *node, const struct pod *pod, const char *container)
{
    SCOPED(string) char *folder = pod_log_dir(node->log_dir, pod->pod_namespace, pod->name, pod->uid);
    return xasprintf("%s/%s/0.log", folder, container);
}

int node_find_container(struct node *node, const char *uid, const char *pod_namespace, const char *pod_name,
                        const char *container, struct pod **ret_pod,
                        const struct pod_container **ret_container, struct error *err)
{
    SCOPED(pod) struct pod *pod = pods_find(node->pods, uid, pod_namespace, pod_name);

    if (!pod) {
        (void)error_set(err, ERR_NOT_FOUND, "pod %s is not on this node", uid && *uid ? uid : pod_name);
        return error_reason(err, "PodNotFound");
    }
    *ret_container = pod_container_get(pod, container);
    if (!*ret_container) {
        (void)error_set(err, ERR_NOT_FOUND, "pod %s has no container named %s", pod->name, container);
        return error_reason(err, "ContainerNotFound");
    }
    *ret_pod = TAKE(pod);
    return 0;
}
