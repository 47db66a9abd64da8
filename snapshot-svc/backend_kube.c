/* The Kubernetes backend: objects in a kube-apiserver, agents found by their pods, one leader of all replicas. */
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/log/log.h"
#include "snapshot-svc/backend.h"
#include "snapshot-svc/cluster/kube/kube.h"
#include "snapshot-svc/dispatch/discovery.h"
#include "snapshot-svc/leader/leader.h"
#include "snapshot-svc/model/names.h"

enum { SYNC_TIMEOUT_MS = 30 * 1000 };

struct backend {
    const struct settings *settings;
    struct cluster *cluster; /* borrowed from the service */
    struct metrics *metrics;
    struct informer *agent_pods;
    struct discovery *discovery;
    struct leader *leader; /* NULL without --leader-elect */
    backend_lead_fn *lead;
    void *lead_self;
};

static int open_cluster(const struct settings *settings, struct cluster **ret_cluster, struct error *err)
{
    const struct cluster_kube_options options = {.kubeconfig = settings->kubeconfig,
                                                 .qps = (unsigned)settings->kube_qps,
                                                 .burst = (unsigned)settings->kube_burst,
                                                 .user_agent = "stasis-snapshot-svc/" STASIS_VERSION};
    return cluster_kube_open(&options, ret_cluster, err);
}

/* Everything we make or look at has one of these labels; what has not is spared us. */
static void make_informers(struct service *service, const char *ns)
{
    static const struct {
        enum cluster_kind kind;
        const char *labels;
    } rows[] = {{KIND_BATCH_SANDBOX, NULL},
                {KIND_SANDBOX_SNAPSHOT, NULL},
                {KIND_POD, LABEL_SANDBOX_NAME},
                {KIND_JOB, LABEL_JOB_SNAPSHOT}};
    const struct informer_options job_pods = {
        .cluster = service->cluster, .kind = KIND_POD, .ns = ns, .labels = LABEL_JOB_SNAPSHOT};

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct informer_options options = {
            .cluster = service->cluster, .kind = rows[i].kind, .ns = ns, .labels = rows[i].labels};
        service->informers[rows[i].kind] = informer_new(&options);
    }
    service->job_pods = informer_new(&job_pods);
}

static int kube_open(const struct settings *settings, struct rpc_tls *tls, struct service *service,
                     struct backend **ret_backend, struct error *err)
{
    if (open_cluster(settings, &service->cluster, err) < 0)
        return -1;
    struct backend *backend = xcalloc(1, sizeof(*backend));
    const struct informer_options agent_pods = {.cluster = service->cluster,
                                                .kind = KIND_POD,
                                                .ns = settings->system_ns,
                                                .labels = DISCOVERY_SELECTOR};

    backend->settings = settings;
    backend->cluster = service->cluster;
    backend->metrics = service->metrics;
    service->ns = settings->ns;
    make_informers(service, *settings->watch_ns ? settings->watch_ns : NULL);
    service->agents = agents_new(tls);
    backend->agent_pods = informer_new(&agent_pods);
    const struct discovery_options discovery = {
        .pods = backend->agent_pods, .agents = service->agents, .ns = settings->system_ns};
    backend->discovery = discovery_new(&discovery);
    *ret_backend = backend;
    return 0;
}

/* ---- leading ---- */

static void lead_or_end(void *self)
{
    struct backend *backend = self;
    struct error err = {0};

    if (backend->lead(backend->lead_self, &err) == 0)
        return;
    log_failure(LOG_ERROR, "elected, but cannot lead", &err);
    _exit(EXIT_FAILURE);
}

/* Whatever this process still has in hand might be done by the next leader, too: nothing more is done here, not even an
 * orderly end. Kubernetes starts it again, as a follower. */
static void end_at_once(void *self, const char *why)
{
    (void)self;
    log_error("the lead is lost: ending", log_str("why", why));
    _exit(EXIT_FAILURE);
}

static int stand_for_election(struct backend *backend, struct error *err)
{
    const struct leader_options options = {.cluster = backend->cluster,
                                           .ns = backend->settings->system_ns,
                                           .identity = backend->settings->identity,
                                           .metrics = backend->metrics,
                                           .on_started = lead_or_end,
                                           .on_lost = end_at_once,
                                           .self = backend};

    backend->leader = leader_new(&options);
    return leader_start(backend->leader, err);
}

static int kube_start(struct backend *backend, backend_lead_fn *lead, void *self, struct error *err)
{
    /* Who leads must not believe that a node has no agent only because nobody has looked yet. */
    if (informer_start(backend->agent_pods, err) < 0 ||
        informer_wait_synced(backend->agent_pods, SYNC_TIMEOUT_MS, err) < 0)
        return -1;
    if (!backend->settings->leader_elect)
        return lead(self, err);
    backend->lead = lead;
    backend->lead_self = self;
    return stand_for_election(backend, err);
}

static void kube_stop(struct backend *backend)
{
    if (backend->leader)
        leader_stop(backend->leader);
    informer_free(backend->agent_pods);
    backend->agent_pods = NULL;
}

static void kube_free(struct backend *backend)
{
    leader_free(backend->leader);
    informer_free(backend->agent_pods);
    discovery_free(backend->discovery);
    free(backend);
}

const struct backend_ops backend_kube = {
    .open = kube_open, .start = kube_start, .stop = kube_stop, .free = kube_free};
