/* settings.h - the flags, environment and defaults of snapshot-svc.
 * Spec: contract/controller-behaviour.md §1; what concerns webhooks or log files is accepted and unused, so that the
 * arguments of existing Deployments keep working. */
#pragma once

#include "shared/config/config.h"
#include "shared/log/log.h"
#include "snapshot-svc/reconcile/planners.h"

enum cluster_backend { CLUSTER_LOCAL, CLUSTER_KUBERNETES };

struct settings {
    const char *cluster_name;
    const char *address; /* gRPC: "unix:/path" or loopback host:port */
    const char *ns, *watch_ns, *system_ns;
    const char *kubeconfig;
    int64_t kube_qps, kube_burst;
    bool leader_elect;
    const char *identity;
    const char *tls_dir;
    const char *state_dir, *secrets_dir;
    const char *agent_address, *node_name;
    const char *snapshot_registry, *snapshot_push_secret, *resume_pull_secret;
    bool snapshot_registry_insecure;
    int64_t commit_timeout_ms, upload_timeout_ms, shutdown_grace_ms;
    const char *commit_mode_name, *committer_image, *containerd_socket, *containerd_root;
    struct config_list job_pull_secrets;
    const char *ttl_while_paused_name;
    int64_t paused_retention_ms; /* 0: for ever */
    const char *concurrency;
    const char *health_address, *metrics_address;
    const char *log_level_name, *log_format_name;

    /* Checked, from the texts above. */
    enum cluster_backend backend;
    enum commit_mode commit_mode;
    bool ttl_runs_while_paused;
    unsigned sandbox_workers, snapshot_workers;
    char host_name[256]; /* default of node_name and identity */
};

/* Reads argv (config_load), checks what spans members, and sets the logging up. */
int settings_load(struct settings *settings, int argc, char **argv, enum config_outcome *ret_outcome,
                  struct error *err);
/* Also after a load that failed. */
void settings_done(struct settings *settings);
