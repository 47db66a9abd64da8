/* The local backend: objects in a SQLite file, pods run by this machine's agent. */
#include <stdlib.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/file.h"
#include "snapshot-svc/backend.h"
#include "snapshot-svc/cluster/local/local.h"
#include "snapshot-svc/node/node.h"

struct backend {
    char *volumes_dir, *claims_dir;
    struct node *node;
};

static int open_store(const struct settings *settings, struct cluster **ret_cluster, struct error *err)
{
    SCOPED(string) char *path = xasprintf("%s/cluster.db", settings->state_dir);
    const struct cluster_local_options options = {
        .path = path, .secrets_dir = settings->secrets_dir, .ns = settings->ns, .node = settings->node_name};

    if (dir_ensure(settings->state_dir, 0700, err) < 0)
        return error_wrap(err, "--state-dir");
    return cluster_local_open(&options, ret_cluster, err);
}

static void make_informers(struct service *service)
{
    static const enum cluster_kind kinds[] = {KIND_BATCH_SANDBOX, KIND_SANDBOX_SNAPSHOT, KIND_POD};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        const struct informer_options options = {
            .cluster = service->cluster, .kind = kinds[i], .ns = service->ns};
        service->informers[kinds[i]] = informer_new(&options);
    }
}

static int local_open(const struct settings *settings, struct rpc_tls *tls, struct service *service,
                      struct backend **ret_backend, struct error *err)
{
    if (open_store(settings, &service->cluster, err) < 0)
        return -1;
    service->ns = settings->ns;
    service->node_name = settings->node_name;
    make_informers(service);
    service->agents = agents_new(tls);
    agents_put(service->agents, settings->node_name, settings->agent_address);

    struct backend *backend = xcalloc(1, sizeof(*backend));
    backend->volumes_dir = xasprintf("%s/volumes", settings->state_dir);
    backend->claims_dir = xasprintf("%s/claims", settings->state_dir);
    const struct node_options options = {.volumes_dir = backend->volumes_dir,
                                         .claims_dir = backend->claims_dir};
    backend->node = node_new(service, &options);
    *ret_backend = backend;
    return 0;
}

static int local_start(struct backend *backend, backend_lead_fn *lead, void *self, struct error *err)
{
    if (node_start(backend->node, err) < 0)
        return -1;
    return lead(self, err); /* there is one process: the store's lock file says so */
}

static void local_stop(struct backend *backend)
{
    node_stop(backend->node);
}

static void local_free(struct backend *backend)
{
    node_free(backend->node);
    free(backend->volumes_dir);
    free(backend->claims_dir);
    free(backend);
}

const struct backend_ops backend_local = {
    .open = local_open, .start = local_start, .stop = local_stop, .free = local_free};
