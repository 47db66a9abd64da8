#include "snapshot-svc/settings.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "snapshot-svc/concurrency.h"

#define RETENTION_MIN_MS (60 * 1000)
#define RETENTION_MAX_MS                                                                                     \
    ((int64_t)87600 * 3600 * 1000) /* ten years, so that sums stay far from overflowing */

#define AT(member) offsetof(struct settings, member)
/* clang-format off */
#define UNUSED(flag)        {flag, NULL, CONFIG_IGNORED, 0, NULL, NULL, false}
#define UNUSED_SWITCH(flag) {flag, NULL, CONFIG_IGNORED_BOOL, 0, NULL, NULL, false}

static const struct config_option options[] = {
    {"cluster", "STASIS_CLUSTER", CONFIG_STRING, AT(cluster_name), "local",
     "Where the objects live: local (a SQLite file; pods run on this machine) or kubernetes.", false},
    {"address", "STASIS_SNAPSHOT_ADDRESS", CONFIG_STRING, AT(address), "unix:/run/stasis/snapshot.sock",
     "Where the service serves gRPC: unix:/path, loopback host:port, or with --tls-dir any host:port.", false},
    {"namespace", "STASIS_NAMESPACE", CONFIG_STRING, AT(ns), "default",
     "Namespace in which the API makes and finds sandboxes.", false},
    {"watch-namespace", NULL, CONFIG_STRING, AT(watch_ns), "",
     "kubernetes: serve the objects of this namespace only; empty serves all.", false},
    {"system-namespace", "POD_NAMESPACE", CONFIG_STRING, AT(system_ns), "stasis-system",
     "kubernetes: namespace of this service's Lease and of the committer-agents.", false},
    {"kubeconfig", "KUBECONFIG", CONFIG_STRING, AT(kubeconfig), NULL,
     "kubernetes: file that says how to reach the API server; the pod's service account unless set.", false},
    {"kube-client-qps", NULL, CONFIG_INT, AT(kube_qps), "100", "kubernetes: requests per second to the API server.", false},
    {"kube-client-burst", NULL, CONFIG_INT, AT(kube_burst), "200", "kubernetes: how many of them may come at once.", false},
    {"leader-elect", NULL, CONFIG_BOOL, AT(leader_elect), "false",
     "kubernetes: of several replicas one reconciles; all serve reads and requests.", false},
    {"pod-name", "POD_NAME", CONFIG_STRING, AT(identity), NULL,
     "kubernetes: who this replica is in the Lease; its host name unless set.", false},
    {"tls-dir", "STASIS_TLS_DIR", CONFIG_STRING, AT(tls_dir), NULL,
     "Folder with ca.crt, tls.crt and tls.key: mutual TLS with lifecycle-svc and the agents.", false},
    {"state-dir", "STASIS_STATE_DIR", CONFIG_STRING, AT(state_dir), "/var/lib/stasis/snapshot",
     "local: folder of the SQLite file and of pod volumes; one service at a time.", false},
    {"secrets-dir", "STASIS_SECRETS_DIR", CONFIG_STRING, AT(secrets_dir), "/etc/stasis/secrets",
     "local: Secrets, one folder each with one file per key.", false},
    {"agent-address", "STASIS_AGENT_ADDRESS", CONFIG_STRING, AT(agent_address), "unix:/run/stasis/agent.sock",
     "local: where this machine's committer-agent serves gRPC.", false},
    {"node-name", "NODE_NAME", CONFIG_STRING, AT(node_name), NULL, "local: name of this machine; its host name unless set.",
     false},
    {"snapshot-registry", "SNAPSHOT_REGISTRY", CONFIG_STRING, AT(snapshot_registry), "",
     "Registry and path that snapshot images are pushed to: host:port/path. Without it snapshots fail.", false},
    {"snapshot-registry-insecure", "SNAPSHOT_REGISTRY_INSECURE", CONFIG_BOOL, AT(snapshot_registry_insecure), "false",
     "Allow plain HTTP and untrusted TLS towards the registry.", false},
    {"snapshot-push-secret", NULL, CONFIG_STRING, AT(snapshot_push_secret), "",
     "Secret (kubernetes.io/dockerconfigjson) to push with; empty pushes anonymously.", false},
    {"resume-pull-secret", NULL, CONFIG_STRING, AT(resume_pull_secret), "",
     "Secret that a resumed sandbox pulls its images with; empty adds none.", false},
    {"commit-job-timeout", NULL, CONFIG_DURATION, AT(commit_timeout_ms), "10m", "A commit that takes longer fails.", false},
    {"upload-timeout", NULL, CONFIG_DURATION, AT(upload_timeout_ms), "15m",
     "How long the image of a paused sandbox whose pod is released already may take to be pushed; then it comes back from its node.",
     false},
    {"commit-mode", NULL, CONFIG_STRING, AT(commit_mode_name), "auto",
     "kubernetes: who commits: agent (the DaemonSet), job (a Job for each commit), auto (a Job where a node has no agent).",
     false},
    {"image-committer-image", NULL, CONFIG_STRING, AT(committer_image), "image-committer:dev", "kubernetes: image of commit Jobs.", false},
    {"job-image-pull-secret", NULL, CONFIG_LIST, AT(job_pull_secrets), NULL,
     "kubernetes: Secret in the sandbox's namespace that commit Jobs pull their image with; may be given more than once.", false},
    {"containerd-socket-path", NULL, CONFIG_STRING, AT(containerd_socket), "/var/run/containerd/containerd.sock",
     "kubernetes: containerd's socket on the nodes, for commit Jobs.", false},
    {"containerd-root", NULL, CONFIG_STRING, AT(containerd_root), "/var/lib/containerd",
     "kubernetes: containerd's root folder on the nodes, for commit Jobs.", false},
    {"ttl-while-paused", NULL, CONFIG_STRING, AT(ttl_while_paused_name), "stop",
     "The time to live of a sandbox while it is paused: stop (it goes on with what remains after the resume) or run.", false},
    {"paused-retention", NULL, CONFIG_DURATION, AT(paused_retention_ms), "0s",
     "A sandbox that stays paused for longer is deleted, after a warning Event; 0s keeps it for ever.", false},
    {"concurrency", NULL, CONFIG_STRING, AT(concurrency), "batchsandbox=32;pool=16",
     "Workers of each controller; sandboxsnapshot=8 unless named.", false},
    {"health-probe-bind-address", NULL, CONFIG_STRING, AT(health_address), ":8081",
     "host:port of /healthz and /readyz; 0 is off.", false},
    {"metrics-bind-address", NULL, CONFIG_STRING, AT(metrics_address), "0", "host:port of /metrics; 0 is off.", false},
    {"shutdown-grace", NULL, CONFIG_DURATION, AT(shutdown_grace_ms), "5s",
     "How long running requests may go on after SIGTERM.", false},
    {"log-level", "STASIS_LOG_LEVEL", CONFIG_STRING, AT(log_level_name), "info", "debug, info, warn or error.", false},
    {"log-format", "STASIS_LOG_FORMAT", CONFIG_STRING, AT(log_format_name), "json", "json or human.", false},

    /* Of OpenSandbox's controller, without a meaning here: no webhooks, no cached creations to wait for (names are
     * derived), logs on stderr. */
    UNUSED("expectation-timeout"),
    UNUSED_SWITCH("metrics-secure"), UNUSED("metrics-cert-path"), UNUSED("metrics-cert-name"), UNUSED("metrics-cert-key"),
    UNUSED("webhook-cert-path"), UNUSED("webhook-cert-name"), UNUSED("webhook-cert-key"), UNUSED_SWITCH("enable-http2"),
    UNUSED_SWITCH("enable-file-log"), UNUSED("log-file-path"), UNUSED("log-max-size"), UNUSED("log-max-backups"),
    UNUSED("log-max-age"), UNUSED_SWITCH("log-compress"),
    UNUSED_SWITCH("zap-devel"), UNUSED("zap-encoder"), UNUSED("zap-log-level"), UNUSED("zap-stacktrace-level"),
    UNUSED("zap-time-encoding"),
    CONFIG_END,
};
/* clang-format on */
#undef AT

