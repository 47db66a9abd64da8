/* job_build.h - the Jobs that commit a pod, and that thaw it after a commit that failed.
 * Spec: contract/controller-behaviour.md §9.1; contract/crds.md §6.1, §7; K8 (names), K36 (tolerations). Private to
 * snapshot-svc/reconcile.
 *
 * Beyond OpenSandbox's row, because the program captures byte by byte and obeys the kill rule (ARCHITECTURE.md):
 *   containerd's root   the upper layers are read as files: its Diff service loses xattrs and same-size rewrites
 *   host PIDs, KILL     a paused sandbox's processes get SIGKILL while they are frozen, so that none acts after the capture
 *   cgroups             where those processes are listed, and whether they are frozen
 *   SYS_ADMIN           trusted.* xattrs (overlay's opaque and redirect marks, files' own)
 *   DAC_READ_SEARCH     the sandbox's files belong to anybody
 *   journal folder      a second pod of the Job, or the unpause Job, learns by the commit key what the first one did */
#pragma once

#include <jansson.h>

#include "snapshot-svc/reconcile/planners.h"

struct job_request {
    const struct sandboxsnapshot *snapshot;      /* whose Job: name, namespace, uid */
    const struct sandboxsnapshot_status *source; /* pod, node, containers, attempt */
    const struct reconcile_config *config;
    bool hold; /* commit: kill what is frozen (a pause), or thaw it (a snapshot of a sandbox that runs on) */
};

/* New Job objects; the caller's. */
json_t *job_build_commit(const struct job_request *request);
json_t *job_build_unpause(const struct job_request *request);
