/* agents.h - the committer-agents by node, as they come and go.
 *
 * The local backend puts its one agent in at the start; on Kubernetes dispatch/discovery puts in and drops the ready
 * pods of the DaemonSet. Callers ask at each call and hold the channel only while they use it: an agent that is gone
 * or has moved to another address keeps its old channel alive until the last holder lets go.
 * Threads: any. */
#pragma once

#include <stdbool.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "shared/rpc/client.h"

struct agents;
struct rpc_tls;

/* tls: borrowed, outlives the table; NULL: plaintext, which reaches agents on this machine only. */
struct agents *agents_new(struct rpc_tls *tls);
/* No call may be under way, and no channel held. */
void agents_free(struct agents *agents);
DEFINE_FREEP(agents, struct agents, agents_free)

/* Tells whenever a node's agent appears, moves or goes: on the thread that changed it, one change after the other.
 * `changed` may look at the table, but not change it. After agents_unsubscribe() it is not running any more. */
typedef void agents_changed_fn(void *self, const char *node);
void agents_subscribe(struct agents *agents, agents_changed_fn *changed, void *self);
void agents_unsubscribe(struct agents *agents, agents_changed_fn *changed, void *self);

/* address: "unix:/run/stasis/agent.sock" or "host:port". The same address again changes nothing. */
void agents_put(struct agents *agents, const char *node, const char *address);
/* Another process serves there now, be it at the same address: whoever comes next gets a new channel. */
void agents_replace(struct agents *agents, const char *node, const char *address);
void agents_drop(struct agents *agents, const char *node);
bool agents_has(struct agents *agents, const char *node);

/* A channel to the node's agent, the caller's to give back; connecting happens at the first call on it.
 * NULL, ERR_UNAVAILABLE, reason AgentUnreachable: the node has no agent that we know of. */
struct agent_channel;
struct agent_channel *agents_get(struct agents *agents, const char *node, struct error *err);
struct rpc_channel *agent_channel_rpc(struct agent_channel *channel); /* borrowed */
void agent_channel_unref(struct agent_channel *channel);
/* Has the node another agent than the one at the end of this channel? An agent that went without a successor has not
 * moved: it may still have something to say to those who listen. */
bool agents_has_moved(struct agents *agents, const char *node, const struct agent_channel *channel);
DEFINE_FREEP(agent_channel, struct agent_channel, agent_channel_unref)
