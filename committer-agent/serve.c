#include "committer-agent/agent.h"
#include "committer-agent/api/committer_service.h"
#include "committer-agent/api/node_runtime_service.h"
#include "committer-agent/node/node.h"
#include "shared/base/alloc.h"
#include "shared/base/signals.h"
#include "shared/metrics/operations.h"
#include "shared/rpc/server.h"
#include "shared/rpc/tls.h"

/* serve.c - the daemon: wires the agent to its gRPC door and to the operations server, and unwires in the
 * right order. */

/* RunPod and StopPod take as long as pulls and grace periods do; Release and Cancel must never wait for them. Threads are
 * made when they are needed. */
enum { RPC_WORKERS = 64 };

struct daemon {
    struct agent agent;
    struct node *node; /* NULL without --node-runtime */
    struct metric *running, *holding;
    struct operations *operations;
    struct rpc_server *server;
    struct committer_service committer;
};

static void refresh_gauges(void *self)
{
    struct daemon *daemon = self;
    struct commits_load load = commits_load(daemon->agent.commits);

    metric_set(daemon->running, load.running);
    metric_set(daemon->holding, load.holding);
    meter_refresh(daemon->agent.meter, daemon->agent.spool_dir, load.running);
}

static int start_operations(struct daemon *daemon, const struct settings *settings, struct error *err)
{
    struct metrics *metrics = daemon->agent.metrics;

    daemon->running = metrics_gauge(metrics, "stasis_commits_running", "Commits under way.", NULL);
    daemon->holding =
        metrics_gauge(metrics, "stasis_commits_holding", "Commits that hold their pod frozen.", NULL);
    const struct operations_options options = {
        .address = settings->metrics_address, .metrics = metrics, .refresh = refresh_gauges, .self = daemon};
    return operations_start(&options, &daemon->operations, err);
}

static int start_node(struct daemon *daemon, const struct settings *settings, struct error *err)
{
    SCOPED(string) char *state_dir = xasprintf("%s/node", settings->state_dir);
    SCOPED(string) char *mounts_dir = xasprintf("%s/mounts", settings->state_dir);
    const struct node_options options = {.socket = settings->containerd_socket,
                                         .log_dir = settings->pod_log_dir,
                                         .state_dir = state_dir,
                                         .mounts_dir = mounts_dir};

    if (!settings->node_runtime)
        return 0;
    if (node_new(&options, &daemon->node, err) < 0 || node_start(daemon->node, err) < 0)
        return error_wrap(err, "--node-runtime");
    return 0;
}

static int open_tls(const struct settings *settings, struct rpc_tls **ret_tls, struct error *err)
{
    if (!settings->tls_dir || !*settings->tls_dir)
        return 0;
    if (rpc_tls_open(settings->tls_dir, ret_tls, err) < 0)
        return error_wrap(err, "--tls-dir");
    log_info("mutual TLS", log_str("dir", settings->tls_dir), log_str("role", rpc_tls_role(*ret_tls)));
    return 0;
}

static int start_rpc(struct daemon *daemon, const struct settings *settings, struct error *err)
{
    static const char *const callers[] = {"snapshot-svc", NULL};
    SCOPED(rpc_tls) struct rpc_tls *tls = NULL;

    if (open_tls(settings, &tls, err) < 0)
        return -1;
    const struct rpc_server_options options = {
        .workers = RPC_WORKERS, .tls = tls, .accept_roles = tls ? callers : NULL};
    daemon->committer = (struct committer_service){.commits = daemon->agent.commits,
                                                   .commit_timeout_ms = settings->commit_timeout_ms,
                                                   .hold_timeout_ms = settings->hold_timeout_ms,
                                                   .compression = settings->compression};
    daemon->server = rpc_server_new(&options);
    committer_service_add(&daemon->committer, daemon->server);
    if (daemon->node)
        node_runtime_service_add(daemon->server, daemon->node);
    if (rpc_server_listen(daemon->server, settings->address, NULL, err) < 0)
        return error_wrap(err, "--address");
    rpc_server_start(daemon->server);
    rpc_health_set(daemon->server, "", true);
    return 0;
}

/* Held commits are released through the door, so it stays open until they are; callers that attach are told
 * to leave. */
static void stop(struct daemon *daemon, const struct settings *settings)
{
    if (daemon->server) {
        rpc_health_set(daemon->server, "", false);
        commits_close(daemon->agent.commits, settings->stop_grace_ms);
        rpc_server_stop(daemon->server, 1000);
        rpc_server_free(daemon->server);
    }
    node_free(daemon->node);
    operations_stop(daemon->operations);
    agent_close(&daemon->agent, 0);
}

int agent_serve(const struct settings *wanted, struct error *err)
{
    struct daemon daemon = {0};
    struct settings resident = *wanted;
    const struct settings *settings = &resident;

    resident.hands_over = true;

    if (agent_open(&daemon.agent, settings, err) < 0)
        return -1;
    int result = start_operations(&daemon, settings, err);
    if (result == 0)
        result = start_node(&daemon, settings, err);
    if (result == 0)
        result = start_rpc(&daemon, settings, err);
    if (result == 0) {
        log_info("serving", log_str("address", settings->address));
        int signal_number = signals_wait();
        log_info("stopping", log_i64("signal", signal_number));
    }
    stop(&daemon, settings);
    return result;
}
