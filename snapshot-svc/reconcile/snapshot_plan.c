/* The SandboxSnapshot planner (contract §8). Who commits is decided before anything is frozen: the node's agent, or a Job.
 *
 *   "" / Pending -- the sandbox is paused --> Succeed (snapshot_reference.c)
 *   "" / Pending -- checks --> Committing, then ACTION_COMMIT or the Job   (one write before the side effect)
 *                         \--> Failed, with the reason of the check
 *   Committing -- the agent's outcome, or the Job's (snapshot_job.c) --> Succeed | Failed
 *              -- a pause that can be released --> Captured (snapshot_capture.c)
 *   Succeed, Failed: final. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/pod_health.h"
#include "snapshot-svc/reconcile/snapshot_checks.h"
#include "snapshot-svc/reconcile/snapshot_pass.h"

enum {
    CANCEL_TRIES_MS = 120 * 1000, /* for an agent that cannot be reached; its own timeouts thaw after that */
    AUTO_WAITS_FOR_AGENT_MS = 10 * 1000, /* then a Job does it: the node may not be meant to have one */
    DOUBT_LOOK_MS = 60 * 1000,           /* if the agent's coming does not wake us */
    AGENT_IS_BACK_MS = 60 * 1000, /* a rolling update of the DaemonSet, with the old pod's grace period */
};

enum commit_state snapshot_commit_state(const struct snapshot_pass *pass)
{
    return pass->seen->commit ? pass->seen->commit->state : COMMIT_UNKNOWN;
}

void snapshot_write_status(struct snapshot_pass *pass)
{
    const struct sandboxsnapshot *snapshot = pass->seen->snapshot;
    json_t *before = snapshot->has_status ? sandboxsnapshot_status_write(&snapshot->status) : json_object();

    pass->status.observed_generation = snapshot->meta.generation;
    act_status(pass->plan, pass->self, before, sandboxsnapshot_status_write(&pass->status));
}

static void enter_final(struct snapshot_pass *pass, enum snapshot_phase phase)
{
    sandboxsnapshot_set_phase(&pass->status, phase);
    free(pass->status.progress.phase);
    pass->status.progress = (struct snapshot_progress){0};
    pass->status.completion_ms = pass->now_ms - pass->now_ms % 1000;
    condition_remove(&pass->status.conditions, SNAPSHOT_CONDITION_STOPPING);
}

void snapshot_enter_failed(struct snapshot_pass *pass, const char *reason, const char *event,
                           const char *message)
{
    enter_final(pass, SNAPSHOT_FAILED);
    condition_set(&pass->status.conditions, SNAPSHOT_CONDITION_FAILED, reason, message, pass->now_ms);
    snapshot_write_status(pass);
    act_event(pass->plan, pass->self, true, event, message);
}

void snapshot_enter_succeeded(struct snapshot_pass *pass, const char *event)
{
    enter_final(pass, SNAPSHOT_SUCCEED);
    condition_set(&pass->status.conditions, SNAPSHOT_CONDITION_READY, "SnapshotReady", "Snapshot is ready",
                  pass->now_ms);
    snapshot_write_status(pass);
    act_event(pass->plan, pass->self, false, event, "Snapshot is ready");
}

static void end_commit(struct snapshot_pass *pass, enum action_type how)
{
    const struct sandboxsnapshot_status *status = &pass->seen->snapshot->status;
    SCOPED(string) char *key = sandboxsnapshot_commit_key(pass->seen->snapshot, status->attempts);

    act_on_commit(pass->plan, how, status->source_node_name, key);
}

/* ---- deleting ---- */

bool snapshot_source_is_live(const struct sandboxsnapshot_observed *seen)
{
    const char *uid = seen->snapshot->status.source_pod_uid;

    for (size_t i = 0; i < seen->pod_count; i++)
        if (uid && seen->pods[i]->meta.uid && strcmp(seen->pods[i]->meta.uid, uid) == 0)
            return !meta_is_deleting(&seen->pods[i]->meta);
    return false;
}

