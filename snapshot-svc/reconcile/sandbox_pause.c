/* Pausing: from the accepted wish to the last pod gone (contract §5).
 *
 *   steady  --wish-->  Pausing + ACK   (one write, before any side effect)
 *   Pausing            number the cycle, create <bs>-pause, wait for its commit
 *           Succeed -> kill each pod while it is frozen, delete it, wait until it is gone -> Paused
 *           Captured -> the files are the agent's, the processes dead: the pods go while the upload goes on
 *           Failed  -> back to what the pods say, PauseFailed (the agent has thawed them)
 *           Failed, kept on its node -> PauseFailed and Resuming, there (sandbox_resume.c) */
#include "snapshot-svc/reconcile/sandbox_pass.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "snapshot-svc/model/names.h"

enum {
    SNAPSHOT_GONE_MS = 1000, /* look again, if the deletion's own event does not come first */
    KILLED_GRACE_S = 1,      /* nothing is left in the pod that could use a longer grace period */
};

/* ---- start (§5.1) ---- */

static enum pause_start refuse(struct sandbox_pass *pass, const char *reason, const char *message)
{
    pass_set_condition(pass, CONDITION_PAUSE_FAILED, reason, message);
    pass_acknowledge(pass);
    pass_event(pass, true, "PauseFailed", message);
    return PAUSE_REFUSED;
}

static enum pause_start refuse_replicas(struct sandbox_pass *pass)
{
    const struct batchsandbox_spec *spec = &pass->sandbox->spec;
    SCOPED(string) char *found = spec->replicas_set ? xasprintf("%d", (int)spec->replicas) : xstrdup("none");
    SCOPED(string)
    char *message =
        spec->replicas_set && spec->replicas == 1
            ? xasprintf("pause needs spec.replicas=1 and one pod, found %d pods; delete the others first",
                        (int)pass->health.live)
            : xasprintf("pause needs spec.replicas=1, found %s", found);
    return refuse(pass, "UnsupportedReplicas", message);
}

static enum pause_start refuse_foreign(struct sandbox_pass *pass)
{
    SCOPED(string)
    char *message = xasprintf(
        "SandboxSnapshot %s belongs to somebody else: want the controller owner BatchSandbox %s (uid %s); "
        "delete it, then pause again",
        pass->seen->snapshot->meta.name, pass->sandbox->meta.name, pass->sandbox->meta.uid);
    return refuse(pass, "SnapshotNotOwned", message);
}

/* No pod runs: most often it is on its way (K35). */
static enum pause_start without_running_pod(struct sandbox_pass *pass)
{
    if (pass->health.failing == 0)
        return PAUSE_WAITS;
    SCOPED(string) char *why = pod_health_message(&pass->health, false);
    SCOPED(string) char *message = xasprintf("no running pod to pause: %s", why);
    return refuse(pass, "PodNotFound", message);
}

/* An old snapshot goes first, and nothing is acknowledged until it is gone. */
static enum pause_start replace_snapshot(struct sandbox_pass *pass)
{
    const bool kept_files = pass_snapshot_holds_files(pass) && pass->phase != SANDBOX_SUCCEED;

    /* It may be the only good copy: a resume that has not come through so far is no reason to drop it. */
    if (kept_files && pass->health.ready == 0)
        return refuse(pass, "SnapshotFailed",
                      "the last resume did not complete and its snapshot is kept: resume the sandbox before "
                      "pausing it");
    if (!pass->snapshot_deleting && pass->standing == SNAPSHOT_OURS)
        pass_delete_snapshot(pass, &pass->after);
    plan_requeue_at(&pass->after, pass->now_ms + SNAPSHOT_GONE_MS);
    return PAUSE_BLOCKED;
}

enum pause_start pause_start(struct sandbox_pass *pass)
{
    const struct batchsandbox_spec *spec = &pass->sandbox->spec;

    if (!spec->replicas_set || spec->replicas != 1 || pass->health.live > 1)
        return refuse_replicas(pass);
    if (pass->standing == SNAPSHOT_FOREIGN)
        return refuse_foreign(pass);
    if (!pass->health.running)
        return without_running_pod(pass);
    if (pass->standing == SNAPSHOT_FORMER || pass->snapshot_deleting ||
        snapshot_phase_is_final(pass->snapshot_phase))
        return replace_snapshot(pass);

