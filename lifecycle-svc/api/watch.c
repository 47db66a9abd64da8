/* watch.c - WatchSandbox: the state now and at every change, across restarts of snapshot-svc. */
#include "lifecycle-svc/api/convert.h"
#include "lifecycle-svc/api/methods.h"
#include "lifecycle-svc/sandbox/follow.h"
#include "lifecycle-svc/sandbox/orchestrator_error.h"

struct watch {
    struct rpc_call *call;
};

static int send_event(void *self, const orch_sandbox *sandbox, struct error *err)
{
    const struct watch *watch = self;
    SCOPED_MEMORY struct memory memory = {0}; /* not the call's: a watch may last for days */
    api_event event = OPENSANDBOX__LIFECYCLE__V1__SANDBOX_EVENT__INIT;

    event_to_api(sandbox, &memory, &event);
    return rpc_send(watch->call, &event.base, err);
}

int api_watch_sandbox(struct rpc_call *call, const void *request, struct error *err)
{
    const Opensandbox__Lifecycle__V1__GetSandboxRequest *get = request;
    const struct sandbox_service *service = api_enter(call, err);
    struct sandbox_caller caller = api_caller(call, NULL);
    struct watch watch = {.call = call};

    if (!service || sandbox_check_id(get->id, err) < 0)
        return -1;
    if (sandbox_follow(service, get->id, &caller, FOLLOW_FOR_EVER, send_event, &watch, err) == 0)
        return 0;
    /* Only the caller's own deadline ends a wait for ever. */
    return err->code == ERR_TIMEOUT ? -1 : orchestrator_error(err, get->id);
}
