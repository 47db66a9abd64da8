/* pod_build.h - the Pod of one index of a sandbox, from its template.
 * Spec: contract/controller-behaviour.md §3; contract/crds.md §6.1, §7; K8 (label values), K31 (images
 * restored by a resume win over shard patches). */
#pragma once

#include <jansson.h>

#include "shared/base/error.h"
#include "snapshot-svc/model/batchsandbox.h"

/* *ret_pod is the caller's. ERR_INVALID: the template or the shard patch makes no pod. ERR_UNSUPPORTED: a
 * patch directive. */
int pod_build(const struct batchsandbox *sandbox, int32_t index, json_t **ret_pod, struct error *err);
