#include "shared/rpc/core_priv.h"

#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <pthread.h>
#include <stdlib.h>

#include "shared/log/log.h"

/* The core writes plain lines to stderr; ours are structured, and each failure reaches its caller anyway. */
static void log_core_line(gpr_log_func_args *args)
{
    log_debug("grpc", log_str("detail", args->message), log_str("file", args->file),
              log_i64("line", args->line));
}

static void redirect_log(void)
{
    if (!getenv("GRPC_TRACE") &&
        !getenv("GRPC_VERBOSITY")) /* someone who asks for its traces wants them as they are */
        gpr_set_log_function(log_core_line);
}

void rpc_core_ref(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, redirect_log);
    grpc_init(); /* the library counts */
}

void rpc_core_unref(void)
{
    grpc_shutdown();
}
