/* cluster.h - the cluster port: what the reconcilers need of a Kubernetes-like store, and nothing more.
 *
 * Objects are JSON as kube-apiserver speaks it (apiVersion, kind, metadata, spec, status). Two implementations pass one
 * test suite: cluster/local (SQLite) and cluster/kube. The rules both keep:
 *   - every write gives a new metadata.resourceVersion; a spec change also raises metadata.generation, metadata and
 *     status changes do not; setting deletionTimestamp does; an update that changes nothing writes nothing
 *   - status is a subresource: patch_status changes only status, patch changes everything but status
 *   - an object with finalizers is not removed by delete: it gets deletionTimestamp, and goes with its last finalizer
 *   - children are removed after their owner (owner reference by uid, background propagation)
 * Preconditions: resource_version / uid may be NULL for "whatever is there".
 * Errors of all calls: ERR_NOT_FOUND, ERR_EXISTS (create), ERR_CONFLICT (precondition), ERR_INVALID (schema),
 * ERR_DENIED, ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_CANCELLED.
 * Threads: any number at once. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/base/error.h"

/* Jobs, Leases and volume claims are plain objects on the local backend: nobody runs a Job there. */
enum cluster_kind {
    KIND_BATCH_SANDBOX,
    KIND_SANDBOX_SNAPSHOT,
    KIND_POD,
    KIND_SECRET,
    KIND_EVENT,
    KIND_JOB,
    KIND_LEASE,
    KIND_VOLUME_CLAIM,
    KIND_POOL,
    KIND_MAX
};

struct cluster_kind_info {
    const char *api_version; /* "sandbox.opensandbox.io/v1alpha1" */
    const char *kind;        /* "BatchSandbox" */
    const char *plural;      /* "batchsandboxes" */
};
const struct cluster_kind_info *cluster_kind_info(enum cluster_kind kind);

enum watch_event_type { WATCH_ADDED, WATCH_MODIFIED, WATCH_DELETED, WATCH_BOOKMARK };

/* `object` is borrowed for the call (a bookmark carries metadata.resourceVersion only). On the watcher's thread. */
typedef void cluster_watch_fn(void *self, enum watch_event_type type, json_t *object);

/* The next object of a list, borrowed for the call. NULL: the list begins again, and what came so far does not count. -1
 * ends the list with the error in err. On the caller's thread, no lock held. */
typedef int cluster_item_fn(void *self, json_t *object, struct error *err);

struct cluster_watch; /* a running watch: opened, then driven by its owner's thread */

struct cluster_log_request {
    const char *container; /* of the pod */
    bool follow;           /* go on while it runs */
    int64_t tail_lines;    /* only the last; 0: all */
};

/* A line without its end, or the next piece of a long one; time 0: not told. On the runner's thread; -1 ends the run with
 * the error in err. */
typedef int cluster_log_fn(void *self, int64_t time_unix_ns, const char *line, size_t length,
                           struct error *err);

struct cluster_log; /* as cluster_watch */