/* Of a pause, whether or not its sandbox is still there. */
static bool is_of_a_pause(const struct sandboxsnapshot *snapshot)
{
    const struct owner_reference *owner = meta_controller(&snapshot->meta);
    return owner && sandboxsnapshot_is_internal(snapshot, owner->uid);
}

static bool sandbox_lives_on(const struct sandboxsnapshot_observed *seen)
{
    const struct owner_reference *owner = meta_controller(&seen->snapshot->meta);

    return owner && seen->sandbox && !meta_is_deleting(&seen->sandbox->meta) &&
           strcmp(owner->uid, seen->sandbox->meta.uid) == 0;
}

/* What the agent has to hear of the end of this snapshot; ACTION_MAX: nothing. Containers may be frozen for it while it commits, and
 * after a pause's success until the pod is on its way out (K20). A pause may have been handed over, with or without our knowing. A
 * sandbox that came back runs on the image that its node kept, which its next pause needs: that is let go with the sandbox only. */
static enum action_type owed_to_agent(const struct sandboxsnapshot_observed *seen)
{
    const struct sandboxsnapshot_status *status = &seen->snapshot->status;

    if (status->attempts == 0 || !status->source_node_name ||
        sandboxsnapshot_committer(status) != COMMITTER_AGENT)
        return ACTION_MAX;
    switch (sandboxsnapshot_phase(status)) {
    case SNAPSHOT_COMMITTING:
        return is_of_a_pause(seen->snapshot) ? ACTION_DISCARD : ACTION_CANCEL;
    case SNAPSHOT_SUCCEED:
        return snapshot_source_is_live(seen) && !sandboxsnapshot_is_captured(status) ? ACTION_CANCEL
                                                                                     : ACTION_MAX;
    case SNAPSHOT_FAILED:
        return sandboxsnapshot_is_kept(status) && !sandbox_lives_on(seen) ? ACTION_DISCARD : ACTION_MAX;
    case SNAPSHOT_PHASE_NONE:
    case SNAPSHOT_PENDING:
    case SNAPSHOT_PHASE_UNKNOWN:
    case SNAPSHOT_PHASE_MAX:
        break;
    }
    return ACTION_MAX;
}

static json_t *other_finalizers(const struct object_meta *meta)
{
    json_t *rest = json_array();

    for (size_t i = 0; i < meta->finalizers.count; i++)
        if (strcmp(meta->finalizers.items[i], FINALIZER_SNAPSHOT) != 0)
            json_array_append_new(rest, json_string(meta->finalizers.items[i]));
    return rest;
}

static void plan_deletion(struct snapshot_pass *pass)
{
    const struct object_meta *meta = &pass->seen->snapshot->meta;
    const int64_t give_up_ms = meta->deleted_ms + CANCEL_TRIES_MS;

    if (!meta_has_finalizer(meta, FINALIZER_SNAPSHOT) || !jobs_are_settled(pass, give_up_ms))
        return;
    const enum action_type owed = owed_to_agent(pass->seen);
    if (owed != ACTION_MAX && pass->now_ms < give_up_ms) {
        end_commit(pass, owed);
        plan_requeue_at(pass->plan, give_up_ms);
    }
    act_patch(pass->plan, pass->self,
              json_pack("{s:{s:o}}", "metadata", "finalizers", other_finalizers(meta)));
}

static void add_finalizer(struct snapshot_pass *pass)
{
    json_t *all = other_finalizers(&pass->seen->snapshot->meta);

    json_array_append_new(all, json_string(FINALIZER_SNAPSHOT));
    act_patch(pass->plan, pass->self, json_pack("{s:{s:o}}", "metadata", "finalizers", all));
}

/* ---- Pending (§8.1) ---- */

int64_t snapshot_deadline_ms(const struct snapshot_pass *pass)
{
    return pass->status.start_ms + pass->config->commit_timeout_ms;
}

static void fill_targets(struct action *action, const struct json_list *containers)
{
    const struct snapshot_container *images = containers->items;

    action->targets = xcalloc(containers->count, sizeof(*action->targets));
    action->target_count = containers->count;
    for (size_t i = 0; i < containers->count; i++)
        action->targets[i] = (struct commit_target){xstrdup(images[i].name), xstrdup(images[i].image_uri)};
}

