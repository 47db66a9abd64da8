/* lifecycle-svc: the public doors of Stasis. main wires and decides nothing; settings.c has the flags.
 *
 * Threads: this one waits for a signal; one per REST connection, one that watches for hang-ups (shared/http); the
 * workers and pollers of the gRPC door (shared/rpc). Stopping: the doors first, then the channel to snapshot-svc. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lifecycle-svc/access/api_keys.h"
#include "lifecycle-svc/access/insecure_start.h"
#include "lifecycle-svc/api/door.h"
#include "lifecycle-svc/proxy/proxy.h"
#include "lifecycle-svc/rest/door.h"
#include "lifecycle-svc/settings.h"
#include "shared/base/clock.h"
#include "shared/base/signals.h"
#include "shared/log/log.h"
#include "shared/rpc/tls.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Creates block a worker for as long as they wait, so there are many. */
enum { GRPC_WORKERS = 64, MAX_LIST_BYTES = 64 << 20 };

DEFINE_FREEP(channel, struct rpc_channel, rpc_channel_free)
DEFINE_FREEP(rpc_server, struct rpc_server, rpc_server_free)

static int load_keys(const struct settings *settings, struct api_keys **ret_keys, struct error *err)
{
    const struct api_keys_options options = {.file = settings->api_key_file,
                                             .requests_per_second = settings->key_requests_per_second,
                                             .burst = settings->key_burst};
    SCOPED(api_keys) struct api_keys *keys = NULL;

    if (api_keys_open(&options, &keys, err) < 0)
        return -1;
    if (api_keys_empty(keys)) {
        if (insecure_start_acknowledged(STDIN_FILENO, STDERR_FILENO, INSECURE_PROMPT_MS, err) < 0)
            return -1;
        log_warn("no API key: everybody who reaches this server may use it",
                 log_str("address", settings->address));
    }
    *ret_keys = TAKE(keys);
    return 0;
}

static int reach_orchestrator(const struct settings *settings, struct rpc_channel **ret_channel,
                              struct error *err)
{
    SCOPED(rpc_tls) struct rpc_tls *tls = NULL;

    if (*settings->tls_dir && rpc_tls_open(settings->tls_dir, &tls, err) < 0)
        return error_wrap(err, "--tls-dir");
    const struct rpc_channel_options options = {.name = "snapshot-svc",
                                                .keepalive =
                                                    strncmp(settings->orchestrator_address, "unix:", 5) != 0,
                                                .max_message = MAX_LIST_BYTES,
                                                .tls = tls,
                                                .server_role = tls ? "snapshot-svc" : NULL};
    *ret_channel = rpc_channel_new(settings->orchestrator_address, &options);
    if (rpc_channel_check(*ret_channel, err) < 0)
        return error_wrap(err, "--orchestrator-address");
    return 0;
}

static void certificate_in_use(void *tls, char **ret_chain, char **ret_key)
{
    rpc_tls_pem(tls, ret_chain, ret_key);
}

/* Outlives the server. */
static int open_rest_tls(const struct settings *settings, struct rpc_tls **ret_tls, struct error *err)
{
    if (*settings->rest_tls_dir && rpc_tls_open_server(settings->rest_tls_dir, ret_tls, err) < 0)
        return error_wrap(err, "--rest-tls-dir");
    return 0;
}

static void open_proxy(const struct settings *settings, struct metrics *metrics, struct proxy **ret_proxy)
{
    const struct proxy_options options = {.max_requests = settings->proxy_max_requests,
                                          .connect_timeout_ms = settings->proxy_connect_timeout_ms,
                                          .idle_timeout_ms = settings->proxy_idle_timeout_ms,
                                          .metrics = metrics};

    if (settings->proxy_max_requests > 0)
        *ret_proxy = proxy_new(&options);
}

static int open_rest_door(const struct settings *settings, struct rest_door *door, struct rpc_tls *tls,
                          struct http_server **ret_server, struct error *err)
{
    struct http_server_options options = {.address = settings->address,
                                          .handler = rest_door_handle,
                                          .self = door,
                                          .max_connections = (unsigned)settings->max_connections,
                                          .too_large_body = REST_TOO_LARGE_BODY,
                                          .too_long_head = REST_TOO_LONG_HEAD,
                                          .refused = rest_door_refused,
                                          .streams = rest_door_streams,
                                          .upgrades = true,
                                          .tls = {tls ? certificate_in_use : NULL, tls}};

    if (http_server_start(&options, ret_server, err) < 0)
        return error_wrap(err, "--address");
    log_info("REST door open", log_str("address", settings->address),
             log_u64("port", http_server_port(*ret_server)), log_bool("tls", tls != NULL));
    return 0;
}

static int open_grpc_door(const struct settings *settings, struct api_door *door,
                          struct rpc_server **ret_server, struct error *err)
{
    SCOPED(rpc_tls) struct rpc_tls *tls = NULL;
    SCOPED(rpc_server) struct rpc_server *server = NULL;
    int port = 0;

    if (!*settings->grpc_address)
        return 0;
    if (*settings->grpc_tls_dir && rpc_tls_open_server(settings->grpc_tls_dir, &tls, err) < 0)
        return error_wrap(err, "--grpc-tls-dir");
    const struct rpc_server_options options = {.workers = GRPC_WORKERS,
                                               .observe = api_door_observe,
                                               .tls = tls,
                                               .insecure = settings->grpc_insecure,
                                               .secure_with =
                                                   "--grpc-tls-dir=FOLDER (or --grpc-insecure=true behind a "
                                                   "proxy that ends TLS)"};
    server = rpc_server_new(&options);
    api_door_add(server, door);
    if (rpc_server_listen(server, settings->grpc_address, &port, err) < 0)
        return error_wrap(err, "--grpc-address");
    rpc_server_start(server);
    log_info("gRPC door open", log_str("address", settings->grpc_address), log_i64("port", port),
             log_bool("tls", tls != NULL));
    *ret_server = TAKE(server);
    return 0;
}

