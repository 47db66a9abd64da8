/* committer_service.h - the gRPC door to commits.h: opensandbox.committer.v1.Committer.
 * Converts and waits; decides nothing. Threads: handlers run on the server's. */
#pragma once

#include "committer-agent/commit/commits.h"
#include "shared/rpc/server.h"

struct committer_service { /* outlives the server */
    struct commits *commits;
    int64_t commit_timeout_ms; /* where the request names none */
    int64_t hold_timeout_ms;
    enum layer_compression compression;
};

void committer_service_add(struct committer_service *service, struct rpc_server *server);
