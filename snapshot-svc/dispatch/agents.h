/* agents.h - the committer-agents by node.
 *
 * The local backend has one, known from the start. Discovery on Kubernetes (pods of the DaemonSet, commit
 * Jobs where there is none) will fill the same table; callers ask at each call and keep no channel.
 * Threads: any. */
#pragma once

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "shared/rpc/client.h"

struct agents;

struct agents *agents_new(void);
/* address: "unix:/run/stasis/agent.sock" or "host:port". Before the table is shared. */
void agents_add(struct agents *agents, const char *node, const char *address);
/* No call may be under way. */
void agents_free(struct agents *agents);
DEFINE_FREEP(agents, struct agents, agents_free)

/* The channel to the node's agent, borrowed until agents_free(); connecting happens at the first call on it.
 * NULL, ERR_UNAVAILABLE, reason AgentUnreachable: the node has no agent that we know of. */
struct rpc_channel *agents_get(struct agents *agents, const char *node, struct error *err);
