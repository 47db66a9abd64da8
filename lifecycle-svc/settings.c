#include "lifecycle-svc/settings.h"

#include <stddef.h>
#include <string.h>

#define AT(member) offsetof(struct settings, member)
// clang-format off
static const struct config_option options[] = {
    {"address", "STASIS_REST_ADDRESS", CONFIG_STRING, AT(address), "0.0.0.0:8080",
     "Where the REST API listens, host:port.", false},
    {"rest-tls-dir", "STASIS_REST_TLS_DIR", CONFIG_STRING, AT(rest_tls_dir), "",
     "Folder with tls.crt and tls.key: the REST API speaks TLS, with renewed files at once.", false},
    {"eip", "STASIS_EIP", CONFIG_STRING, AT(eip), "",
     "Where clients reach this server, host:port or a URL: in the addresses that use_server_proxy=true gives; empty: the "
     "host that they asked.", false},
    {"proxy-max-requests", NULL, CONFIG_INT, AT(proxy_max_requests), "512",
     "Requests and WebSockets for what runs in sandboxes at a time; more are answered 503. 0 turns the proxy off.", false},
    {"proxy-connect-timeout", NULL, CONFIG_DURATION, AT(proxy_connect_timeout_ms), "10s",
     "How long the proxy tries to connect to a sandbox.", false},
    {"proxy-idle-timeout", NULL, CONFIG_DURATION, AT(proxy_idle_timeout_ms), "10m",
     "How long a proxied request or WebSocket may be silent on both sides before it is cut.", false},
    {"grpc-address", "STASIS_GRPC_ADDRESS", CONFIG_STRING, AT(grpc_address), "127.0.0.1:8090",
     "Where the gRPC API listens: unix:/path, loopback host:port, or with --grpc-tls-dir any; empty turns it off.",
     false},
    {"grpc-tls-dir", "STASIS_GRPC_TLS_DIR", CONFIG_STRING, AT(grpc_tls_dir), "",
     "Folder with tls.crt and tls.key: the gRPC API speaks TLS. Clients need no certificate.", false},
    {"grpc-insecure", "STASIS_GRPC_INSECURE", CONFIG_BOOL, AT(grpc_insecure), "false",
     "Serve the gRPC API in plaintext beyond loopback: only behind a proxy that ends TLS.", false},
    {"orchestrator-address", "STASIS_SNAPSHOT_ADDRESS", CONFIG_STRING, AT(orchestrator_address),
     "unix:/run/stasis/snapshot.sock", "Where snapshot-svc listens: unix:/path or host:port.", false},
    {"tls-dir", "STASIS_TLS_DIR", CONFIG_STRING, AT(tls_dir), "",
     "Folder with ca.crt, tls.crt and tls.key: mutual TLS towards snapshot-svc.", false},
    {"metrics-address", NULL, CONFIG_STRING, AT(metrics_address), "",
     "Where /metrics listens, host:port; empty turns it off.", false},
    {"api-key-file", NULL, CONFIG_STRING, AT(api_key_file), "",
     "File with one API key a line: KEY, or NAME KEY. It is read again when it changes. OPENSANDBOX_SERVER_API_KEY in the "
     "environment replaces it.", false},
    {"api-key-requests-per-second", NULL, CONFIG_INT, AT(key_requests_per_second), "0",
     "Requests a second that each API key may make; more are answered 429. 0 sets no limit.", false},
    {"api-key-burst", NULL, CONFIG_INT, AT(key_burst), "0",
     "How many of them may come at once; 0: as many as a second has.", false},
    {"max-sandbox-timeout", NULL, CONFIG_INT, AT(max_sandbox_timeout_s), "0",
     "Longest timeout in seconds that a sandbox may ask for; 0 sets no limit.", false},
    {"sandbox-create-timeout", NULL, CONFIG_DURATION, AT(create_timeout_ms), "60s",
     "How long a create waits until the sandbox is usable, before it is deleted again.", false},
    {"execd-image", NULL, CONFIG_STRING, AT(execd_image), "",
     "Image with execd and bootstrap.sh, installed into each sandbox; empty runs the entrypoint directly.", false},
    {"execd-init-resources", NULL, CONFIG_STRING, AT(execd_init_resources), "",
     "Resources of the container that installs execd, as JSON: {\"limits\":{\"cpu\":\"1\"},\"requests\":{...}}.", false},
    {"sandbox-template-file", NULL, CONFIG_STRING, AT(sandbox_template_file), "",
     "YAML file with a BatchSandbox whose spec.template, labels and annotations go under those of every sandbox.", false},
    {"image-pull-policy", NULL, CONFIG_STRING, AT(image_pull_policy), "IfNotPresent",
     "Always, IfNotPresent or Never.", false},
    {"allowed-host-paths", NULL, CONFIG_LIST, AT(allowed_host_paths), NULL,
     "Folder of the host that host volumes may be under; may be given several times. Without it none may.", false},
    {"max-connections", NULL, CONFIG_INT, AT(max_connections), "1024",
     "REST connections at a time; more are closed at once.", false},
    {"shutdown-grace", NULL, CONFIG_DURATION, AT(shutdown_grace_ms), "10s",
     "How long running requests may go on after SIGTERM.", false},
    {"log-level", "STASIS_LOG_LEVEL", CONFIG_STRING, AT(log_level), "info", "debug, info, warn or error.", false},
    {"log-format", "STASIS_LOG_FORMAT", CONFIG_STRING, AT(log_format), "json", "json or human.", false},
    CONFIG_END,
};
// clang-format on
#undef AT