struct cluster;
struct cluster_ops {
    void (*free)(struct cluster *cluster);
    int (*get)(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *name,
               json_t **ret_object, struct error *err);
    /* Piece by piece, so that a list of any length takes the memory of one piece. *ret_version: the list's
     * resourceVersion, malloc'ed; an object may be newer than that, and a watch from there tells it again. ns NULL: all
     * namespaces. labels: a label selector in Kubernetes' grammar, or NULL. It saves work and decides nothing: what it
     * does not select may be left out, here and in a watch. */
    int (*list_each)(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *labels,
                     cluster_item_fn *each, void *self, char **ret_version, struct error *err);
    /* NULL, or: the Events about objects of this name, whatever their kind, are appended to `items`. Saves work, as
     * labels do: see cluster_events_about(). */
    int (*events_about)(struct cluster *cluster, const char *ns, const char *name, json_t *items,
                        struct error *err);
    int (*create)(struct cluster *cluster, enum cluster_kind kind, const char *ns, const json_t *object,
                  json_t **ret_object, struct error *err);
    /* RFC 7396 merge patch. `ret_object` may be NULL. */
    int (*patch)(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *name,
                 const json_t *merge_patch, const char *resource_version, json_t **ret_object,
                 struct error *err);
    int (*patch_status)(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *name,
                        const json_t *merge_patch, const char *resource_version, json_t **ret_object,
                        struct error *err);
    /* grace_s < 0: the object's own default. Deleting what is already being deleted succeeds. */
    int (*remove)(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *name,
                  const char *uid, const char *resource_version, int grace_s, struct error *err);
    /* Events after resource_version. watch_run() calls fn for each until the watch is stopped (ERR_CANCELLED), breaks
     * (ERR_UNAVAILABLE) or the version is too old (ERR_PRECONDITION, reason "Expired": list again). */
    int (*watch_open)(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *labels,
                      const char *resource_version, struct cluster_watch **ret_watch, struct error *err);
    int (*watch_run)(struct cluster_watch *watch, cluster_watch_fn *fn, void *self, struct error *err);
    void (*watch_stop)(struct cluster_watch *watch); /* any thread */
    void (*watch_free)(struct cluster_watch *watch);

    /* What a container has printed. All NULL: who runs the pods tells it. log_run() answers 0 at its end.
     * ERR_NOT_FOUND: no such pod. ERR_INVALID: no such container, or it has not started yet. */
    int (*log_open)(struct cluster *cluster, const char *ns, const char *pod,
                    const struct cluster_log_request *request, struct cluster_log **ret_log,
                    struct error *err);
    int (*log_run)(struct cluster_log *log, cluster_log_fn *fn, void *self, struct error *err);
    void (*log_stop)(struct cluster_log *log); /* any thread; then the run ends with ERR_CANCELLED */
    void (*log_free)(struct cluster_log *log);
};

/* First member of every implementation. */
struct cluster {
    const struct cluster_ops *ops;
};

/* The calls as callers write them: cluster_get(cluster, KIND_POD, ns, name, &pod, err), ... */
#define cluster_get(c, ...)            ((c)->ops->get((c), __VA_ARGS__))
#define cluster_list_each(c, ...)      ((c)->ops->list_each((c), __VA_ARGS__))
#define cluster_create(c, ...)         ((c)->ops->create((c), __VA_ARGS__))
#define cluster_patch(c, ...)          ((c)->ops->patch((c), __VA_ARGS__))
#define cluster_patch_status(c, ...)   ((c)->ops->patch_status((c), __VA_ARGS__))
#define cluster_remove_version(c, ...) ((c)->ops->remove((c), __VA_ARGS__))
/* Whatever its version. */
#define cluster_remove(c, kind, ns, name, uid, grace_s, err)                                                 \
    cluster_remove_version(c, kind, ns, name, uid, NULL, grace_s, err)
#define cluster_watch_open(c, ...) ((c)->ops->watch_open((c), __VA_ARGS__))
#define cluster_watch_run(c, ...)  ((c)->ops->watch_run(__VA_ARGS__))
#define cluster_watch_stop(c, w)   ((c)->ops->watch_stop(w))
#define cluster_watch_free(c, w)   ((c)->ops->watch_free(w))
#define cluster_log_open(c, ...)   ((c)->ops->log_open((c), __VA_ARGS__))
#define cluster_log_run(c, ...)    ((c)->ops->log_run(__VA_ARGS__))
#define cluster_log_stop(c, l)     ((c)->ops->log_stop(l))
#define cluster_log_free(c, l)     ((c)->ops->log_free(l))

__attribute__((unused)) static inline void cluster_free(struct cluster *cluster)
{
    if (cluster)
        cluster->ops->free(cluster);
}

/* A whole list at once, for short ones. *ret_items: a new JSON array. */
int cluster_list(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *labels,
                 json_t **ret_items, char **ret_version, struct error *err);
/* A new JSON array of the Events about objects of these names, whatever their kind. */
int cluster_events_about(struct cluster *cluster, const char *ns, char *const *names, size_t count,
                         json_t **ret_items, struct error *err);
