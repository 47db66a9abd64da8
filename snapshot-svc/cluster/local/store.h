/* store.h - objects and their changes in one SQLite file; knows JSON and versions, but no Kubernetes rules.
 *
 *   objects   the newest JSON of each object, without its resourceVersion, which is the version of its row
 *   changes   the log that watches read; its row id is the resourceVersion, so versions count over the whole
 * store owners    which object names which uid as an owner events    when an Event was written and what it is
 * about
 *
 * A write runs between store_begin() and store_commit(); store_rollback() leaves everything as it was before.
 * Objects that come out carry metadata.resourceVersion and are the caller's; writes put it into the object
 * they are given. Errors: ERR_EXHAUSTED, ERR_UNAVAILABLE, ERR_CORRUPT, ERR_INTERNAL, each naming the file.
 * Threads: nothing here locks; the owner's lock guards a store. */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "snapshot-svc/cluster/cluster.h"

#define OBJECT_MAX_BYTES (1536 * 1024) /* as etcd's */

struct store;

/* Makes the file (mode 0600) when it is missing and brings an older one up to date. ERR_CORRUPT,
 * ERR_UNSUPPORTED, ERR_INVALID: damaged, from a newer version, another program's. */
int store_open(const char *path, unsigned history_max, struct store **ret_store, struct error *err);
void store_free(struct store *store);
DEFINE_FREEP(store, struct store, store_free)

int store_begin(struct store *store, struct error *err);
int store_commit(struct store *store, struct error *err); /* on failure rolled back */
void store_rollback(struct store *store);

/* The version of the newest change; at least 1. */
uint64_t store_version(const struct store *store);

struct row {
    enum cluster_kind kind;
    json_t *object;
};
struct row_list {
    struct row *items;
    size_t count;
};
#define ROW_LIST_INIT                                                                                        \
    {                                                                                                        \
        0                                                                                                    \
    }
#define SCOPED_ROWS __attribute__((cleanup(row_list_done)))
void row_list_done(struct row_list *rows);

/* 1 found, 0 not, -1. */
int store_get(struct store *store, enum cluster_kind kind, const char *ns, const char *name,
              json_t **ret_object, struct error *err);
int store_has_uid(struct store *store, enum cluster_kind kind, const char *uid, struct error *err);
/* These add to *rows. */
/* The first `at_most` behind the row `after` ({NULL}: from the first one), ordered by namespace and name. ns NULL: all. */
struct row_place {
    const char *ns, *name;
};
int store_list(struct store *store, enum cluster_kind kind, const char *ns, struct row_place after,
               unsigned at_most, struct row_list *rows, struct error *err);
int store_children(struct store *store, const char *owner_uid, struct row_list *rows, struct error *err);

/* ERR_INVALID: larger than OBJECT_MAX_BYTES. */
int store_insert(struct store *store, enum cluster_kind kind, json_t *object, struct error *err);
int store_update(struct store *store, enum cluster_kind kind, json_t *object, struct error *err);
int store_remove(struct store *store, enum cluster_kind kind, json_t *object, struct error *err);

/* Events: what they are about and when they were written. */
int store_event_note(struct store *store, const char *uid, const char *involved, int64_t written_unix_s,
                     struct error *err);
int store_events_beyond(struct store *store, const char *involved, unsigned keep, struct row_list *rows,
                        struct error *err);
int store_events_before(struct store *store, int64_t written_unix_s, struct row_list *rows,
                        struct error *err);

/* A change as a watch tells it. */
struct logged_change {
    enum watch_event_type type;
    uint64_t version;
    json_t *object;
};
struct change_list {
    struct logged_change *items;
    size_t count;
};
#define CHANGE_LIST_INIT                                                                                     \
    {                                                                                                        \
        0                                                                                                    \
    }
#define SCOPED_CHANGES __attribute__((cleanup(change_list_done)))
void change_list_done(struct change_list *changes);

/* Up to `limit` changes of a kind after a version, in order. ERR_PRECONDITION, reason "Expired": the log does not
 * reach back so far, or the version is none of ours. */
int store_changes(struct store *store, enum cluster_kind kind, const char *ns, uint64_t after, unsigned limit,
                  struct change_list *changes, struct error *err);