void snapshot_plan_commit(struct snapshot_pass *pass, const char *pod_name, bool hold, bool attach)
{
    const struct sandboxsnapshot *snapshot = pass->seen->snapshot;
    const bool captured = sandboxsnapshot_is_captured(&pass->status);
    const int64_t deadline_ms = captured ? capture_upload_deadline_ms(pass) : snapshot_deadline_ms(pass);
    const int64_t left_ms = deadline_ms - pass->now_ms;
    struct action *action = plan_add(pass->plan, ACTION_COMMIT);

    action->kind = KIND_SANDBOX_SNAPSHOT;
    action->ns = xstrdup(snapshot->meta.ns);
    action->name = xstrdup(snapshot->meta.name);
    action->node = xstrdup(pass->status.source_node_name);
    action->commit_key = sandboxsnapshot_commit_key(snapshot, pass->status.attempts);
    action->pod_ns = xstrdup(snapshot->meta.ns);
    action->pod_name = xstrdup(pod_name);
    action->pod_uid = xstrdup(pass->status.source_pod_uid);
    action->hold = hold;
    action->early_release = hold;
    action->attach = attach;
    action->handed_over = captured;
    action->upload_timeout_ms = pass->config->upload_timeout_ms;
    action->timeout_ms = left_ms > 1 ? left_ms : 1;
    action->deadline_ms = deadline_ms;
    fill_targets(action, &pass->status.containers);
    if (left_ms > 0 || !captured)
        plan_requeue_at(pass->plan, deadline_ms + (captured ? 0 : OUTCOME_GRACE_MS));
}

void snapshot_set_text(char **slot, const char *text)
{
    free(*slot);
    *slot = text ? xstrdup(text) : NULL;
}

/* ---- who commits ---- */

static void start(struct snapshot_pass *pass, const struct snapshot_source *source)
{
    if (sandboxsnapshot_committer(&pass->status) == COMMITTER_JOB) {
        job_begin(pass, source->internal);
        return;
    }
    SCOPED(string)
    char *message = xasprintf("Committing pod %s on node %s", source->pod->meta.name, source->pod->node_name);
    act_event(pass->plan, pass->self, false, "CreatedJob", message);
    snapshot_plan_commit(pass, source->pod->meta.name, source->internal, false);
}

static void begin_commit(struct snapshot_pass *pass, const struct snapshot_source *source,
                         enum snapshot_committer committer)
{
    const struct snapshot_container *images = source->images.items;
    struct sandboxsnapshot_status *status = &pass->status;
    const int32_t attempts = status->attempts + 1;

    sandboxsnapshot_status_done(status); /* nothing of an earlier try stays */
    sandboxsnapshot_set_phase(status, SNAPSHOT_COMMITTING);
    snapshot_set_text(&status->source_pod_name, source->pod->meta.name);
    snapshot_set_text(&status->source_pod_uid, source->pod->meta.uid);
    snapshot_set_text(&status->source_node_name, source->pod->node_name);
    for (size_t i = 0; i < source->images.count; i++)
        sandboxsnapshot_add_container(status, images[i].name, images[i].image_uri);
    status->attempts = attempts;
    status->start_ms = pass->now_ms - pass->now_ms % 1000;
    sandboxsnapshot_set_committer(status, committer);
    snapshot_write_status(pass);
    start(pass, source);
}

/* startTime of a Pending snapshot: since when it waits. */
static int64_t waits_since_ms(struct snapshot_pass *pass)
{
    if (pass->status.start_ms == 0 || sandboxsnapshot_phase(&pass->status) != SNAPSHOT_PENDING)
        pass->status.start_ms = pass->now_ms - pass->now_ms % 1000;
    return pass->status.start_ms;
}

