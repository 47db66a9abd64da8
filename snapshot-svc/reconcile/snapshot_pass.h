/* snapshot_pass.h - one pass over a SandboxSnapshot: what was seen, what the status will be, what to do.
 * snapshot_plan.c leads and knows the agents, snapshot_reference.c the snapshots that need no commit, snapshot_capture.c what they have been handed over; snapshot_job.c knows the Jobs. Private to snapshot-svc/reconcile. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "snapshot-svc/reconcile/actions.h"
#include "snapshot-svc/reconcile/planners.h"

/* Past the deadline: for the committer's own timeout to be told first. */
enum { OUTCOME_GRACE_MS = 30 * 1000 };

struct snapshot_pass {
    const struct sandboxsnapshot_observed *seen;
    const struct reconcile_config *config;
    int64_t now_ms;
    struct object_ref self;
    struct sandboxsnapshot_status status; /* to be written */
    struct plan *plan;
};

/* ---- of every committer (snapshot_plan.c) ---- */
void snapshot_write_status(struct snapshot_pass *pass);
void snapshot_enter_failed(struct snapshot_pass *pass, const char *reason, const char *event,
                           const char *message);
void snapshot_enter_succeeded(struct snapshot_pass *pass, const char *event);
void snapshot_set_text(char **slot, const char *text); /* NULL clears */
int64_t snapshot_deadline_ms(const struct snapshot_pass *pass);
bool snapshot_is_hold(const struct snapshot_pass *pass); /* a pause: stay frozen, and die frozen */
bool snapshot_source_is_live(const struct sandboxsnapshot_observed *seen);
enum commit_state snapshot_commit_state(const struct snapshot_pass *pass);
bool snapshot_store_digests(struct snapshot_pass *pass); /* false: one is missing */
void snapshot_enter_succeeded_by_agent(struct snapshot_pass *pass);
/* true: told. Once, not by each pass: the phase of the progress remembers it. */
bool snapshot_agent_is_away(struct snapshot_pass *pass);
/* Start or attach: the key is the same, so the agent knows which. attach: it may have been asked for before. */
void snapshot_plan_commit(struct snapshot_pass *pass, const char *pod_name, bool hold, bool attach);

void snapshot_wait(struct snapshot_pass *pass); /* Pending: for what others do with the sandbox */

/* ---- of a sandbox that stands still (snapshot_reference.c) ---- */
/* Before anything has begun. true: told; false: it is a pod that is to be committed. */
bool reference_step(struct snapshot_pass *pass);

/* ---- handed over (snapshot_capture.c) ---- */
/* The agent says that the pod may be released, or that it has been, and the status does not yet. */
bool capture_is_due(const struct snapshot_pass *pass);
void capture_begin(struct snapshot_pass *pass);
void capture_set_condition(struct snapshot_pass *pass);
/* Committing with the condition Captured. */
void captured_step(struct snapshot_pass *pass);
int64_t capture_upload_deadline_ms(const struct snapshot_pass *pass); /* of its upload */

/* ---- Jobs (snapshot_job.c) ---- */
/* After the status that says Committing by a Job. */
void job_begin(struct snapshot_pass *pass, bool hold);
void job_committing_step(struct snapshot_pass *pass);
/* true: Jobs of another attempt, or of somebody else, have our names, and have to go first (K32). */
bool job_leftovers(struct snapshot_pass *pass);
/* Being deleted. false: a Job still works on the pod, or its debts are being paid (K20). */
bool jobs_are_settled(struct snapshot_pass *pass, int64_t give_up_ms);