static const struct config_program program = {
    .name = "snapshot-svc",
    .synopsis = "[flags]",
    .about = "Reconciles BatchSandboxes and SandboxSnapshots, and serves opensandbox.orchestrator.v1.\n"
             "Killed at any moment and started again, it goes on where it was.",
    .options = options,
};

static int check_backend(struct settings *settings, struct error *err)
{
    if (strcmp(settings->cluster_name, "local") == 0) {
        settings->backend = CLUSTER_LOCAL;
        return 0;
    }
    if (strcmp(settings->cluster_name, "kubernetes") == 0) {
        settings->backend = CLUSTER_KUBERNETES;
        return 0;
    }
    return error_set(err, ERR_INVALID, "--cluster: want local or kubernetes, got \"%.40s\"",
                     settings->cluster_name);
}

static int check_commit_mode(struct settings *settings, struct error *err)
{
    static const char *const names[COMMIT_MODE_MAX] = {
        [COMMIT_MODE_AUTO] = "auto", [COMMIT_MODE_AGENT] = "agent", [COMMIT_MODE_JOB] = "job"};

    if (settings->backend == CLUSTER_LOCAL) {
        settings->commit_mode = COMMIT_MODE_AGENT; /* this machine's; there is nobody who runs Jobs */
        return 0;
    }
    for (int mode = 0; mode < COMMIT_MODE_MAX; mode++)
        if (strcmp(settings->commit_mode_name, names[mode]) == 0) {
            settings->commit_mode = (enum commit_mode)mode;
            return 0;
        }
    return error_set(err, ERR_INVALID, "--commit-mode: want auto, agent or job, got \"%.40s\"",
                     settings->commit_mode_name);
}

