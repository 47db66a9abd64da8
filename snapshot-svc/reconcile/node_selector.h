/* node_selector.h - do the labels of a node satisfy what a pod asks of its node?
 * Spec: core/v1 PodSpec.nodeSelector and NodeAffinity.requiredDuringSchedulingIgnoredDuringExecution, as the
 * scheduler reads them. Pure. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/* spec: of the pod. labels: an object of strings. What is malformed, or asks for node fields, matches nothing. */
bool node_selector_matches(const json_t *spec, const json_t *labels);
