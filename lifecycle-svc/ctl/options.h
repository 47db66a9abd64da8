/* options.h - the command line of stasisctl, and its help page. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/error.h"

/* What scripts may count on. An exec ends with the command's own code instead. */
enum ctl_exit {
    CTL_OK = 0,
    CTL_FAILED = 1,
    CTL_USAGE = 2,
    CTL_NOT_FOUND = 3,
    CTL_WRONG_STATE = 4,
    CTL_UNREACHABLE = 5,
    CTL_DENIED = 6,
};

enum ctl_command {
    COMMAND_CREATE,
    COMMAND_GET,
    COMMAND_LIST,
    COMMAND_PAUSE,
    COMMAND_RESUME,
    COMMAND_DELETE,
    COMMAND_WAIT,
    COMMAND_RENEW,
    COMMAND_LABEL,
    COMMAND_ENDPOINT,
    COMMAND_EXPLAIN,
    COMMAND_SNAPSHOT_CREATE,
    COMMAND_SNAPSHOT_GET,
    COMMAND_SNAPSHOT_LIST,
    COMMAND_SNAPSHOT_DELETE,
    COMMAND_EXEC,
    COMMAND_LOGS,
    COMMAND_HELP,
    COMMAND_VERSION,
    COMMAND_MAX
};

enum ctl_output { OUTPUT_DEFAULT, OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_YAML, OUTPUT_NAME };

struct words {
    char **items; /* borrowed from argv; the array is ours */
    int count;
};

struct options {
    enum ctl_command command;
    const char *id;     /* set for commands that want one: of a sandbox, or of a snapshot */
    struct words words; /* behind "--" */
    const char *address;
    const char *ca_file;         /* NULL: the CAs of this machine */
    const char *tls_server_name; /* NULL: the host of the address */
    bool tls;                    /* --tls, or a CA file was named */
    enum ctl_output output;
    bool wait;
    const char *image, *snapshot, *cpu, *memory, *container;
    const char *name, *sandbox, *request_id;
    struct words env, metadata, states; /* "k=v" checked */
    struct words volumes;               /* "SOURCE:PATH[:ro]" checked */
    struct words labels;                /* of label: "k=v", or "k-" that goes */
    int64_t timeout_s;                  /* 0: none */
    int64_t renew_s;
    int32_t port;
    bool follow, input;
    int64_t tail_lines; /* 0: all */
};

/* ERR_INVALID: the text says what was wanted. `options` is zeroed; texts are borrowed from argv. */
int options_parse(int argc, char **argv, struct options *options, struct error *err);
void options_done(struct options *options);

extern const char *const CTL_HELP;
