/* stage.h - the local backend around a node under test: a store in a folder of its own, the informers, and an agent
 * that runs pods in memory. */
#pragma once

#include "snapshot-svc/api/orchestrator_service.h"
#include "snapshot-svc/node/node.h"
#include "snapshot-svc/service.h"
#include "tests/support/fake_node_runtime.h"
#include "tests/unit/snapshot-svc/cluster/local/local_kit.h"

struct stage {
    struct local_kit *kit;
    char volumes_dir[96], claims_dir[96], agent_socket[96], door[112];
    struct fake_runtime *runtime;
    const char *node_name, *ns; /* its namespace while it runs; objects are made in "test" */
    int64_t retry_first_ms;
    bool without_node, with_door;

    struct service service;
    struct node *node;
    struct orchestrator_service *orchestrator;
    struct rpc_server *server;
    struct rpc_channel *channel;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t changes;
};

struct stage *stage_new(void); /* nothing runs yet but the agent */
void stage_start(struct stage *stage);
void stage_stop(struct stage *stage); /* as at the end of the process; the store's file and the agent stay */
void stage_free(struct stage *stage);

/* ---- objects; JSON with ' in the place of " ---- */

void stage_create(struct stage *stage, enum cluster_kind kind, const char *json);
/* A pod of one container "main" with this image. */
void stage_create_pod(struct stage *stage, const char *name, const char *image);
void stage_create_secret(struct stage *stage, const char *name, const char *docker_config);
void stage_delete(struct stage *stage, enum cluster_kind kind, const char *name, int grace_s);
json_t *stage_get(struct stage *stage, enum cluster_kind kind, const char *name); /* NULL: none */
char *stage_uid(struct stage *stage, enum cluster_kind kind, const char *name);
/* How often an Event with this reason was counted about the object. */
int stage_events(struct stage *stage, const char *name, const char *reason);

/* Waits until the text at the path is this; NULL: until the object is gone. Fails the test after 20 s. */
void stage_await(struct stage *stage, enum cluster_kind kind, const char *name, const char *path,
                 const char *text);
/* The same for the one container of a pod: "state.waiting.reason". */
void stage_await_container(struct stage *stage, const char *pod, const char *path, const char *text);
/* Until the informer has told of the object. */
void stage_await_cached(struct stage *stage, enum cluster_kind kind, const char *name);
