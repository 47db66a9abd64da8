#include "committer-agent/containerd/tasks.h"

#include <containerd/services/tasks.pb-c.h>
#include <stdlib.h>

#include "committer-agent/containerd/connection.h"
#include "shared/base/alloc.h"

_Static_assert((int)TASK_UNKNOWN == CONTAINERD__V1__TYPES__STATUS__UNKNOWN &&
                   (int)TASK_CREATED == CONTAINERD__V1__TYPES__STATUS__CREATED &&
                   (int)TASK_RUNNING == CONTAINERD__V1__TYPES__STATUS__RUNNING &&
                   (int)TASK_STOPPED == CONTAINERD__V1__TYPES__STATUS__STOPPED &&
                   (int)TASK_PAUSED == CONTAINERD__V1__TYPES__STATUS__PAUSED &&
                   (int)TASK_PAUSING == CONTAINERD__V1__TYPES__STATUS__PAUSING,
               "enum task_state follows containerd's numbers");

static const ProtobufCServiceDescriptor *const service = &containerd__services__tasks__v1__tasks__descriptor;

/* Freezing waits until every process stands still, and killing until the shim has answered. */
enum { SLOW_CALL_TIMEOUT_MS = 30000, TASK_MAX_PIDS = 1 << 22 };

static const char *const state_names[] = {"UNKNOWN", "CREATED", "RUNNING", "STOPPED", "PAUSED", "PAUSING"};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == TASK_STATE_MAX, "every state has a name");

const char *task_state_name(enum task_state state)
{
    return state < TASK_STATE_MAX ? state_names[state] : state_names[TASK_UNKNOWN];
}

static struct containerd_call call_of(const char *method)
{
    return (struct containerd_call){.service = service, .method = method, .timeout_ms = SLOW_CALL_TIMEOUT_MS};
}

static int task_failed(struct error *err, const char *doing, const char *container_id)
{
    if (err->code == ERR_NOT_FOUND)
        (void)error_reason(err, "ContainerNotRunning");
    return error_wrap(err, "%s container %s", doing, container_id);
}

int task_get(struct containerd *containerd, const char *container_id, struct task *ret_task,
             struct error *err)
{
    Containerd__Services__Tasks__V1__GetRequest request = CONTAINERD__SERVICES__TASKS__V1__GET_REQUEST__INIT;
    SCOPED_MESSAGE Containerd__Services__Tasks__V1__GetResponse *answer = NULL;

    request.container_id = (char *)container_id;
    if (containerd_call(containerd, call_of("Get"), &request, &answer, err) < 0)
        return task_failed(err, "asking for the task of", container_id);
    if (!answer->process)
        return error_set(err, ERR_INTERNAL, "containerd answered the task of %s without a process",
                         container_id);

    unsigned state = (unsigned)answer->process->status;
    *ret_task = (struct task){
        .state = state < TASK_STATE_MAX ? (enum task_state)state : TASK_UNKNOWN,
        .pid = (pid_t)answer->process->pid,
        .exit_status = answer->process->exit_status,
    };
    return 0;
}

int task_pause(struct containerd *containerd, const char *container_id, struct error *err)
{
    Containerd__Services__Tasks__V1__PauseTaskRequest request =
        CONTAINERD__SERVICES__TASKS__V1__PAUSE_TASK_REQUEST__INIT;

    request.container_id = (char *)container_id;
    if (containerd_tell(containerd, call_of("Pause"), &request, err) < 0)
        return task_failed(err, "pausing", container_id);
    return 0;
}

int task_resume(struct containerd *containerd, const char *container_id, struct error *err)
{
    Containerd__Services__Tasks__V1__ResumeTaskRequest request =
        CONTAINERD__SERVICES__TASKS__V1__RESUME_TASK_REQUEST__INIT;

    request.container_id = (char *)container_id;
    if (containerd_tell(containerd, call_of("Resume"), &request, err) < 0)
        return task_failed(err, "resuming", container_id);
    return 0;
}

int task_pids(struct containerd *containerd, const char *container_id, pid_t **ret_pids, size_t *ret_count,
              struct error *err)
{
    Containerd__Services__Tasks__V1__ListPidsRequest request =
        CONTAINERD__SERVICES__TASKS__V1__LIST_PIDS_REQUEST__INIT;
    SCOPED_MESSAGE Containerd__Services__Tasks__V1__ListPidsResponse *answer = NULL;

    request.container_id = (char *)container_id;
    if (containerd_call(containerd, call_of("ListPids"), &request, &answer, err) < 0)
        return task_failed(err, "listing the processes of", container_id);
    if (answer->n_processes > TASK_MAX_PIDS)
        return error_set(err, ERR_EXHAUSTED, "container %s lists %zu processes, more than a kernel has",
                         container_id, answer->n_processes);

    pid_t *pids = xcalloc(answer->n_processes + 1, sizeof(*pids));
    size_t count = 0;
    for (size_t i = 0; i < answer->n_processes; i++)
        if (answer->processes[i]->pid > 1 && answer->processes[i]->pid <= TASK_MAX_PIDS)
            pids[count++] = (pid_t)answer->processes[i]->pid;
    *ret_pids = pids;
    *ret_count = count;
    return 0;
}

int task_kill(struct containerd *containerd, const char *container_id, int signal_number, bool all,
              struct error *err)
{
    Containerd__Services__Tasks__V1__KillRequest request =
        CONTAINERD__SERVICES__TASKS__V1__KILL_REQUEST__INIT;

    request.container_id = (char *)container_id;
    request.signal = (uint32_t)signal_number;
    request.all = all;
    if (containerd_tell(containerd, call_of("Kill"), &request, err) < 0)
        return task_failed(err, "signalling", container_id);
    return 0;
}
