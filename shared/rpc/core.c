#include "shared/rpc/core_priv.h"

#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/log/log.h"

#define TELL_EVERY_MS 10000

static atomic_bool tells_handshakes;
static _Atomic int64_t next_tale_ms; /* monotonic */
static atomic_uint untold;

static bool is_handshake_failure(const gpr_log_func_args *args)
{
    return args->severity == GPR_LOG_SEVERITY_ERROR && strstr(args->file, "ssl_transport_security") &&
           strstr(args->message, "Handshake failed");
}

static void tell_handshake(const gpr_log_func_args *args)
{
    int64_t now_ms = clock_monotonic_ms(), due_ms = atomic_load(&next_tale_ms);

    if (now_ms < due_ms || !atomic_compare_exchange_strong(&next_tale_ms, &due_ms, now_ms + TELL_EVERY_MS)) {
        (void)atomic_fetch_add(&untold, 1);
        return;
    }
    log_warn("TLS handshake failed", log_str("detail", args->message),
             log_u64("others_since_last", atomic_exchange(&untold, 0)));
}

void rpc_core_tell_handshakes(void)
{
    atomic_store(&tells_handshakes, true);
}

/* The core writes plain lines to stderr; ours are structured, and each failure reaches its caller anyway. */
static void log_core_line(gpr_log_func_args *args)
{
    if (atomic_load(&tells_handshakes) && is_handshake_failure(args))
        tell_handshake(args);
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