    pass_clear_condition(pass, CONDITION_PAUSE_FAILED);
    pass_enter(pass, SANDBOX_PAUSING);
    pass_acknowledge(pass);
    pass_event(pass, false, "Pausing", "Pausing sandbox");
    return PAUSE_STARTED;
}

/* ---- failure (§5.2) ---- */

static void pause_failed(struct sandbox_pass *pass, const char *reason, const char *message)
{
    SCOPED(string) char *pod_message = NULL;
    const enum sandbox_phase phase = pass->health.live == 0 ? SANDBOX_FAILED : pass_phase_of_pods(pass);

    pass_enter(pass, phase);
    if (pass->health.failing > 0) {
        const char *pod_reason = pass_failure(pass, false, &pod_message);
        pass_set_condition(pass, CONDITION_POD_FAILED, pod_reason, pod_message);
    }
    pass_set_condition(pass, CONDITION_PAUSE_FAILED, reason, message);
    pass_acknowledge_if(pass, PAUSE_TRUE);
    pass_event(pass, true, "PauseFailed", message);
}

static void snapshot_failed(struct sandbox_pass *pass)
{
    const struct condition *failed =
        condition_find(&pass->seen->snapshot->status.conditions, SNAPSHOT_CONDITION_FAILED);
    const char *message = failed && failed->message ? failed->message : "snapshot failed";
    pause_failed(pass, pass->health.live > 0 ? "SnapshotFailed" : "PodNotFound", message);
}

/* The containers ran on, says their agent. The snapshot goes first: after a crash in between, Pausing without a snapshot takes a new
 * one; the other way round somebody could resume from files that are older than the sandbox's. */
static void hold_was_lost(struct sandbox_pass *pass, const char *reason)
{
    SCOPED(string)
    char *message = xasprintf(
        "%s: the containers ran on after the snapshot, so it no longer equals the sandbox; pause again",
        reason);

    act_delete(&pass->before, pass_snapshot(pass), -1);
    pause_failed(pass, "SnapshotFailed", message);
}

/* Only pods we see say so, and they may be an old view: the snapshot goes after the write that an old view cannot make. */
static void pod_is_another(struct sandbox_pass *pass, const struct pod *pod)
{
    SCOPED(string)
    char *message =
        xasprintf("pod %s is not the one that was snapshotted (%s, uid %s); pause again", pod->meta.name,
                  pass->seen->snapshot->status.source_pod_name, pass->seen->snapshot->status.source_pod_uid);

    pause_failed(pass, "SnapshotFailed", message);
    act_delete(&pass->after, pass_snapshot(pass), -1);
}

/* ---- the snapshot object ---- */

static json_t *snapshot_object(const struct sandbox_pass *pass, const char *name, int64_t cycle)
{
    SCOPED(string) char *number = xasprintf("%lld", (long long)cycle);
    const struct object_meta *meta = &pass->sandbox->meta;

    return json_pack("{s:s, s:s, s:{s:s, s:s, s:[s], s:{s:s}, s:o}, s:{s:s}}", "apiVersion",
                     SANDBOX_API_VERSION, "kind", "SandboxSnapshot", "metadata", "name", name, "namespace",
                     meta->ns ? meta->ns : "", "finalizers", FINALIZER_SNAPSHOT, "annotations",
                     ANNOTATION_PAUSE_CYCLE, number, "ownerReferences", owner_references_to_sandbox(meta),
                     "spec", "sandboxName", meta->name);
}

