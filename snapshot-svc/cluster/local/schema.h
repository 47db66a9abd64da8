/* schema.h - defaults and checks of the custom resources, as the API server does them from the CRDs.
 * Spec: contract/crds.md sections 2 and 3, and the additive members of the model's status. Only BatchSandbox and
 * SandboxSnapshot have a schema here. */
#pragma once

#include <jansson.h>

#include "shared/base/error.h"
#include "snapshot-svc/cluster/cluster.h"

/* Removes members that the schema does not know, or that are null, and fills in defaults, where the enclosing object is present. A new
 * member of a status needs a row in schema.c, as it needs one in the CRD: without it, it is lost here as there. */
void schema_apply(enum cluster_kind kind, json_t *object);
/* ERR_INVALID: the first member that breaks a rule, "spec.replicas: Invalid value: -1: ...". */
int schema_check(enum cluster_kind kind, const json_t *object, struct error *err);