/* true: it waits on. */
static bool wait_for_agent(struct snapshot_pass *pass, const char *node, int64_t patience_ms,
                           const char *what_then)
{
    const bool first = pass->seen->snapshot->status.start_ms == 0;
    const int64_t until_ms = waits_since_ms(pass) + patience_ms;

    if (pass->now_ms >= until_ms)
        return false;
    sandboxsnapshot_set_phase(&pass->status, SNAPSHOT_PENDING);
    snapshot_write_status(pass);
    plan_requeue_at(pass->plan, until_ms);
    if (first) {
        SCOPED(string)
        char *message =
            xasprintf("node %s has no committer-agent that is ready: waiting %lld s for it, then %s", node,
                      (long long)(patience_ms / 1000), what_then);
        act_event(pass->plan, pass->self, true, "AgentUnreachable", message);
    }
    return true;
}

static void fail_without_agent(struct snapshot_pass *pass, const char *node)
{
    SCOPED(string)
    char *message = xasprintf(
        "node %s has no committer-agent that is ready; see the agents' DaemonSet, or run the controller with "
        "--commit-mode=auto",
        node);
    snapshot_enter_failed(pass, "AgentUnreachable", "AgentUnreachable", message);
}

static void choose_committer(struct snapshot_pass *pass, const struct snapshot_source *source)
{
    const enum commit_mode mode = pass->config->commit_mode;
    const char *node = source->pod->node_name;

    if (mode == COMMIT_MODE_JOB)
        begin_commit(pass, source, COMMITTER_JOB);
    else if (pass->seen->agent_ready)
        begin_commit(pass, source, COMMITTER_AGENT);
    else if (mode == COMMIT_MODE_AGENT) {
        if (!wait_for_agent(pass, node, AGENT_IS_BACK_MS, "the snapshot fails"))
            fail_without_agent(pass, node);
    } else if (!wait_for_agent(pass, node, AUTO_WAITS_FOR_AGENT_MS, "a Job commits"))
        begin_commit(pass, source, COMMITTER_JOB);
}

/* Its end wakes us. */
void snapshot_wait(struct snapshot_pass *pass)
{
    sandboxsnapshot_set_phase(&pass->status, SNAPSHOT_PENDING);
    pass->status.start_ms = 0;
    snapshot_write_status(pass);
}

static void pending_step(struct snapshot_pass *pass)
{
    struct snapshot_source source = {0};
    struct error why = {0};

    if (reference_step(pass))
        return;
    if (snapshot_source_find(pass->seen, pass->config, &source, &why) < 0) {
        snapshot_enter_failed(pass, why.reason, why.reason, why.text);
        return;
    }
    if (pass->seen->busy_with) /* one commit per pod at a time (K21) */
        snapshot_wait(pass);
    else if (!job_leftovers(pass))
        choose_committer(pass, &source);
    snapshot_source_done(&source);
}

/* ---- Committing (§8.2) ---- */

bool snapshot_is_hold(const struct snapshot_pass *pass)
{
    const struct batchsandbox *sandbox = pass->seen->sandbox;
    return sandbox && sandboxsnapshot_is_internal(pass->seen->snapshot, sandbox->meta.uid);
}

static void store_progress(struct snapshot_pass *pass, const struct commit_progress *seen)
{
    struct snapshot_progress *progress = &pass->status.progress;

    if (!seen->phase)
        return; /* attached, and nothing told yet */
    snapshot_set_text(&progress->phase, seen->phase);
    progress->bytes_read = seen->bytes_read;
    progress->bytes_total = seen->bytes_total;
    progress->bytes_pushed = seen->bytes_pushed;
    progress->files = seen->files;
    snapshot_write_status(pass);
}

bool snapshot_agent_is_away(struct snapshot_pass *pass)
{
    static const char waiting[] = "WaitingForAgent";
    const char *node = pass->status.source_node_name;

    if (pass->seen->agent_ready)
        return false;
    if (pass->status.progress.phase && strcmp(pass->status.progress.phase, waiting) == 0)
        return true;
    SCOPED(string)
    char *message =
        xasprintf("node %s has no committer-agent that is ready: %s goes on when it is back", node,
                  sandboxsnapshot_is_captured(&pass->status)
                      ? "it has the only copy of the sandbox's files, whose upload"
                      : "the commit");
    snapshot_set_text(&pass->status.progress.phase, waiting);
    snapshot_write_status(pass);
    act_event(pass->plan, pass->self, true, "AgentUnreachable", message);
    return true;
}

