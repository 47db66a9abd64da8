/* plan.h - what a planner answers: a list of actions, carried out in order by the one executor.
 *
 * A planner is a pure function of (observed objects, commit as the dispatcher knows it, config, now). It
 * never waits and never looks elsewhere; it may run twice on the same state, so what it creates is named
 * after its owner and what it writes carries the resourceVersion it was decided on. The executor stops at the
 * first action that fails and the key is tried again with backoff; so the order of actions is the crash
 * story: the acknowledging status write comes before its side effects.
 *
 * What the executor promises for each action:
 *   PATCH, PATCH_STATUS  `body` is a merge patch of the whole object: {"metadata":{...},"spec":{...}} or
 *                        {"status":{...}}. A plan holds at most one write with a resourceVersion per object, so
 *                        versions need no chaining. ERR_CONFLICT: plan again on a fresh read.
 *   CREATE               names are derived, never random. ERR_EXISTS is success when the object that is there has
 *                        the same controller owner (uid) as `body`; otherwise it is an error. So a cache that has
 *                        not seen the object yet does no harm, and no expectations are kept. Any other refusal
 *                        (ERR_INVALID, ERR_DENIED, ...) posts a Warning Event with reason `on_failure` and the
 *                        error's text on the plan's object, when `on_failure` is set; transient errors do not. That of a
 *                        Job is what the next pass sees as job_refused.
 *   DELETE               ERR_NOT_FOUND is success; so is ERR_CONFLICT on the uid (another object took the name). One with a
 *                        resourceVersion is a write like PATCH: ERR_CONFLICT is planned again on a fresh read.
 *   COMMIT               idempotent: starts the commit, attaches to it, or does nothing while it is being followed.
 *                        The dispatcher keeps trying while the agent cannot be reached, has no slot, or another
 *                        commit works on the pod, until deadline_ms; then the view is FAILED with reason
 *                        AgentUnreachable (or the agent's). Each change of the view wakes the snapshot's key and
 *                        that of its sandbox, progress at most once a second.
 *                        A commit that was handed over is tried again for as long as its failures may pass, whatever the
 *                        deadline: the planner ends it by KEEP_LOCALLY or DISCARD. One that is `in_doubt` is not failed at
 *                        the deadline either.
 *   RELEASE_KILL         repeatable: a key that was already released with KILL is success. When the hold ran out or
 *                        the agent does not know the key (then the pod is thawed first), it fails and the view
 *                        becomes FAILED with HoldExpired or CommitLost, so the pod that follows in the plan is not
 *                        deleted. While the view is `releasable` it hands the pod over: nothing undoes that.
 *   KEEP_LOCALLY         repeatable: ends the upload of what was handed over; the view becomes FAILED and `kept`, with the images
 *                        as they are on the node. It fails while the agent does not know the key (then the view is FAILED with
 *                        CommitLost) or cannot be reached.
 *   CANCEL               an unknown key is success.
 *   DISCARD              CANCEL, and what was handed over is let go. An unknown key is success; an agent that does not know
 *                        the call is told to cancel.
 *   EVENT                best effort: a failing one neither stops the plan nor retries it.
 *
 * Which keys to wake: a pod wakes its owner and every unfinished snapshot of that sandbox; a snapshot wakes the
 * sandbox named by spec.sandboxName and the other unfinished snapshots of that sandbox; a sandbox wakes its
 * snapshots. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapshot-svc/cluster/cluster.h"

enum action_type {
    ACTION_PATCH, /* merge patch of everything but status */
    ACTION_PATCH_STATUS,
    ACTION_CREATE,
    ACTION_DELETE,
    ACTION_COMMIT, /* start the commit, or attach to it after a restart; the dispatcher follows it from there */
    ACTION_RELEASE_KILL, /* the pause is taken: every process of the pod gets SIGKILL while frozen */
    ACTION_CANCEL,       /* stop the commit wherever it is; what it froze runs again */
    ACTION_KEEP_LOCALLY, /* give up on the upload of a commit that was handed over: its images become known to its node alone */
    ACTION_DISCARD, /* stop the commit wherever it is; nobody needs its files any more */
    ACTION_EVENT,   /* a Kubernetes Event on `kind`/`name` */
    ACTION_MAX
};