/* Gives this pause its number, once: ANNOTATION_PAUSE_CYCLE_OF tells a later pass that it has one. */
static int64_t number_cycle(struct sandbox_pass *pass)
{
    const struct object_meta *meta = &pass->sandbox->meta;
    const int64_t last = pause_cycle_parse(meta_annotation(meta, ANNOTATION_PAUSE_CYCLE));
    const char *belongs_to = meta_annotation(meta, ANNOTATION_PAUSE_CYCLE_OF);
    SCOPED(string) char *this_pause = xasprintf("%lld", (long long)pass->status.pause_observed_generation);

    if (last > 0 && belongs_to && strcmp(belongs_to, this_pause) == 0)
        return last;
    /* Unreadable: each pause took a generation of its own, so this one is above all numbers used so far. */
    const int64_t next = last < 0 ? meta->generation : last + 1;
    SCOPED(string) char *number = xasprintf("%lld", (long long)next);
    act_patch(&pass->before, pass_sandbox(pass),
              json_pack("{s:{s:{s:s, s:s}}}", "metadata", "annotations", ANNOTATION_PAUSE_CYCLE, number,
                        ANNOTATION_PAUSE_CYCLE_OF, this_pause));
    pass->hold_status = true;
    return next;
}

static void create_snapshot(struct sandbox_pass *pass)
{
    const int64_t cycle = number_cycle(pass);
    SCOPED(string) char *name = name_internal_snapshot(pass->sandbox->meta.name);

    act_create(&pass->after, KIND_SANDBOX_SNAPSHOT, pass->sandbox->meta.ns, name,
               snapshot_object(pass, name, cycle), "PauseFailed");
}

/* ---- completion (§5.3) ---- */

/* What the dispatcher learned when it tried to release the pod; NULL: nothing bad. */
static const char *lost_hold(const struct sandbox_pass *pass)
{
    const struct commit_view *commit = pass->seen->commit;

    if (!commit || commit->state != COMMIT_FAILED || !commit->reason)
        return NULL;
    bool lost = strcmp(commit->reason, "HoldExpired") == 0 || strcmp(commit->reason, "CommitLost") == 0;
    return lost ? commit->reason : NULL;
}

/* A pod whose files are not in the snapshot, or NULL. */
static const struct pod *other_pod(const struct sandbox_pass *pass)
{
    const struct pod_health *health = &pass->health;
    const char *source = pass->seen->snapshot->status.source_pod_uid;

    for (int32_t i = 0; source && i < health->total; i++) {
        const struct object_meta *meta = &health->pods[i].pod->meta;
        if (!meta_is_deleting(meta) && strcmp(meta->uid ? meta->uid : "", source) != 0)
            return health->pods[i].pod;
    }
    return NULL;
}

/* A pod that was handed over is dead already. Otherwise it is killed while it is frozen, so nothing runs after the capture; only then is it deleted. A Job has killed it before it
 * succeeded; that of another controller has not, so its processes may end well. */
static void release_pod(struct sandbox_pass *pass, const struct pod *pod)
{
    const struct sandboxsnapshot *snapshot = pass->seen->snapshot;

    if (!meta_is_deleting(&pod->meta) && snapshot->status.attempts > 0 &&
        !sandboxsnapshot_is_captured(&snapshot->status) &&
        sandboxsnapshot_committer(&snapshot->status) == COMMITTER_AGENT) {
        SCOPED(string) char *key = sandboxsnapshot_commit_key(snapshot, snapshot->status.attempts);
        act_release_kill(&pass->after, snapshot->status.source_node_name, key, pod->meta.uid);
    }
    pass_delete_pod(pass, pod, snapshot->status.attempts > 0 ? KILLED_GRACE_S : -1);
}

static void enter_paused(struct sandbox_pass *pass)
{
    pass_enter(pass, SANDBOX_PAUSED);
    pass_clear_condition(pass, CONDITION_PAUSE_FAILED);
    pass_clear_condition(pass, CONDITION_POD_FAILED);
    pass->status.task_running = pass->status.task_succeed = pass->status.task_failed = 0;
    pass->status.task_pending = pass->status.task_unknown = 0;
    pass_acknowledge_if(pass, PAUSE_TRUE); /* a resume asked for meanwhile stays open */
    pass_event(pass, false, "Paused", "Sandbox is paused");
}

static void release_pods(struct sandbox_pass *pass)
{
    for (int32_t i = 0; i < pass->health.total; i++)
        release_pod(pass, pass->health.pods[i].pod);
}

