/* members.h - which members of a pod template this node acts on, and which it cannot.
 *
 * What changes a pod's behaviour is done or refused, never dropped in silence. Members that are not in the
 * tables are refused, too: Kubernetes grows, and so would the silence. */
#pragma once

#include <jansson.h>

#include "shared/base/error.h"
#include "shared/json/json.h"

enum member_scope { MEMBERS_OF_SPEC, MEMBERS_OF_CONTAINER, MEMBERS_OF_MOUNT, MEMBERS_SCOPE_MAX };

/* Adds the paths of members that have no effect here, but would elsewhere, to *ignored ("livenessProbe").
 * ERR_INVALID, reason InvalidPod: one that cannot be honoured. what: "spec", "spec.containers[0]". */
int members_check(const json_t *object, enum member_scope scope, const char *what,
                  struct json_strings *ignored, struct error *err);

/* Answers -1: ERR_INVALID, reason InvalidPod. */
int invalid_pod(struct error *err, const char *fmt, ...) PRINTF(2, 3);
