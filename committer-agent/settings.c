#include "committer-agent/settings.h"

#define FIELD(member) offsetof(struct settings, member)

/* clang-format off */
static const struct config_option options[] = {
    {"address", "STASIS_AGENT_ADDRESS", CONFIG_STRING, FIELD(address), "unix:/run/stasis/agent.sock",
     "Where the agent serves gRPC: unix:/path, loopback host:port, or with --tls-dir any host:port.", false},
    {"tls-dir", "STASIS_TLS_DIR", CONFIG_STRING, FIELD(tls_dir), NULL,
     "Folder with ca.crt, tls.crt and tls.key: mutual TLS on --address; only snapshot-svc is served.", false},
    {"containerd-socket-path", "CONTAINERD_SOCKET", CONFIG_STRING, FIELD(containerd_socket),
     "/run/containerd/containerd.sock", "containerd's socket.", false},
    {"containerd-namespace", "CONTAINERD_NAMESPACE", CONFIG_STRING, FIELD(containerd_namespace), "k8s.io",
     "containerd namespace of the pods.", false},
    {"state-dir", "STASIS_STATE_DIR", CONFIG_STRING, FIELD(state_dir), "/var/lib/stasis/agent",
     "Journal and spool; one agent at a time.", false},
    {"slots", NULL, CONFIG_INT, FIELD(slots), "4", "Commits that may run at once.", false},
    {"compression", NULL, CONFIG_STRING, FIELD(compression_name), "zstd", "Of new layers: zstd, gzip or none.", false},
    {"compression-level", NULL, CONFIG_INT, FIELD(compression_level), "0", "0 is the fast default.", false},
    {"compression-threads", NULL, CONFIG_INT, FIELD(compression_threads), "0",
     "Of one zstd layer. 0: as many as there are processors for this process, at most 8.", false},
    {"commit-job-timeout", NULL, CONFIG_DURATION, FIELD(commit_timeout_ms), "10m",
     "A commit that takes longer is cancelled; callers may ask for less or more.", false},
    {"hold-timeout", NULL, CONFIG_DURATION, FIELD(hold_timeout_ms), "10m",
     "How long a finished pause may stay frozen before somebody takes it; then the containers run again.", false},
    {"stop-grace", NULL, CONFIG_DURATION, FIELD(stop_grace_ms), "10s",
     "On SIGTERM: how long held commits may be taken before their containers are thawed.", false},
    {"spool-min-free-mib", NULL, CONFIG_INT, FIELD(spool_min_free_mib), "256",
     "Free MiB that a commit must leave in the state folder.", false},
    {"nice", NULL, CONFIG_INT, FIELD(nice), "5",
     "How much commits give way to others on the CPU: 0 (not) to 19. A busy node freezes pods longer for it.", false},
    {"io-priority", NULL, CONFIG_STRING, FIELD(io_priority), "7",
     "Of commits at the disk: 0 (first) to 7 (last); idle: only when nobody else reads, which may starve a freeze.", false},
    {"warm-retention", NULL, CONFIG_DURATION, FIELD(warm_retention_ms), "1h",
     "How long a paused sandbox can be resumed on this node without a pull; its disk stays in use. 0: not at all.", false},
    {"image-layers-max", NULL, CONFIG_INT, FIELD(image_layers_max), "4",
     "Layers of pauses that an image has above its base; the next pause folds them into one.", false},
    {"registry-ca-file", NULL, CONFIG_STRING, FIELD(registry_ca_file), NULL, "PEM file with more CAs to trust.", false},
    {"node-runtime", NULL, CONFIG_BOOL, FIELD(node_runtime), "false",
     "Also run pods through CRI: the local backend's kubelet.", false},
    {"pod-log-dir", NULL, CONFIG_STRING, FIELD(pod_log_dir), "/var/log/stasis/pods", "Logs of pods (--node-runtime).",
     false},
    {"metrics-bind-address", NULL, CONFIG_STRING, FIELD(metrics_address), "0",
     "host:port of /metrics, /healthz and /readyz; 0 is off.", false},
    {"log-level", "STASIS_LOG_LEVEL", CONFIG_STRING, FIELD(log_level_name), "info", "debug, info, warn or error.", false},
    {"log-format", "STASIS_LOG_FORMAT", CONFIG_STRING, FIELD(log_format_name), "json", "json or human.", false},
    {"pod", NULL, CONFIG_STRING, FIELD(pod), NULL, "commit, unpause: the pod's uid, or namespace/name.", false},
    {"container", NULL, CONFIG_LIST, FIELD(containers), NULL,
     "commit: name=repository:tag; unpause: name. May be repeated.", false},
    {"insecure", "SNAPSHOT_REGISTRY_INSECURE", CONFIG_BOOL, FIELD(insecure), "false",
     "commit: allow plain HTTP and untrusted TLS.", false},
    {"docker-config", NULL, CONFIG_STRING, FIELD(docker_config_file), NULL,
     "commit: file with registry credentials (config.json).", false},
    CONFIG_END,
};
/* clang-format on */

const struct config_program agent_program = {
    .name = "committer-agent",
    .synopsis = "[commit|unpause] [flags]",
    .about = "Commits the root filesystems of a pod's containers as OCI images, on the pod's own node.\n"
             "Without a command it serves gRPC.\n"
             "  commit   --pod UID --container name=repository:tag   commit once, print the result as JSON\n"
             "  unpause  --pod UID [--container name]                thaw what a dead commit left frozen",
    .options = options,
};

static int check_range(const char *flag, int64_t value, int64_t low, int64_t high, struct error *err)
{
    if (value < low || value > high)
        return error_set(err, ERR_INVALID, "--%s: want %lld to %lld, got %lld; see committer-agent --help",
                         flag, (long long)low, (long long)high, (long long)value);
    return 0;
}

static int check(struct settings *settings, struct error *err)
{
    if (layer_compression_parse(settings->compression_name, &settings->compression, err) < 0)
        return error_wrap(err, "--compression");
    if (log_configure("committer-agent", settings->log_level_name, settings->log_format_name, err) < 0 ||
        check_range("slots", settings->slots, 1, 1024, err) < 0 ||
        check_range("compression-level", settings->compression_level, 0, 19, err) < 0 ||
        check_range("compression-threads", settings->compression_threads, 0, 64, err) < 0 ||
        check_range("spool-min-free-mib", settings->spool_min_free_mib, 0, 1 << 20, err) < 0 ||
        niceness_parse(settings->nice, settings->io_priority, &settings->niceness, err) < 0 ||
        check_range("warm-retention", settings->warm_retention_ms, 0, (int64_t)30 * 24 * 3600 * 1000, err) <
            0 ||
        check_range("image-layers-max", settings->image_layers_max, 1, 100, err) < 0 ||
        check_range("commit-job-timeout", settings->commit_timeout_ms, 1000, 24 * 3600 * 1000, err) < 0 ||
        check_range("hold-timeout", settings->hold_timeout_ms, 1000, 24 * 3600 * 1000, err) < 0)
        return -1;
    return 0;
}

int settings_load(struct settings *settings, int argc, char **argv, int *ret_argc,
                  enum config_outcome *ret_outcome, struct error *err)
{
    if (config_load(&agent_program, argc, argv, settings, ret_argc, ret_outcome, err) < 0)
        return -1;
    return *ret_outcome == CONFIG_RUN ? check(settings, err) : 0;
}
