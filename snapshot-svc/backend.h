/* backend.h - what differs between the two clusters: where the objects live, who runs the pods, where the agents are.
 *
 * serve.c calls in this order; what every part must do at each step, service.h tells:
 *   open -> (the other parts are made) -> start -> stop -> (the informers are freed) -> free
 * Threads: the caller's. */
#pragma once

#include "shared/base/error.h"
#include "snapshot-svc/service.h"
#include "snapshot-svc/settings.h"

struct rpc_tls;

struct backend;

/* From now on this process, of all replicas, is the one that reconciles. Called once, on any thread; when it fails, the
 * process ends. */
typedef int backend_lead_fn(void *self, struct error *err);

struct backend_ops {
    /* Fills service->cluster, informers, agents, node_name, ns; tls may be NULL. On failure nothing is left. */
    int (*open)(const struct settings *settings, struct rpc_tls *tls, struct service *service,
                struct backend **ret_backend, struct error *err);
    /* The informers are synced. `lead` is called now, or when this replica is elected. A replica that loses its
     * election ends its process. */
    int (*start)(struct backend *backend, backend_lead_fn *lead, void *self, struct error *err);
    void (*stop)(struct backend *backend);
    void (*free)(struct backend *backend);
};

/* backend_local.c: SQLite, and the kubelet in this process. */
extern const struct backend_ops backend_local;
/* backend_kube.c: a kube-apiserver; agents are found by their pods. */
extern const struct backend_ops backend_kube;
