/* kit.h - the controllers on a real local store, with a kubelet and an agent that are only just true enough.
 *
 * One "machine" outlives any number of "processes": the SQLite file, the Secrets and what the agent knows stay, the
 * informers, queues and views go. The fake kubelet runs every pod at once and removes the deleted ones. It watches two
 * laws: a sandbox is Paused only when its pods are gone, and a pod of a sandbox that pauses is dead before it is deleted. */
#pragma once

#include <jansson.h>

#include "snapshot-svc/controller/controller.h"
#include "tests/unit/snapshot-svc/cluster/local/local_kit.h"
#include "tests/unit/snapshot-svc/controller/fused_cluster.h"
#include "tests/unit/snapshot-svc/dispatch/fake_committer.h"

#define KIT_NS   "test"
#define KIT_NODE "node-a"

struct kit {
    struct local_kit *local;
    char socket[96];
    struct fake_committer *agent;
    struct fuse fuse;
    struct controller_options options; /* for the next process; its texts are the test's */

    /* Set before kit_begin(): Jobs run as well, on this one machine. */
    bool runs_jobs;
    const char *job_message; /* what a commit Job's pod leaves in its termination log */
    int job_exit_code;

    /* of the process under way */
    struct fused_cluster cluster;
    struct service service;
    struct controller *controller;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    unsigned changes;
    bool pods_stay_pending, pods_keep_their_finalizer;
    const char *waiting_reason; /* of the containers of new pods; NULL: they run */
    const char *broken_law;
    char image[256]; /* of the pod that was seen last */
};

struct kit *kit_new(void);
void kit_free(struct kit *kit); /* ends the process, too */

void kit_begin(struct kit *kit); /* a process */
void kit_end(struct kit *kit);   /* at once, whatever it is doing */

/* ---- what users do ---- */
void kit_create_sandbox(struct kit *kit, const char *name);
void kit_patch(struct kit *kit, enum cluster_kind kind, const char *name, const char *merge_patch);
void kit_patch_status(struct kit *kit, enum cluster_kind kind, const char *name, const char *merge_patch);
void kit_delete(struct kit *kit, enum cluster_kind kind, const char *name);
void kit_create(struct kit *kit, enum cluster_kind kind, const char *text);
/* A Secret of type kubernetes.io/dockerconfigjson, or with another key. */
void kit_write_secret(struct kit *kit, const char *name, const char *key, const char *content);

/* ---- looking and waiting ---- */
json_t *kit_get(struct kit *kit, enum cluster_kind kind, const char *name); /* NULL: there is none */
/* Each waits until it is so; a process whose fuse blew is followed by a new one with a whole fuse. Fails the test when a
 * law is broken or nothing comes of it. */
void kit_await_phase(struct kit *kit, enum cluster_kind kind, const char *name, const char *phase);
void kit_await_gone(struct kit *kit, enum cluster_kind kind, const char *name);
typedef bool kit_predicate(struct kit *kit, const void *context);
void kit_await(struct kit *kit, kit_predicate *predicate, const void *context, const char *what);
void kit_await_condition(struct kit *kit, enum cluster_kind kind, const char *name, const char *condition,
                         const char *reason);
void kit_await_event(struct kit *kit, const char *object, const char *reason);
/* How often this event was posted until now, by its count; 0: never. */
json_int_t kit_event_count(struct kit *kit, const char *object, const char *reason);