static int check_ttl(struct settings *settings, struct error *err)
{
    settings->ttl_runs_while_paused = strcmp(settings->ttl_while_paused_name, "run") == 0;
    if (!settings->ttl_runs_while_paused && strcmp(settings->ttl_while_paused_name, "stop") != 0)
        return error_set(err, ERR_INVALID, "--ttl-while-paused: want stop or run, got \"%.40s\"",
                         settings->ttl_while_paused_name);
    if (settings->paused_retention_ms != 0 && (settings->paused_retention_ms < RETENTION_MIN_MS ||
                                               settings->paused_retention_ms > RETENTION_MAX_MS))
        return error_set(err, ERR_INVALID, "--paused-retention: want 0s (for ever), or 1m to 87600h");
    return 0;
}

static int check_range(const char *flag, int64_t value, int64_t low, int64_t high, struct error *err)
{
    if (value < low || value > high)
        return error_set(err, ERR_INVALID, "%s: want %lld to %lld, got %lld", flag, (long long)low,
                         (long long)high, (long long)value);
    return 0;
}

static int check_workers(struct settings *settings, struct error *err)
{
    struct concurrency concurrency = {.sandboxes = 32, .snapshots = 8, .pools = 16};

    if (concurrency_parse(settings->concurrency, &concurrency, err) < 0)
        return error_wrap(err, "--concurrency");
    settings->sandbox_workers = concurrency.sandboxes;
    settings->snapshot_workers = concurrency.snapshots;
    return 0;
}

static int check_duration(const char *flag, int64_t value_ms, int64_t low_ms, struct error *err)
{
    if (value_ms < low_ms || value_ms > 24 * 3600 * 1000)
        return error_set(err, ERR_INVALID, "%s: want %lld s to 24 h", flag, (long long)low_ms / 1000);
    return 0;
}

/* Node names are lowercase. */
static int default_names(struct settings *settings, struct error *err)
{
    if (gethostname(settings->host_name, sizeof(settings->host_name) - 1) < 0)
        return error_sys(err, errno, "--node-name, --pod-name: the host name");
    for (char *c = settings->host_name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (!settings->node_name || !*settings->node_name)
        settings->node_name = settings->host_name;
    if (!settings->identity || !*settings->identity)
        settings->identity = settings->host_name;
    return 0;
}

int settings_load(struct settings *settings, int argc, char **argv, enum config_outcome *ret_outcome,
                  struct error *err)
{
    int arguments = 0;

    if (config_load(&program, argc, argv, settings, &arguments, ret_outcome, err) < 0)
        return -1;
    if (*ret_outcome == CONFIG_EXIT_OK)
        return 0;
    if (arguments > 0)
        return error_set(err, ERR_INVALID,
                         "unexpected argument \"%.80s\": snapshot-svc has flags only, see --help", argv[1]);
    if (log_configure("snapshot-svc", settings->log_level_name, settings->log_format_name, err) < 0 ||
        check_backend(settings, err) < 0 || check_commit_mode(settings, err) < 0 ||
        check_ttl(settings, err) < 0 ||
        check_range("--kube-client-qps", settings->kube_qps, 1, 100000, err) < 0 ||
        check_range("--kube-client-burst", settings->kube_burst, 1, 100000, err) < 0 ||
        check_workers(settings, err) < 0 ||
        check_duration("--commit-job-timeout", settings->commit_timeout_ms, 1000, err) < 0 ||
        check_duration("--upload-timeout", settings->upload_timeout_ms, 1000, err) < 0 ||
        check_duration("--shutdown-grace", settings->shutdown_grace_ms, 0, err) < 0)
        return -1;
    settings->commit_timeout_ms -= settings->commit_timeout_ms % 1000; /* the contract counts whole seconds */
    return default_names(settings, err);
}

void settings_done(struct settings *settings)
{
    config_list_done(&settings->job_pull_secrets);
}
