/* operations.h - the small HTTP server that operators and probes talk to, the same in every service:
 *   GET /metrics   Prometheus text        GET /healthz   200 while the process lives        GET /readyz   200
 * or 503 Threads: `ready` and `refresh` are called on connection threads. */
#pragma once

#include <stdbool.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "shared/metrics/metrics.h"

struct operations;

struct operations_options {
    const char *address; /* "127.0.0.1:9090", ":8081"; "0" or "": no server, *ret_operations is NULL */
    struct metrics *metrics;
    bool (*ready)(void *self);   /* NULL: always */
    void (*refresh)(void *self); /* sets gauges before they are shown; or NULL */
    void *self;
};

int operations_start(const struct operations_options *options, struct operations **ret_operations,
                     struct error *err);
void operations_stop(struct operations *operations); /* NULL is fine */
