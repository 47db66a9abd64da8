/* The port suite on a real kube-apiserver with a garbage collector. */
#include "tests/integration/kube/kube_place.h"
#include "tests/unit/snapshot-svc/cluster/port_suite.h"

static int open_kube(void *self, struct cluster **ret_cluster, const char **ret_ns, struct error *err)
{
    (void)self, (void)err; /* the place asserts */
    *ret_cluster = place_open();
    *ret_ns = place_ns();
    return 0;
}

static void close_kube(void *self, struct cluster *cluster)
{
    (void)self;
    cluster_free(cluster);
}

int main(void)
{
    const struct port_factory factory = {"cluster port: kube", open_kube, close_kube, NULL};

    place_need();
    return port_suite_run(&factory);
}
