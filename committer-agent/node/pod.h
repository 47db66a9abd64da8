/* node/pod.h - a pod as it is seen on this node. Plain values; a copy for every reader. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/cleanup.h"

enum pod_state { POD_STARTING = 1, POD_READY, POD_ENDED, POD_GONE }; /* the numbers of node_runtime.proto */
enum pod_container_state { CONTAINER_WAITING = 1, CONTAINER_RUNNING, CONTAINER_FROZEN, CONTAINER_EXITED };

struct pod_container {
    char *name, *id, *reason, *message, *image;
    enum pod_container_state state;
    bool is_init;
    bool reaped; /* EXITED, and its output is in the log to the last byte */
    int exit_code;
    int64_t started_at_unix_ms, finished_at_unix_ms; /* 0: not yet */
};

struct pod {
    char *uid, *pod_namespace, *name, *ip;
    char *sandbox_id;
    enum pod_state state;
    struct pod_container *containers; /* in the order of the request, init containers first */
    size_t container_count;
};

void pod_free(struct pod *pod);
DEFINE_FREEP(pod, struct pod, pod_free)
struct pod *pod_copy(const struct pod *pod);
bool pod_equal(const struct pod *a, const struct pod *b);
/* name "" or NULL: the first that is no init container; NULL: there is none of that name. */
const struct pod_container *pod_container_get(const struct pod *pod, const char *name);

/* What the containers and the sandbox make of the pod. */
enum pod_state pod_state_of(bool sandbox_runs, const struct pod_container *containers, size_t count);
