/* container_request.h - one container of a pod template as a ContainerSpec. Pure. */
#pragma once

#include "snapshot-svc/node/pod_request.h"

/* Fills the initialised message, whose memory is malloc'ed; on failure what was filled stays with it. */
int container_request_fill(const json_t *pod, const json_t *container, const char *what,
                           const struct volumes *volumes, container_message *out,
                           struct json_strings *ignored, struct error *err);
