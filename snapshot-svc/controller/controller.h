/* controller.h - the two controllers: BatchSandbox and SandboxSnapshot.
 *
 *   informer event, commit event, time --> key in a workqueue --> worker: observe --> planner --> execute
 *
 * The planners (snapshot-svc/reconcile) decide, this folder carries out; nothing is remembered here that the
 * cluster or the agents do not know, so a killed process goes on where it was when it is started again. Which
 * keys an event wakes, and what each action promises, is in reconcile/plan.h.
 *
 * Of several replicas one leads: controller_start(). Until then an event changes no more than the index of snapshots.
 *
 * Threads: one for each worker of each controller, and the dispatcher's followers. Handlers run on the
 * informers' threads. */
#pragma once

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "snapshot-svc/reconcile/planners.h"
#include "snapshot-svc/service.h"

struct controller_options {
    const struct service *service;  /* borrowed */
    struct reconcile_config config; /* its texts are borrowed */
    bool registry_insecure;
    unsigned sandbox_workers, snapshot_workers;
    int64_t commit_retry_first_ms; /* 0: the dispatcher's default */
};

struct controller;

/* Subscribes to the informers. */
struct controller *controller_new(const struct controller_options *options);
/* After the informers are synced. ERR_EXHAUSTED: no threads. */
int controller_start(struct controller *controller, struct error *err);
/* Lets every worker finish the action it is at, no more; commits go on. */
void controller_stop(struct controller *controller);
/* Stopped or never started, and after the informers. */
void controller_free(struct controller *controller);
DEFINE_FREEP(controller, struct controller, controller_free)

/* Sets the gauges (queue depths, commits); for whoever is about to show the metrics. */
void controller_refresh_metrics(struct controller *controller);
