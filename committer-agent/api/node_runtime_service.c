#include "committer-agent/api/node_runtime_service.h"

#include <errno.h>
#include <opensandbox/committer/v1/node_runtime.pb-c.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "committer-agent/node/exec.h"
#include "committer-agent/node/logs.h"
#include "committer-agent/node/node.h"
#include "shared/log/log.h"

typedef Opensandbox__Committer__V1__Pod pod_message;
typedef Opensandbox__Committer__V1__Container container_message;
typedef Opensandbox__Committer__V1__PodRef ref_message;

_Static_assert((int)POD_STARTING == OPENSANDBOX__COMMITTER__V1__POD_STATE__STARTING &&
                   (int)POD_READY == OPENSANDBOX__COMMITTER__V1__POD_STATE__READY &&
                   (int)POD_ENDED == OPENSANDBOX__COMMITTER__V1__POD_STATE__ENDED &&
                   (int)POD_GONE == OPENSANDBOX__COMMITTER__V1__POD_STATE__GONE,
               "enum pod_state follows the wire");
_Static_assert((int)CONTAINER_WAITING == OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__WAITING &&
                   (int)CONTAINER_RUNNING == OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__RUNNING &&
                   (int)CONTAINER_FROZEN == OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__FROZEN &&
                   (int)CONTAINER_EXITED == OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__EXITED,
               "enum pod_container_state follows the wire");

/* ---- a pod as a message that borrows the pod's strings ---- */

enum { VIEW_MAX_CONTAINERS = 64 };

struct pod_view {
    pod_message message;
    ref_message ref;
    container_message containers[VIEW_MAX_CONTAINERS];
    container_message *pointers[VIEW_MAX_CONTAINERS];
};

static void container_view(const struct pod_container *container, container_message *message)
{
    opensandbox__committer__v1__container__init(message);
    message->name = container->name;
    message->id = container->id;
    message->state = (Opensandbox__Committer__V1__ContainerState)container->state;
    message->exit_code = container->exit_code;
    message->reason = container->reason;
    message->message = container->message;
    message->image = container->image;
    message->init = container->is_init;
    message->started_at_unix_ms = container->started_at_unix_ms;
    message->finished_at_unix_ms = container->finished_at_unix_ms;
}

static void pod_view(const struct pod *pod, struct pod_view *view)
{
    size_t count = pod->container_count < VIEW_MAX_CONTAINERS ? pod->container_count : VIEW_MAX_CONTAINERS;

    opensandbox__committer__v1__pod__init(&view->message);
    opensandbox__committer__v1__pod_ref__init(&view->ref);
    view->ref.uid = pod->uid;
    view->ref.namespace_ = pod->pod_namespace;
    view->ref.name = pod->name;
    view->message.pod = &view->ref;
    view->message.state = (Opensandbox__Committer__V1__PodState)pod->state;
    view->message.ip = pod->ip;
    view->message.containers = view->pointers;
    view->message.n_containers = count;
    for (size_t i = 0; i < count; i++) {
        container_view(&pod->containers[i], &view->containers[i]);
        view->pointers[i] = &view->containers[i];
    }
}

/* The answer of a unary call is sent after its handler: the pod's strings move into the call's memory. */
static struct pod *pod_in_call(struct rpc_call *call, const struct pod *pod)
{
    struct pod *copy = rpc_alloc(call, sizeof(*copy));

    *copy = (struct pod){.uid = rpc_strdup(call, pod->uid),
                         .pod_namespace = rpc_strdup(call, pod->pod_namespace),
                         .name = rpc_strdup(call, pod->name),
                         .ip = rpc_strdup(call, pod->ip),
                         .state = pod->state,
                         .container_count = pod->container_count};
    copy->containers = rpc_alloc(call, (pod->container_count + 1) * sizeof(*copy->containers));
    for (size_t i = 0; i < pod->container_count; i++) {
        copy->containers[i] = pod->containers[i];
        copy->containers[i].name = rpc_strdup(call, pod->containers[i].name);
        copy->containers[i].id = rpc_strdup(call, pod->containers[i].id);
        copy->containers[i].reason = rpc_strdup(call, pod->containers[i].reason);
        copy->containers[i].message = rpc_strdup(call, pod->containers[i].message);
        copy->containers[i].image = rpc_strdup(call, pod->containers[i].image);
    }
    return copy;
}

