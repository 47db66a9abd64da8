/* local.h - the cluster port on one SQLite file: etcd, API server, garbage collector and scheduler of a
 * single machine.
 *
 * Namespace: there is one; creating elsewhere is ERR_NOT_FOUND.
 *
 * Secrets are not in the file. An operator's is a folder under secrets_dir with one file per key, as a Secret volume
 * looks, read at each get and never written. Those that are created here live in memory: a restart forgets them, and
 * they go with the sandbox that owns them. Where both have a name, the folder wins. They cannot be listed or watched
 * (ERR_UNSUPPORTED).
 *
 * Pods are bound to `node` when created. They carry the finalizer POD_NODE_FINALIZER, which the node runner
 * takes away when the containers are really gone, so that deletion has two phases as with a kubelet;
 * metadata.deletionGracePeriodSeconds says how long they may take. A pod's spec never changes.
 *
 * Events: the newest LOCAL_EVENTS_PER_OBJECT of each involved object, for LOCAL_EVENT_TTL_S.
 *
 * Durability: a call that answered 0 is on the disk (WAL, synchronous=FULL). Watches read a bounded log of
 * changes in the same file, so they can resume over a restart; they are woken by commits, never by a timer.
 *
 * Errors beyond the port's: ERR_EXHAUSTED (disk full), ERR_UNAVAILABLE (I/O error, file busy), ERR_CORRUPT
 * (damaged file; the text says what to do). */
#pragma once

#include <stdint.h>

#include "shared/base/error.h"
#include "snapshot-svc/cluster/cluster.h"

#define POD_NODE_FINALIZER      "local.stasis.opensandbox.io/node"
#define LOCAL_EVENTS_PER_OBJECT 100
#define LOCAL_EVENT_TTL_S       3600

struct cluster_local_options {
    const char *path;        /* the SQLite file, made with mode 0600 when missing; "<path>.lock" beside it */
    const char *secrets_dir; /* NULL: there are no Secrets */
    const char *ns;          /* NULL: "default" */
    const char *node;        /* spec.nodeName of pods that name none; NULL: they stay unbound */
    unsigned history_max;    /* changes kept for watches; 0: 2048 */
    int64_t (*now_ms)(void *clock); /* Unix time; NULL: the real clock */
    void *clock;
};

/* *ret_cluster is the caller's: cluster_free() after every watch is freed. Options are copied.
 * ERR_UNAVAILABLE: another process has the file open. ERR_CORRUPT: not a usable store.
 * ERR_UNSUPPORTED: written by a newer version. */
int cluster_local_open(const struct cluster_local_options *options, struct cluster **ret_cluster,
                       struct error *err);
