/* pod_request.h - a Pod of the store as a RunPodRequest. Pure.
 *
 * Done as the kubelet does it: $(NAME) is expanded, a hostname comes from the pod's name, limits serve as
 * requests. Not done, and so refused: what members.h says. */
#pragma once

#include <jansson.h>
#include <opensandbox/committer/v1/node_runtime.pb-c.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "shared/json/json.h"
#include "snapshot-svc/node/volumes.h"

typedef Opensandbox__Committer__V1__RunPodRequest run_pod_request;
typedef Opensandbox__Committer__V1__ContainerSpec container_message;

/* Without the pull secrets. *ret_request is the caller's; *ignored names the members without effect.
 * ERR_INVALID, reason InvalidPod. */
int pod_request_build(const json_t *pod, const struct volumes *volumes, run_pod_request **ret_request,
                      struct json_strings *ignored, struct error *err);
/* Takes the bytes over; they are wiped with the request. */
void pod_request_adopt_secret(run_pod_request *request, void *bytes, size_t length);
void pod_request_free(run_pod_request *request);
DEFINE_FREEP(pod_request, run_pod_request, pod_request_free)
