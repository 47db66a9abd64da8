/* snapshot_admission.h - may the API ask for a public snapshot of this sandbox now?
 * Spec: contract/rest-api.md §12. Decide on a fresh read; what changes after that, the planner sees (snapshot_reference.c). */
#pragma once

#include "shared/base/error.h"
#include "snapshot-svc/model/batchsandbox.h"
#include "snapshot-svc/model/sandboxsnapshot.h"

/* pause: the object <sandbox>-pause, or NULL. ERR_PRECONDITION, reason InvalidSourceState: it neither runs nor is paused; the text
 * says what it is. */
int admit_snapshot(const struct batchsandbox *sandbox, const struct sandboxsnapshot *pause,
                   struct error *err);
