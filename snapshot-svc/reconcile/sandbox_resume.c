/* Paused and Resuming: from the wish to a ready pod with the snapshot's files (contract §6).
 *
 *   Paused   --wish-->  Resuming + ACK
 *   Resuming            images into the template (one patch), then the pod, from an object that has them
 *            ready   -> Succeed, and the snapshot goes
 *            failing -> Failed + ResumeFailed, the snapshot stays
 *            no usable snapshot and no pod -> Paused + ResumeFailed
 * A pause whose image could not be pushed comes back by the same steps, on the one node that has it. */
#include "snapshot-svc/reconcile/sandbox_pass.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/restore.h"

/* The kubelet pulls again after 10 s, and a little later at first. */
enum { SECOND_PULL_MS = 15 * 1000 };

static void resume_start(struct sandbox_pass *pass)
{
    pass_clear_condition(pass, CONDITION_RESUME_FAILED);
    pass_clear_condition(pass, CONDITION_POD_FAILED);
    pass_enter(pass, SANDBOX_RESUMING);
    pass_acknowledge(pass);
    pass_event(pass, false, "Resuming", "Resuming sandbox");
}

void paused_step(struct sandbox_pass *pass)
{
    pass_enter(pass, SANDBOX_PAUSED);
    if (pass->intent == INTENT_RESUME)
        resume_start(pass);
    else if (pass->intent == INTENT_PAUSE)
        pass_acknowledge(pass); /* it is paused; the snapshot is all there is, nobody touches it (K1) */
}

/* An old copy of the sandbox may still say Failed when it runs again by now. So the first removal rides behind a write that only a
 * current copy can make. */
static void claim_retry(struct sandbox_pass *pass)
{
    const char *claimed = meta_annotation(&pass->sandbox->meta, ANNOTATION_RESUME_RETRY);
    SCOPED(string) char *wish = xasprintf("%lld", (long long)pass->sandbox->meta.generation);

    if (claimed && strcmp(claimed, wish) == 0)
        return;
    act_patch(&pass->before, pass_sandbox(pass),
              json_pack("{s:{s:{s:s}}}", "metadata", "annotations", ANNOTATION_RESUME_RETRY, wish));
    pass->hold_status = true;
}

/* The broken pod goes first, before the wish is acknowledged: a crash finds the wish still open and goes on here (K6). */
bool resume_retry(struct sandbox_pass *pass)
{
    const struct pod_health *health = &pass->health;

    if (pass->phase != SANDBOX_FAILED || !pass_snapshot_holds_files(pass) || health->ready > 0)
        return false;
    if (health->total == 0) {
        resume_start(pass);
        return true;
    }
    if (health->live > 0)
        claim_retry(pass);
    for (int32_t i = 0; i < health->total; i++)
        pass_delete_pod(pass, health->pods[i].pod, -1);
    return true;
}

/* ---- finish (§6.3) ---- */

static void resume_failed(struct sandbox_pass *pass)
{
    SCOPED(string) char *message = NULL, *pod_message = NULL;
    const char *reason = pass_failure(pass, true, &message);
    const char *pod_reason = pass_failure(pass, false, &pod_message);

    pass_enter(pass, SANDBOX_FAILED);
    pass_set_condition(pass, CONDITION_RESUME_FAILED, reason, message);
    pass_set_condition(pass, CONDITION_POD_FAILED, pod_reason, pod_message);
    pass_event(pass, true, "ResumeFailed", message);
}

static void resume_done(struct sandbox_pass *pass)
{
    pass_enter(pass, SANDBOX_SUCCEED);
    pass_clear_condition(pass, CONDITION_RESUME_FAILED);
    pass_clear_condition(pass, CONDITION_POD_FAILED);
    pass_acknowledge_if(pass, PAUSE_FALSE); /* a pause asked for meanwhile stays open */
    pass_event(pass, false, "Resumed", "Sandbox is running again");
    if (pass_snapshot_holds_files(pass))
        act_delete(&pass->after, pass_snapshot(pass), -1);
}

/* Until when the kubelet may still be about to pull again, Unix ms; 0: it has had its second try, or the failure is no pull. */
static int64_t pulls_again_until(const struct sandbox_pass *pass)
{
    const struct pod_health *health = &pass->health;
    const char *reason = health->primary_reason;
    int64_t until_ms = 0;

    if (!reason || (strcmp(reason, "ErrImagePull") != 0 && strcmp(reason, "ImagePullBackOff") != 0))
        return 0;
    for (int32_t i = 0; i < health->total; i++) {
        const struct object_meta *meta = &health->pods[i].pod->meta;
        if (!meta_is_deleting(meta) && meta->created_ms + SECOND_PULL_MS > until_ms)
            until_ms = meta->created_ms + SECOND_PULL_MS;
    }
    return until_ms > pass->now_ms ? until_ms : 0;
}

