/* informer.h - a local copy of all objects of one kind: list, then watch, for ever.
 *
 *   informer_new(&options) -> informer_subscribe(...) -> informer_start() -> informer_wait_synced() ->
 * readers -> informer_free()
 *
 * Two views of each object are kept. Handlers are told the watch stream, in order, nothing skipped: every
 * change they see as (old, new). Readers get the newest version known, which may come from informer_apply()
 * before the stream tells it: who has just written never decides on a copy older than that write. A broken
 * watch resumes from the last resourceVersion after a jittered backoff; an expired one lists again and keeps
 * the store, so that handlers hear only the differences.
 *
 * The copy holds objects packed (see packed.h); each reader gets a JSON of its own.
 * Threads: one of its own, which runs the handlers without any lock held. Readers and informer_apply: any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "snapshot-svc/cluster/cluster.h"
#include "snapshot-svc/informer/object.h"
#include "snapshot-svc/informer/packed.h"

/* On the informer thread; objects are borrowed for the call (object_ref to keep one). Members may be NULL.
 * deleted() may come without added(): for an object that was applied as an own write and vanished before the
 * stream told it. */
struct informer_handler {
    void (*added)(void *self, struct object *object);
    void (*updated)(void *self, struct object *old, struct object *object);
    void (*deleted)(void *self, struct object *last);
    void *self;
};

struct informer_options {
    struct cluster *cluster; /* borrowed; outlives the informer */
    enum cluster_kind kind;
    const char *ns;           /* NULL: all namespaces */
    const char *labels;       /* label selector that spares us others, see cluster.h; NULL: none */
    const char *index_label;  /* label that informer_by_label() looks up; NULL: none */
    int64_t backoff_first_ms; /* 0: 100 */
    int64_t backoff_max_ms;   /* 0: 30000 */
};

struct informer;

struct informer *informer_new(const struct informer_options *options);
/* Before informer_start() only. The handler is copied. */
void informer_subscribe(struct informer *informer, const struct informer_handler *handler);
int informer_start(struct informer *informer, struct error *err);
/* Stops the watch, waits for the running handler to return, frees. Not from a handler. */
void informer_free(struct informer *informer);
DEFINE_FREEP(informer, struct informer, informer_free)

/* Waits until the first list is in the store and told to the handlers. timeout_ms < 0: no limit.
 * ERR_TIMEOUT: the text tells why the last list failed. */
int informer_wait_synced(struct informer *informer, int64_t timeout_ms, struct error *err);
bool informer_is_synced(struct informer *informer);

/* The newest version known, a reference of the caller's; NULL when there is none. */
struct object *informer_get(struct informer *informer, const char *ns, const char *name);
/* These add references to *list, which the caller initialised. ns NULL: all. */
/* What lists decide by, of objects of any number; who wants the JSON of some opens those. */
void informer_scan(struct informer *informer, const char *ns, struct packed_list *list);
void informer_list(struct informer *informer, const char *ns, struct object_list *list);
void informer_by_owner(struct informer *informer, const char *owner_uid, struct object_list *list);
void informer_by_label(struct informer *informer, const char *value, struct object_list *list);

/* The answer of an own create or patch: readers see it from now on, unless the stream has passed it already
 * (then the object is in the store, or was deleted since). The JSON is borrowed. Handlers hear of
 * it when the stream tells it. ERR_INVALID: not an object with a name and resourceVersion. */
int informer_apply(struct informer *informer, const json_t *object, struct error *err);

/* The resourceVersion up to which the stream is in the store. */
uint64_t informer_seen_version(struct informer *informer);
