/* containerd/containers.h - the containers of a pod, as CRI labels them.
 * Spec: containerd's CRI labels (io.cri-containerd.kind, io.kubernetes.pod.*, io.kubernetes.container.name). */
#pragma once

#include "committer-agent/containerd/containerd.h"

struct pod_name { /* uid decides when it is not empty; else namespace and name. NULL counts as empty */
    const char *uid, *pod_namespace, *name;
};

struct container {
    char *id;
    char *name; /* in the pod; "" in a sandbox */
    char *pod_uid, *pod_namespace, *pod_name;
    char *image; /* a reference that images.h finds: "repo:tag", "repo@sha256:..." or "sha256:..." */
    char *snapshotter, *snapshot_key; /* "overlayfs" and the key of its writable layer */
    char *runtime;                    /* "io.containerd.runc.v2" */
    bool is_sandbox;
    struct container_label {
        char *key, *value;
    } * labels;
    size_t label_count;
    int64_t created_at_unix_ms;
};

struct container_list {
    struct container *items; /* newest first */
    size_t count;
};

/* The pod's containers without its sandbox. container_name NULL: all; else the ones of that name (a restarted
 * container leaves dead ones behind: the first is the current one).
 * ERR_NOT_FOUND, PodNotFound: the pod has no container at all; ContainerNotFound: none of that name.
 * ERR_INVALID: neither uid nor namespace and name. */
int containers_of_pod(struct containerd *containerd, const struct pod_name *pod, const char *container_name,
                      struct container_list *ret_list, struct error *err);

/* Every container, sandboxes too, that has the label with this value. None is no error. */
int containers_with_label(struct containerd *containerd, const char *key, const char *value,
                          struct container_list *ret_list, struct error *err);

const char *container_label_get(const struct container *container, const char *key); /* "": absent */

/* ERR_NOT_FOUND, ContainerNotFound. */
int container_get(struct containerd *containerd, const char *id, struct container *ret_container,
                  struct error *err);

/* The container's OCI runtime spec as JSON text, at most 4 MiB. ERR_NOT_FOUND, ContainerNotFound. */
int container_spec(struct containerd *containerd, const char *id, char **ret_json, struct error *err);

void container_done(struct container *container);
void container_list_done(struct container_list *list);
#define SCOPED_CONTAINER      __attribute__((cleanup(container_done)))
#define SCOPED_CONTAINER_LIST __attribute__((cleanup(container_list_done)))
