#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "committer-agent/containerd/containers.h"
#include "committer-agent/containerd/tasks.h"
#include "committer-agent/node/labels.h"
#include "committer-agent/node/node_priv.h"
#include "committer-agent/node/pull.h"
#include "committer-agent/node/subpath.h"
#include "shared/base/alloc.h"
#include "shared/base/file.h"

/* Outside, one word per step; the innermost reasons (BlobMissing, ...) stay in the text. */
static int step_failed(struct error *err, const char *reason)
{
    err->reason[0] = '\0';
    return error_reason(err, reason);
}

static int pull_images(struct node *node, const pod_request *request, container_spec_message *const *specs,
                       size_t count, struct rpc_call *parent, struct error *err)
{
    for (size_t i = 0; i < count; i++)
        if (pull_image(node->cri, specs[i]->image, specs[i]->image_pull_policy, request->pull_secrets,
                       request->n_pull_secrets, parent, err) < 0)
            return -1;
    return 0;
}

/* Those of init containers, too: nothing has begun when one cannot be had. */
static int pull_all(struct node *node, const pod_request *request, struct rpc_call *parent, struct error *err)
{
    if (pull_images(node, request, request->init_containers, request->n_init_containers, parent, err) < 0)
        return -1;
    return pull_images(node, request, request->containers, request->n_containers, parent, err);
}

static int make_log_dirs_of(const char *folder, container_spec_message *const *specs, size_t count,
                            struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        SCOPED(string) char *path = xasprintf("%s/%s", folder, specs[i]->name);
        if (dir_ensure(path, 0750, err) < 0)
            return -1;
    }
    return 0;
}

/* The kubelet makes these, not the runtime. */
static int make_log_dirs(struct node *node, const pod_request *request, struct error *err)
{
    SCOPED(string)
    char *folder =
        pod_log_dir(node->log_dir, request->pod->namespace_, request->pod->name, request->pod->uid);

    if (make_log_dirs_of(folder, request->init_containers, request->n_init_containers, err) < 0)
        return -1;
    return make_log_dirs_of(folder, request->containers, request->n_containers, err);
}

static int create_sandbox(struct node *node, const pod_request *request,
                          Runtime__V1__PodSandboxConfig *config, struct error *err)
{
    SCOPED(string) char *sandbox_id = NULL;

    if (make_log_dirs(node, request, err) < 0 || cri_run_sandbox(node->cri, config, &sandbox_id, err) < 0)
        return step_failed(err, "CreatePodSandboxError");
    return 0;
}

/* The runtime would make a missing folder by itself, owned by root and empty: a typing error is better told. */
static int check_mounts(const container_spec_message *spec, struct error *err)
{
    for (size_t i = 0; i < spec->n_mounts; i++)
        if (access(spec->mounts[i]->host_path, F_OK) < 0)
            return error_sys(err, errno, "mounts[%zu].host_path %s", i, spec->mounts[i]->host_path);
    return 0;
}

static int create_and_start(struct node *node, const struct pod *pod, const char *known_id,
                            Runtime__V1__ContainerConfig *config,
                            Runtime__V1__PodSandboxConfig *sandbox_config, struct error *err)
{
    SCOPED(string) char *id = xstrdup(known_id);

    if (!*id) {
        SCOPED(string) char *created = NULL;
        if (cri_create_container(node->cri, pod->sandbox_id, config, sandbox_config, &created, err) < 0)
            return step_failed(err, "CreateContainerError");
        free(id);
        id = TAKE(created);
    }
    if (cri_start_container(node->cri, id, err) < 0)
        return step_failed(err, "RunContainerError");
    return 0;
}

static int run_container(struct node *node, const struct pod *pod, const pod_request *request,
                         const container_spec_message *spec, Runtime__V1__PodSandboxConfig *sandbox_config,
                         struct error *err)
{
    const struct pod_container *seen = pod_container_get(pod, spec->name);
    SCOPED_CRI Runtime__V1__ContainerConfig *config = pod_container_config(request, spec, node->mounts_dir);

