/* sandbox_pass.h - one pass over a BatchSandbox: what was seen, what the status will be, what to do.
 * The steps (sandbox_steady.c, sandbox_pause.c, sandbox_resume.c) fill it, sandbox_plan.c turns it into the
 * plan.
 *
 * Order of the plan: `before`, the one status write, its Events, `after`, the endpoints annotation. Only one
 * write of a pass carries the sandbox's resourceVersion: a step that patches the sandbox itself sets
 * `hold_status`, and the status follows in the pass that its own patch wakes. The clock's writes (sandbox_ttl.h) come last: STOP rides
 * in a patch that is made anyway, most often the one that numbers the pause, so that no pause has a write more for it; what
 * finds no place waits for the pass that this one's write wakes. Private to
 * snapshot-svc/reconcile. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "snapshot-svc/reconcile/actions.h"
#include "snapshot-svc/reconcile/intent.h"
#include "snapshot-svc/reconcile/planners.h"
#include "snapshot-svc/reconcile/pod_health.h"
#include "snapshot-svc/reconcile/sandbox_ttl.h"

/* Of the object called "<bs>-pause". */
enum snapshot_standing {
    SNAPSHOT_ABSENT,
    SNAPSHOT_OURS,
    SNAPSHOT_FORMER,  /* owned by a sandbox of our name that is gone: garbage collection takes it */
    SNAPSHOT_FOREIGN, /* somebody else's: never trusted, never deleted */
    SNAPSHOT_STANDING_MAX
};

struct sandbox_pass {
    const struct batchsandbox_observed *seen;
    const struct reconcile_config *config;
    const struct batchsandbox *sandbox;
    int64_t now_ms;

    struct pod_health health;
    enum sandbox_phase phase; /* as stored */
    enum intent intent;
    enum snapshot_standing standing;
    enum snapshot_phase snapshot_phase; /* NONE unless OURS */
    bool snapshot_deleting;
    struct ttl_decision ttl; /* neither is an end any more */
    struct retention_decision retention;

    struct batchsandbox_status status; /* to be written */
    struct plan before, events, after;
    char *unbuildable; /* why the template makes no pod, or NULL */
    bool hold_status;  /* no status write in this pass */
};

/* ---- the steps: each decides for its phases ---- */
void steady_step(struct sandbox_pass *pass); /* "", Pending, Succeed, Failed */
void pausing_step(struct sandbox_pass *pass);
void paused_step(struct sandbox_pass *pass);
void resuming_step(struct sandbox_pass *pass);

/* Starting a pause, from a steady phase. */
enum pause_start {
    PAUSE_STARTED, /* the status says Pausing */
    PAUSE_WAITS,   /* not now: the intent stays open, the pass goes on */
    PAUSE_BLOCKED, /* an old snapshot has to go first: the intent stays open, the pass stops */
    PAUSE_REFUSED  /* answered with PauseFailed, the pass goes on */
};
enum pause_start pause_start(struct sandbox_pass *pass);

/* Failed, and a resume is wanted: true when the kept snapshot is being tried again. */
bool resume_retry(struct sandbox_pass *pass);

/* ---- shared by the steps ---- */
struct object_ref pass_sandbox(const struct sandbox_pass *pass);
struct object_ref pass_snapshot(const struct sandbox_pass *pass);

/* The only writer of the phase: also sets the one condition that belongs to it (§7.3). */
void pass_enter(struct sandbox_pass *pass, enum sandbox_phase phase);
void pass_set_condition(struct sandbox_pass *pass, enum sandbox_condition condition, const char *reason,
                        const char *message);
void pass_clear_condition(struct sandbox_pass *pass, enum sandbox_condition condition);
void pass_event(struct sandbox_pass *pass, bool warning, const char *reason, const char *message);
void pass_acknowledge(struct sandbox_pass *pass);
/* ACK only while spec.pause still is what the finished work served: an opposite wish stays open. */
void pass_acknowledge_if(struct sandbox_pass *pass, enum pause_wish served);

/* What the pods alone say: Failed, Succeed or Pending (§7.1, recomputed every time: K6). */
enum sandbox_phase pass_phase_of_pods(const struct sandbox_pass *pass);
/* The reason and message of the pods' failure; the message is the caller's. */
const char *pass_failure(const struct sandbox_pass *pass, bool during_resume, char **ret_message);

/* Is the snapshot ours, complete and not on its way out: does it hold the sandbox's files? */
bool pass_snapshot_holds_files(const struct sandbox_pass *pass);
/* Its images differ from the template's: a pod made now would boot older files. */
bool pass_template_lacks_snapshot(const struct sandbox_pass *pass);

/* Deletes it from a steady phase. A snapshot of a later pause than our copy of the sandbox knows of says that the copy may be old, and
 * the snapshot the only place where the files are by now: then only the number is taken over, under the resourceVersion, and a
 * current copy deletes in the next pass. */
void pass_delete_snapshot(struct sandbox_pass *pass, struct plan *when);

/* Deletes a pod that goes for good; one that is only an object any more, without a grace period. */
void pass_delete_pod(struct sandbox_pass *pass, const struct pod *pod, int grace_s);

void pass_create_missing_pods(struct sandbox_pass *pass);