/* Thaws before it says Failed: after that nobody would come back for the pod. An agent that stays away is not waited for for ever. */
static void give_up(struct snapshot_pass *pass, const char *message)
{
    if (pass->now_ms < snapshot_deadline_ms(pass) + OUTCOME_GRACE_MS + CANCEL_TRIES_MS)
        end_commit(pass, ACTION_CANCEL);
    snapshot_enter_failed(pass, "CommitJobFailed", "JobFailed", message);
}

static void running_step(struct snapshot_pass *pass)
{
    const int64_t last_ms = snapshot_deadline_ms(pass) + OUTCOME_GRACE_MS;

    if (pass->now_ms < last_ms) {
        plan_requeue_at(pass->plan, last_ms);
        if (!snapshot_agent_is_away(pass))
            store_progress(pass, &pass->seen->commit->progress);
        return;
    }
    if (pass->seen->commit->in_doubt) { /* its pod may be dead, and its files nowhere else */
        (void)snapshot_agent_is_away(pass);
        plan_requeue_at(pass->plan, pass->now_ms + DOUBT_LOOK_MS);
        return;
    }
    /* The agent ends a commit at its timeout itself. One that does not answers for nothing any more. */
    give_up(pass, "DeadlineExceeded: the agent did not finish within --commit-job-timeout");
}

static const struct commit_image *image_of(const struct commit_view *commit, const char *container)
{
    for (size_t i = 0; i < commit->image_count; i++)
        if (commit->images[i].container && strcmp(commit->images[i].container, container) == 0)
            return &commit->images[i];
    return NULL;
}

bool snapshot_store_digests(struct snapshot_pass *pass)
{
    struct snapshot_container *containers = pass->status.containers.items;

    pass->status.size_bytes = 0; /* an earlier try may have stopped at a digest that was missing */
    pass->status.layers = 0;
    for (size_t i = 0; i < pass->status.containers.count; i++) {
        const struct commit_image *image = image_of(pass->seen->commit, containers[i].name);
        if (!image || !image->digest || !*image->digest)
            return false;
        snapshot_set_text(&containers[i].image_digest, image->digest);
        pass->status.size_bytes += image->image_size;
        if ((int32_t)image->layers > pass->status.layers)
            pass->status.layers = (int32_t)image->layers;
    }
    return true;
}

static void store_path(struct snapshot_pass *pass)
{
    const struct commit_view *commit = pass->seen->commit;

    snapshot_set_text(&pass->status.path, commit->path);
    snapshot_set_text(&pass->status.path_message, commit->path_why);
    pass->status.frozen_ms = (int64_t)commit->frozen_ms;
}

void snapshot_enter_succeeded_by_agent(struct snapshot_pass *pass)
{
    store_path(pass);
    if (pass->seen->commit->handed_over) /* we may hear of that with its success only */
        capture_set_condition(pass);
    snapshot_enter_succeeded(pass, "JobSucceeded");
}

static void succeeded_step(struct snapshot_pass *pass)
{
    if (!snapshot_store_digests(
            pass)) { /* digests decide what a resume runs: without them it is no success */
        give_up(pass, "MissingDigest: the agent named no digest for a container");
        return;
    }
    snapshot_enter_succeeded_by_agent(pass);
}

static void failed_step(struct snapshot_pass *pass)
{
    const struct commit_view *commit = pass->seen->commit;
    SCOPED(string)
    char *message = xasprintf("%s: %s", commit->reason ? commit->reason : "CommitFailed",
                              commit->message ? commit->message : "the agent gave no details");
    snapshot_enter_failed(pass, "CommitJobFailed", "JobFailed", message);
}