static void show_metrics(void *self, struct http_exchange *exchange)
{
    SCOPED_STRBUF struct strbuf page = STRBUF_INIT;

    metrics_render(self, &page);
    http_answer(exchange, 200, "text/plain; version=0.0.4", strbuf_text(&page), page.length);
}

static int open_metrics(const struct settings *settings, struct metrics *metrics,
                        struct http_server **ret_server, struct error *err)
{
    struct http_server_options options = {.address = settings->metrics_address,
                                          .handler = show_metrics,
                                          .self = metrics,
                                          .max_connections = 16};

    if (!*settings->metrics_address)
        return 0;
    if (http_server_start(&options, ret_server, err) < 0)
        return error_wrap(err, "--metrics-address");
    log_info("metrics open", log_str("address", settings->metrics_address),
             log_u64("port", http_server_port(*ret_server)));
    return 0;
}

/* One grace for both doors together. */
static void close_doors(const struct settings *settings, struct http_server *rest, struct rpc_server *grpc)
{
    int64_t until_ms = clock_monotonic_ms() + settings->shutdown_grace_ms;

    http_server_stop(rest, settings->shutdown_grace_ms);
    int64_t left_ms = until_ms - clock_monotonic_ms();
    if (grpc)
        rpc_server_stop(grpc, left_ms > 0 ? left_ms : 0);
}

/* What the operator adds to every sandbox. */
static int read_additions(const struct settings *settings, struct sandbox_template **ret_template,
                          json_t **ret_resources, struct error *err)
{
    if (*settings->sandbox_template_file &&
        sandbox_template_load(settings->sandbox_template_file, ret_template, err) < 0) {
        err->code = ERR_INVALID; /* whatever is wrong with it, the flag is */
        return error_wrap(err, "--sandbox-template-file");
    }
    if (*settings->execd_init_resources &&
        container_resources_parse(settings->execd_init_resources, ret_resources, err) < 0)
        return error_wrap(err, "--execd-init-resources");
    return 0;
}

static int serve(const struct settings *settings, struct error *err)
{
    struct json_strings host_paths = {(char **)settings->allowed_host_paths.items,
                                      settings->allowed_host_paths.count};
    struct sandbox_service service = {.check = {settings->max_sandbox_timeout_s, &host_paths},
                                      .manifest = {settings->execd_image, settings->image_pull_policy},
                                      .create_timeout_ms = settings->create_timeout_ms};
    SCOPED(sandbox_template) struct sandbox_template *template = NULL;
    SCOPED(json) json_t *execd_resources = NULL;
    SCOPED(api_keys) struct api_keys *keys = NULL;
    SCOPED(metrics) struct metrics *metrics = metrics_new();
    SCOPED(channel) struct rpc_channel *orchestrator = NULL;
    SCOPED(proxy) struct proxy *proxy = NULL;
    SCOPED(rpc_tls) struct rpc_tls *rest_tls = NULL;
    struct rest_door rest_door = {.service = &service, .metrics = metrics, .public_host = settings->eip};
    struct api_door api_door = {.service = &service};
    SCOPED(http_server) struct http_server *metrics_page = NULL;
    SCOPED(rpc_server) struct rpc_server *grpc = NULL;
    SCOPED(http_server) struct http_server *rest = NULL;

    if (read_additions(settings, &template, &execd_resources, err) < 0)
        return -1;
    service.check.template = service.manifest.template = template;
    service.manifest.execd_resources = execd_resources;
    if (load_keys(settings, &keys, err) < 0)
        return -1;
    rest_door.keys = api_door.keys = keys;
    open_proxy(settings, metrics, &proxy);
    rest_door.proxy = proxy;
    if (open_rest_tls(settings, &rest_tls, err) < 0)
        return -1;
    if (reach_orchestrator(settings, &orchestrator, err) < 0)
        return -1;
    service.orchestrator = orchestrator;
    if (open_metrics(settings, metrics, &metrics_page, err) < 0 ||
        open_grpc_door(settings, &api_door, &grpc, err) < 0 ||
        open_rest_door(settings, &rest_door, rest_tls, &rest, err) < 0) {
        if (grpc)
            rpc_server_stop(grpc, 0);
        return -1;
    }
    int sign = signals_wait();
    log_info("stopping", log_str("signal", strsignal(sign)));
    close_doors(settings, rest, grpc);
    return 0;
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    enum config_outcome outcome;
    struct error err = {0};

    signals_block();
    if (settings_load(&settings, argc, argv, &outcome, &err) < 0 ||
        (outcome == CONFIG_RUN &&
         log_configure("lifecycle-svc", settings.log_level, settings.log_format, &err) < 0)) {
        (void)fprintf(stderr, "lifecycle-svc: %s\n", err.text);
        config_list_done(&settings.allowed_host_paths);
        return EXIT_USAGE;
    }
    int served = outcome == CONFIG_EXIT_OK ? 0 : serve(&settings, &err);
    if (served < 0)
        log_failure(LOG_ERROR, "cannot serve", &err, log_str("version", STASIS_VERSION));
    config_list_done(&settings.allowed_host_paths);
    if (served == 0)
        return 0;
    return err.code == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
}
