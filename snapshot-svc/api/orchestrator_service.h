/* orchestrator_service.h - the gRPC door of snapshot-svc: opensandbox.orchestrator.v1.Orchestrator. See service.h for
 * the order of calls. Threads: handlers run on the server's. */
#pragma once

#include "shared/base/cleanup.h"
#include "shared/rpc/server.h"
#include "snapshot-svc/service.h"

struct orchestrator_service;

/* Subscribes to the informers. The service is borrowed and outlives this. */
struct orchestrator_service *orchestrator_service_new(const struct service *service);
void orchestrator_service_add(struct orchestrator_service *service, struct rpc_server *server);
/* After the server and the informers. */
void orchestrator_service_free(struct orchestrator_service *service);
DEFINE_FREEP(orchestrator_service, struct orchestrator_service, orchestrator_service_free)
