/* schema.h - defaults and checks of the custom resources, as the API server does them from the CRDs.
 * Spec: contract/crds.md sections 2 and 3. Only BatchSandbox and SandboxSnapshot have a schema here. */
#pragma once

#include <jansson.h>

#include "shared/base/error.h"
#include "snapshot-svc/cluster/cluster.h"

/* Fills in defaults, where the enclosing object is present. */
void schema_default(enum cluster_kind kind, json_t *object);
/* ERR_INVALID: the first member that breaks a rule, "spec.replicas: Invalid value: -1: ...". */
int schema_check(enum cluster_kind kind, const json_t *object, struct error *err);
