#include "lifecycle-svc/api/door.h"

#include "lifecycle-svc/api/methods.h"
#include "opensandbox/lifecycle/v1/lifecycle.pb-c.h"
#include "shared/log/log.h"

static const char KEY_HEADER[] = "open-sandbox-api-key";

const struct sandbox_service *api_enter(struct rpc_call *call, struct error *err)
{
    const struct api_door *door = rpc_self(call);
    struct admission admission;

    return api_keys_admit(door->keys, rpc_header(call, KEY_HEADER), &admission, err) < 0 ? NULL
                                                                                         : door->service;
}

static void on_cancel(void *door, void (*fn)(void *self), void *self)
{
    rpc_on_cancel(door, fn, self);
}

struct sandbox_caller api_caller(struct rpc_call *call, const char *request_id)
{
    return (struct sandbox_caller){.request_id = request_id && *request_id ? request_id : NULL,
                                   .door = call,
                                   .on_gone = on_cancel,
                                   .ms_left = rpc_ms_left(call)};
}

void api_door_add(struct rpc_server *server, struct api_door *door)
{
    static const struct rpc_method methods[] = {
        {.name = "CreateSandbox", .unary = api_create_sandbox},
        {.name = "GetSandbox", .unary = api_get_sandbox},
        {.name = "ListSandboxes", .unary = api_list_sandboxes},
        {.name = "DeleteSandbox", .unary = api_delete_sandbox},
        {.name = "PauseSandbox", .unary = api_pause_sandbox},
        {.name = "ResumeSandbox", .unary = api_resume_sandbox},
        {.name = "RenewSandbox", .unary = api_renew_sandbox},
        {.name = "PatchMetadata", .unary = api_patch_metadata},
        {.name = "GetEndpoint", .unary = api_get_endpoint},
        {.name = "CreateSnapshot", .unary = api_create_snapshot},
        {.name = "GetSnapshot", .unary = api_get_snapshot},
        {.name = "ListSnapshots", .unary = api_list_snapshots},
        {.name = "DeleteSnapshot", .unary = api_delete_snapshot},
        {.name = "DescribeSandbox", .unary = api_describe_sandbox},
        {.name = "WatchSandbox", .stream = api_watch_sandbox, .endless = true},
        {.name = "WatchSnapshot", .stream = api_watch_snapshot, .endless = true},
        {.name = "Exec", .stream = api_exec},
        {.name = "Logs", .stream = api_logs, .endless = true},
        {.name = NULL},
    };

    rpc_server_add(server, &opensandbox__lifecycle__v1__lifecycle__descriptor, methods, door);
    rpc_health_set(server, opensandbox__lifecycle__v1__lifecycle__descriptor.name, true);
}

void api_door_observe(void *self, const struct rpc_call *call, const struct error *err, int64_t elapsed_ms)
{
    const char *request_id = rpc_header(call, "x-request-id");

    (void)self;
    LOG_SCOPE(log_str("door", "grpc"), log_str("method", rpc_method_name(call)),
              log_str("request_id", request_id));
    if (!err)
        log_info("request answered", log_i64("elapsed_ms", elapsed_ms));
    else
        log_failure(LOG_INFO, "request refused", err, log_i64("elapsed_ms", elapsed_ms));
}
