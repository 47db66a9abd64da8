#include "snapshot-svc/node/agent_calls.h"

#include <string.h>

#define NODE_RUNTIME (&opensandbox__committer__v1__node_runtime__descriptor)

typedef Opensandbox__Committer__V1__PodEvent pod_event;

DEFINE_FREEP(stream, struct rpc_stream, rpc_stream_free)

enum {
    /* Of whole calls. A pull has no bound of its own here: the agent ends one that makes no progress. */
    RUN_TIMEOUT_MS = 3600 * 1000,
    STOP_MARGIN_MS = 120 * 1000,
    LIST_TIMEOUT_MS = 30 * 1000
};

static int cancelled(struct error *err)
{
    return error_set(err, ERR_CANCELLED, "the call is not wanted any more");
}

/* CANCELLED is our own word. From the agent it means that something there was cut off: worth another try. */
static int end_call(struct node *node, const char *uid, int got, struct error *err)
{
    bool was_ours = table_call_end(node->table, uid);

    if (got < 0 && err->code == ERR_CANCELLED && !was_ours)
        err->code = ERR_UNAVAILABLE;
    return got < 0 ? -1 : 0;
}

/* A unary method read as a stream of one message, because a stream can be cancelled from another thread. */
static int call(struct node *node, const char *uid, enum call_kind kind, const char *method,
                const ProtobufCMessage *request, int64_t timeout_ms, void *ret_answer, struct error *err)
{
    const struct rpc_call_options options = {.timeout_ms = timeout_ms};
    SCOPED(agent_channel)
    struct agent_channel *channel = agents_get(node->service->agents, node->service->node_name, err);
    SCOPED(stream) struct rpc_stream *stream = NULL;

    if (!channel || rpc_stream_open(agent_channel_rpc(channel), NODE_RUNTIME, method, request, &stream,
                                    &options, err) < 0)
        return -1;
    if (!table_call_begin(node->table, uid, kind, stream))
        return cancelled(err);
    int got = rpc_stream_next(stream, ret_answer, err);
    if (end_call(node, uid, got, err) < 0)
        return -1;
    if (got == 0)
        return error_set(err, ERR_CORRUPT, "%s of committer-agent answered OK without a message", method);
    return 0;
}

int agent_run_pod(struct node *node, const run_pod_request *request, pod_seen **ret_seen, struct error *err)
{
    return call(node, request->pod->uid, CALL_START, "RunPod", &request->base, RUN_TIMEOUT_MS, ret_seen, err);
}

int agent_stop_pod(struct node *node, const char *uid, int64_t grace_ms, struct error *err)
{
    Opensandbox__Committer__V1__StopPodRequest request = OPENSANDBOX__COMMITTER__V1__STOP_POD_REQUEST__INIT;
    Opensandbox__Committer__V1__PodRef ref = OPENSANDBOX__COMMITTER__V1__POD_REF__INIT;
    ProtobufCMessage *answer;

    ref.uid = (char *)uid;
    request.pod = &ref;
    request.grace_ms = grace_ms;
    if (call(node, uid, CALL_STOP, "StopPod", &request.base, grace_ms + STOP_MARGIN_MS, &answer, err) < 0)
        return -1;
    protobuf_c_message_free_unpacked(answer, NULL);
    return 0;
}

/* 1 found, 0 this is the end of the list, -1. */
static int look_at(pod_event *event, const char *uid, pod_seen **ret_seen)
{
    if (!event->pod)
        return 0;
    if (!event->pod->pod || strcmp(event->pod->pod->uid, uid) != 0 ||
        event->pod->state == OPENSANDBOX__COMMITTER__V1__POD_STATE__GONE)
        return -1;
    *ret_seen = pod_seen_copy(event->pod);
    return 1;
}

int agent_look_up_pod(struct node *node, const char *uid, pod_seen **ret_seen, struct error *err)
{
    Opensandbox__Committer__V1__WatchPodsRequest request =
        OPENSANDBOX__COMMITTER__V1__WATCH_PODS_REQUEST__INIT;
    const struct rpc_call_options options = {.timeout_ms = LIST_TIMEOUT_MS};
    SCOPED(agent_channel)
    struct agent_channel *channel = agents_get(node->service->agents, node->service->node_name, err);
    SCOPED(stream) struct rpc_stream *stream = NULL;
    pod_event *event;
    int found = -1, got = 0;

    *ret_seen = NULL;
    if (!channel || rpc_stream_open(agent_channel_rpc(channel), NODE_RUNTIME, "WatchPods", &request.base,
                                    &stream, &options, err) < 0)
        return -1;
    if (!table_call_begin(node->table, uid, CALL_START, stream))
        return cancelled(err);
    while (found < 0 && (got = rpc_stream_next(stream, &event, err)) == 1) {
        found = look_at(event, uid, ret_seen);
        opensandbox__committer__v1__pod_event__free_unpacked(event, NULL);
    }
    if (end_call(node, uid, got, err) < 0)
        return -1;
    return found < 0 ? error_set(err, ERR_UNAVAILABLE, "the agent ended its list of pods") : 0;
}
