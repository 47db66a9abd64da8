#include "committer-agent/node/cri.h"

#include <stdlib.h>

#include "shared/base/alloc.h"

/* The kubelet's --runtime-request-timeout is 2 minutes; creating a sandbox may wait for the network plugin. */
enum { CALL_TIMEOUT_MS = 120000, SANDBOX_TIMEOUT_MS = 240000 };

struct cri {
    struct rpc_channel *channel;
};

struct cri *cri_new(const char *socket)
{
    struct cri *cri = xcalloc(1, sizeof(*cri));
    SCOPED(string) char *target = xasprintf("unix:%s", socket);

    cri->channel = rpc_channel_new(
        target, &(struct rpc_channel_options){.name = "containerd (CRI)", .retry_unavailable = true});
    return cri;
}

void cri_free(struct cri *cri)
{
    if (!cri)
        return;
    rpc_channel_free(cri->channel);
    free(cri);
}

static int call_runtime(struct cri *cri, const char *method, const ProtobufCMessage *request,
                        void *ret_answer, int64_t timeout_ms, struct error *err)
{
    return rpc_unary(cri->channel, &runtime__v1__runtime_service__descriptor, method, request, ret_answer,
                     &(struct rpc_call_options){.timeout_ms = timeout_ms}, err);
}

int cri_run_sandbox(struct cri *cri, Runtime__V1__PodSandboxConfig *config, char **ret_sandbox_id,
                    struct error *err)
{
    Runtime__V1__RunPodSandboxRequest request = RUNTIME__V1__RUN_POD_SANDBOX_REQUEST__INIT;
    SCOPED_CRI Runtime__V1__RunPodSandboxResponse *answer = NULL;

    request.config = config;
    if (call_runtime(cri, "RunPodSandbox", &request.base, &answer, SANDBOX_TIMEOUT_MS, err) < 0)
        return error_wrap(err, "creating the sandbox of pod %s", config->metadata->uid);
    *ret_sandbox_id = xstrdup(answer->pod_sandbox_id);
    return 0;
}

static int unless_unknown(struct error *err, const char *doing, const char *id)
{
    if (err->code != ERR_NOT_FOUND)
        return error_wrap(err, "%s %s", doing, id);
    error_clear(err);
    return 0;
}

int cri_stop_sandbox(struct cri *cri, const char *sandbox_id, struct error *err)
{
    Runtime__V1__StopPodSandboxRequest request = RUNTIME__V1__STOP_POD_SANDBOX_REQUEST__INIT;
    SCOPED_CRI ProtobufCMessage *answer = NULL;

    request.pod_sandbox_id = (char *)sandbox_id;
    if (call_runtime(cri, "StopPodSandbox", &request.base, &answer, SANDBOX_TIMEOUT_MS, err) < 0)
        return unless_unknown(err, "stopping sandbox", sandbox_id);
    return 0;
}

int cri_remove_sandbox(struct cri *cri, const char *sandbox_id, struct error *err)
{
    Runtime__V1__RemovePodSandboxRequest request = RUNTIME__V1__REMOVE_POD_SANDBOX_REQUEST__INIT;
    SCOPED_CRI ProtobufCMessage *answer = NULL;

    request.pod_sandbox_id = (char *)sandbox_id;
    if (call_runtime(cri, "RemovePodSandbox", &request.base, &answer, SANDBOX_TIMEOUT_MS, err) < 0)
        return unless_unknown(err, "removing sandbox", sandbox_id);
    return 0;
}

int cri_sandbox_status(struct cri *cri, const char *sandbox_id,
                       Runtime__V1__PodSandboxStatusResponse **ret_answer, struct error *err)
{
    Runtime__V1__PodSandboxStatusRequest request = RUNTIME__V1__POD_SANDBOX_STATUS_REQUEST__INIT;
    SCOPED_CRI Runtime__V1__PodSandboxStatusResponse *answer = NULL;

    request.pod_sandbox_id = (char *)sandbox_id;
    if (call_runtime(cri, "PodSandboxStatus", &request.base, &answer, CALL_TIMEOUT_MS, err) < 0)
        return error_wrap(err, "looking up sandbox %s", sandbox_id);
    if (!answer->status)
        return error_set(err, ERR_INTERNAL, "CRI answered sandbox %s without a status", sandbox_id);
    *ret_answer = TAKE(answer);
    return 0;
}

