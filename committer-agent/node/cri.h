/* node/cri.h - the Container Runtime Interface, call by call. Spec: Kubernetes cri-api runtime/v1.
 *
 * Answers are messages that the caller frees: SCOPED_CRI. A runtime that is still starting is waited for a
 * moment (its UNAVAILABLE is retried). Threads: any. */
#pragma once

#include <cri/runtime.pb-c.h>
#include <string.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "shared/rpc/client.h"

struct cri;

struct cri *cri_new(const char *socket);
void cri_free(struct cri *cri);
DEFINE_FREEP(cri, struct cri, cri_free)

int cri_run_sandbox(struct cri *cri, Runtime__V1__PodSandboxConfig *config, char **ret_sandbox_id,
                    struct error *err);
/* Both: an unknown sandbox is fine. Remove takes its containers along. */
int cri_stop_sandbox(struct cri *cri, const char *sandbox_id, struct error *err);
int cri_remove_sandbox(struct cri *cri, const char *sandbox_id, struct error *err);
/* *ret_answer->status is there. */
int cri_sandbox_status(struct cri *cri, const char *sandbox_id,
                       Runtime__V1__PodSandboxStatusResponse **ret_answer, struct error *err);

int cri_create_container(struct cri *cri, const char *sandbox_id, Runtime__V1__ContainerConfig *config,
                         Runtime__V1__PodSandboxConfig *sandbox_config, char **ret_container_id,
                         struct error *err);
int cri_start_container(struct cri *cri, const char *container_id, struct error *err);
/* SIGTERM (or the image's stop signal), SIGKILL after timeout_s. An unknown or dead container is fine. */
int cri_stop_container(struct cri *cri, const char *container_id, int64_t timeout_s, struct error *err);
/* *ret_answer->status is there. */
int cri_container_status(struct cri *cri, const char *container_id,
                         Runtime__V1__ContainerStatusResponse **ret_answer, struct error *err);

/* 1 the image is on this node, 0 not, -1. */
int cri_has_image(struct cri *cri, const char *image, struct error *err);
/* auth may be NULL: anonymous. parent: the call whose end ends the pull, or NULL. */
int cri_pull_image(struct cri *cri, const char *image, Runtime__V1__AuthConfig *auth, struct rpc_call *parent,
                   struct error *err);

__attribute__((unused)) static inline void cri_messagep(void *slot)
{
    ProtobufCMessage *message;
    memcpy(&message, slot, sizeof(message));
    if (message)
        protobuf_c_message_free_unpacked(message, NULL);
}
#define SCOPED_CRI __attribute__((cleanup(cri_messagep)))
