/* health_priv.h - grpc.health.v1 for the services of one server.
 * Threads: any; it locks for itself. */
#pragma once

#include "shared/rpc/server.h"

struct rpc_health;

struct rpc_health *rpc_health_new(void); /* knows "" as SERVING */
void rpc_health_free(struct rpc_health *health);
void rpc_health_note(struct rpc_health *health, const char *service, bool serving);

/* The rows of grpc.health.v1.Health; their self is the struct rpc_health. */
extern const struct rpc_method rpc_health_methods[];