/* ---- pods ---- */

static int answer_failure(struct error *err, const char *method, const ref_message *pod)
{
    log_failure(LOG_WARN, "call failed", err, log_str("method", method), log_str("pod", pod ? pod->uid : ""));
    return -1;
}

static int run_pod(struct rpc_call *call, const void *request_, void *response, struct error *err)
{
    const Opensandbox__Committer__V1__RunPodRequest *request = request_;
    SCOPED(pod) struct pod *pod = NULL;

    if (node_run_pod(rpc_self(call), request, call, &pod, err) < 0)
        return answer_failure(err, "RunPod", request->pod);
    struct pod_view *view = rpc_alloc(call, sizeof(*view));
    pod_view(pod_in_call(call, pod), view);
    memcpy(response, &view->message, sizeof(view->message));
    return 0;
}

static int stop_pod(struct rpc_call *call, const void *request_, void *response, struct error *err)
{
    const Opensandbox__Committer__V1__StopPodRequest *request = request_;
    const ref_message *pod = request->pod;

    (void)response;
    if (!pod)
        return error_set(err, ERR_INVALID, "pod: want a uid, or a namespace and a name");
    if (request->grace_ms < 0 || request->grace_ms > INT32_MAX)
        return error_set(err, ERR_INVALID, "grace_ms: want 0 to %d, got %lld", INT32_MAX,
                         (long long)request->grace_ms);
    if (node_stop_pod(rpc_self(call), pod->uid, pod->namespace_, pod->name, request->grace_ms, err) < 0)
        return answer_failure(err, "StopPod", pod);
    return 0;
}

static void cancel_watch(void *watch)
{
    pods_watch_cancel(watch);
}

static int send_pod(struct rpc_call *call, const struct pod *pod, bool initial, struct error *err)
{
    Opensandbox__Committer__V1__PodEvent event = OPENSANDBOX__COMMITTER__V1__POD_EVENT__INIT;
    struct pod_view view;

    event.initial = initial;
    if (pod) {
        pod_view(pod, &view);
        event.pod = &view.message;
    }
    return rpc_send(call, &event.base, err);
}

static int watch_pods(struct rpc_call *call, const void *request, struct error *err)
{
    SCOPED(pods_watch) struct pods_watch *watch = pods_watch_new(node_get_pods(rpc_self(call)));
    int result = 0;

    (void)request;
    rpc_on_cancel(call, cancel_watch, watch);
    while (result == 0) {
        SCOPED(pod) struct pod *pod = NULL;
        bool initial = false;
        result = pods_watch_next(watch, &pod, &initial, err) == 1 ? send_pod(call, pod, initial, err) : -1;
    }
    rpc_on_cancel(call, NULL, NULL);
    return result;
}

/* ---- exec ---- */

static int send_output(void *self, bool is_stderr, const char *bytes, size_t length, struct error *err)
{
    Opensandbox__Committer__V1__ExecEvent event;
    ProtobufCBinaryData data = {.data = (uint8_t *)bytes, .len = length};

    opensandbox__committer__v1__exec_event__init(&event);
    if (is_stderr) {
        event.event_case = OPENSANDBOX__COMMITTER__V1__EXEC_EVENT__EVENT_STDERR;
        event.stderr = data;
    } else {
        event.event_case = OPENSANDBOX__COMMITTER__V1__EXEC_EVENT__EVENT_STDOUT;
        event.stdout = data;
    }
    return rpc_send(self, &event.base, err);
}

static int send_exit(struct rpc_call *call, int exit_code, struct error *err)
{
    Opensandbox__Committer__V1__ExecEvent event;

    opensandbox__committer__v1__exec_event__init(&event);
    event.event_case = OPENSANDBOX__COMMITTER__V1__EXEC_EVENT__EVENT_EXIT_CODE;
    event.exit_code = exit_code;
    return rpc_send(call, &event.base, err);
}

