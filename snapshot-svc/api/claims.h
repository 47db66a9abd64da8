/* claims.h - the PersistentVolumeClaims that a sandbox mounts: made where they are missing and wanted.
 * Spec: contract/rest-api.md §4.1 row 10. They belong to no sandbox and stay when it goes. */
#pragma once

#include <opensandbox/orchestrator/v1/orchestrator.pb-c.h>

#include "shared/base/error.h"
#include "snapshot-svc/cluster/cluster.h"

/* A claim that we may not read, or not make, is left to the cluster: then the sandbox's pod waits for it, as it does for
 * one that is missing and not to be made. sandbox_id: the label of what is made.
 * ERR_INVALID: the cluster refuses such a claim. */
int claims_ensure(struct cluster *cluster, const char *ns, const char *sandbox_id,
                  Opensandbox__Orchestrator__V1__VolumeClaim *const *claims, size_t count, struct error *err);
