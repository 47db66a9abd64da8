/* dispatcher.h - follows commits on the agents and knows how each stands.
 *
 * The key of a commit decides on the agent, too: asking again attaches. So what is known here lives in memory
 * only, and a commit that this process never asked about is simply asked about.
 *
 *   dispatcher_commit() -> a follower opens Committer.Commit and reads it to its end
 *       outcome                                         -> SUCCEEDED or FAILED, final
 *       broken stream, agent away, superseded           -> again, with backoff, until the deadline; then FAILED
 *       no slot on the node                             -> again when a commit there ends, the oldest first; same deadline
 *       refused (malformed, unknown image, ...)         -> FAILED at once
 *       releasable                                      -> the view says so, RUNNING on
 *       a failure after it was handed over              -> again, with backoff and fresh credentials, as long as it may pass
 *
 * When a node's agent appears or moves, everything that concerns the node is tried there at once: no new call goes to an
 * agent that is gone, and a stream to one that has a successor is given up for it.
 *
 * No deadline fails a commit whose pod was handed over, or may have been: its files may be nowhere else, so it is for the
 * planner to say what becomes of them.
 *
 * A commit that was given up at its deadline or cancelled in vain may hold its containers frozen for nobody: the agent is
 * told to end it as soon as it can be reached again.
 *
 * Threads: any may call. Followers are threads of its own, made as they are needed up to a bound; a commit
 * that waits for its next try holds none. `changed` and `credentials` run without any lock held. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "shared/base/strbuf.h"
#include "snapshot-svc/dispatch/agents.h"
#include "snapshot-svc/reconcile/plan.h"

struct dispatcher_options {
    struct agents *agents; /* borrowed */
    bool registry_insecure;
    unsigned followers_max; /* 0: 256 */
    int64_t retry_first_ms; /* 0: 250 */
    int64_t retry_max_ms;   /* 0: 15000 */
    int64_t line_retry_ms;  /* for one whom a full node refused, when nothing tells of a free slot; 0: 1000 */
    int64_t progress_every_ms; /* 0: 1000 */

    /* The .dockerconfigjson to push with; nothing is added: anonymous. The buffer is wiped after use. */
    int (*credentials)(void *self, const char *ns, struct strbuf *docker_config, struct error *err);
    /* The view of this snapshot's commit has changed; to be looked at in delay_ms, so that progress is told
     * once in progress_every_ms at most. */
    void (*changed)(void *self, const char *ns, const char *snapshot, int64_t delay_ms);
    void *self;
};

struct dispatcher;

struct dispatcher *dispatcher_new(const struct dispatcher_options *options);
/* Ends the followers; the commits go on. Later calls fail or do nothing. */
void dispatcher_stop(struct dispatcher *dispatcher);
/* Stopped, or nothing was ever asked of it. */
void dispatcher_free(struct dispatcher *dispatcher);
DEFINE_FREEP(dispatcher, struct dispatcher, dispatcher_free)

/* ACTION_COMMIT: starts following, unless it is followed or known already. Does not wait for the agent. */
void dispatcher_commit(struct dispatcher *dispatcher, const struct action *commit);

/* ACTION_RELEASE_KILL: waits for the agent. A hold that ran out or a key that the agent does not know fails
 * the view as well (HoldExpired, CommitLost). An agent without the key has no record of what it froze, so the pod is
 * thawed first; until that is done the view stays and the call is to be repeated.
 * Errors: ERR_PRECONDITION, ERR_NOT_FOUND, ERR_UNAVAILABLE, ERR_TIMEOUT. */
int dispatcher_release_kill(struct dispatcher *dispatcher, const char *node, const char *key,
                            const char *pod_uid, struct error *err);

/* ACTION_CANCEL: stops following and waits for the agent to have ended the commit. The view is then FAILED
 * with CommitCancelled, unless it had an outcome. ERR_UNAVAILABLE, ERR_TIMEOUT: tried again in the background. */
int dispatcher_cancel(struct dispatcher *dispatcher, const char *node, const char *key, struct error *err);

/* ACTION_KEEP_LOCALLY: waits for the agent. On success the view is FAILED and `kept`, unless the upload had just succeeded. When the
 * agent does not know the key, or never handed it over, the view is FAILED with CommitLost.
 * Errors: ERR_NOT_FOUND, ERR_PRECONDITION, ERR_UNAVAILABLE, ERR_TIMEOUT. */
int dispatcher_keep_locally(struct dispatcher *dispatcher, const char *node, const char *key,
                            struct error *err);

/* ACTION_DISCARD: as dispatcher_cancel(), and the node lets the files go. An agent that does not know the call is told to cancel. */
int dispatcher_discard(struct dispatcher *dispatcher, const char *node, const char *key, struct error *err);

/* A copy; COMMIT_UNKNOWN for a key that was never asked about. */
void dispatcher_view(struct dispatcher *dispatcher, const char *key, struct commit_view *ret_view);
void commit_view_done(struct commit_view *view);
#define SCOPED_COMMIT_VIEW __attribute__((cleanup(commit_view_done)))

/* The snapshot is gone: forgets the views of all its attempts, and follows none of them any more. */
void dispatcher_forget(struct dispatcher *dispatcher, const char *snapshot_uid);

struct dispatcher_load {
    unsigned followed; /* commits without an outcome */
    unsigned in_line;  /* of those: refused for want of a slot on their node */
    unsigned known;    /* views */
};
struct dispatcher_load dispatcher_load(struct dispatcher *dispatcher);
