/* node/pod_spec.h - a RunPodRequest checked, and said in CRI's words as the kubelet would. Pure.
 *
 * Built messages own all their memory: protobuf_c_message_free_unpacked (SCOPED_CRI). */
#pragma once

#include <cri/runtime.pb-c.h>
#include <opensandbox/committer/v1/node_runtime.pb-c.h>

#include "shared/base/error.h"

typedef Opensandbox__Committer__V1__RunPodRequest pod_request;
typedef Opensandbox__Committer__V1__ContainerSpec container_spec_message;

enum { POD_MAX_CONTAINERS = 16, POD_MAX_LABELS = 64, CONTAINER_MAX_WORDS = 4096 };

/* ERR_INVALID, InvalidPod: names the field, what it wants and what it got. */
int pod_request_check(const pod_request *request, struct error *err);

/* "<log_dir>/<namespace>_<name>_<uid>", the kubelet's layout. The caller frees. */
char *pod_log_dir(const char *log_dir, const char *pod_namespace, const char *name, const char *uid);

/* cgroup_parent: "" for the runtime's own. */
Runtime__V1__PodSandboxConfig *pod_sandbox_config(const pod_request *request, const char *log_dir,
                                                  const char *cgroup_parent, uint32_t attempt);
/* Parts of volumes are taken from their places in mounts_dir (subpath.h). */
Runtime__V1__ContainerConfig *
pod_container_config(const pod_request *request, const container_spec_message *spec, const char *mounts_dir);
