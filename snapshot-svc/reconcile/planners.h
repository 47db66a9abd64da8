/* planners.h - the pure planners: what they look at and what they answer.
 *
 * Spec: contract/controller-behaviour.md §2-§8, §14 with the [R] table of §4; contract/crds.md §6, §7.
 * The executor reads the observed objects from the informers, turns them into typed views
 * (snapshot-svc/model) and carries the plan out. Everything in here is borrowed for the call. Threads: any;
 * no planner keeps state.
 *
 * Errors of both planners: ERR_INVALID, when an object cannot be understood at all (retried with backoff; the
 * text names object and member). What a user can repair is a condition or an Event instead. On failure the
 * plan is empty. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/error.h"
#include "snapshot-svc/model/batchsandbox.h"
#include "snapshot-svc/model/job.h"
#include "snapshot-svc/model/pod.h"
#include "snapshot-svc/model/sandboxsnapshot.h"
#include "snapshot-svc/reconcile/plan.h"

/* Who commits a pod: the agent of its node, or a Job that runs the same program once. */
enum commit_mode {
    COMMIT_MODE_AUTO, /* the agent; a Job where the node has none */
    COMMIT_MODE_AGENT,
    COMMIT_MODE_JOB,
    COMMIT_MODE_MAX
};

/* Contract §9.1; only read unless the mode is COMMIT_MODE_AGENT. */
struct commit_job_config {
    const char *image;                     /* --image-committer-image */
    const char *const *image_pull_secrets; /* names in the sandbox's namespace; "" is none */
    size_t image_pull_secret_count;
    const char *containerd_socket; /* paths on the node */
    const char *containerd_root;
    bool registry_insecure;
};

struct reconcile_config {
    const char *snapshot_registry;    /* image prefix, "host:port/path"; NULL or "": not configured */
    const char *snapshot_push_secret; /* name; NULL or "": anonymous push */
    const char *resume_pull_secret;   /* name; NULL or "": none */
    int64_t commit_timeout_ms;        /* --commit-job-timeout */
    int64_t upload_timeout_ms;        /* --upload-timeout */
    bool ttl_runs_while_paused;       /* --ttl-while-paused=run */
    int64_t paused_retention_ms;      /* --paused-retention; 0: for ever */
    bool has_scheduler; /* pods may start on other nodes: resumed ones say where their files are */
    enum commit_mode commit_mode;
    struct commit_job_config job;
};

/* ---- BatchSandbox ---- */

struct batchsandbox_observed {
    const struct batchsandbox *sandbox;
    const struct pod *const *pods; /* owned by the sandbox's uid, terminating ones included; any order */
    size_t pod_count;
    /* "<bs>-pause" of the namespace, whoever owns it; NULL: there is none */
    const struct sandboxsnapshot *snapshot;
    const struct commit_view *commit; /* of that snapshot's commit; NULL is COMMIT_UNKNOWN */
};

int batchsandbox_plan(const struct batchsandbox_observed *seen, const struct reconcile_config *config,
                      int64_t now_unix_ms, struct plan *plan, struct error *err);

/* ---- SandboxSnapshot ---- */

enum push_secret_state {
    PUSH_SECRET_NOT_CONFIGURED, /* config->snapshot_push_secret is empty: anonymous */
    PUSH_SECRET_OK,
    PUSH_SECRET_NOT_FOUND,
    PUSH_SECRET_WRONG_TYPE,  /* not kubernetes.io/dockerconfigjson */
    PUSH_SECRET_NO_KEY,      /* no .dockerconfigjson, or it is no such document */
    PUSH_SECRET_NO_REGISTRY, /* no entry for the registry's host */
    PUSH_SECRET_STATE_MAX
};

struct push_secret_check {
    enum push_secret_state state;
    const char *found_type; /* of the Secret, when there is one */
};

struct job_sighting {              /* all empty on the local backend */
    const struct job *job;         /* of that name, whoever owns it; NULL: there is none */
    const struct pod *const *pods; /* that carry the Job's name, whoever made them; the Job may be gone */
    size_t pod_count;
};

struct sandboxsnapshot_observed {
    const struct sandboxsnapshot *snapshot;
    /* spec.sandboxName; NULL: confirmed absent by a read that is not cached */
    const struct batchsandbox *sandbox;
    /* "<sandbox>-pause", whoever owns it, of the same moment as the sandbox; NULL: there is none. Only looked at while
     * sandboxsnapshot_depends_on_phase(); then neither is cached. */
    const struct sandboxsnapshot *pause_snapshot;
    const struct pod *const *pods; /* owned by that sandbox's uid */
    size_t pod_count;
    /* Only looked at while the phase is Pending; a transient lookup error is the executor's to retry, not a state. */
    struct push_secret_check push_secret;
    const struct commit_view *commit; /* NULL is COMMIT_UNKNOWN */
    /* Another snapshot of this sandbox that is Committing, or NULL: one commit per pod. Nobody else decides to begin one meanwhile. */
    const char *busy_with;
    bool agent_ready; /* sandboxsnapshot_source_node() has an agent */
    struct job_sighting commit_job, unpause_job;
    /* Why the cluster refused to create a Job of this snapshot, or NULL; of this process only. */
    const char *job_refused;
};

int sandboxsnapshot_plan(const struct sandboxsnapshot_observed *seen, const struct reconcile_config *config,
                         int64_t now_unix_ms, struct plan *plan, struct error *err);

/* The node whose agent, or Job, commits: that of the attempt under way, else of the pod that would be committed. Borrowed;
 * NULL: there is none. */
const char *sandboxsnapshot_source_node(const struct sandboxsnapshot *snapshot, const struct pod *const *pods,
                                        size_t pod_count);

/* Nothing has begun, and what there is to do depends on what its sandbox is doing (snapshot_reference.c). */
bool sandboxsnapshot_depends_on_phase(const struct sandboxsnapshot *snapshot);

/* Nothing has begun: this pass may decide to. */
bool sandboxsnapshot_may_begin(const struct sandboxsnapshot *snapshot);
/* Does the executor have to read the push Secret for this pass? */
bool sandboxsnapshot_needs_push_secret(const struct sandboxsnapshot *snapshot);
