/* attach.c - Exec and Logs: the agent's streams, passed through, and on Kubernetes the API server's logs. The caller's
 * deadline and cancellation go along. */
#include <opensandbox/committer/v1/node_runtime.pb-c.h>
#include <string.h>

#include "shared/json/json.h"
#include "snapshot-svc/api/orchestrator_priv.h"
#include "snapshot-svc/model/pod.h"

#define NODE_RUNTIME (&opensandbox__committer__v1__node_runtime__descriptor)

typedef Opensandbox__Committer__V1__ExecEvent agent_exec_event;
typedef Opensandbox__Committer__V1__LogsEvent agent_logs_event;
typedef Opensandbox__Committer__V1__PodRef pod_ref;
typedef Opensandbox__Orchestrator__V1__SandboxLogsRequest logs_request;

DEFINE_FREEP(stream, struct rpc_stream, rpc_stream_free)

/* ---- which pod ---- */

static int no_pod(struct error *err, const char *sandbox)
{
    (void)error_set(err, ERR_PRECONDITION, "sandbox %s has no running pod", sandbox);
    return error_reason(err, "NoRunningPod");
}

/* The one that runs; for logs also one that does not (any more), when there is no better. NULL: none. */
static struct object *pod_of(struct orchestrator_service *self, const struct object *sandbox,
                             bool only_running)
{
    SCOPED_OBJECT_LIST struct object_list list = OBJECT_LIST_INIT;
    struct object *best = NULL, *other = NULL;

    informer_by_owner(self->service->informers[KIND_POD], sandbox->uid, &list);
    for (size_t i = 0; i < list.count && !best; i++) {
        SCOPED_POD struct pod pod = {0};
        struct error ignored = {0};
        if (pod_read(list.items[i]->json, &pod, &ignored) < 0 || !pod.node_name)
            continue; /* what cannot be read was not started by us */
        if (pod_is_running(&pod))
            best = list.items[i];
        else if (!only_running)
            other = list.items[i];
    }
    return object_ref(best ? best : other);
}

static int find_pod(struct orchestrator_service *self, const char *name, bool only_running,
                    struct object **ret_pod, struct error *err)
{
    SCOPED(object) struct object *sandbox = NULL;

    if (find_sandbox(self, name, &sandbox, err) < 0)
        return -1;
    *ret_pod = pod_of(self, sandbox, only_running);
    return *ret_pod ? 0 : no_pod(err, sandbox->name);
}

static int reach_pod(struct orchestrator_service *self, const char *name, bool only_running,
                     struct object **ret_pod, struct agent_channel **ret_channel, struct error *err)
{
    SCOPED(object) struct object *pod = NULL;

    if (find_pod(self, name, only_running, &pod, err) < 0)
        return -1;
    *ret_channel = agents_get(self->service->agents, json_path_string(pod->json, "spec.nodeName"), err);
    if (!*ret_channel)
        return -1;
    *ret_pod = TAKE(pod);
    return 0;
}

static pod_ref ref_of(const struct object *pod)
{
    pod_ref ref = OPENSANDBOX__COMMITTER__V1__POD_REF__INIT;

    ref.uid = (char *)pod->uid;
    ref.namespace_ = (char *)pod->ns;
    ref.name = (char *)pod->name;
    return ref;
}

/* ---- passing on ---- */

typedef int pass_fn(struct rpc_call *call, const void *event, struct error *err);

static int pass_exec_event(struct rpc_call *call, const void *event, struct error *err)
{
    const agent_exec_event *in = event;
    Opensandbox__Orchestrator__V1__ExecSandboxEvent out;

    opensandbox__orchestrator__v1__exec_sandbox_event__init(&out);
    switch (in->event_case) {
    case OPENSANDBOX__COMMITTER__V1__EXEC_EVENT__EVENT_STDOUT:
        out.event_case = OPENSANDBOX__ORCHESTRATOR__V1__EXEC_SANDBOX_EVENT__EVENT_STDOUT;
        out.stdout = in->stdout;
        break;
    case OPENSANDBOX__COMMITTER__V1__EXEC_EVENT__EVENT_STDERR:
        out.event_case = OPENSANDBOX__ORCHESTRATOR__V1__EXEC_SANDBOX_EVENT__EVENT_STDERR;
        out.stderr = in->stderr;
        break;
    case OPENSANDBOX__COMMITTER__V1__EXEC_EVENT__EVENT_EXIT_CODE:
        out.event_case = OPENSANDBOX__ORCHESTRATOR__V1__EXEC_SANDBOX_EVENT__EVENT_EXIT_CODE;
        out.exit_code = in->exit_code;
        break;
    case OPENSANDBOX__COMMITTER__V1__EXEC_EVENT__EVENT__NOT_SET:
    case _OPENSANDBOX__COMMITTER__V1__EXEC_EVENT__EVENT__CASE_IS_INT_SIZE:
        return 0; /* a kind of event that this version does not know */
    }
    return rpc_send(call, &out.base, err);
}

