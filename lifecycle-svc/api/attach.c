/* attach.c - Exec and Logs: snapshot-svc's streams, passed through. The caller's deadline and cancellation go along. */

#include "lifecycle-svc/api/convert.h"
#include "lifecycle-svc/api/methods.h"
#include "lifecycle-svc/sandbox/orchestrator_error.h"

typedef Opensandbox__Orchestrator__V1__ExecSandboxEvent orch_exec_event;
typedef Opensandbox__Orchestrator__V1__SandboxLogsEvent orch_logs_event;

DEFINE_FREEP(stream, struct rpc_stream, rpc_stream_free)

static int pass_exec_event(struct rpc_call *call, const orch_exec_event *in, struct error *err)
{
    Opensandbox__Lifecycle__V1__ExecEvent out;

    opensandbox__lifecycle__v1__exec_event__init(&out);
    switch (in->event_case) {
    case OPENSANDBOX__ORCHESTRATOR__V1__EXEC_SANDBOX_EVENT__EVENT_STDOUT:
        out.event_case = OPENSANDBOX__LIFECYCLE__V1__EXEC_EVENT__EVENT_STDOUT;
        out.stdout = in->stdout;
        break;
    case OPENSANDBOX__ORCHESTRATOR__V1__EXEC_SANDBOX_EVENT__EVENT_STDERR:
        out.event_case = OPENSANDBOX__LIFECYCLE__V1__EXEC_EVENT__EVENT_STDERR;
        out.stderr = in->stderr;
        break;
    case OPENSANDBOX__ORCHESTRATOR__V1__EXEC_SANDBOX_EVENT__EVENT_EXIT_CODE:
        out.event_case = OPENSANDBOX__LIFECYCLE__V1__EXEC_EVENT__EVENT_EXIT_CODE;
        out.exit_code = in->exit_code;
        break;
    case OPENSANDBOX__ORCHESTRATOR__V1__EXEC_SANDBOX_EVENT__EVENT__NOT_SET:
    case _OPENSANDBOX__ORCHESTRATOR__V1__EXEC_SANDBOX_EVENT__EVENT__CASE_IS_INT_SIZE:
        return 0; /* a kind of event that this version does not know */
    }
    return rpc_send(call, &out.base, err);
}

static int pass_logs_event(struct rpc_call *call, const orch_logs_event *in, struct error *err)
{
    Opensandbox__Lifecycle__V1__LogsEvent out = OPENSANDBOX__LIFECYCLE__V1__LOGS_EVENT__INIT;

    out.time_unix_ns = in->time_unix_ns;
    out.stderr = in->stderr;
    out.line = in->line;
    return rpc_send(call, &out.base, err);
}

static struct rpc_call_options inherit(struct rpc_call *call)
{
    return (struct rpc_call_options){.timeout_ms = -1, .parent = call};
}

int api_exec(struct rpc_call *call, const void *request, struct error *err)
{
    const Opensandbox__Lifecycle__V1__ExecRequest *exec = request;
    const struct sandbox_service *service = api_enter(call, err);
    Opensandbox__Orchestrator__V1__ExecSandboxRequest onward =
        OPENSANDBOX__ORCHESTRATOR__V1__EXEC_SANDBOX_REQUEST__INIT;
    struct rpc_call_options options = inherit(call);
    SCOPED(stream) struct rpc_stream *stream = NULL;
    orch_exec_event *event;
    int more;

    if (!service || sandbox_check_id(exec->id, err) < 0)
        return -1;
    onward.name = exec->id;
    onward.container = exec->container;
    onward.n_command = exec->n_command;
    onward.command = exec->command;
    onward.stdin = exec->stdin;
    onward.timeout_ms = exec->timeout_ms;
    if (rpc_stream_open(service->orchestrator, ORCHESTRATOR, "Exec", &onward.base, &stream, &options, err) <
        0)
        return orchestrator_error(err, exec->id);
    while ((more = rpc_stream_next(stream, &event, err)) > 0) {
        int passed = pass_exec_event(call, event, err);
        protobuf_c_message_free_unpacked(&event->base, NULL);
        if (passed < 0)
            return -1;
    }
    return more < 0 ? orchestrator_error(err, exec->id) : 0;
}

int api_logs(struct rpc_call *call, const void *request, struct error *err)
{
    const Opensandbox__Lifecycle__V1__LogsRequest *logs = request;
    const struct sandbox_service *service = api_enter(call, err);
    Opensandbox__Orchestrator__V1__SandboxLogsRequest onward =
        OPENSANDBOX__ORCHESTRATOR__V1__SANDBOX_LOGS_REQUEST__INIT;
    struct rpc_call_options options = inherit(call);
    SCOPED(stream) struct rpc_stream *stream = NULL;
    orch_logs_event *event;
    int more;

    if (!service || sandbox_check_id(logs->id, err) < 0)
        return -1;
    onward.name = logs->id;
    onward.container = logs->container;
    onward.follow = logs->follow;
    onward.tail_lines = logs->tail_lines;
    if (rpc_stream_open(service->orchestrator, ORCHESTRATOR, "Logs", &onward.base, &stream, &options, err) <
        0)
        return orchestrator_error(err, logs->id);
    while ((more = rpc_stream_next(stream, &event, err)) > 0) {
        int passed = pass_logs_event(call, event, err);
        protobuf_c_message_free_unpacked(&event->base, NULL);
        if (passed < 0)
            return -1;
    }
    return more < 0 ? orchestrator_error(err, logs->id) : 0;
}