struct commit_target {
    char *container; /* name in the pod */
    char *image;     /* repository:tag to push to */
};

struct action {
    enum action_type type;
    enum cluster_kind kind; /* PATCH, PATCH_STATUS, CREATE, DELETE, EVENT */
    char *ns, *name;
    char *uid;              /* DELETE: precondition; EVENT: of the object */
    char *resource_version; /* PATCH, PATCH_STATUS, DELETE: precondition, NULL for none */
    json_t *body;           /* PATCH*, CREATE */
    char *on_failure;       /* CREATE: reason of the Event that tells of a refusal, or NULL */
    int grace_s;            /* DELETE; -1: default */

    char *node;                        /* COMMIT, RELEASE_KILL, CANCEL, KEEP_LOCALLY, DISCARD: whose agent */
    char *commit_key;                  /* same */
    char *pod_ns, *pod_name, *pod_uid; /* COMMIT; RELEASE_KILL: pod_uid */
    struct commit_target *targets;     /* COMMIT */
    size_t target_count;
    bool hold; /* COMMIT: stay frozen until released (pause), or thaw after the capture (live snapshot) */
    int64_t timeout_ms;  /* COMMIT: of the whole commit; what is left of it when attaching, at least 1 */
    int64_t deadline_ms; /* COMMIT: Unix ms; until then an agent that cannot be reached is tried again */
    bool early_release;  /* COMMIT with hold: it is released as soon as it is releasable */
    bool attach;         /* COMMIT: an earlier process may have asked for it, and released it */
    bool handed_over;    /* COMMIT: it was, as far as the cluster knows; deadline_ms is the upload's */
    int64_t
        upload_timeout_ms; /* COMMIT with early_release: of an upload that goes on after the pod was handed over */

    char *reason, *message; /* EVENT */
    bool warning;           /* EVENT: type Warning, else Normal */
};

struct plan {
    struct action *actions;
    size_t count;
    int64_t requeue_at_ms; /* Unix ms; 0: only when something changes */
};

#define PLAN_INIT                                                                                            \
    {                                                                                                        \
        0                                                                                                    \
    }

/* Adds a zeroed action; borrowed until the next call. */
struct action *plan_add(struct plan *plan, enum action_type type);
/* Keeps the earliest. */
void plan_requeue_at(struct plan *plan, int64_t unix_ms);
void plan_done(struct plan *plan); /* frees every action; the plan may be used again */
#define SCOPED_PLAN __attribute__((cleanup(plan_done)))

const char *action_type_name(enum action_type type); /* "PATCH_STATUS" */

/* The commit of a snapshot as the dispatcher knows it (memory only; the journal of the agent is the truth).
 */
enum commit_state {
    COMMIT_UNKNOWN, /* never asked in this process: ask the agent by key */
    COMMIT_RUNNING,
    COMMIT_SUCCEEDED,
    COMMIT_FAILED,
    COMMIT_STATE_MAX
};

struct commit_progress {
    const char *phase; /* static text: Resolving, Freezing, Capturing, Pushing, Holding; NULL unknown */
    uint64_t bytes_read, bytes_total, bytes_pushed, files;
};

struct commit_image {
    char *container, *image, *digest;
    uint64_t layer_size, image_size;
    uint32_t layers;
};

struct commit_view {
    enum commit_state state;
    struct commit_progress progress;
    struct commit_image *images; /* SUCCEEDED */
    size_t image_count;
    uint64_t frozen_ms;
    /* FAILED: HoldExpired, RegistryUnauthorized, AgentUnreachable, ...; RUNNING: why the last upload failed, or NULL */
    char *reason, *message;

    bool releasable; /* RUNNING: RELEASE_KILL is accepted before the end */
    bool
        handed_over; /* the pod is dead for good and its files are its agent's: they are on that node, maybe nowhere else */
    bool
        in_doubt; /* RUNNING: it may have been handed over without our hearing of it; only its agent can say */
    bool kept;    /* FAILED by KEEP_LOCALLY: `images` are on the node alone */

    const char *path; /* SUCCEEDED: static text: Hold, Handover, Live; NULL: the agent does not say */
    char *path_why;   /* SUCCEEDED: why it is Hold although early_release was asked for; or NULL */
    bool warm;        /* SUCCEEDED: a pod with these images starts on that node without a pull */
};
