#include "committer-agent/containerd/processes.h"

#include <containerd/services/tasks.pb-c.h>
#include <string.h>

#include "committer-agent/containerd/connection.h"

enum { SLOW_CALL_TIMEOUT_MS = 30000 };

static const ProtobufCServiceDescriptor *const service = &containerd__services__tasks__v1__tasks__descriptor;

static struct containerd_call call_of(const char *method)
{
    return (struct containerd_call){.service = service, .method = method, .timeout_ms = SLOW_CALL_TIMEOUT_MS};
}

static int process_failed(struct error *err, const char *doing, const char *container_id)
{
    if (err->code == ERR_NOT_FOUND)
        (void)error_reason(err, "ContainerNotRunning");
    return error_wrap(err, "%s a command in container %s", doing, container_id);
}

int process_add(struct containerd *containerd, const struct process_spec *spec, struct error *err)
{
    Containerd__Services__Tasks__V1__ExecProcessRequest request =
        CONTAINERD__SERVICES__TASKS__V1__EXEC_PROCESS_REQUEST__INIT;
    Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;

    any.type_url = (char *)"types.containerd.io/opencontainers/runtime-spec/1/Process";
    any.value = (ProtobufCBinaryData){.data = (uint8_t *)spec->json, .len = strlen(spec->json)};
    request.container_id = (char *)spec->container_id;
    request.exec_id = (char *)spec->exec_id;
    request.stdin = (char *)spec->stdin_fifo;
    request.stdout = (char *)spec->stdout_fifo;
    request.stderr = (char *)spec->stderr_fifo;
    request.spec = &any;
    if (containerd_tell(containerd, call_of("Exec"), &request, err) < 0)
        return process_failed(err, "preparing", spec->container_id);
    return 0;
}

int process_start(struct containerd *containerd, const char *container_id, const char *exec_id,
                  struct error *err)
{
    Containerd__Services__Tasks__V1__StartRequest request =
        CONTAINERD__SERVICES__TASKS__V1__START_REQUEST__INIT;

    request.container_id = (char *)container_id;
    request.exec_id = (char *)exec_id;
    if (containerd_tell(containerd, call_of("Start"), &request, err) < 0) {
        if (err->code ==
            ERR_INTERNAL) /* UNKNOWN: the runtime's own words, "executable file not found in $PATH" */
            err->code = ERR_INVALID;
        return process_failed(err, "starting", container_id);
    }
    return 0;
}

int process_wait(struct containerd *containerd, const char *container_id, const char *exec_id,
                 const struct rpc_call_options *options, uint32_t *ret_exit_status, struct error *err)
{
    Containerd__Services__Tasks__V1__WaitRequest request =
        CONTAINERD__SERVICES__TASKS__V1__WAIT_REQUEST__INIT;
    SCOPED_MESSAGE Containerd__Services__Tasks__V1__WaitResponse *answer = NULL;
    struct rpc_call_options waiting = *options;

    request.container_id = (char *)container_id;
    request.exec_id = (char *)exec_id;
    if (waiting.timeout_ms <= 0)
        waiting.timeout_ms = -1;
    if (rpc_unary(containerd->channel, service, "Wait", &request.base, &answer, &waiting, err) < 0)
        return process_failed(err, "waiting for", container_id);
    *ret_exit_status = answer->exit_status;
    return 0;
}

int process_kill(struct containerd *containerd, const char *container_id, const char *exec_id,
                 int signal_number, struct error *err)
{
    Containerd__Services__Tasks__V1__KillRequest request =
        CONTAINERD__SERVICES__TASKS__V1__KILL_REQUEST__INIT;

    request.container_id = (char *)container_id;
    request.exec_id = (char *)exec_id;
    request.signal = (uint32_t)signal_number;
    if (containerd_tell(containerd, call_of("Kill"), &request, err) < 0)
        return process_failed(err, "killing", container_id);
    return 0;
}

int process_close_stdin(struct containerd *containerd, const char *container_id, const char *exec_id,
                        struct error *err)
{
    Containerd__Services__Tasks__V1__CloseIORequest request =
        CONTAINERD__SERVICES__TASKS__V1__CLOSE_IOREQUEST__INIT;

    request.container_id = (char *)container_id;
    request.exec_id = (char *)exec_id;
    request.stdin = true;
    if (containerd_tell(containerd, call_of("CloseIO"), &request, err) < 0)
        return process_failed(err, "ending the input of", container_id);
    return 0;
}

int process_remove(struct containerd *containerd, const char *container_id, const char *exec_id,
                   struct error *err)
{
    Containerd__Services__Tasks__V1__DeleteProcessRequest request =
        CONTAINERD__SERVICES__TASKS__V1__DELETE_PROCESS_REQUEST__INIT;

    request.container_id = (char *)container_id;
    request.exec_id = (char *)exec_id;
    if (containerd_tell(containerd, call_of("DeleteProcess"), &request, err) == 0)
        return 0;
    if (err->code != ERR_NOT_FOUND)
        return process_failed(err, "cleaning up after", container_id);
    error_clear(err);
    return 0;
}
