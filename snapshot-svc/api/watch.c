/* watch.c - WatchSandbox and WatchSnapshot: the object now, then at every change, until it is gone. */
#include <string.h>

#include "shared/json/json.h"
#include "snapshot-svc/api/orchestrator_priv.h"
#include "snapshot-svc/api/sandbox_message.h"
#include "snapshot-svc/api/snapshot_message.h"

struct sent {
    uint64_t object,
        snapshot; /* the versions that the last message was made of; snapshot: of a sandbox's pause */
};

/* The object that is watched; it may go, and another get its name. Borrowed. */
struct watched {
    const char *ns, *name, *uid;
    const char *id; /* as callers name it */
};

/* 0 sent, or there was nothing new to send. ERR_NOT_FOUND: it is gone, or another has its name. */
typedef int send_fn(struct orchestrator_service *self, struct rpc_call *call, const struct watched *watched,
                    struct sent *sent, struct error *err);

/* NULL: it is gone. */
static struct object *look_at(struct orchestrator_service *self, enum cluster_kind kind,
                              const struct watched *watched)
{
    struct object *object = informer_get(self->service->informers[kind], watched->ns, watched->name);

    if (object && strcmp(object->uid, watched->uid) == 0)
        return object;
    object_unref(object);
    return NULL;
}

static bool is_news(struct sent *sent, const struct sent *now)
{
    bool news = now->object != sent->object || now->snapshot != sent->snapshot;

    *sent = *now;
    return news;
}

static int send_sandbox(struct orchestrator_service *self, struct rpc_call *call,
                        const struct watched *watched, struct sent *sent, struct error *err)
{
    SCOPED(object) struct object *sandbox = look_at(self, KIND_BATCH_SANDBOX, watched);
    SCOPED(object) struct object *snapshot = find_snapshot(self, watched->name);

    if (!sandbox)
        return sandbox_not_found(err, watched->name);
    const struct sent now = {.object = sandbox->version, .snapshot = snapshot ? snapshot->version : 0};
    if (!is_news(sent, &now))
        return 0;
    SCOPED(sandbox_message)
    sandbox_message *message = sandbox_message_new(sandbox->json, snapshot ? snapshot->json : NULL);
    return rpc_send(call, &message->base, err);
}

static int send_snapshot(struct orchestrator_service *self, struct rpc_call *call,
                         const struct watched *watched, struct sent *sent, struct error *err)
{
    SCOPED(object) struct object *snapshot = look_at(self, KIND_SANDBOX_SNAPSHOT, watched);
    SCOPED(snapshot_message) snapshot_message *message = NULL;

    if (!snapshot)
        return snapshot_not_found(err, watched->id);
    const struct sent now = {.object = snapshot->version};
    if (!is_news(sent, &now))
        return 0;
    if (public_snapshot_message_new(self, snapshot->json, &message, err) < 0)
        return -1;
    return rpc_send(call, &message->base, err);
}

static int watch(struct orchestrator_service *self, struct rpc_call *call, struct watchers *watchers,
                 const struct watched *watched, send_fn *send, struct error *err)
{
    struct sent sent = {0};
    int done;

    SCOPED(object_watcher)
    struct object_watcher *watcher = object_watcher_new(watchers, watched->ns, watched->name);
    rpc_on_cancel(call, object_watcher_cancel, watcher);
    do
        done = send(self, call, watched, &sent, err);
    while (done == 0 && object_watcher_wait(watcher));
    rpc_on_cancel(call, NULL, NULL);
    return done < 0 ? -1 : error_set(err, ERR_CANCELLED, "the watch was cancelled");
}

int handle_watch(struct rpc_call *call, const void *request_, struct error *err)
{
    const Opensandbox__Orchestrator__V1__GetSandboxRequest *request = request_;
    struct orchestrator_service *self = rpc_self(call);
    SCOPED(object) struct object *first = NULL;

    if (find_sandbox(self, request->name, &first, err) < 0 ||
        informer_apply(self->service->informers[KIND_BATCH_SANDBOX], first->json, err) < 0)
        return -1;
    const struct watched watched = {first->ns, first->name, first->uid, request->name};
    return watch(self, call, self->watchers, &watched, send_sandbox, err);
}

int handle_watch_snapshot(struct rpc_call *call, const void *request_, struct error *err)
{
    const Opensandbox__Orchestrator__V1__GetSnapshotRequest *request = request_;
    struct orchestrator_service *self = rpc_self(call);
    SCOPED(json) json_t *first = NULL;

    if (find_public_snapshot(self, request->id, &first, err) < 0 ||
        informer_apply(self->service->informers[KIND_SANDBOX_SNAPSHOT], first, err) < 0)
        return -1;
    const struct watched watched = {self->service->ns, json_path_string(first, "metadata.name"),
                                    json_path_string(first, "metadata.uid"), request->id};
    return watch(self, call, self->snapshot_watchers, &watched, send_snapshot, err);
}
