/* settings.h - the flags of lifecycle-svc. Names follow the contract's settings (rest-api.md §18). */
#pragma once

#include "shared/config/config.h"

struct settings {
    const char *address;      /* REST */
    const char *rest_tls_dir; /* "": the REST door is plaintext */
    const char *eip;          /* where clients reach the proxy; "": where their requests go */
    int64_t proxy_max_requests, proxy_connect_timeout_ms, proxy_idle_timeout_ms;
    const char *grpc_address;         /* "" : no gRPC door */
    const char *grpc_tls_dir;         /* "": the gRPC door is plaintext */
    bool grpc_insecure;               /* plaintext beyond loopback is meant */
    const char *metrics_address;      /* "": no /metrics */
    const char *orchestrator_address; /* snapshot-svc */
    const char *tls_dir;              /* "": plaintext towards snapshot-svc */
    const char *api_key_file;
    int64_t key_requests_per_second, key_burst; /* 0: no limit */
    int64_t max_sandbox_timeout_s;
    int64_t create_timeout_ms;
    const char *execd_image;
    const char *image_pull_policy;
    const char *execd_init_resources;  /* JSON; "": none */
    const char *sandbox_template_file; /* "": none */
    struct config_list allowed_host_paths;
    int64_t max_connections;
    int64_t shutdown_grace_ms;
    const char *log_level, *log_format;
};

/* As config_load(), and checks what a table cannot. ERR_INVALID: the text names the flag. */
int settings_load(struct settings *settings, int argc, char **argv, enum config_outcome *ret_outcome,
                  struct error *err);