static int find_container(struct node *node, const ref_message *ref, const char *name, struct pod **ret_pod,
                          const struct pod_container **ret_container, struct error *err)
{
    if (!ref)
        return error_set(err, ERR_INVALID, "pod: want a uid, or a namespace and a name");
    return node_find_container(node, ref->uid, ref->namespace_, ref->name, name, ret_pod, ret_container, err);
}

static int must_have_id(const struct pod_container *container, struct error *err)
{
    if (*container->id)
        return 0;
    (void)error_set(err, ERR_PRECONDITION, "container %s is not created yet", container->name);
    return error_reason(err, "ContainerNotRunning");
}

static int exec(struct rpc_call *call, const void *request_, struct error *err)
{
    const Opensandbox__Committer__V1__ExecRequest *request = request_;
    struct node *node = rpc_self(call);
    SCOPED(pod) struct pod *pod = NULL;
    const struct pod_container *container;
    struct exec_sink sink = {.output = send_output, .self = call};
    int exit_code;

    if (request->timeout_ms < 0)
        return error_set(err, ERR_INVALID, "timeout_ms: want 0 or more, got %lld",
                         (long long)request->timeout_ms);
    if (find_container(node, request->pod, request->container, &pod, &container, err) < 0 ||
        must_have_id(container, err) < 0)
        return -1;
    struct exec_request run = {.container_id = container->id,
                               .command = request->command,
                               .word_count = request->n_command,
                               .input = request->stdin.data,
                               .input_length = request->stdin.len,
                               .timeout_ms = request->timeout_ms};
    if (exec_run(node_get_containerd(node), node_get_state_dir(node), &run, &sink, call, &exit_code, err) < 0)
        return -1;
    return send_exit(call, exit_code, err);
}

/* ---- logs ---- */

static int send_line(void *self, const struct log_line *line, struct error *err)
{
    Opensandbox__Committer__V1__LogsEvent event = OPENSANDBOX__COMMITTER__V1__LOGS_EVENT__INIT;

    event.time_unix_ns = line->time_unix_ns;
    event.stderr = line->is_stderr;
    event.line = (ProtobufCBinaryData){.data = (uint8_t *)line->text, .len = line->length};
    return rpc_send(self, &event.base, err);
}

static void wake(void *event_fd)
{
    const uint64_t one = 1;
    (void)!write(*(int *)event_fd, &one, sizeof(one)); /* an eventfd at 0 takes it */
}

static int logs(struct rpc_call *call, const void *request_, struct error *err)
{
    const Opensandbox__Committer__V1__LogsRequest *request = request_;
    struct node *node = rpc_self(call);
    SCOPED(pod) struct pod *pod = NULL;
    const struct pod_container *container;
    struct log_sink sink = {.line = send_line, .self = call};
    SCOPED(fd) int stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (stop_fd < 0)
        return error_sys(err, errno, "creating an eventfd");
    if (request->tail_lines < 0)
        return error_set(err, ERR_INVALID, "tail_lines: want 0 or more, got %lld",
                         (long long)request->tail_lines);
    if (find_container(node, request->pod, request->container, &pod, &container, err) < 0)
        return -1;
    SCOPED(string) char *path = node_log_path(node, pod, container->name);
    struct logs_request read = {.pod_uid = pod->uid,
                                .container = container->name,
                                .path = path,
                                .tail_lines = request->tail_lines,
                                .follow = request->follow,
                                .stop_fd = stop_fd};
    rpc_on_cancel(call, wake, &stop_fd);
    int result = logs_read(node, &read, &sink, err);
    rpc_on_cancel(call, NULL, NULL);
    return result;
}

/* ---- */

static const struct rpc_method methods[] = {
    {.name = "RunPod", .unary = run_pod},
    {.name = "StopPod", .unary = stop_pod},
    {.name = "WatchPods", .stream = watch_pods},
    {.name = "Exec", .stream = exec},
    {.name = "Logs", .stream = logs},
    {0},
};

void node_runtime_service_add(struct rpc_server *server, struct node *node)
{
    rpc_server_add(server, &opensandbox__committer__v1__node_runtime__descriptor, methods, node);
}
