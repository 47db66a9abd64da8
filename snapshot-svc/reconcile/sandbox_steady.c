/* Phases "", Pending, Succeed and Failed: wishes are answered, pods made, the phase follows the pods
 * (contract §3, §4, §7). */
#include "snapshot-svc/reconcile/sandbox_pass.h"

#include <stdlib.h>

#include "shared/base/cleanup.h"

/* A complete snapshot, no pods and a template that lacks its images: the status was lost (a restored backup)
 * or a user removed the pod of a failed resume after changing the snapshot. Making a pod now would boot older
 * files and then drop the snapshot. */
static bool is_lost_pause(const struct sandbox_pass *pass)
{
    return pass->phase != SANDBOX_SUCCEED && pass->health.total == 0 && pass_snapshot_holds_files(pass) &&
           pass_template_lacks_snapshot(pass);
}

/* true: the pass stops here. */
static bool answer_wish(struct sandbox_pass *pass, bool *ret_refused)
{
    *ret_refused = false;
    switch (pass->intent) {
    case INTENT_PAUSE: {
        enum pause_start start = pause_start(pass);
        *ret_refused = start == PAUSE_REFUSED;
        return start == PAUSE_STARTED || start == PAUSE_BLOCKED;
    }
    case INTENT_RESUME:
        if (resume_retry(pass))
            return true;
        pass_acknowledge(pass); /* it runs, or nothing is kept that could be resumed */
        return false;
    case INTENT_NONE:
    case INTENT_ACK_ONLY:
    case INTENT_MAX:
        break;
    }
    return false;
}

static void enter_failed(struct sandbox_pass *pass)
{
    const bool known =
        pass->phase == SANDBOX_FAILED &&
        condition_is_true(&pass->status.conditions, sandbox_condition_name(CONDITION_POD_FAILED));
    SCOPED(string) char *message = NULL;
    const char *reason = pass_failure(pass, false, &message);

    pass_enter(pass, SANDBOX_FAILED);
    if (!known) /* the first reason is the one that tells most */
        pass_set_condition(pass, CONDITION_POD_FAILED, reason, message);
}

/* A resume that had failed has come through after all. */
static void forget_failed_resume(struct sandbox_pass *pass)
{
    if (!condition_is_true(&pass->status.conditions, sandbox_condition_name(CONDITION_RESUME_FAILED)))
        return;
    pass_clear_condition(pass, CONDITION_RESUME_FAILED);
    pass_event(pass, false, "Resumed", "Sandbox is running again");
}

static void follow_pods(struct sandbox_pass *pass)
{
    const enum sandbox_phase next = pass_phase_of_pods(pass);

    if (next == SANDBOX_FAILED) {
        enter_failed(pass);
        return;
    }
    pass_clear_condition(pass, CONDITION_POD_FAILED);
    pass_enter(pass, next);
    if (next == SANDBOX_SUCCEED)
        forget_failed_resume(pass);
}

/* Once the sandbox has run, its files are newer than the snapshot's. The snapshot goes before a status that
 * could make somebody resume from it (Failed), and after the status that says the resume is done. */
static void drop_obsolete_snapshot(struct sandbox_pass *pass)
{
    if (!pass_snapshot_holds_files(pass))
        return;
    if (pass->phase == SANDBOX_SUCCEED)
        pass_delete_snapshot(pass, &pass->before);
    else if (batchsandbox_phase(&pass->status) == SANDBOX_SUCCEED)
        pass_delete_snapshot(pass, &pass->after);
}

void steady_step(struct sandbox_pass *pass)
{
    bool refused = false;

    if (is_lost_pause(pass)) {
        pass_enter(pass, SANDBOX_PAUSED);
        return;
    }
    if (answer_wish(pass, &refused))
        return;
    pass_create_missing_pods(pass);
    follow_pods(pass);
    drop_obsolete_snapshot(pass);

    /* Nothing to tell before the first pod is seen; it comes within moments and brings the first status. */
    if (pass->phase == SANDBOX_PHASE_NONE && pass->health.total == 0 && pass->sandbox->spec.replicas > 0 &&
        !pass->unbuildable && !refused)
        pass->hold_status = true;
}