    if (!seen)
        return error_set(err, ERR_CONFLICT, "pod %s was created without a container named %s", pod->uid,
                         spec->name);
    if (seen->state != CONTAINER_WAITING)
        return 0; /* it was started, once and for all */
    if (check_mounts(spec, err) < 0 || subpaths_mount(node->mounts_dir, request, spec, err) < 0)
        return step_failed(err, "CreateContainerError");
    int result = create_and_start(node, pod, seen->id, config, sandbox_config, err);
    subpaths_unmount(node->mounts_dir, request, spec); /* the container has its own mounts, or never will */
    return result;
}

static int look(struct node *node, const char *uid, struct pod **ret_pod, struct error *err)
{
    if (watcher_refresh(node->watcher, uid, err) < 0)
        return -1;
    *ret_pod = pods_find(node->pods, uid, NULL, NULL);
    return 0;
}

/* A sandbox whose creation was cut off, before any container of it began. */
static bool is_stillborn(const struct pod *pod)
{
    if (pod->state != POD_ENDED)
        return false;
    for (size_t i = 0; i < pod->container_count; i++)
        if (pod->containers[i].state != CONTAINER_WAITING)
            return false;
    return true;
}

/* The next one that is to run. 1: it runs now, or another does; 0: all have ended well. */
static int run_init(struct node *node, const struct pod *pod, const pod_request *request,
                    Runtime__V1__PodSandboxConfig *config, struct error *err)
{
    for (size_t i = 0; i < request->n_init_containers; i++) {
        const container_spec_message *spec = request->init_containers[i];
        const struct pod_container *seen = pod_container_get(pod, spec->name);
        if (seen && seen->state == CONTAINER_EXITED)
            continue; /* with 0, or the pod had ended */
        return run_container(node, pod, request, spec, config, err) < 0 ? -1 : 1;
    }
    return 0;
}

static int run_containers(struct node *node, const struct pod *pod, const pod_request *request,
                          Runtime__V1__PodSandboxConfig *config, struct error *err)
{
    int result = run_init(node, pod, request, config, err);

    for (size_t i = 0; result == 0 && i < request->n_containers; i++)
        result = run_container(node, pod, request, request->containers[i], config, err);
    if (result < 0) {
        struct error ignored = {0}; /* the watcher lists again when this fails for a deeper reason */
        (void)watcher_refresh(node->watcher, pod->uid, &ignored);
        return -1;
    }
    return 0;
}

static int run_missing(struct node *node, const pod_request *request, struct rpc_call *parent,
                       struct pod **ret_pod, struct error *err)
{
    const char *uid = request->pod->uid;
    SCOPED(pod) struct pod *pod = NULL;
    SCOPED_CRI Runtime__V1__PodSandboxConfig *config =
        pod_sandbox_config(request, node->log_dir, node->cgroup_parent, 0);

    if (look(node, uid, &pod, err) < 0)
        return -1;
    if (pod && (pod->state == POD_READY || (pod->state == POD_ENDED && !is_stillborn(pod)))) {
        *ret_pod = TAKE(pod);
        return 0;
    }
    if (pull_all(node, request, parent, err) < 0)
        return -1;
    if (pod && is_stillborn(pod)) {
        if (cri_remove_sandbox(node->cri, pod->sandbox_id, err) < 0)
            return step_failed(err, "CreatePodSandboxError");
        pod_freep(&pod);
    }
    if (!pod && (create_sandbox(node, request, config, err) < 0 || look(node, uid, &pod, err) < 0))
        return -1;
    if (pod && run_containers(node, pod, request, config, err) < 0)
        return -1;
    pod_freep(&pod);
    if (look(node, uid, &pod, err) < 0)
        return -1;
    if (!pod)
        return error_set(err, ERR_CONFLICT, "pod %s was removed while it was being started", uid);
    *ret_pod = TAKE(pod);
    return 0;
}

int node_run_pod(struct node *node, const pod_request *request, struct rpc_call *parent, struct pod **ret_pod,
                 struct error *err)
{
    if (pod_request_check(request, err) < 0)
        return -1;
    key_lock_enter(node->busy, request->pod->uid);
    int result = run_missing(node, request, parent, ret_pod, err);
    key_lock_leave(node->busy, request->pod->uid);
    return result < 0 ? error_wrap(err, "running pod %s/%s", request->pod->namespace_, request->pod->name)
                      : 0;
}