static int pass_logs_event(struct rpc_call *call, const void *event, struct error *err)
{
    const agent_logs_event *in = event;
    Opensandbox__Orchestrator__V1__SandboxLogsEvent out =
        OPENSANDBOX__ORCHESTRATOR__V1__SANDBOX_LOGS_EVENT__INIT;

    out.time_unix_ns = in->time_unix_ns;
    out.stderr = in->stderr;
    out.line = in->line;
    return rpc_send(call, &out.base, err);
}

static int pass_through(struct rpc_call *call, struct rpc_channel *channel, const char *method,
                        const ProtobufCMessage *request, pass_fn *pass, struct error *err)
{
    const struct rpc_call_options options = {.timeout_ms = -1, .parent = call};
    SCOPED(stream) struct rpc_stream *stream = NULL;
    ProtobufCMessage *event;
    int more, passed = 0;

    if (rpc_stream_open(channel, NODE_RUNTIME, method, request, &stream, &options, err) < 0)
        return -1;
    while (passed == 0 && (more = rpc_stream_next(stream, &event, err)) > 0) {
        passed = pass(call, event, err);
        protobuf_c_message_free_unpacked(event, NULL);
    }
    return passed < 0 ? -1 : more;
}

int handle_exec(struct rpc_call *call, const void *request_, struct error *err)
{
    const Opensandbox__Orchestrator__V1__ExecSandboxRequest *request = request_;
    struct orchestrator_service *self = rpc_self(call);
    Opensandbox__Committer__V1__ExecRequest onward = OPENSANDBOX__COMMITTER__V1__EXEC_REQUEST__INIT;
    SCOPED(object) struct object *pod = NULL;
    SCOPED(agent_channel) struct agent_channel *channel = NULL;

    if (!self->service->node_name)
        return error_set(err, ERR_UNSUPPORTED, "exec is for the local backend; on Kubernetes use kubectl");
    if (reach_pod(self, request->name, true, &pod, &channel, err) < 0)
        return -1;
    pod_ref ref = ref_of(pod);
    onward.pod = &ref;
    onward.container = request->container;
    onward.n_command = request->n_command;
    onward.command = request->command;
    onward.stdin = request->stdin;
    onward.timeout_ms = request->timeout_ms;
    return pass_through(call, agent_channel_rpc(channel), "Exec", &onward.base, pass_exec_event, err);
}

/* ---- logs that the cluster tells ---- */

static int send_line(void *self, int64_t time_unix_ns, const char *line, size_t length, struct error *err)
{
    Opensandbox__Orchestrator__V1__SandboxLogsEvent out =
        OPENSANDBOX__ORCHESTRATOR__V1__SANDBOX_LOGS_EVENT__INIT;

    out.time_unix_ns = time_unix_ns;
    out.line = (ProtobufCBinaryData){.data = (uint8_t *)line, .len = length};
    return rpc_send(self, &out.base, err);
}

struct cluster_reader {
    struct cluster *cluster;
    struct cluster_log *log;
};

static void stop_reader(void *self)
{
    struct cluster_reader *reader = self;
    cluster_log_stop(reader->cluster, reader->log);
}

static int pass_cluster_log(struct rpc_call *call, const logs_request *request, struct error *err)
{
    struct orchestrator_service *self = rpc_self(call);
    SCOPED(object) struct object *pod = NULL;
    struct cluster_reader reader = {.cluster = self->service->cluster};

    if (!reader.cluster->ops->log_open)
        return error_set(err, ERR_UNSUPPORTED, "this cluster tells no logs");
    if (find_pod(self, request->name, false, &pod, err) < 0)
        return -1;
    const char *first = json_path_string(json_array_get(json_path(pod->json, "spec.containers"), 0), "name");
    const struct cluster_log_request wanted = {.container = *request->container ? request->container
                                                            : first             ? first
                                                                                : "",
                                               .follow = request->follow,
                                               .tail_lines = request->tail_lines};
    if (cluster_log_open(reader.cluster, pod->ns, pod->name, &wanted, &reader.log, err) < 0)
        return -1;
    rpc_on_cancel(call, stop_reader, &reader);
    int done = cluster_log_run(reader.cluster, reader.log, send_line, call, err);
    rpc_on_cancel(call, NULL, NULL);
    cluster_log_free(reader.cluster, reader.log);
    return done;
}

int handle_logs(struct rpc_call *call, const void *request_, struct error *err)
{
    const logs_request *request = request_;
    struct orchestrator_service *self = rpc_self(call);
    Opensandbox__Committer__V1__LogsRequest onward = OPENSANDBOX__COMMITTER__V1__LOGS_REQUEST__INIT;
    SCOPED(object) struct object *pod = NULL;
    SCOPED(agent_channel) struct agent_channel *channel = NULL;

    if (request->tail_lines < 0)
        return error_set(err, ERR_INVALID, "tail_lines: want 0 (all) or more, got %lld",
                         (long long)request->tail_lines);
    if (!self->service->node_name)
        return pass_cluster_log(call, request, err);
    if (reach_pod(self, request->name, false, &pod, &channel, err) < 0)
        return -1;
    pod_ref ref = ref_of(pod);
    onward.pod = &ref;
    onward.container = request->container;
    onward.follow = request->follow;
    onward.tail_lines = request->tail_lines;
    return pass_through(call, agent_channel_rpc(channel), "Logs", &onward.base, pass_logs_event, err);
}
