/* port_suite_priv.h - the parts of the port suite, one per subject. Each test's state is a struct port. */
#pragma once

#include "tests/unit/snapshot-svc/cluster/port_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct port {
    const struct port_factory *factory;
    struct cluster *cluster;
    const char *ns;
};

struct port_tests {
    const struct CMUnitTest *tests;
    size_t count;
};

extern const struct port_tests port_writes, port_refusals, port_deletes, port_watches;
