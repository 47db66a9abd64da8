/* world.h - a cluster, a kubelet, an agent, a Job controller and a dispatcher in memory, just true enough for the planners.
 *
 * One sandbox "demo" (template with the container "main"), its pods, its snapshot "demo-pause" and a public snapshot. Objects are JSON
 * with the cluster's rules: resourceVersion, generation, finalizers, garbage collection. Plans go through the codecs both ways.
 * Files are a number: each write to a pod raises it, an image remembers it in its digest. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "snapshot-svc/reconcile/planners.h"

#define WORLD_START_MS 1900000000000
#define SANDBOX_UID    "uid-demo"

enum agent_state { AGENT_RUNNING, AGENT_SUCCEEDED, AGENT_FAILED };

struct agent_commit {
    char key[64], pod_uid[32], container[32], image[128];
    enum agent_state state;
    bool hold, frozen, killed;
    bool by_job;    /* a Job's journal, and no agent knows of it */
    bool followed;  /* by the dispatcher of this process */
    bool told_lost; /* the dispatcher learned that the hold is gone */
    bool releasable, handed_over, kept, discarded;
    bool in_doubt; /* RUNNING: the dispatcher has not heard of it since somebody may have released it */
    const char *upload_reason; /* RUNNING: why the last upload failed */
    long files;
    int64_t started_ms;
    const char *reason;
};

/* What an informer has of the world; deep copies, or the world's own objects. */
struct picture {
    json_t *sandbox, *snapshot, *public_snapshot, *pods, *jobs, *job_pods;
};

enum { COMMITS_MAX = 64 };
struct world {
    struct picture now; /* snapshot, sandbox NULL: gone; pods: array */
    struct agent_commit commits[COMMITS_MAX];
    size_t commit_count;
    int64_t now_ms;
    long versions, uids, files_written;
    long truth; /* the files that must survive; -1: lost by somebody else's doing */
    struct reconcile_config config;
    struct push_secret_check push_secret;
    bool agent_ready;
    bool hands_over;         /* the agent can release a pod before its image is pushed */
    bool jobs_refused;       /* by a quota */
    const char *job_refused; /* what this process remembers of it */
    json_t *events;          /* reasons, in order */
    bool sandbox_was_deleted;
    bool tell;              /* print each pass of world_settles() */
    const char *broken_law; /* the first one that did not hold */
};

/* Phase "" and no pods; or, with a phase, one that has been through its life so far: acknowledged, with a ready pod
 * (Pending, Succeed, Failed, Pausing) or without (Paused, Resuming). */
void world_init(struct world *world, const char *phase);
void world_done(struct world *world);

/* ---- who else acts ---- */
void user_pauses(struct world *world, int pause);                             /* enum pause_wish */
void user_bridges(struct world *world, int pause);                            /* null, then the value */
void user_edits(struct world *world, const char *path_member, json_t *value); /* spec.<member>; takes value */
void user_deletes(struct world *world, json_t *object);
void user_writes_files(struct world *world);

json_t *kubelet_adds_pod(struct world *world, int index, const char *phase, bool ready);
void kubelet_sets(json_t *pod, const char *phase, bool ready, const char *waiting_reason);
void kubelet_ends_deleted_pods(struct world *world); /* their containers; the objects stay */
void kubelet_removes_deleted_pods(struct world *world);

json_t *snapshot_appears(struct world *world, const char *phase); /* demo-pause of pause 1, owned by demo */
void agent_finishes(struct world *world, enum agent_state state, const char *reason);
void agent_loses_hold(struct world *world);
void agent_fails_upload(struct world *world, const char *reason, bool may_pass); /* of what was handed over */
void agent_times_out(
    struct world *world); /* its own timeouts: of a commit, and of a hold that nobody releases */
void process_restarts(struct world *world); /* the dispatcher forgets */

/* ---- Jobs ---- */
enum job_end {
    JOB_END_SUCCESS,
    JOB_END_FAILURE,  /* with a reason, everything thawed; worth another try */
    JOB_END_FOR_GOOD, /* likewise, and certain to come again */
    JOB_END_DEATH     /* without a word, whatever was frozen stays so */
};
void job_controller_acts(
    struct world *world);                 /* makes and counts pods, ends Jobs, collects what has no owner */
void job_pods_start(struct world *world); /* those that wait; one that finds its commit done ends at once */
void job_pods_wait(struct world *world, const char *reason);
void job_pods_end(struct world *world, enum job_end end); /* those that run */
void jobs_expire(struct world *world);                    /* finished ones are gone: their TTL */
json_t *job_named(struct world *world, const char *name); /* NULL: none */
json_t *first_job_pod(struct world *world);               /* NULL: none */

/* ---- planning and executing ---- */
struct picture picture_copy(const struct picture *picture);
void picture_done(struct picture *picture);

void world_plan_sandbox(struct world *world, const struct picture *picture, struct plan *plan);
void world_plan_snapshot(struct world *world, const struct picture *picture, bool public_snapshot,
                         struct plan *plan);
/* true: all of it went through. Stops at the first failure, or after max actions. */
bool world_execute(struct world *world, const struct plan *plan, size_t max_actions);
/* One pass on the current picture; what was planned, as text, borrowed until the next call:
 * "status(Pausing) event(Pausing)", "" for nothing. "forget(demo-0)" is a DELETE without a grace period. */
const char *pass_sandbox_once(struct world *world);
const char *pass_snapshot_once(struct world *world);
/* Passes, kubelet and agent, until nothing changes any more. */
void world_settles(struct world *world);

/* ---- what to look at ---- */
const char *phase_of(const json_t *object); /* "" when absent */
bool has_condition(const json_t *object, const char *type);
const char *condition_text(const json_t *object, const char *type, const char *member); /* "" when absent */
long long status_number(const json_t *object, const char *member);                      /* -1 when absent */
const char *text_at(const json_t *object, const char *path);                            /* "" when absent */
const char *annotation_of(const json_t *object, const char *key);                       /* "" when absent */
json_t *first_pod(struct world *world);                                                 /* NULL: none */
bool anything_is_frozen(const struct world *world);                                     /* and not dead */
char *plan_text(const struct plan *plan);