static void committing_step(struct snapshot_pass *pass)
{
    const struct sandboxsnapshot_status *status = &pass->status;

    if (status->attempts == 0 || !status->source_node_name || !status->source_pod_uid ||
        status->containers.count == 0) {
        pending_step(pass); /* not by us (a Job of an earlier controller): nothing to attach to */
        return;
    }
    if (sandboxsnapshot_committer(status) == COMMITTER_JOB) {
        job_committing_step(pass);
        return;
    }
    if (sandboxsnapshot_is_captured(status)) {
        captured_step(pass);
        return;
    }
    if (capture_is_due(pass)) {
        capture_begin(pass);
        return;
    }
    switch (snapshot_commit_state(pass)) {
    case COMMIT_UNKNOWN:
    case COMMIT_STATE_MAX:
        (void)snapshot_agent_is_away(pass); /* asked all the same: it may come any moment */
        snapshot_plan_commit(pass, status->source_pod_name, snapshot_is_hold(pass), true);
        return;
    case COMMIT_RUNNING:
        running_step(pass);
        return;
    case COMMIT_SUCCEEDED:
        succeeded_step(pass);
        return;
    case COMMIT_FAILED:
        failed_step(pass);
        return;
    }
}

/* ---- the pass ---- */

static void take_step(struct snapshot_pass *pass)
{
    const struct sandboxsnapshot *snapshot = pass->seen->snapshot;

    if (meta_is_deleting(&snapshot->meta)) {
        plan_deletion(pass);
        return;
    }
    if (!meta_has_finalizer(&snapshot->meta, FINALIZER_SNAPSHOT)) {
        add_finalizer(pass);
        return;
    }
    switch (sandboxsnapshot_phase(&snapshot->status)) {
    case SNAPSHOT_COMMITTING:
        committing_step(pass);
        return;
    case SNAPSHOT_SUCCEED:
    case SNAPSHOT_FAILED:
        snapshot_write_status(pass); /* observedGeneration; the outcome and its reason stay (K18) */
        return;
    case SNAPSHOT_PHASE_NONE:
    case SNAPSHOT_PENDING:
    case SNAPSHOT_PHASE_UNKNOWN:
    case SNAPSHOT_PHASE_MAX:
        pending_step(pass);
        return;
    }
}

const char *sandboxsnapshot_source_node(const struct sandboxsnapshot *snapshot, const struct pod *const *pods,
                                        size_t pod_count)
{
    struct pod_health health;
    struct error ignored = {0}; /* the check of the pod tells it */

    if (sandboxsnapshot_phase(&snapshot->status) == SNAPSHOT_COMMITTING && snapshot->status.source_node_name)
        return snapshot->status.source_node_name;
    if (pod_health_read(pods, pod_count, &health, &ignored) < 0)
        return NULL;
    const struct pod *running = health.running;
    pod_health_done(&health);
    return running ? running->node_name : NULL;
}

bool sandboxsnapshot_may_begin(const struct sandboxsnapshot *snapshot)
{
    return !meta_is_deleting(&snapshot->meta) &&
           !snapshot_phase_is_final(sandboxsnapshot_phase(&snapshot->status)) &&
           (sandboxsnapshot_phase(&snapshot->status) != SNAPSHOT_COMMITTING ||
            snapshot->status.attempts == 0);
}

bool sandboxsnapshot_needs_push_secret(const struct sandboxsnapshot *snapshot)
{
    return sandboxsnapshot_may_begin(snapshot);
}

bool sandboxsnapshot_depends_on_phase(const struct sandboxsnapshot *snapshot)
{
    return sandboxsnapshot_may_begin(snapshot) && !is_of_a_pause(snapshot);
}

int sandboxsnapshot_plan(const struct sandboxsnapshot_observed *seen, const struct reconcile_config *config,
                         int64_t now_unix_ms, struct plan *plan, struct error *err)
{
    struct snapshot_pass pass = {.seen = seen, .config = config, .now_ms = now_unix_ms, .plan = plan};

    (void)err; /* whatever is wrong with a snapshot is told in its conditions */
    *plan = (struct plan)PLAN_INIT;
    pass.self = (struct object_ref){KIND_SANDBOX_SNAPSHOT, &seen->snapshot->meta};
    sandboxsnapshot_status_copy(&seen->snapshot->status, &pass.status);
    take_step(&pass);
    sandboxsnapshot_status_done(&pass.status);
    return 0;
}
