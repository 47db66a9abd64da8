/* plan.h - what a planner answers: a list of actions, carried out in order by the one executor.
 *
 * A planner is a pure function of (observed objects, commit as the dispatcher knows it, config, now). It never waits
 * and never looks elsewhere; it may run twice on the same state, so what it creates is named after its owner and what
 * it writes carries the resourceVersion it was decided on. The executor stops at the first action that fails and the
 * key is tried again with backoff; so the order of actions is the crash story: the acknowledging status write comes
 * before its side effects. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapshot-svc/cluster/cluster.h"

enum action_type {
    ACTION_PATCH,        /* merge patch of everything but status */
    ACTION_PATCH_STATUS,
    ACTION_CREATE,
    ACTION_DELETE,
    ACTION_COMMIT,       /* start the commit, or attach to it after a restart; the dispatcher follows it from there */
    ACTION_RELEASE_KILL, /* the pause is taken: every process of the pod gets SIGKILL while frozen */
    ACTION_CANCEL,       /* stop the commit wherever it is; what it froze runs again */
    ACTION_EVENT,        /* a Kubernetes Event on `kind`/`name` */
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
    char *resource_version; /* PATCH, PATCH_STATUS: precondition, NULL for none */
    json_t *body;           /* PATCH*, CREATE */
    int grace_s;            /* DELETE; -1: default */

    char *node;             /* COMMIT, RELEASE_KILL, CANCEL: whose agent */
    char *commit_key;       /* same */
    char *pod_ns, *pod_name, *pod_uid; /* COMMIT */
    struct commit_target *targets;     /* COMMIT */
    size_t target_count;
    bool hold;              /* COMMIT: stay frozen until released (pause), or thaw after the capture (live snapshot) */
    int64_t timeout_ms;     /* COMMIT */

    char *reason, *message; /* EVENT */
    bool warning;           /* EVENT: type Warning, else Normal */
};

struct plan {
    struct action *actions;
    size_t count;
    int64_t requeue_at_ms; /* Unix ms; 0: only when something changes */
};

#define PLAN_INIT {0}

/* Adds a zeroed action; borrowed until the next call. */
struct action *plan_add(struct plan *plan, enum action_type type);
/* Keeps the earliest. */
void plan_requeue_at(struct plan *plan, int64_t unix_ms);
void plan_done(struct plan *plan);

/* The commit of a snapshot as the dispatcher knows it (memory only; the journal of the agent is the truth). */
enum commit_state {
    COMMIT_UNKNOWN,   /* never asked in this process: ask the agent by key */
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
    char *reason, *message;      /* FAILED: HoldExpired, RegistryUnauthorized, AgentUnreachable, ... */
};
