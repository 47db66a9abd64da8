/* serve.c - the order of things; why it is this one, service.h tells.
 *
 * Threads: this one waits for a signal. Others: an informer for each kind, the controllers' workers and the followers of
 * commits, the node's, the gRPC server's, one for each HTTP connection of probes and metrics. */
#include "snapshot-svc/serve.h"

#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/file.h"
#include "shared/base/signals.h"
#include "shared/metrics/operations.h"
#include "shared/rpc/tls.h"
#include "snapshot-svc/api/orchestrator_service.h"
#include "snapshot-svc/cluster/local/local.h"
#include "snapshot-svc/controller/controller.h"
#include "snapshot-svc/node/node.h"

enum {
    SYNC_TIMEOUT_MS = 30 * 1000,
    RPC_WORKERS = 16,
    RPC_STREAMS = 1024,         /* each waiting create or pause holds a WatchSandbox */
    RPC_MESSAGE_MAX = 64 << 20, /* a list of all sandboxes */
};

struct daemon {
    const struct settings *settings;
    struct service service;
    char *store_path, *volumes_dir;
    struct controller *controller;
    struct node *node;
    struct orchestrator_service *orchestrator;
    struct rpc_server *server;
    struct rpc_tls *tls; /* NULL: everything is on this machine */
    struct operations *probes, *metrics_page;
    int serving; /* atomic */
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

static int open_cluster(struct daemon *daemon, struct error *err)
{
    const struct settings *settings = daemon->settings;

    if (settings->backend == CLUSTER_KUBERNETES)
        return error_set(err, ERR_UNSUPPORTED, "--cluster=kubernetes is not built into this version");
    if (dir_ensure(settings->state_dir, 0700, err) < 0)
        return error_wrap(err, "--state-dir");
    daemon->store_path = xasprintf("%s/cluster.db", settings->state_dir);
    daemon->volumes_dir = xasprintf("%s/volumes", settings->state_dir);
    const struct cluster_local_options options = {.path = daemon->store_path,
                                                  .secrets_dir = settings->secrets_dir,
                                                  .ns = settings->ns,
                                                  .node = settings->node_name};
    return cluster_local_open(&options, &daemon->service.cluster, err);
}

static void make_informers(struct service *service)
{
    static const enum cluster_kind kinds[] = {KIND_BATCH_SANDBOX, KIND_SANDBOX_SNAPSHOT, KIND_POD};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        const struct informer_options options = {
            .cluster = service->cluster, .kind = kinds[i], .ns = service->ns};
        service->informers[kinds[i]] = informer_new(&options);
    }
}

static void make_parts(struct daemon *daemon)
{
    const struct settings *settings = daemon->settings;
    const struct controller_options controller = {
        .service = &daemon->service,
        .config = {.snapshot_registry = settings->snapshot_registry,
                   .snapshot_push_secret = settings->snapshot_push_secret,
                   .resume_pull_secret = settings->resume_pull_secret,
                   .commit_timeout_ms = settings->commit_timeout_ms,
                   .commit_mode = settings->commit_mode,
                   .job = {.image = settings->committer_image,
                           .image_pull_secret = settings->job_pull_secret,
                           .containerd_socket = settings->containerd_socket,
                           .containerd_root = settings->containerd_root,
                           .registry_insecure = settings->snapshot_registry_insecure}},
        .registry_insecure = settings->snapshot_registry_insecure,
        .sandbox_workers = settings->sandbox_workers,
        .snapshot_workers = settings->snapshot_workers};
    const struct node_options node = {.volumes_dir = daemon->volumes_dir};

    daemon->controller = controller_new(&controller);
    daemon->node = node_new(&daemon->service, &node);
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

/* Before other threads run: the socket is made under a umask of its own. */
static int open_door(struct daemon *daemon, struct error *err)
{
    static const char *const callers[] = {"lifecycle-svc", NULL};
    const struct rpc_server_options options = {.tls = daemon->tls,
                                               .accept_roles = daemon->tls ? callers : NULL,
                                               .workers = RPC_WORKERS,
                                               .max_streams = RPC_STREAMS,
                                               .max_message = RPC_MESSAGE_MAX,
                                               .observe = observe_call};

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
    if (open_cluster(daemon, err) < 0)
        return -1;
    service->ns = settings->ns;
    service->node_name = settings->node_name;
    service->metrics = metrics_new();
    service->agents = agents_new(daemon->tls);
    agents_put(service->agents, settings->node_name, settings->agent_address);
    make_informers(service);
    make_parts(daemon);
    return open_door(daemon, err);
}

static int start(struct daemon *daemon, struct error *err)
{
    struct informer **informers = daemon->service.informers;

    if (start_operations(daemon, err) < 0)
        return -1;
    for (size_t kind = 0; kind < KIND_MAX; kind++)
        if (informers[kind] && informer_start(informers[kind], err) < 0)
            return -1;
    for (size_t kind = 0; kind < KIND_MAX; kind++)
        if (informers[kind] && informer_wait_synced(informers[kind], SYNC_TIMEOUT_MS, err) < 0)
            return -1;
    if (controller_start(daemon->controller, err) < 0 || node_start(daemon->node, err) < 0)
        return -1;
    rpc_server_start(daemon->server);
    set_serving(daemon, true);
    return 0;
}

/* Whatever part of it was made and started. */
static void end(struct daemon *daemon)
{
    struct service *service = &daemon->service;

    set_serving(daemon, false);
    if (daemon->server)
        rpc_server_stop(daemon->server, daemon->settings->shutdown_grace_ms);
    if (daemon->controller)
        controller_stop(daemon->controller);
    if (daemon->node)
        node_stop(daemon->node);
    operations_stop(daemon->metrics_page);
    operations_stop(daemon->probes);
    for (size_t kind = 0; kind < KIND_MAX; kind++)
        informer_free(service->informers[kind]);
    rpc_server_free(daemon->server);
    orchestrator_service_free(daemon->orchestrator);
    node_free(daemon->node);
    controller_free(daemon->controller);
    agents_free(service->agents);
    cluster_free(service->cluster);
    metrics_free(service->metrics);
    rpc_tls_free(daemon->tls);
    free(daemon->volumes_dir);
    free(daemon->store_path);
}

int snapshot_serve(const struct settings *settings, struct error *err)
{
    struct daemon daemon = {.settings = settings};

    int result = make(&daemon, err);
    if (result == 0)
        result = start(&daemon, err);
    if (result == 0) {
        log_info("serving", log_str("address", settings->address), log_str("cluster", settings->cluster_name),
                 log_str("node", settings->node_name));
        if (!*settings->snapshot_registry)
            log_warn("no --snapshot-registry: snapshots and pauses will fail");
        int signal_number = signals_wait();
        log_info("stopping", log_i64("signal", signal_number));
    }
    end(&daemon);
    return result;
}
