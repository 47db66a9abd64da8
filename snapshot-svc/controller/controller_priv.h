/* controller_priv.h - what the files of the controllers share. */
#pragma once

#include <pthread.h>

#include "snapshot-svc/controller/controller.h"
#include "snapshot-svc/controller/refusals.h"
#include "snapshot-svc/controller/snapshot_index.h"
#include "snapshot-svc/dispatch/dispatcher.h"
#include "snapshot-svc/recorder/recorder.h"
#include "snapshot-svc/workqueue/workqueue.h"

struct metric;
struct outcomes;

struct loop;
/* One pass over one object: observes, plans, carries out. *ret_requeue_ms: Unix ms, 0 for never. */
typedef int reconcile_fn(struct controller *controller, const char *ns, const char *name,
                         int64_t *ret_requeue_ms, struct error *err);

/* One controller: its queue and its workers. Set before its threads start. */
struct loop {
    const char *name; /* as in --concurrency */
    struct controller *controller;
    struct workqueue *queue;
    reconcile_fn *reconcile;
    const char *log_key;
    unsigned workers, started;
    pthread_t *threads;
    struct metric *succeeded, *conflicted, *failed, *seconds, *depth;
};

enum { BEGIN_LOCKS = 64 };

struct controller { /* set when made; the parts lock for themselves */
    const struct service *service;
    struct reconcile_config config;
    struct dispatcher *dispatcher;
    struct loop sandboxes, snapshots;
    struct snapshot_index *index;
    struct refusals *refusals; /* of Jobs, by their snapshot's uid */
    struct recorder *recorder;
    struct outcomes *outcomes;
    struct metric *commits_followed;
    /* Held from the look at a snapshot that has not begun to what its pass writes; its sandbox decides which. So the second of two workers
     * sees that the first one's commits (K21). */
    pthread_mutex_t begin_locks[BEGIN_LOCKS];
    int leads; /* atomic: there are workers for what is queued; a follower queues, counts and logs nothing */
    int stopping; /* atomic: workers take up no more actions */
};

/* reconcile.c */
reconcile_fn reconcile_sandbox, reconcile_snapshot;

/* wake.c */
void wake_subscribe(struct controller *controller);
/* Every object of both controllers: a leader begins with them all. */
void wake_all(struct controller *controller);
/* An agent of this node appeared, moved or went: all that may wait for it. */
void wake_for_agent(void *self, const char *node);
/* The dispatcher's `changed`; self is the controller. */
void wake_for_commit(void *self, const char *ns, const char *snapshot, int64_t delay_ms);

bool controller_leads(struct controller *controller);
bool controller_is_stopping(struct controller *controller);
