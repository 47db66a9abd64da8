#include "snapshot-svc/reconcile/admission.h"

#include <stdbool.h>

static bool has(const struct batchsandbox *sandbox, enum sandbox_condition condition)
{
    return condition_is_true(&sandbox->status.conditions, sandbox_condition_name(condition));
}

/* An unchanged value makes no new generation; after a failure the last wish is still written there. */
static enum admit_step step_to(const struct batchsandbox *sandbox, enum pause_wish target,
                               enum sandbox_condition failed)
{
    return sandbox->spec.pause == (int)target || has(sandbox, failed) ? ADMIT_BRIDGE : ADMIT_PATCH;
}

static int refuse(const struct batchsandbox *sandbox, const char *verb, const char *why, struct error *err)
{
    const char *phase =
        sandbox->status.phase_name && *sandbox->status.phase_name ? sandbox->status.phase_name : "none";

    (void)error_set(err, ERR_PRECONDITION, "cannot %s sandbox %s in phase %s: %s", verb, sandbox->meta.name,
                    phase, why);
    return error_reason(err, "InvalidState");
}

int admit_pause(const struct batchsandbox *sandbox, enum admit_step *ret_step, struct error *err)
{
    if (meta_is_deleting(&sandbox->meta))
        return refuse(sandbox, "pause", "it is being deleted", err);
    switch (batchsandbox_phase(&sandbox->status)) {
    case SANDBOX_SUCCEED:
        *ret_step = step_to(sandbox, PAUSE_TRUE, CONDITION_PAUSE_FAILED);
        return 0;
    case SANDBOX_PAUSED:
        return refuse(sandbox, "pause", "already paused", err);
    case SANDBOX_PAUSING:
    case SANDBOX_RESUMING:
        return refuse(sandbox, "pause", "operation in progress", err);
    case SANDBOX_PENDING:
        return refuse(sandbox, "pause", "being created", err);
    case SANDBOX_FAILED:
        return refuse(sandbox, "pause",
                      has(sandbox, CONDITION_PAUSE_FAILED) ? "not available, pause caused pod loss"
                                                           : "not available",
                      err);
    case SANDBOX_PHASE_NONE:
    case SANDBOX_PHASE_UNKNOWN:
    case SANDBOX_PHASE_MAX:
        break;
    }
    return refuse(sandbox, "pause", "expected Succeed", err);
}

int admit_resume(const struct batchsandbox *sandbox, enum admit_step *ret_step, struct error *err)
{
    if (meta_is_deleting(&sandbox->meta))
        return refuse(sandbox, "resume", "it is being deleted, expected Paused", err);
    switch (batchsandbox_phase(&sandbox->status)) {
    case SANDBOX_PAUSED:
        *ret_step = step_to(sandbox, PAUSE_FALSE, CONDITION_RESUME_FAILED);
        return 0;
    case SANDBOX_PAUSING:
    case SANDBOX_RESUMING:
        return refuse(sandbox, "resume", "operation in progress", err);
    case SANDBOX_PENDING:
        return refuse(sandbox, "resume", "being created", err);
    case SANDBOX_FAILED:
        return refuse(sandbox, "resume",
                      has(sandbox, CONDITION_RESUME_FAILED) ? "not available, resume caused pod start failure"
                                                            : "not available",
                      err);
    case SANDBOX_SUCCEED:
    case SANDBOX_PHASE_NONE:
    case SANDBOX_PHASE_UNKNOWN:
    case SANDBOX_PHASE_MAX:
        break;
    }
    return refuse(sandbox, "resume", "expected Paused", err);
}
