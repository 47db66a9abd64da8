/* The port suite on the SQLite implementation. */
#include "tests/unit/snapshot-svc/cluster/local/local_kit.h"
#include "tests/unit/snapshot-svc/cluster/port_suite.h"

static int open_local(void *self, struct cluster **ret_cluster, const char **ret_ns, struct error *err)
{
    struct local_kit **kit = self;

    (void)err; /* the kit asserts */
    *kit = local_kit_new();
    local_kit_open(*kit);
    *ret_cluster = (*kit)->cluster;
    *ret_ns = (*kit)->options.ns;
    return 0;
}

static void close_local(void *self, struct cluster *cluster)
{
    struct local_kit **kit = self;
    (void)cluster; /* the kit's */
    local_kit_free(*kit);
}

int main(void)
{
    struct local_kit *kit = NULL;
    const struct port_factory factory = {"cluster port: local", open_local, close_local, &kit};
    return port_suite_run(&factory);
}