/* The first pull of a pod may fail for a reason that is gone by the second: the kubelet has not seen the pull Secret yet, a
 * registry restarts. So the reason is told at once, and the resume fails when it fails again. */
static void follow_failing_pods(struct sandbox_pass *pass)
{
    const int64_t until_ms = pulls_again_until(pass);
    SCOPED(string) char *message = NULL;

    if (until_ms == 0) {
        resume_failed(pass);
        return;
    }
    (void)pass_failure(pass, true, &message);
    pass_enter(pass, SANDBOX_RESUMING);
    pass_event(pass, true, "ImagePullRetry", message);
    plan_requeue_at(&pass->after, until_ms);
}

static void follow_pods(struct sandbox_pass *pass)
{
    switch (pass_phase_of_pods(pass)) {
    case SANDBOX_FAILED:
        follow_failing_pods(pass);
        return;
    case SANDBOX_SUCCEED:
        resume_done(pass);
        return;
    case SANDBOX_PHASE_NONE:
    case SANDBOX_PENDING:
    case SANDBOX_PAUSING:
    case SANDBOX_PAUSED:
    case SANDBOX_RESUMING:
    case SANDBOX_PHASE_UNKNOWN:
    case SANDBOX_PHASE_MAX:
        pass_enter(pass, SANDBOX_RESUMING);
        return;
    }
}

/* ---- without a usable snapshot ---- */

static void back_to_paused(struct sandbox_pass *pass, const char *reason, const char *message)
{
    pass_enter(pass, SANDBOX_PAUSED);
    pass_set_condition(pass, CONDITION_RESUME_FAILED, reason, message);
    pass_acknowledge_if(pass, PAUSE_FALSE);
    pass_event(pass, true, "ResumeFailed", message);
}

static void tell_why_unusable(struct sandbox_pass *pass)
{
    SCOPED(string) char *message = NULL;

    switch (pass->standing) {
    case SNAPSHOT_ABSENT:
        back_to_paused(pass, "SnapshotNotFound", "SandboxSnapshot not found");
        return;
    case SNAPSHOT_FOREIGN:
    case SNAPSHOT_FORMER:
        message = xasprintf(
            "SandboxSnapshot %s belongs to somebody else: want the controller owner BatchSandbox %s "
            "(uid %s)",
            pass->seen->snapshot->meta.name, pass->sandbox->meta.name, pass->sandbox->meta.uid);
        back_to_paused(pass, "SnapshotNotOwned", message);
        return;
    case SNAPSHOT_OURS:
    case SNAPSHOT_STANDING_MAX:
        break;
    }
    if (sandboxsnapshot_has_files(&pass->seen->snapshot->status))
        message = xstrdup("snapshot not ready: status.containers names no container of spec.template");
    else
        message =
            xasprintf("snapshot not ready: phase=%s",
                      pass->seen->snapshot->status.phase_name ? pass->seen->snapshot->status.phase_name : "");
    back_to_paused(pass, "SnapshotNotReady", message);
}

/* A pod that is there already was made from the snapshot while there was one: it decides. Paused is only said
 * without pods. */
static void resume_without_snapshot(struct sandbox_pass *pass)
{
    if (pass->health.live > 0)
        follow_pods(pass);
    else if (pass->health.total == 0)
        tell_why_unusable(pass);
}

/* ---- the step (§6.2) ---- */

void resuming_step(struct sandbox_pass *pass)
{
    const struct sandboxsnapshot *snapshot = pass->seen->snapshot;
    SCOPED(json) json_t *patch = NULL;
    enum restore_result restore = RESTORE_NO_IMAGES;

    /* One that is being deleted still says which images to run. */
    if (pass->standing == SNAPSHOT_OURS && sandboxsnapshot_has_files(&snapshot->status))
        restore = restore_patch(pass->sandbox, snapshot, pass->config->resume_pull_secret, &patch);
    switch (restore) {
    case RESTORE_NO_IMAGES:
        resume_without_snapshot(pass);
        return;
    case RESTORE_NEEDED:
        /* The pod comes in a later pass, from an object that has the images: a stale copy can only plan this
         * patch again, and its resourceVersion refuses it. */
        act_patch(&pass->before, pass_sandbox(pass), TAKE(patch));
        pass->hold_status = true;
        return;
    case RESTORE_DONE:
        pass_create_missing_pods(pass);
        follow_pods(pass);
        return;
    }
}
