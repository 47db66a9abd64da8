/* port_suite.h - what every implementation of the cluster port must do, told through the port alone.
 *
 * The implementation under test comes from a factory; the suite knows only a namespace that exists and is its
 * own for the run. It must hold on a real kube-apiserver too, so it counts on nothing that others may do at
 * the same time (schedulers, controllers, garbage collection in its own time): it waits for what must come,
 * through watches. */
#pragma once

#include <jansson.h>

#include "shared/base/error.h"
#include "snapshot-svc/cluster/cluster.h"

struct port_factory {
    const char *name; /* of the test group */
    /* A cluster, and a namespace in it where nothing else is; *ret_ns is borrowed until close. */
    int (*open)(void *self, struct cluster **ret_cluster, const char **ret_ns, struct error *err);
    /* Frees the cluster and whatever open() set up beside it. */
    void (*close)(void *self, struct cluster *cluster);
    void *self;
};

/* Runs the suite with CMocka; answers the number of failed tests. */
int port_suite_run(const struct port_factory *factory);
