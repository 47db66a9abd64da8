#include "snapshot-svc/dispatch/agents.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#define HASH_FUNCTION HASH_FNV /* the default falls through a switch, which clang warns of */
#include <uthash.h>

#include "shared/base/alloc.h"

struct agent_channel {
    struct rpc_channel *rpc;
    char *address;
    int refs; /* atomic */
};

struct agent {
    char *node;
    struct agent_channel *channel;
    UT_hash_handle hh;
};

struct subscriber {
    agents_changed_fn *changed;
    void *self;
};

struct agents {
    struct rpc_tls *tls; /* set once */

    pthread_mutex_t telling; /* held while they hear of a change: nobody leaves meanwhile */
    struct subscriber *subscribers;
    size_t subscriber_count;

    pthread_mutex_t lock; /* guards the rest; taken last */
    struct agent *by_node;
};

/* ---- channels ---- */

static struct agent_channel *channel_new(const struct agents *agents, const char *address)
{
    /* Pings find out about a node that died without a word, so that its streams break. */
    const struct rpc_channel_options options = {
        .name = "committer-agent", .keepalive = true, .tls = agents->tls, .server_role = "committer-agent"};
    struct agent_channel *channel = xcalloc(1, sizeof(*channel));

    channel->rpc = rpc_channel_new(address, &options);
    channel->address = xstrdup(address);
    channel->refs = 1;
    return channel;
}

struct rpc_channel *agent_channel_rpc(struct agent_channel *channel)
{
    return channel->rpc;
}

void agent_channel_unref(struct agent_channel *channel)
{
    if (!channel || __atomic_sub_fetch(&channel->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    rpc_channel_free(channel->rpc);
    free(channel->address);
    free(channel);
}

/* ---- the table ---- */

struct agents *agents_new(struct rpc_tls *tls)
{
    struct agents *agents = xcalloc(1, sizeof(*agents));

    agents->tls = tls;
    pthread_mutex_init(&agents->telling, NULL);
    pthread_mutex_init(&agents->lock, NULL);
    return agents;
}

void agents_subscribe(struct agents *agents, agents_changed_fn *changed, void *self)
{
    pthread_mutex_lock(&agents->telling);
    agents->subscribers =
        xrealloc_array(agents->subscribers, agents->subscriber_count + 1, sizeof(*agents->subscribers));
    agents->subscribers[agents->subscriber_count++] = (struct subscriber){changed, self};
    pthread_mutex_unlock(&agents->telling);
}

void agents_unsubscribe(struct agents *agents, agents_changed_fn *changed, void *self)
{
    size_t kept = 0;

    pthread_mutex_lock(&agents->telling);
    for (size_t i = 0; i < agents->subscriber_count; i++) {
        const struct subscriber subscriber = agents->subscribers[i];
        if (subscriber.changed != changed || subscriber.self != self)
            agents->subscribers[kept++] = subscriber;
    }
    agents->subscriber_count = kept;
    pthread_mutex_unlock(&agents->telling);
}

static void tell(struct agents *agents, const char *node)
{
    pthread_mutex_lock(&agents->telling);
    for (size_t i = 0; i < agents->subscriber_count; i++)
        agents->subscribers[i].changed(agents->subscribers[i].self, node);
    pthread_mutex_unlock(&agents->telling);
}

/* Lock held. */
static struct agent *find(struct agents *agents, const char *node)
{
    struct agent *agent;

    HASH_FIND_STR(agents->by_node, node, agent);
    return agent;
}

/* Lock held. The channel is the caller's to let go of. */
static struct agent_channel *remove_agent(struct agents *agents, struct agent *agent)
{
    struct agent_channel *channel = agent->channel;

    HASH_DEL(agents->by_node, agent);
    free(agent->node);
    free(agent);
    return channel;
}

/* Lock held. */
static void add_agent(struct agents *agents, const char *node, struct agent_channel *channel)
{
    struct agent *agent = xcalloc(1, sizeof(*agent));

    agent->node = xstrdup(node);
    agent->channel = channel;
    HASH_ADD_KEYPTR(hh, agents->by_node, agent->node, strlen(agent->node), agent);
}

static void put(struct agents *agents, const char *node, const char *address, bool is_another)
{
    struct agent_channel *old = NULL;

    pthread_mutex_lock(&agents->lock);
    struct agent *agent = find(agents, node);
    const bool is_news = is_another || !agent || strcmp(agent->channel->address, address) != 0;
    if (is_news && agent)
        old = remove_agent(agents, agent);
    if (is_news)
        add_agent(agents, node, channel_new(agents, address));
    pthread_mutex_unlock(&agents->lock);
    agent_channel_unref(old);
    if (is_news)
        tell(agents, node);
}

void agents_put(struct agents *agents, const char *node, const char *address)
{
    put(agents, node, address, false);
}

void agents_replace(struct agents *agents, const char *node, const char *address)
{
    put(agents, node, address, true);
}

void agents_drop(struct agents *agents, const char *node)
{
    pthread_mutex_lock(&agents->lock);
    struct agent *agent = find(agents, node);
    struct agent_channel *old = agent ? remove_agent(agents, agent) : NULL;
    pthread_mutex_unlock(&agents->lock);
    if (!old)
        return;
    agent_channel_unref(old);
    tell(agents, node);
}

bool agents_has(struct agents *agents, const char *node)
{
    pthread_mutex_lock(&agents->lock);
    bool has = find(agents, node) != NULL;
    pthread_mutex_unlock(&agents->lock);
    return has;
}

bool agents_has_moved(struct agents *agents, const char *node, const struct agent_channel *channel)
{
    pthread_mutex_lock(&agents->lock);
    const struct agent *agent = find(agents, node);
    bool moved = agent && agent->channel != channel;
    pthread_mutex_unlock(&agents->lock);
    return moved;
}

struct agent_channel *agents_get(struct agents *agents, const char *node, struct error *err)
{
    struct agent_channel *channel = NULL;

    pthread_mutex_lock(&agents->lock);
    struct agent *agent = find(agents, node);
    if (agent) {
        channel = agent->channel;
        __atomic_add_fetch(&channel->refs, 1, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&agents->lock);
    if (!channel) {
        (void)error_set(err, ERR_UNAVAILABLE, "node %s has no committer-agent that we know of", node);
        (void)error_reason(err, "AgentUnreachable");
    }
    return channel;
}

void agents_free(struct agents *agents)
{
    struct agent *agent, *next;

    if (!agents)
        return;
    HASH_ITER(hh, agents->by_node, agent, next)
    {
        agent_channel_unref(remove_agent(agents, agent));
    }
    pthread_mutex_destroy(&agents->lock);
    pthread_mutex_destroy(&agents->telling);
    free(agents->subscribers);
    free(agents);
}
