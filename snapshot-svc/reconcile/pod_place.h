/* pod_place.h - which node a restored pod goes to.
 * Private to snapshot-svc/reconcile. */
#pragma once

#include <jansson.h>

/* Adds to what the pod asks of nodes already: `preferred` as a wish of the greatest weight, by its label kubernetes.io/hostname,
 * which is what every scheduler scores; `required` as a condition of every alternative, by the node's name. NULL: none. A pod
 * whose affinity is malformed is left for the API server to refuse. */
void pod_place(json_t *pod, const char *preferred, const char *required);
