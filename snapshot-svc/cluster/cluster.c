#include "snapshot-svc/cluster/cluster.h"

#define OPENSANDBOX "sandbox.opensandbox.io/v1alpha1"

/* clang-format off */
static const struct cluster_kind_info kinds[] = {
    [KIND_BATCH_SANDBOX]    = {OPENSANDBOX, "BatchSandbox",    "batchsandboxes"},
    [KIND_SANDBOX_SNAPSHOT] = {OPENSANDBOX, "SandboxSnapshot", "sandboxsnapshots"},
    [KIND_POD]              = {"v1",        "Pod",             "pods"},
    [KIND_SECRET]           = {"v1",        "Secret",          "secrets"},
    [KIND_EVENT]            = {"v1",        "Event",           "events"},
    [KIND_JOB]              = {"batch/v1",  "Job",             "jobs"},
    [KIND_LEASE]            = {"coordination.k8s.io/v1", "Lease", "leases"},
    [KIND_VOLUME_CLAIM]     = {"v1",        "PersistentVolumeClaim", "persistentvolumeclaims"},
};
/* clang-format on */
_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == KIND_MAX, "every kind has a row");

const struct cluster_kind_info *cluster_kind_info(enum cluster_kind kind)
{
    return &kinds[kind];
}
