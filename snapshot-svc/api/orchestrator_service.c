#include "snapshot-svc/api/orchestrator_service.h"

#include <stdlib.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "snapshot-svc/api/orchestrator_priv.h"

/* ---- what wakes watchers; on the informers' threads ---- */

static void sandbox_changed(void *self, struct object *sandbox)
{
    watchers_tell(((struct orchestrator_service *)self)->watchers, sandbox->ns, sandbox->name);
}

static void sandbox_updated(void *self, struct object *old, struct object *sandbox)
{
    (void)old;
    sandbox_changed(self, sandbox);
}

static void snapshot_changed(void *self, struct object *snapshot)
{
    struct orchestrator_service *service = self;
    const char *sandbox = json_path_string(snapshot->json, "spec.sandboxName");

    watchers_tell(service->snapshot_watchers, snapshot->ns, snapshot->name);
    if (sandbox)
        watchers_tell(service->watchers, snapshot->ns, sandbox);
}

static void snapshot_updated(void *self, struct object *old, struct object *snapshot)
{
    (void)old;
    snapshot_changed(self, snapshot);
}

/* ---- life ---- */

/* Logs may follow for ever, so a stopping server does not wait for them either. */
static const struct rpc_method methods[] = {
    {.name = "CreateSandbox", .unary = handle_create},
    {.name = "GetSandbox", .unary = handle_get},
    {.name = "ListSandboxes", .unary = handle_list},
    {.name = "DeleteSandbox", .unary = handle_delete},
    {.name = "RenewSandbox", .unary = handle_renew},
    {.name = "LabelSandbox", .unary = handle_label},
    {.name = "PauseSandbox", .unary = handle_pause},
    {.name = "ResumeSandbox", .unary = handle_resume},
    {.name = "WatchSandbox", .stream = handle_watch, .endless = true},
    {.name = "CreateSnapshot", .unary = handle_create_snapshot},
    {.name = "GetSnapshot", .unary = handle_get_snapshot},
    {.name = "ListSnapshots", .unary = handle_list_snapshots},
    {.name = "DeleteSnapshot", .unary = handle_delete_snapshot},
    {.name = "WatchSnapshot", .stream = handle_watch_snapshot, .endless = true},
    {.name = "DescribeSandbox", .unary = handle_describe},
    {.name = "Exec", .stream = handle_exec},
    {.name = "Logs", .stream = handle_logs, .endless = true},
    {0},
};

struct orchestrator_service *orchestrator_service_new(const struct service *service)
{
    struct orchestrator_service *self = xcalloc(1, sizeof(*self));

    self->service = service;
    self->watchers = watchers_new();
    self->snapshot_watchers = watchers_new();
    for (int i = 0; i < WRITE_LOCKS; i++)
        pthread_mutex_init(&self->write_locks[i], NULL);
    informer_subscribe(
        service->informers[KIND_BATCH_SANDBOX],
        &(struct informer_handler){
            .added = sandbox_changed, .updated = sandbox_updated, .deleted = sandbox_changed, .self = self});
    informer_subscribe(service->informers[KIND_SANDBOX_SNAPSHOT],
                       &(struct informer_handler){.added = snapshot_changed,
                                                  .updated = snapshot_updated,
                                                  .deleted = snapshot_changed,
                                                  .self = self});
    return self;
}

void orchestrator_service_add(struct orchestrator_service *service, struct rpc_server *server)
{
    rpc_server_add(server, &opensandbox__orchestrator__v1__orchestrator__descriptor, methods, service);
}

void orchestrator_service_free(struct orchestrator_service *service)
{
    if (!service)
        return;
    watchers_free(service->watchers);
    watchers_free(service->snapshot_watchers);
    for (int i = 0; i < WRITE_LOCKS; i++)
        pthread_mutex_destroy(&service->write_locks[i]);
    free(service);
}
