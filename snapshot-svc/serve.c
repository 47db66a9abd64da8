/* serve.c - the order of things; why it is this one, service.h tells.
 *
 * Threads: this one waits for a signal. Others: an informer for each kind, the controllers' workers and the followers of
 * commits, the node's, the gRPC server's, one for each HTTP connection of probes and metrics. */
#include "snapshot-svc/serve.h"

#include <pthread.h>
#include <string.h>

#include "shared/base/signals.h"
#include "shared/metrics/operations.h"
#include "shared/rpc/tls.h"
#include "snapshot-svc/api/orchestrator_service.h"
#include "snapshot-svc/backend.h"
#include "snapshot-svc/controller/controller.h"

enum {
    SYNC_TIMEOUT_MS = 30 * 1000,
    RPC_WORKERS = 16,
    RPC_STREAMS = 1024,         /* each waiting create or pause holds a WatchSandbox */
    RPC_MESSAGE_MAX = 64 << 20, /* a list of all sandboxes */
};

struct daemon {
    const struct settings *settings;
    struct service service;
    struct rpc_tls *tls; /* NULL without --tls-dir */
    const struct backend_ops *backend_ops;
    struct backend *backend;
    struct controller *controller;
    struct orchestrator_service *orchestrator;
    struct rpc_server *server;
    struct operations *probes, *metrics_page;
    int serving; /* atomic */

    pthread_mutex_t lead_lock; /* guards what follows */
    bool ending;               /* too late to begin to lead */
};

/* ---- probes and metrics ---- */

static bool is_ready(void *self)
{
    struct daemon *daemon = self;
    return __atomic_load_n(&daemon->serving, __ATOMIC_ACQUIRE) != 0;
}

static void set_serving(struct daemon *daemon, bool serving)
{
    __atomic_store_n(&daemon->serving, serving, __ATOMIC_RELEASE);
    if (daemon->server)
        rpc_health_set(daemon->server, "", serving);
}

static void refresh_metrics(void *self)
{
    struct daemon *daemon = self;
    controller_refresh_metrics(daemon->controller);
}

static int start_operations(struct daemon *daemon, struct error *err)
{
    const struct settings *settings = daemon->settings;
    struct operations_options options = {.address = settings->health_address,
                                         .metrics = daemon->service.metrics,
                                         .ready = is_ready,
                                         .refresh = refresh_metrics,
                                         .self = daemon};

    if (operations_start(&options, &daemon->probes, err) < 0)
        return error_wrap(err, "--health-probe-bind-address");
    if (strcmp(settings->metrics_address, settings->health_address) == 0)
        return 0; /* the same page */
    options.address = settings->metrics_address;
    if (operations_start(&options, &daemon->metrics_page, err) < 0)
        return error_wrap(err, "--metrics-bind-address");
    return 0;
}

/* ---- the parts ---- */

static void make_parts(struct daemon *daemon)
{
    const struct settings *settings = daemon->settings;
    const struct controller_options controller = {
        .service = &daemon->service,
        .config = {.snapshot_registry = settings->snapshot_registry,
                   .snapshot_push_secret = settings->snapshot_push_secret,
                   .resume_pull_secret = settings->resume_pull_secret,
                   .commit_timeout_ms = settings->commit_timeout_ms,
                   .upload_timeout_ms = settings->upload_timeout_ms,
                   .ttl_runs_while_paused = settings->ttl_runs_while_paused,
                   .paused_retention_ms = settings->paused_retention_ms,
                   .has_scheduler = settings->backend == CLUSTER_KUBERNETES,
                   .commit_mode = settings->commit_mode,
                   .job = {.image = settings->committer_image,
                           .image_pull_secrets = settings->job_pull_secrets.items,
                           .image_pull_secret_count = settings->job_pull_secrets.count,
                           .containerd_socket = settings->containerd_socket,
                           .containerd_root = settings->containerd_root,
                           .registry_insecure = settings->snapshot_registry_insecure}},
        .registry_insecure = settings->snapshot_registry_insecure,
        .sandbox_workers = settings->sandbox_workers,
        .snapshot_workers = settings->snapshot_workers};

    daemon->controller = controller_new(&controller);
    daemon->orchestrator = orchestrator_service_new(&daemon->service);
}

static void observe_call(void *self, const struct rpc_call *call, const struct error *err, int64_t elapsed_ms)
{
    (void)self;
    const enum log_level level = !err || err->code == ERR_CANCELLED                      ? LOG_DEBUG
                                 : err->code == ERR_INTERNAL || err->code == ERR_CORRUPT ? LOG_ERROR
                                                                                         : LOG_INFO;

    if (err)
        log_failure(level, "call failed", err, log_str("method", rpc_method_name(call)),
                    log_i64("elapsed_ms", elapsed_ms));
    else
        log_debug("call", log_str("method", rpc_method_name(call)), log_i64("elapsed_ms", elapsed_ms));
}