/* The snapshot is all there is, so it stays whatever pods there are; and a pod that nobody captured is nobody's to delete. */
static void release_captured_pods(struct sandbox_pass *pass)
{
    const struct pod *other = other_pod(pass);

    if (!other) {
        release_pods(pass);
        return;
    }
    SCOPED(string)
    char *message =
        xasprintf("pod %s (uid %s) is not the one that was captured: delete it, then the pause goes on",
                  other->meta.name, other->meta.uid);
    pass_event(pass, true, "PodNotCaptured", message);
}

/* No outcome of the upload is waited for, and none but its own ends the pause. */
static void follow_upload(struct sandbox_pass *pass)
{
    pass_enter(pass, SANDBOX_PAUSING);
    release_captured_pods(pass);
}

static void complete_captured_pause(struct sandbox_pass *pass)
{
    release_captured_pods(pass);
    if (pass->health.total == 0)
        enter_paused(pass);
}

/* The only copy of the files is on that node. The pod that comes there is told from the one that was captured by its name being free. */
static void come_back_from_node(struct sandbox_pass *pass)
{
    const struct sandboxsnapshot_status *snapshot = &pass->seen->snapshot->status;
    const struct condition *failed = condition_find(&snapshot->conditions, SNAPSHOT_CONDITION_FAILED);

    release_captured_pods(pass);
    if (pass->health.total > 0)
        return;
    const char *message = failed && failed->message ? failed->message : "snapshot failed";
    pass_enter(pass, SANDBOX_RESUMING);
    pass_clear_condition(pass, CONDITION_RESUME_FAILED);
    pass_set_condition(pass, CONDITION_PAUSE_FAILED, "SnapshotFailed", message);
    pass_acknowledge_if(pass, PAUSE_TRUE);
    pass_event(pass, true, "PauseFailed", message);
}

static void complete_pause(struct sandbox_pass *pass)
{
    const struct pod_health *health = &pass->health;
    const char *lost = health->live > 0 ? lost_hold(pass) : NULL;
    const struct pod *other = other_pod(pass);

    if (lost) {
        hold_was_lost(pass, lost);
        return;
    }
    if (other) {
        pod_is_another(pass, other);
        return;
    }
    release_pods(pass);
    if (health->total == 0) /* Paused promises that the pods are gone (K16) */
        enter_paused(pass);
}

/* ---- the step ---- */

static void follow_snapshot(struct sandbox_pass *pass)
{
    const struct sandboxsnapshot_status *snapshot = &pass->seen->snapshot->status;
    const bool captured = sandboxsnapshot_is_captured(snapshot);

    switch (pass->snapshot_phase) {
    case SNAPSHOT_COMMITTING:
        if (captured)
            follow_upload(pass);
        return; /* its next change wakes us */
    case SNAPSHOT_PHASE_NONE:
    case SNAPSHOT_PENDING:
    case SNAPSHOT_PHASE_UNKNOWN:
    case SNAPSHOT_PHASE_MAX:
        return;
    case SNAPSHOT_SUCCEED:
        if (captured)
            complete_captured_pause(pass);
        else
            complete_pause(pass);
        return;
    case SNAPSHOT_FAILED:
        if (sandboxsnapshot_is_kept(snapshot))
            come_back_from_node(pass);
        else
            snapshot_failed(pass);
        return;
    }
}

void pausing_step(struct sandbox_pass *pass)
{
    switch (pass->standing) {
    case SNAPSHOT_ABSENT:
        create_snapshot(pass);
        return;
    case SNAPSHOT_FOREIGN:
        pause_failed(
            pass, "SnapshotNotOwned",
            "a SandboxSnapshot with this sandbox's name and -pause belongs to somebody else; delete it, then "
            "pause again");
        return;
    case SNAPSHOT_FORMER:
        plan_requeue_at(&pass->after, pass->now_ms + SNAPSHOT_GONE_MS);
        return;
    case SNAPSHOT_OURS:
    case SNAPSHOT_STANDING_MAX:
        break;
    }
    if (pass->snapshot_deleting) /* somebody removed it: a new one is taken when it is gone */
        plan_requeue_at(&pass->after, pass->now_ms + SNAPSHOT_GONE_MS);
    else
        follow_snapshot(pass);
}
