/* watch.c - WatchSandbox: the sandbox now, then at every change, until it is gone. */
#include <string.h>

#include "snapshot-svc/api/orchestrator_priv.h"
#include "snapshot-svc/api/sandbox_message.h"

struct sent {
    uint64_t sandbox, snapshot; /* the versions that the last message was made of */
};

/* 0 sent, or there was nothing new to send. ERR_NOT_FOUND: the sandbox is gone, or another has its name. */
static int send_state(struct orchestrator_service *self, struct rpc_call *call, const struct object *first,
                      struct sent *sent, struct error *err)
{
    SCOPED(object)
    struct object *sandbox =
        informer_get(self->service->informers[KIND_BATCH_SANDBOX], first->ns, first->name);
    SCOPED(object) struct object *snapshot = find_snapshot(self, first->name);

    if (!sandbox || strcmp(sandbox->uid, first->uid) != 0)
        return sandbox_not_found(err, first->name);
    struct sent now = {.sandbox = sandbox->version, .snapshot = snapshot ? snapshot->version : 0};
    if (now.sandbox == sent->sandbox && now.snapshot == sent->snapshot)
        return 0;
    *sent = now;
    SCOPED(sandbox_message)
    sandbox_message *message = sandbox_message_new(sandbox->json, snapshot ? snapshot->json : NULL);
    return rpc_send(call, &message->base, err);
}

int handle_watch(struct rpc_call *call, const void *request_, struct error *err)
{
    const Opensandbox__Orchestrator__V1__GetSandboxRequest *request = request_;
    struct orchestrator_service *self = rpc_self(call);
    SCOPED(object) struct object *first = NULL;
    struct sent sent = {0};
    int done;

    if (find_sandbox(self, request->name, &first, err) < 0 ||
        informer_apply(self->service->informers[KIND_BATCH_SANDBOX], first->json, err) < 0)
        return -1;
    SCOPED(sandbox_watcher)
    struct sandbox_watcher *watcher = sandbox_watcher_new(self->watchers, first->ns, first->name);
    rpc_on_cancel(call, sandbox_watcher_cancel, watcher);
    do
        done = send_state(self, call, first, &sent, err);
    while (done == 0 && sandbox_watcher_wait(watcher));
    rpc_on_cancel(call, NULL, NULL);
    return done < 0 ? -1 : error_set(err, ERR_CANCELLED, "the watch was cancelled");
}
