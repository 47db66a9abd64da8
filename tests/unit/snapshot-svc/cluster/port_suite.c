#include "tests/unit/snapshot-svc/cluster/port_suite.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"
#include "tests/unit/snapshot-svc/cluster/port_suite_priv.h"

static const struct port_factory *current_factory; /* CMocka's group setup has no argument of its own */

static int setup(void **state)
{
    struct port *port = xcalloc(1, sizeof(*port));
    struct error err = {0};

    port->factory = current_factory;
    assert_ok(port->factory->open(port->factory->self, &port->cluster, &port->ns, &err));
    *state = port;
    return 0;
}

static int teardown(void **state)
{
    struct port *port = *state;
    port->factory->close(port->factory->self, port->cluster);
    free(port);
    return 0;
}

int port_suite_run(const struct port_factory *factory)
{
    const struct port_tests *const parts[] = {&port_writes, &port_refusals, &port_deletes, &port_watches};
    SCOPED(memory) struct CMUnitTest *tests = NULL;
    size_t count = 0;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        tests = xrealloc_array(tests, count + parts[i]->count, sizeof(*tests));
        memcpy(tests + count, parts[i]->tests, parts[i]->count * sizeof(*tests));
        count += parts[i]->count;
    }
    current_factory = factory;
    return _cmocka_run_group_tests(factory->name, tests, count, setup, teardown);
}
