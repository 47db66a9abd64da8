/* pod.h - what a scheduler, a kubelet and the API server add to a pod, as far as one machine needs it. */
#pragma once

#include <jansson.h>

#include "shared/base/error.h"

/* A new pod: bound to `node` (unless it names one, or node is NULL), Pending, held by the node's finalizer.
 */
void pod_begin(json_t *pod, const char *node);
/* ERR_INVALID: no containers, bad or double names, no image. */
int pod_check(const json_t *pod, struct error *err);
/* How long the pod may take to end: asked_s, or its own default when that is negative. */
int pod_grace_s(const json_t *pod, int asked_s);
