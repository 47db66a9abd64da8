/* pod_build.h - the Pod of one index of a sandbox, from its template.
 * Spec: contract/controller-behaviour.md §3; contract/crds.md §6.1, §7; K8 (label values), K31 (images
 * restored by a resume win over shard patches). A restored pod prefers the node that has its images, or needs it, when no other
 * has them (ANNOTATION_RESUME_NODE, ANNOTATION_REQUIRED_NODE): beside whatever the template asks of nodes. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "shared/base/error.h"
#include "snapshot-svc/model/batchsandbox.h"

/* has_scheduler: there are several nodes, and who chooses among them. *ret_pod is the caller's. ERR_INVALID: the template or the shard patch makes no pod. ERR_UNSUPPORTED: a
 * patch directive. */
int pod_build(const struct batchsandbox *sandbox, int32_t index, bool has_scheduler, json_t **ret_pod,
              struct error *err);
