/* sandboxes.c - GetSandbox, DeleteSandbox. */
#include <string.h>

#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "snapshot-svc/api/orchestrator_priv.h"
#include "snapshot-svc/api/sandbox_message.h"
#include "snapshot-svc/model/meta.h"
#include "snapshot-svc/model/names.h"

typedef Opensandbox__Orchestrator__V1__GetSandboxRequest get_request;
typedef Opensandbox__Orchestrator__V1__DeleteSandboxRequest delete_request;

enum { CACHE_PATIENCE_MS = 2000 };

/* ---- get ---- */

static void fill(struct orchestrator_service *self, struct rpc_call *call, const struct object *sandbox,
                 sandbox_message *out)
{
    const struct message_memory memory = {.call = call};
    SCOPED(object) struct object *snapshot = find_snapshot(self, sandbox->name);

    sandbox_message_fill(&memory, sandbox->json, snapshot ? snapshot->json : NULL, out);
}

int handle_get(struct rpc_call *call, const void *request_, void *response, struct error *err)
{
    const get_request *request = request_;
    struct orchestrator_service *self = rpc_self(call);
    SCOPED(object) struct object *sandbox = NULL;

    if (find_sandbox(self, request->name, &sandbox, err) < 0)
        return -1;
    fill(self, call, sandbox, response);
    return 0;
}

/* ---- delete ---- */

/* What was deleted was read past the cache; the cache still has it as it was. A caller that reads next must not find it
 * alive, so its stream is waited for: a moment, as the delete holds in any case. */
static void await_in_cache(struct orchestrator_service *self, struct object_watcher *watcher, const char *ns,
                           const char *name, const char *uid)
{
    const int64_t deadline_ms = clock_monotonic_ms() + CACHE_PATIENCE_MS;
    bool alive;

    do {
        SCOPED(object)
        struct object *cached = informer_get(self->service->informers[KIND_BATCH_SANDBOX], ns, name);
        alive =
            cached && strcmp(cached->uid, uid) == 0 && !json_path(cached->json, "metadata.deletionTimestamp");
    } while (alive && object_watcher_wait_until(watcher, deadline_ms));
}

int handle_delete(struct rpc_call *call, const void *request_, void *response, struct error *err)
{
    const delete_request *request = request_;
    struct orchestrator_service *self = rpc_self(call);
    const char *ns = self->service->ns;
    SCOPED(json) json_t *sandbox = NULL;

    (void)response;
    if (find_sandbox_fresh(self, request->name, &sandbox, err) < 0)
        return -1;
    const char *name = json_path_string(sandbox, "metadata.name"),
               *uid = json_path_string(sandbox, "metadata.uid");
    SCOPED(object_watcher) struct object_watcher *watcher = object_watcher_new(self->watchers, ns, name);
    if (cluster_remove(self->service->cluster, KIND_BATCH_SANDBOX, ns, name, uid, 0, err) == 0) {
        await_in_cache(self, watcher, ns, name, uid);
        return 0;
    }
    /* Gone in between, or another one has its name by now: the one that was meant is no more. */
    if (err->code == ERR_NOT_FOUND || err->code == ERR_CONFLICT)
        return sandbox_not_found(err, request->name);
    return -1;
}
