#include "tests/unit/snapshot-svc/api/api_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/batchsandbox.h"
#include "snapshot-svc/reconcile/intent.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

/* ---- a sandbox as the controller left it ---- */

/* As the controller does: generation, wish and digest together. */
void api_acknowledge(struct stage *stage, const char *name)
{
    SCOPED(json) json_t *object = stage_get(stage, KIND_BATCH_SANDBOX, name);
    SCOPED_BATCHSANDBOX struct batchsandbox sandbox = {0};
    struct error err = {0};

    assert_ok(batchsandbox_read(object, &sandbox, &err));
    sandbox_acknowledge(&sandbox, &sandbox.status);
    SCOPED(json) json_t *patch = json_pack("{s:o}", "status", batchsandbox_status_write(&sandbox.status));
    assert_ok(
        cluster_patch_status(stage->kit->cluster, KIND_BATCH_SANDBOX, "test", name, patch, NULL, NULL, &err));
}

void api_give_sandbox(struct stage *stage, const char *name, struct api_given given)
{
    SCOPED(string)
    char *json = xasprintf("{'metadata': {'name': '%s'}, 'spec': {'replicas': 1, 'template': {}%s%s}}", name,
                           given.pause ? ", 'pause': " : "", given.pause ? given.pause : "");
    SCOPED(json)
    json_t *status = quotedf("{'status': {" COUNTERS ", 'phase': '%s', 'conditions': [%s%s%s]}}", given.phase,
                             given.condition ? "{'type': '" : "", given.condition ? given.condition : "",
                             given.condition ? "', 'status': 'True'}" : "");
    struct error err = {0};

    stage_create(stage, KIND_BATCH_SANDBOX, json);
    assert_ok(cluster_patch_status(stage->kit->cluster, KIND_BATCH_SANDBOX, "test", name, status, NULL, NULL,
                                   &err));
    api_acknowledge(stage, name);
}

/* ---- a second replica ---- */

struct replica {
    struct service service;
    struct orchestrator_service *orchestrator;
    struct rpc_server *server;
    struct rpc_channel *channel;
};

struct replica *replica_new(struct stage *stage)
{
    const struct rpc_server_options options = {.workers = 4};
    const struct rpc_channel_options channel = {.name = "snapshot-svc"};
    struct replica *replica = xcalloc(1, sizeof(*replica));
    SCOPED(string) char *door = xasprintf("%s-2", stage->door);
    struct error err = {0};

    replica->service = stage->service;
    replica->service.cluster = stage->kit->cluster;
    for (enum cluster_kind kind = KIND_BATCH_SANDBOX; kind <= KIND_POD; kind++)
        replica->service.informers[kind] = informer_new(
            &(struct informer_options){.cluster = stage->kit->cluster, .kind = kind, .ns = stage->ns});
    replica->orchestrator = orchestrator_service_new(&replica->service);
    replica->server = rpc_server_new(&options);
    orchestrator_service_add(replica->orchestrator, replica->server);
    assert_ok(rpc_server_listen(replica->server, door, NULL, &err));
    rpc_server_start(replica->server);
    replica->channel = rpc_channel_new(door, &channel);
    return replica;
}

struct rpc_channel *replica_channel(struct replica *replica)
{
    return replica->channel;
}

void replica_free(struct replica *replica)
{
    rpc_channel_free(replica->channel);
    rpc_server_stop(replica->server, 0);
    rpc_server_free(replica->server);
    for (enum cluster_kind kind = KIND_BATCH_SANDBOX; kind <= KIND_POD; kind++)
        informer_free(replica->service.informers[kind]);
    orchestrator_service_free(replica->orchestrator);
    free(replica);
}

/* ---- the stage ---- */

int api_setup(void **state)
{
    struct stage *stage = stage_new();

    stage->without_node = true;
    stage->with_door = true;
    stage_start(stage);
    *state = stage;
    return 0;
}

int api_teardown(void **state)
{
    stage_free(*state);
    return 0;
}