static const struct config_program program = {
    .name = "lifecycle-svc",
    .synopsis = "[flags]",
    .about =
        "The public API of Stasis: REST (OpenSandbox's /v1) and gRPC. It keeps no state; snapshot-svc does.\n"
        "Without an API key it starts only with OPENSANDBOX_INSECURE_SERVER=YES, or YES typed on a terminal.",
    .options = options,
};

static int check_pull_policy(const char *policy, struct error *err)
{
    if (strcmp(policy, "Always") == 0 || strcmp(policy, "IfNotPresent") == 0 || strcmp(policy, "Never") == 0)
        return 0;
    return error_set(err, ERR_INVALID,
                     "--image-pull-policy: want Always, IfNotPresent or Never, got \"%.40s\"", policy);
}

static int check_host_paths(const struct config_list *paths, struct error *err)
{
    for (size_t i = 0; i < paths->count; i++)
        if (paths->items[i][0] != '/' || strstr(paths->items[i], "/.."))
            return error_set(err, ERR_INVALID,
                             "--allowed-host-paths: want absolute paths without \"..\", got \"%.80s\"",
                             paths->items[i]);
    return 0;
}

static int check_grpc_security(const struct settings *settings, struct error *err)
{
    if (*settings->grpc_tls_dir && settings->grpc_insecure)
        return error_set(err, ERR_INVALID, "--grpc-insecure: not together with --grpc-tls-dir; choose one");
    return 0;
}

static int check_proxy(const struct settings *settings, struct error *err)
{
    if (settings->proxy_max_requests < 0 || settings->proxy_max_requests > 65536)
        return error_set(err, ERR_INVALID, "--proxy-max-requests: want 0 to 65536");
    if (settings->proxy_connect_timeout_ms <= 0)
        return error_set(err, ERR_INVALID, "--proxy-connect-timeout: want more than 0");
    if (settings->proxy_idle_timeout_ms <= 0)
        return error_set(err, ERR_INVALID, "--proxy-idle-timeout: want more than 0");
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
                         "unexpected argument \"%.80s\": lifecycle-svc has flags only, see --help", argv[1]);
    if (settings->create_timeout_ms <= 0)
        return error_set(err, ERR_INVALID, "--sandbox-create-timeout: want more than 0");
    if (settings->max_sandbox_timeout_s < 0)
        return error_set(err, ERR_INVALID, "--max-sandbox-timeout: want 0 or more seconds");
    if (settings->max_connections < 1 || settings->max_connections > 65536)
        return error_set(err, ERR_INVALID, "--max-connections: want 1 to 65536");
    if (settings->key_requests_per_second < 0 || settings->key_requests_per_second > 1000000 ||
        settings->key_burst < 0 || settings->key_burst > 1000000)
        return error_set(err, ERR_INVALID,
                         "--api-key-requests-per-second, --api-key-burst: want 0 (no limit) to 1000000");
    if (check_proxy(settings, err) < 0)
        return -1;
    if (check_pull_policy(settings->image_pull_policy, err) < 0)
        return -1;
    if (check_grpc_security(settings, err) < 0)
        return -1;
    return check_host_paths(&settings->allowed_host_paths, err);
}
