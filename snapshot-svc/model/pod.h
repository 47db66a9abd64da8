/* pod.h - a Pod as far as the reconcilers look at it. Read only. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "snapshot-svc/model/condition.h"
#include "snapshot-svc/model/meta.h"

enum pod_phase { POD_PENDING, POD_RUNNING, POD_SUCCEEDED, POD_FAILED, POD_PHASE_UNKNOWN, POD_PHASE_MAX };

struct pod_container {
    char *name, *image;
};

struct container_state {
    char *reason, *message;
    int32_t exit_code;   /* terminated only, as is */
    int64_t finished_ms; /* Unix ms of the node's clock; 0: not told */
};

struct container_status {
    char *name;
    struct container_state waiting, terminated; /* reason NULL: not in that state, or without a reason */
    json_t *runs, *ended;                       /* not NULL: it is in the state running, or terminated */
    struct container_state last_terminated;     /* lastState */
    int32_t restarts;
};

struct pod {
    struct object_meta meta;
    char *node_name, *pod_ip; /* NULL: none yet */
    char *restart_policy;     /* NULL: Always */
    char *phase_name;
    char *reason, *message;              /* of the pod: "Evicted", ... */
    struct json_list containers;         /* of struct pod_container: spec.containers */
    struct json_list container_statuses; /* of struct container_status */
    struct json_list init_container_statuses, ephemeral_container_statuses;
    struct json_list conditions; /* of struct condition */
};

int pod_read(const json_t *object, struct pod *out, struct error *err);
void pod_done(struct pod *pod);
#define SCOPED_POD __attribute__((cleanup(pod_done)))

enum pod_phase pod_phase(const struct pod *pod);
bool pod_is_running(const struct pod *pod); /* phase Running and not being deleted */
bool pod_is_ready(const struct pod *pod);   /* running, and its condition Ready is True */

/* Has the node told of every container, of all kinds, that it has terminated? The phase does not say: an evicted pod is Failed, without
 * any container status, while its containers are being stopped. */
bool pod_has_ended(const struct pod *pod);

/* Being deleted, and all that is left is its object: every container has ended, and none can have been started again, for the node
 * starts none after it has heard of the deletion. A container that the runtime has forgotten by then counts as ended: the kubelet
 * says so by lastState ContainerStatusUnknown, of pods being deleted only. kubelet 1.20 takes 5 to 16 s more to remove the object,
 * and a minute where a container was forgotten; a DELETE without grace period does it at once. The node keeps cleaning up volumes
 * and folders by itself, by the pod's uid. */
bool pod_is_only_an_object(const struct pod *pod);

/* The index from its label, else the number after the last '-' of its name.
 * ERR_INVALID: neither (contract/controller-behaviour.md §3). */
int pod_index(const struct pod *pod, int32_t *ret_index, struct error *err);
