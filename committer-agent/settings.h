/* settings.h - the agent's flags, environment and defaults. */
#pragma once

#include "committer-agent/layer/compress.h"
#include "shared/base/niceness.h"
#include "shared/config/config.h"
#include "shared/log/log.h"

struct settings {
    const char *address; /* gRPC: "unix:/path" or "host:port" */
    const char *tls_dir; /* NULL or "": plaintext */
    const char *containerd_socket;
    const char *containerd_namespace;
    const char *state_dir;
    int64_t slots;
    const char *compression_name;
    int64_t compression_level, compression_threads;
    int64_t commit_timeout_ms, hold_timeout_ms, stop_grace_ms;
    int64_t spool_min_free_mib;
    int64_t warm_retention_ms;
    int64_t image_layers_max;
    int64_t nice;
    const char *io_priority;
    const char *registry_ca_file;
    bool node_runtime;
    const char *pod_log_dir;
    const char *metrics_address;
    const char *log_level_name, *log_format_name;

    /* One-shot commands. */
    const char *pod;               /* uid, or namespace/name */
    struct config_list containers; /* commit: name=image; unpause: name */
    bool insecure;
    const char *docker_config_file;

    bool hands_over;   /* no flag: this process stays for what is handed over to it (commit/environment.h) */
    const char *owner; /* no flag: who freezes, when it is not the state folder (commit/run.h) */

    /* Checked, from the texts above. */
    enum layer_compression compression;
    struct niceness niceness;
};

extern const struct config_program agent_program;

/* Reads argv (config_load) and checks what spans members. */
int settings_load(struct settings *settings, int argc, char **argv, int *ret_argc,
                  enum config_outcome *ret_outcome, struct error *err);