/* Before other threads run: a socket file is made under a umask of its own. */
static int open_door(struct daemon *daemon, struct error *err)
{
    static const char *const roles[] = {"lifecycle-svc", NULL};
    const struct rpc_server_options options = {.workers = RPC_WORKERS,
                                               .max_streams = RPC_STREAMS,
                                               .max_message = RPC_MESSAGE_MAX,
                                               .observe = observe_call,
                                               .tls = daemon->tls,
                                               .accept_roles = daemon->tls ? roles : NULL};

    daemon->server = rpc_server_new(&options);
    orchestrator_service_add(daemon->orchestrator, daemon->server);
    if (rpc_server_listen(daemon->server, daemon->settings->address, NULL, err) < 0)
        return error_wrap(err, "--address");
    return 0;
}

static int make(struct daemon *daemon, struct error *err)
{
    const struct settings *settings = daemon->settings;
    struct service *service = &daemon->service;

    if (settings->tls_dir && *settings->tls_dir && rpc_tls_open(settings->tls_dir, &daemon->tls, err) < 0)
        return error_wrap(err, "--tls-dir");
    service->metrics = metrics_new();
    service->resume_pull_secret = settings->resume_pull_secret;
    daemon->backend_ops = settings->backend == CLUSTER_KUBERNETES ? &backend_kube : &backend_local;
    if (daemon->backend_ops->open(settings, daemon->tls, service, &daemon->backend, err) < 0)
        return -1;
    make_parts(daemon);
    return open_door(daemon, err);
}

/* ---- informers ---- */

static int start_informers(const struct service *service, struct error *err)
{
    for (size_t kind = 0; kind < KIND_MAX; kind++)
        if (service->informers[kind] && informer_start(service->informers[kind], err) < 0)
            return -1;
    return service->job_pods ? informer_start(service->job_pods, err) : 0;
}

static int await_informers(const struct service *service, struct error *err)
{
    for (size_t kind = 0; kind < KIND_MAX; kind++)
        if (service->informers[kind] &&
            informer_wait_synced(service->informers[kind], SYNC_TIMEOUT_MS, err) < 0)
            return -1;
    return service->job_pods ? informer_wait_synced(service->job_pods, SYNC_TIMEOUT_MS, err) : 0;
}

static void free_informers(struct service *service)
{
    for (size_t kind = 0; kind < KIND_MAX; kind++)
        informer_free(service->informers[kind]);
    informer_free(service->job_pods);
}

/* ---- start and end ---- */

static int lead(void *self, struct error *err)
{
    struct daemon *daemon = self;
    int result = 0;

    pthread_mutex_lock(&daemon->lead_lock);
    if (!daemon->ending) {
        log_info("leading: reconciling");
        result = controller_start(daemon->controller, err);
    }
    pthread_mutex_unlock(&daemon->lead_lock);
    return result;
}

static int start(struct daemon *daemon, struct error *err)
{
    if (start_operations(daemon, err) < 0 || start_informers(&daemon->service, err) < 0 ||
        await_informers(&daemon->service, err) < 0 ||
        daemon->backend_ops->start(daemon->backend, lead, daemon, err) < 0)
        return -1;
    rpc_server_start(daemon->server);
    set_serving(daemon, true);
    return 0;
}

static void stop_reconciling(struct daemon *daemon)
{
    pthread_mutex_lock(&daemon->lead_lock);
    daemon->ending = true;
    pthread_mutex_unlock(&daemon->lead_lock);
    if (daemon->controller)
        controller_stop(daemon->controller);
}

/* Whatever part of it was made and started. The controllers end before the lead is given away. */
static void end(struct daemon *daemon)
{
    struct service *service = &daemon->service;

    set_serving(daemon, false);
    if (daemon->server)
        rpc_server_stop(daemon->server, daemon->settings->shutdown_grace_ms);
    stop_reconciling(daemon);
    if (daemon->backend)
        daemon->backend_ops->stop(daemon->backend);
    operations_stop(daemon->metrics_page);
    operations_stop(daemon->probes);
    free_informers(service);
    rpc_server_free(daemon->server);
    orchestrator_service_free(daemon->orchestrator);
    if (daemon->backend)
        daemon->backend_ops->free(daemon->backend);
    controller_free(daemon->controller);
    agents_free(service->agents);
    cluster_free(service->cluster);
    metrics_free(service->metrics);
    rpc_tls_free(daemon->tls);
}

int snapshot_serve(const struct settings *settings, struct error *err)
{
    struct daemon daemon = {.settings = settings, .lead_lock = PTHREAD_MUTEX_INITIALIZER};

    int result = make(&daemon, err);
    if (result == 0)
        result = start(&daemon, err);
    if (result == 0) {
        log_info("serving", log_str("address", settings->address),
                 log_str("cluster", settings->cluster_name));
        if (!*settings->snapshot_registry)
            log_warn("no --snapshot-registry: snapshots and pauses will fail");
        int signal_number = signals_wait();
        log_info("stopping", log_i64("signal", signal_number));
    }
    end(&daemon);
    return result;
}
