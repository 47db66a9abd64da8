/* follow.c - the agent's pods: listed, then watched, for ever. */
#include <errno.h>
#include <time.h>

#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"
#include "snapshot-svc/node/node_priv.h"

#define NODE_RUNTIME (&opensandbox__committer__v1__node_runtime__descriptor)

typedef Opensandbox__Committer__V1__PodEvent pod_event;

enum { BACKOFF_FIRST_MS = 100, BACKOFF_MAX_MS = 5000 };

static void add_key(void *queue, const char *uid)
{
    workqueue_add(queue, uid);
}

static void take(struct node *node, const pod_event *event, bool *listed, struct backoff *backoff)
{
    if (event->pod) {
        table_note_seen(node->table, event->pod);
        if (event->pod->pod)
            workqueue_add(node->queue, event->pod->pod->uid);
    } else if (!*listed) {
        *listed = true;
        backoff_reset(backoff);
        table_list_end(node->table);
        table_each(node->table, add_key, node->queue);
        log_info("agent's pods are known", log_str("node", node->service->node_name));
    }
}

/* false: the node stops. */
static bool set_watch(struct node *node, struct rpc_stream *stream)
{
    pthread_mutex_lock(&node->lock);
    node->watch = stream;
    bool go_on = !node->stopping;
    pthread_mutex_unlock(&node->lock);
    return go_on;
}

/* Until the stream breaks. */
static void follow(struct node *node, struct backoff *backoff, struct error *err)
{
    Opensandbox__Committer__V1__WatchPodsRequest request =
        OPENSANDBOX__COMMITTER__V1__WATCH_PODS_REQUEST__INIT;
    const struct rpc_call_options options = {.timeout_ms = -1};
    SCOPED(agent_channel)
    struct agent_channel *channel = agents_get(node->service->agents, node->service->node_name, err);
    struct rpc_stream *stream = NULL;
    pod_event *event;
    bool listed = false;
    int got = 0;

    if (!channel || rpc_stream_open(agent_channel_rpc(channel), NODE_RUNTIME, "WatchPods", &request.base,
                                    &stream, &options, err) < 0)
        return;
    table_list_begin(node->table);
    if (set_watch(node, stream))
        while ((got = rpc_stream_next(stream, &event, err)) == 1) {
            take(node, event, &listed, backoff);
            opensandbox__committer__v1__pod_event__free_unpacked(event, NULL);
        }
    (void)set_watch(node, NULL);
    rpc_stream_free(stream);
    table_lose_agent(node->table);
    if (got == 0)
        (void)error_set(err, ERR_UNAVAILABLE, "the agent ended its watch of pods");
}

/* false: the node stops. */
static bool wait_before_next_try(struct node *node, int64_t delay_ms)
{
    int64_t until_ms = clock_monotonic_ms() + delay_ms;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};

    pthread_mutex_lock(&node->lock);
    while (!node->stopping && pthread_cond_timedwait(&node->stop_asked, &node->lock, &until) != ETIMEDOUT)
        ;
    bool go_on = !node->stopping;
    pthread_mutex_unlock(&node->lock);
    return go_on;
}

void *node_follow_agent(void *arg)
{
    struct node *node = arg;
    struct backoff backoff = {.first_ms = BACKOFF_FIRST_MS, .max_ms = BACKOFF_MAX_MS};

    for (;;) {
        struct error err = {0};
        follow(node, &backoff, &err);
        if (node_is_stopping(node))
            return NULL;
        int64_t delay_ms = backoff_next_ms(&backoff);
        log_failure(LOG_WARN, "agent's pods cannot be watched; trying again", &err,
                    log_str("node", node->service->node_name), log_i64("delay_ms", delay_ms));
        if (!wait_before_next_try(node, delay_ms))
            return NULL;
    }
}
