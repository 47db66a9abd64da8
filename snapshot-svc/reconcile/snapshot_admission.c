#include "snapshot-svc/reconcile/snapshot_admission.h"

#include "snapshot-svc/reconcile/intent.h"

static int refuse(const struct batchsandbox *sandbox, const char *why, struct error *err)
{
    const char *phase =
        sandbox->status.phase_name && *sandbox->status.phase_name ? sandbox->status.phase_name : "none";

    (void)error_set(err, ERR_PRECONDITION,
                    "cannot snapshot sandbox %s in phase %s: %s; a snapshot needs one that runs or is paused",
                    sandbox->meta.name, phase, why);
    return error_reason(err, "InvalidSourceState");
}

/* Somebody wants it to become something else, and nobody has answered yet. */
static bool is_about_to_change(const struct batchsandbox *sandbox)
{
    const enum intent intent = sandbox_intent(sandbox);
    return intent == INTENT_PAUSE || intent == INTENT_RESUME;
}

static bool has_its_files(const struct batchsandbox *sandbox, const struct sandboxsnapshot *pause)
{
    return pause && sandboxsnapshot_is_internal(pause, sandbox->meta.uid) &&
           sandboxsnapshot_has_files(&pause->status);
}

int admit_snapshot(const struct batchsandbox *sandbox, const struct sandboxsnapshot *pause, struct error *err)
{
    if (meta_is_deleting(&sandbox->meta))
        return refuse(sandbox, "it is being deleted", err);
    switch (batchsandbox_phase(&sandbox->status)) {
    case SANDBOX_SUCCEED:
        return is_about_to_change(sandbox) ? refuse(sandbox, "operation in progress", err) : 0;
    case SANDBOX_PAUSED: /* a resume does not change the files that are there now */
        return has_its_files(sandbox, pause) ? 0 : refuse(sandbox, "the snapshot of its pause is gone", err);
    case SANDBOX_PAUSING:
    case SANDBOX_RESUMING:
        return refuse(sandbox, "operation in progress", err);
    case SANDBOX_PENDING:
    case SANDBOX_PHASE_NONE:
        return refuse(sandbox, "being created", err);
    case SANDBOX_FAILED:
    case SANDBOX_PHASE_UNKNOWN:
    case SANDBOX_PHASE_MAX:
        break;
    }
    return refuse(sandbox, "not available", err);
}
