#include "snapshot-svc/dispatch/agents.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "shared/base/alloc.h"

struct agent {
    char *node;
    struct rpc_channel *channel;
    UT_hash_handle hh;
};

struct agents {
    struct agent *by_node; /* set before it is shared */
};

struct agents *agents_new(void)
{
    return xcalloc(1, sizeof(struct agents));
}

void agents_add(struct agents *agents, const char *node, const char *address)
{
    const struct rpc_channel_options options = {.name = "committer-agent"};
    struct agent *agent = xcalloc(1, sizeof(*agent));

    agent->node = xstrdup(node);
    agent->channel = rpc_channel_new(address, &options);
    HASH_ADD_KEYPTR(hh, agents->by_node, agent->node, strlen(agent->node), agent);
}

struct rpc_channel *agents_get(struct agents *agents, const char *node, struct error *err)
{
    struct agent *agent;

    HASH_FIND_STR(agents->by_node, node, agent);
    if (agent)
        return agent->channel;
    (void)error_set(err, ERR_UNAVAILABLE, "node %s has no committer-agent that we know of", node);
    (void)error_reason(err, "AgentUnreachable");
    return NULL;
}

void agents_free(struct agents *agents)
{
    struct agent *agent, *next;

    if (!agents)
        return;
    HASH_ITER(hh, agents->by_node, agent, next)
    {
        HASH_DEL(agents->by_node, agent);
        rpc_channel_free(agent->channel);
        free(agent->node);
        free(agent);
    }
    free(agents);
}
