/* api/node_runtime_service.h - opensandbox.committer.v1.NodeRuntime on a node. */
#pragma once

#include "shared/rpc/server.h"

struct node;

/* Before rpc_server_start; the node outlives the server. */
void node_runtime_service_add(struct rpc_server *server, struct node *node);