int cri_create_container(struct cri *cri, const char *sandbox_id, Runtime__V1__ContainerConfig *config,
                         Runtime__V1__PodSandboxConfig *sandbox_config, char **ret_container_id,
                         struct error *err)
{
    Runtime__V1__CreateContainerRequest request = RUNTIME__V1__CREATE_CONTAINER_REQUEST__INIT;
    SCOPED_CRI Runtime__V1__CreateContainerResponse *answer = NULL;

    request.pod_sandbox_id = (char *)sandbox_id;
    request.config = config;
    request.sandbox_config = sandbox_config;
    if (call_runtime(cri, "CreateContainer", &request.base, &answer, CALL_TIMEOUT_MS, err) < 0)
        return error_wrap(err, "creating container %s", config->metadata->name);
    *ret_container_id = xstrdup(answer->container_id);
    return 0;
}

int cri_start_container(struct cri *cri, const char *container_id, struct error *err)
{
    Runtime__V1__StartContainerRequest request = RUNTIME__V1__START_CONTAINER_REQUEST__INIT;
    SCOPED_CRI ProtobufCMessage *answer = NULL;

    request.container_id = (char *)container_id;
    if (call_runtime(cri, "StartContainer", &request.base, &answer, CALL_TIMEOUT_MS, err) < 0)
        return error_wrap(err, "starting container %s", container_id);
    return 0;
}

int cri_stop_container(struct cri *cri, const char *container_id, int64_t timeout_s, struct error *err)
{
    Runtime__V1__StopContainerRequest request = RUNTIME__V1__STOP_CONTAINER_REQUEST__INIT;
    SCOPED_CRI ProtobufCMessage *answer = NULL;

    request.container_id = (char *)container_id;
    request.timeout = timeout_s;
    if (call_runtime(cri, "StopContainer", &request.base, &answer, CALL_TIMEOUT_MS + timeout_s * 1000, err) <
        0)
        return unless_unknown(err, "stopping container", container_id);
    return 0;
}

int cri_container_status(struct cri *cri, const char *container_id,
                         Runtime__V1__ContainerStatusResponse **ret_answer, struct error *err)
{
    Runtime__V1__ContainerStatusRequest request = RUNTIME__V1__CONTAINER_STATUS_REQUEST__INIT;
    SCOPED_CRI Runtime__V1__ContainerStatusResponse *answer = NULL;

    request.container_id = (char *)container_id;
    if (call_runtime(cri, "ContainerStatus", &request.base, &answer, CALL_TIMEOUT_MS, err) < 0)
        return error_wrap(err, "looking up container %s", container_id);
    if (!answer->status)
        return error_set(err, ERR_INTERNAL, "CRI answered container %s without a status", container_id);
    *ret_answer = TAKE(answer);
    return 0;
}

int cri_has_image(struct cri *cri, const char *image, struct error *err)
{
    Runtime__V1__ImageStatusRequest request = RUNTIME__V1__IMAGE_STATUS_REQUEST__INIT;
    Runtime__V1__ImageSpec spec = RUNTIME__V1__IMAGE_SPEC__INIT;
    SCOPED_CRI Runtime__V1__ImageStatusResponse *answer = NULL;

    spec.image = (char *)image;
    request.image = &spec;
    if (rpc_unary(cri->channel, &runtime__v1__image_service__descriptor, "ImageStatus", &request.base,
                  &answer, &(struct rpc_call_options){.timeout_ms = CALL_TIMEOUT_MS}, err) < 0)
        return error_wrap(err, "looking up image %s", image);
    return answer->image != NULL;
}

int cri_pull_image(struct cri *cri, const char *image, Runtime__V1__AuthConfig *auth, struct rpc_call *parent,
                   struct error *err)
{
    Runtime__V1__PullImageRequest request = RUNTIME__V1__PULL_IMAGE_REQUEST__INIT;
    Runtime__V1__ImageSpec spec = RUNTIME__V1__IMAGE_SPEC__INIT;
    SCOPED_CRI ProtobufCMessage *answer = NULL;

    spec.image = (char *)image;
    request.image = &spec;
    request.auth = auth;
    /* As long as it takes: containerd itself gives up a pull that makes no progress. */
    if (rpc_unary(cri->channel, &runtime__v1__image_service__descriptor, "PullImage", &request.base, &answer,
                  &(struct rpc_call_options){.timeout_ms = -1, .parent = parent}, err) < 0)
        return error_wrap(err, "pulling image %s", image);
    return 0;
}
