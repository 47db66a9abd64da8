/* discovery.h - which committer-agents there are: the ready pods of the agents' DaemonSet become rows of struct agents.
 *
 * A pod counts while it is in our namespace, has the agents' label, is Ready, is not being deleted, and has a node and an
 * IP. Of two on one node (a rolling update) the younger wins. A pod or container that replaces another at the same
 * address gets a new channel all the same.
 *
 * Threads: the informer's, on which all of it happens. */
#pragma once

#include <stdint.h>

#include "shared/base/cleanup.h"
#include "snapshot-svc/dispatch/agents.h"
#include "snapshot-svc/informer/informer.h"

#define DISCOVERY_LABEL       "app.kubernetes.io/component"
#define DISCOVERY_LABEL_VALUE "committer-agent"
#define DISCOVERY_SELECTOR    DISCOVERY_LABEL "=" DISCOVERY_LABEL_VALUE /* for the informer's options */
#define DISCOVERY_PORT_NAME   "grpc" /* of the container's port, where it names one */
#define DISCOVERY_PORT        9091

struct discovery_options {
    struct informer *pods; /* borrowed; not started yet */
    struct agents *agents; /* borrowed; outlives the informer */
    const char *ns;        /* where the agents run; copied */
    uint16_t port;         /* of pods that name none; 0: DISCOVERY_PORT */
};

struct discovery;

/* Subscribes to the informer. */
struct discovery *discovery_new(const struct discovery_options *options);
/* After the informer was freed. The agents stay in their table. */
void discovery_free(struct discovery *discovery);
DEFINE_FREEP(discovery, struct discovery, discovery_free)
