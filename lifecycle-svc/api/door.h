/* door.h - the gRPC door: opensandbox.lifecycle.v1.Lifecycle over sandbox/service.h.
 * Metadata open-sandbox-api-key carries the key. Threads: the server's workers, any number at once. */
#pragma once

#include "lifecycle-svc/access/api_keys.h"
#include "lifecycle-svc/sandbox/service.h"
#include "shared/rpc/server.h"

struct api_door {
    const struct sandbox_service *service; /* both borrowed */
    struct api_keys *keys;
};

/* Before rpc_server_start. */
void api_door_add(struct rpc_server *server, struct api_door *door);

/* An rpc_observe_fn: one log line for each call. */
void api_door_observe(void *self, const struct rpc_call *call, const struct error *err, int64_t elapsed_ms);
