/* follow.h - waits for a sandbox or a snapshot to become something, on snapshot-svc's watch streams.
 *
 * A stream that breaks because snapshot-svc restarts is opened again, with backoff, until the deadline: the
 * stream always begins with the present state, so nothing is missed. */
#pragma once

#include "lifecycle-svc/sandbox/orchestrator.h"
#include "lifecycle-svc/sandbox/service.h"

/* Looks at the sandbox: 1 ends the wait, 0 goes on, -1 ends it with err. */
typedef int follow_fn(void *self, const orch_sandbox *sandbox, struct error *err);

#define FOLLOW_FOR_EVER (INT64_C(1) << 40) /* ms: three decades; no sum with a clock overflows */

/* Calls look(self) with the state now and after every change until it says stop.
 * ERR_TIMEOUT: timeout_ms (at most FOLLOW_FOR_EVER), or the caller's own deadline, passed; ERR_CANCELLED: the caller left;
 * ERR_NOT_FOUND: the sandbox is gone. None has a contract code yet. */
int sandbox_follow(const struct sandbox_service *service, const char *name,
                   const struct sandbox_caller *caller, int64_t timeout_ms, follow_fn *look, void *self,
                   struct error *err);

/* The same for a public snapshot. */
typedef int follow_snapshot_fn(void *self, const orch_snapshot *snapshot, struct error *err);
int snapshot_follow(const struct sandbox_service *service, const char *id,
                    const struct sandbox_caller *caller, int64_t timeout_ms, follow_snapshot_fn *look,
                    void *self, struct error *err);

/* Waits so long and for nothing. ERR_TIMEOUT: the caller's own deadline passed first; ERR_CANCELLED: the caller left. */
int sandbox_follow_pause(const struct sandbox_caller *caller, int64_t pause_ms, struct error *err);
