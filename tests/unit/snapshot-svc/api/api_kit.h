/* api_kit.h - sandboxes as a controller left them, and a second replica, for tests of the Orchestrator API. */
#pragma once

#include "tests/unit/snapshot-svc/node/stage.h"

/* Members that every status needs; JSON with ' in the place of ". */
#define COUNTERS                                                                                             \
    "'replicas': 1, 'allocated': 1, 'ready': 1, 'taskRunning': 0, 'taskSucceed': 0, 'taskFailed': 0,"        \
    " 'taskPending': 0, 'taskUnknown': 0"

struct api_given {
    const char *phase, *condition; /* NULL: none */
    const char *pause;             /* "true", "false", or NULL: absent */
};

/* A sandbox in that state, with nothing asked of it. */
void api_give_sandbox(struct stage *stage, const char *name, struct api_given given);
/* As the controller does: generation, wish and digest together. */
void api_acknowledge(struct stage *stage, const char *name);

/* Another process on the same cluster, with a cache and locks of its own. */
struct replica;
struct replica *replica_new(struct stage *stage);
struct rpc_channel *replica_channel(struct replica *replica);
void replica_free(struct replica *replica); /* before the stage */

/* Setup and teardown: a stage with a door and no node. */
int api_setup(void **state);
int api_teardown(void **state);
