/* orchestrator.h - what snapshot-svc does with one commit, as far as the agent sees it; it may be done again after any crash.
 *
 *   FAIL_IN_HOLD            Commit ... success -> Release KILL -> the pod is deleted
 *   FAIL_IN_HANDOVER        Commit ... releasable -> Release KILL -> the pod is deleted -> ... success
 *   FAIL_IN_LATE_HANDOVER   the same, but the image is there before the release is
 *   FAIL_IN_LIVE            Commit ... success
 *   FAIL_IN_GIVEN_UP        Commit ... success -> Release THAW
 *   FAIL_IN_KEPT_LOCALLY    as HANDOVER, the registry cannot be had: KeepLocally
 *   FAIL_IN_DISCARDED       the same, but the sandbox is deleted: Discard
 *
 * Of kinds with early_release the upload stands still (gate.h) until the agent has let the pod go. */
#pragma once

#include "committer-agent/commit/failpoints.h"
#include "tests/integration/commit/agent_process.h"
#include "tests/integration/commit/gate.h"
#include "tests/integration/commit/sandbox.h"

struct orchestrator {
    struct agent_process *agent;
    struct sandbox *sandbox;
    struct gate *gate;
    const char *password; /* of the registry's user "tester" */
    unsigned kind;        /* one of the bits */
    bool gate_stays_closed;
    char key[64];

    bool released;        /* the agent has answered a Release KILL; the sandbox's files are noted */
    bool was_handed_over; /* the last failure said so */
    char *digests[SANDBOX_COMMITTED], *layer_digests[SANDBOX_COMMITTED]; /* of the success */
    struct error err;
};

void orchestrator_init(struct orchestrator *orchestrator, unsigned kind);
void orchestrator_done(struct orchestrator *orchestrator);

enum ending {
    ENDED_WELL,
    ENDED_REFUSED,   /* err says why */
    ENDED_WITH_AGENT /* it died */
};

/* From wherever it is to its end. */
enum ending orchestrate(struct orchestrator *orchestrator);
/* Cancel: who asked does not want it any more. */
enum ending orchestrate_cancel(struct orchestrator *orchestrator);
/* Release THAW, and Discard, again: who asked has seen no answer. A key that is forgotten is fine. */
enum ending orchestrate_thaw(struct orchestrator *orchestrator);
enum ending orchestrate_discard(struct orchestrator *orchestrator);
