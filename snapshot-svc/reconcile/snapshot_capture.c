/* A pause whose pod was handed over: its processes are dead, its files are the agent's on that node, and nowhere else until they are
 * pushed.
 *
 *   Committing -- releasable --> RELEASE_KILL, then the condition Captured: both can be repeated
 *   Captured   -- uploaded --> Succeed
 *              -- a failure that may pass --> the dispatcher asks again, until --upload-timeout
 *              -- any other, or too late --> KEEP_LOCALLY -- its images --> Failed, keptOnNode
 *              -- the agent is away, or does not know the key --> as it is, told once
 *
 * The law: from Captured on a snapshot says Succeed, or where its files are, or it goes on committing. It never says that they are lost. */
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "snapshot-svc/reconcile/snapshot_pass.h"

enum {
    KEPT_LOOK_MS = 1000,           /* at the answer, if its own telling does not come first */
    WITHOUT_DIGEST_MS = 60 * 1000, /* an agent that names no digest is asked again */
};

#define UPLOADING "Uploading"

/* ---- to Captured ---- */

bool capture_is_due(const struct snapshot_pass *pass)
{
    const struct commit_view *commit = pass->seen->commit;

    if (!commit || commit->state == COMMIT_SUCCEEDED)
        return false;
    return commit->handed_over ||
           (commit->state == COMMIT_RUNNING && commit->releasable && snapshot_is_hold(pass));
}

void capture_set_condition(struct snapshot_pass *pass)
{
    if (sandboxsnapshot_is_captured(&pass->status))
        return;
    SCOPED(string)
    char *message = xasprintf("The pod's processes are dead and its files are held on node %s",
                              pass->status.source_node_name);
    condition_set(&pass->status.conditions, SNAPSHOT_CONDITION_CAPTURED, "HandedOver", message, pass->now_ms);
}

void capture_begin(struct snapshot_pass *pass)
{
    const struct sandboxsnapshot_status *status = &pass->status;
    SCOPED(string) char *key = sandboxsnapshot_commit_key(pass->seen->snapshot, status->attempts);

    act_release_kill(pass->plan, status->source_node_name, key, status->source_pod_uid);
    capture_set_condition(pass);
    snapshot_set_text(&pass->status.path, "Handover");
    snapshot_set_text(&pass->status.progress.phase, UPLOADING);
    snapshot_write_status(pass);
    SCOPED(string)
    char *message = xasprintf("Captured on node %s; the upload goes on", status->source_node_name);
    act_event(pass->plan, pass->self, false, SNAPSHOT_CONDITION_CAPTURED, message);
    plan_requeue_at(pass->plan, capture_upload_deadline_ms(pass));
}

int64_t capture_upload_deadline_ms(const struct snapshot_pass *pass)
{
    const struct condition *captured = condition_find(&pass->status.conditions, SNAPSHOT_CONDITION_CAPTURED);
    const int64_t since_ms = captured ? captured->last_transition_ms : pass->now_ms;

    return since_ms + pass->config->upload_timeout_ms;
}

/* ---- while it is uploaded ---- */

/* Once for each reason: the phase of the progress remembers it. */
static void tell_trouble(struct snapshot_pass *pass, const char *reason, const char *details)
{
    const char *known = pass->status.progress.phase;

    if (known && strcmp(known, reason) == 0)
        return;
    SCOPED(string)
    char *message = xasprintf("%s: %s; the sandbox's files are on node %s alone", reason,
                              details ? details : "the agent gave no details", pass->status.source_node_name);
    snapshot_set_text(&pass->status.progress.phase, reason);
    snapshot_write_status(pass);
    act_event(pass->plan, pass->self, true, "UploadFailed", message);
}

static void store_progress(struct snapshot_pass *pass, const struct commit_progress *seen)
{
    struct snapshot_progress *progress = &pass->status.progress;

    snapshot_set_text(&progress->phase, UPLOADING);
    if (seen->phase) {
        progress->bytes_read = seen->bytes_read;
        progress->bytes_total = seen->bytes_total;
        progress->bytes_pushed = seen->bytes_pushed;
        progress->files = seen->files;
    }
    snapshot_write_status(pass);
}

static void uploading(struct snapshot_pass *pass)
{
    const struct commit_view *commit = pass->seen->commit;

    plan_requeue_at(pass->plan, capture_upload_deadline_ms(pass));
    if (snapshot_agent_is_away(pass))
        return;
    if (commit->reason)
        tell_trouble(pass, commit->reason, commit->message);
    else
        store_progress(pass, &commit->progress);
}

/* ---- when it cannot be ---- */

static void keep_locally(struct snapshot_pass *pass)
{
    const struct commit_view *commit = pass->seen->commit;
    SCOPED(string) char *key = sandboxsnapshot_commit_key(pass->seen->snapshot, pass->status.attempts);

    if (snapshot_agent_is_away(pass)) /* its coming wakes us */
        return;
    if (commit->reason)
        tell_trouble(pass, commit->reason, commit->message);
    act_on_commit(pass->plan, ACTION_KEEP_LOCALLY, pass->status.source_node_name, key);
    plan_requeue_at(pass->plan, pass->now_ms + KEPT_LOOK_MS);
}

/* Without digests nobody could say which files a resume would run. */
static void without_digest(struct snapshot_pass *pass)
{
    tell_trouble(pass, "MissingDigest", "the agent named no digest for a container");
    plan_requeue_at(pass->plan, pass->now_ms + WITHOUT_DIGEST_MS);
}

static void enter_kept(struct snapshot_pass *pass)
{
    const struct commit_view *commit = pass->seen->commit;
    const char *node = pass->status.source_node_name;

    if (!snapshot_store_digests(pass)) {
        without_digest(pass);
        return;
    }
    SCOPED(string)
    char *message =
        xasprintf("%s: %s; its files are on node %s", commit->reason ? commit->reason : "DeadlineExceeded",
                  commit->message ? commit->message : "the upload did not end within --upload-timeout", node);
    snapshot_set_text(&pass->status.kept_on_node, node);
    snapshot_enter_failed(pass, "CommitJobFailed", "JobFailed", message);
}

void captured_step(struct snapshot_pass *pass)
{
    const bool is_late = pass->now_ms >= capture_upload_deadline_ms(pass);

    switch (snapshot_commit_state(pass)) {
    case COMMIT_UNKNOWN:
    case COMMIT_STATE_MAX:
        (void)snapshot_agent_is_away(pass); /* asked all the same: it may come any moment */
        snapshot_plan_commit(pass, pass->status.source_pod_name, true, true);
        return;
    case COMMIT_RUNNING:
        if (is_late)
            keep_locally(pass);
        else
            uploading(pass);
        return;
    case COMMIT_SUCCEEDED:
        if (snapshot_store_digests(pass))
            snapshot_enter_succeeded_by_agent(pass);
        else
            without_digest(pass);
        return;
    case COMMIT_FAILED:
        if (pass->seen->commit->kept)
            enter_kept(pass);
        else
            keep_locally(pass);
        return;
    }
}
