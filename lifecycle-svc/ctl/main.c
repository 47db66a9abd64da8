/* stasisctl: options.c reads the command line, one function per command does the work, this connects them. */
#include <stdio.h>
#include <stdlib.h>

#include "lifecycle-svc/ctl/ctl.h"
#include "lifecycle-svc/ctl/interrupt.h"
#include "shared/base/cleanup.h"
#include "shared/base/signals.h"
#include "shared/log/log.h"
#include "shared/rpc/tls.h"

DEFINE_FREEP(channel, struct rpc_channel, rpc_channel_free)

int ctl_exit_code(const struct error *err)
{
    switch (err->code) {
    case ERR_INVALID:
        return CTL_USAGE;
    case ERR_NOT_FOUND:
        return CTL_NOT_FOUND;
    case ERR_PRECONDITION:
    case ERR_CONFLICT:
        return CTL_WRONG_STATE;
    case ERR_UNAVAILABLE:
        return CTL_UNREACHABLE;
    case ERR_DENIED:
    case ERR_UNAUTHENTICATED:
        return CTL_DENIED;
    case ERR_NONE:
    case ERR_EXISTS:
    case ERR_UNSUPPORTED:
    case ERR_EXHAUSTED:
    case ERR_TIMEOUT:
    case ERR_CORRUPT:
    case ERR_CANCELLED:
    case ERR_INTERNAL:
    case ERR_MAX:
        break;
    }
    return CTL_FAILED;
}

static int run(const struct options *options, struct error *err)
{
    static int (*const commands[COMMAND_MAX])(struct ctl *, struct error *) = {
        [COMMAND_CREATE] = ctl_create,
        [COMMAND_GET] = ctl_get,
        [COMMAND_LIST] = ctl_list,
        [COMMAND_PAUSE] = ctl_pause,
        [COMMAND_RESUME] = ctl_resume,
        [COMMAND_DELETE] = ctl_delete,
        [COMMAND_WAIT] = ctl_wait,
        [COMMAND_EXEC] = ctl_exec,
        [COMMAND_LOGS] = ctl_logs,
        [COMMAND_RENEW] = ctl_renew,
        [COMMAND_LABEL] = ctl_label,
        [COMMAND_ENDPOINT] = ctl_endpoint,
        [COMMAND_EXPLAIN] = ctl_explain,
        [COMMAND_SNAPSHOT_CREATE] = ctl_snapshot_create,
        [COMMAND_SNAPSHOT_GET] = ctl_snapshot_get,
        [COMMAND_SNAPSHOT_LIST] = ctl_snapshot_list,
        [COMMAND_SNAPSHOT_DELETE] = ctl_snapshot_delete,
    };
    const char *key = getenv("OPEN_SANDBOX_API_KEY");
    SCOPED(rpc_tls) struct rpc_tls *tls = NULL;

    if (options->tls && rpc_tls_open_client(options->ca_file, &tls, err) < 0)
        return error_wrap(err, "--ca-file");
    const struct rpc_channel_options channel = {.name = "lifecycle-svc",
                                                .header_key = key && *key ? "open-sandbox-api-key" : NULL,
                                                .header_value = key,
                                                .tls = tls,
                                                .server_name = options->tls_server_name,
                                                .secure_with = "--tls or --ca-file=FILE"};
    SCOPED(channel) struct rpc_channel *connected = rpc_channel_new(options->address, &channel);
    struct ctl ctl = {.options = options, .channel = connected};

    return commands[options->command](&ctl, err);
}

static int tell_error(const struct error *err)
{
    (void)fprintf(stderr, "stasisctl: %s%s%s%s\n", err->text, *err->reason ? " [" : "", err->reason,
                  *err->reason ? "]" : "");
    return ctl_exit_code(err);
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct error err = {0};
    int code = CTL_OK;

    signals_block();
    log_setup("stasisctl", LOG_WARN, LOG_FORMAT_HUMAN);
    if (options_parse(argc, argv, &options, &err) < 0) {
        code = tell_error(&err);
    } else if (options.command == COMMAND_HELP) {
        (void)fputs(CTL_HELP, stdout);
    } else if (options.command == COMMAND_VERSION) {
        (void)puts("stasisctl " STASIS_VERSION);
    } else {
        interrupt_watch();
        code = run(&options, &err);
        if (code < 0)
            code = tell_error(&err);
    }
    options_done(&options);
    return code;
}
