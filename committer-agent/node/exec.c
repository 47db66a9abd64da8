#include "committer-agent/node/exec.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "committer-agent/containerd/containers.h"
#include "committer-agent/containerd/freeze.h"
#include "committer-agent/containerd/processes.h"
#include "committer-agent/node/exec_fifos.h"
#include "committer-agent/node/exec_spec.h"
#include "shared/base/alloc.h"
#include "shared/base/ids.h"
#include "shared/log/log.h"

enum { PIECE_BYTES = 32 << 10, LAST_WAIT_MS = 10000 };

/* Waits for the process on a thread of its own, so that the caller's can move bytes. */
struct waiter {
    struct containerd *containerd;
    const char *container_id, *exec_id;
    struct rpc_call_options options;
    pthread_t thread;
    int ended_fd; /* eventfd: the process has ended and all its output is in the FIFOs */

    /* written by the thread, read after joining it */
    int result;
    uint32_t exit_status;
    struct error err;
};

/* SIGKILL is certain, but a frozen process takes it only when thawed: then its end is not waited for. */
static void kill_and_wait(struct waiter *waiter)
{
    struct error ignored = {0};
    uint32_t status;

    (void)process_kill(waiter->containerd, waiter->container_id, waiter->exec_id, SIGKILL, &ignored);
    (void)process_wait(waiter->containerd, waiter->container_id, waiter->exec_id,
                       &(struct rpc_call_options){.timeout_ms = LAST_WAIT_MS}, &status, &ignored);
}

static void *wait_for_end(void *arg)
{
    struct waiter *waiter = arg;
    struct error removing = {0};
    const uint64_t one = 1;

    waiter->result = process_wait(waiter->containerd, waiter->container_id, waiter->exec_id, &waiter->options,
                                  &waiter->exit_status, &waiter->err);
    if (waiter->result < 0)
        kill_and_wait(waiter);
    if (process_remove(waiter->containerd, waiter->container_id, waiter->exec_id, &removing) < 0)
        log_failure(LOG_DEBUG, "cannot clean up after an exec", &removing,
                    log_str("container", waiter->container_id));
    (void)!write(waiter->ended_fd, &one, sizeof(one)); /* an eventfd at 0 takes it */
    return NULL;
}

struct pump {
    struct exec_fifos *fifos;
    const struct exec_sink *sink;
    const struct exec_request *request;
    struct containerd *containerd;
    const char *exec_id;
    size_t input_sent;
    bool ended;
};

static int close_input(struct pump *pump)
{
    struct error ignored = {0};

    fd_freep(&pump->fifos->input_fd);
    /* A process that is gone already needs no end of input. */
    (void)process_close_stdin(pump->containerd, pump->request->container_id, pump->exec_id, &ignored);
    return 0;
}

static int send_input(struct pump *pump, struct error *err)
{
    size_t left = pump->request->input_length - pump->input_sent;

    if (left > 0) {
        ssize_t sent = write(pump->fifos->input_fd, pump->request->input + pump->input_sent, left);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return error_sys(err, errno, "writing the command's input");
        if (sent > 0)
            pump->input_sent += (size_t)sent;
    }
    if (pump->input_sent == pump->request->input_length)
        return close_input(pump);
    return 0;
}

/* Everything that is there now; closes *fd at the end of file. */
static int receive(struct pump *pump, int *fd, bool is_stderr, struct error *err)
{
    char piece[PIECE_BYTES];

    for (;;) {
        ssize_t got = read(*fd, piece, sizeof(piece));
        if (got > 0) {
            if (pump->sink->output(pump->sink->self, is_stderr, piece, (size_t)got, err) < 0)
                return -1;
            continue;
        }
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            fd_freep(fd);
        else if (errno != EAGAIN)
            return error_sys(err, errno, "reading the command's output");
        return 0;
    }
}

/* Before the shim has opened its ends a read would say end of file; poll says nothing then, which is why only what poll
 * reports is read. After the end of the process whatever is left is read without asking. */
static int pump_once(struct pump *pump, int ended_fd, struct error *err)
{
    struct pollfd fds[] = {
        {.fd = pump->fifos->output_fd, .events = POLLIN},
        {.fd = pump->fifos->errors_fd, .events = POLLIN},
        {.fd = pump->fifos->input_fd, .events = POLLOUT},
        {.fd = ended_fd, .events = POLLIN},
    };

    if (poll(fds, 4, -1) < 0)
        return errno == EINTR ? 0 : error_sys(err, errno, "waiting for the command");
    pump->ended = fds[3].revents != 0;
    if ((fds[0].revents || (pump->ended && fds[0].fd >= 0)) &&
        receive(pump, &pump->fifos->output_fd, false, err) < 0)
        return -1;
    if ((fds[1].revents || (pump->ended && fds[1].fd >= 0)) &&
        receive(pump, &pump->fifos->errors_fd, true, err) < 0)
        return -1;
    if (fds[2].revents && !pump->ended)
        return send_input(pump, err);
    return 0;
}

static int run_started(struct containerd *containerd, const struct exec_request *request, const char *exec_id,
                       struct exec_fifos *fifos, const struct exec_sink *sink, struct waiter *waiter,
                       struct error *err)
{
    struct pump pump = {
        .fifos = fifos, .sink = sink, .request = request, .containerd = containerd, .exec_id = exec_id};
    int failed = pthread_create(&waiter->thread, NULL, wait_for_end, waiter);
    int result = 0;

    if (failed) {
        kill_and_wait(waiter);
        return error_sys(err, failed, "starting a thread");
    }
    while (result == 0 && !pump.ended)
        result = pump_once(&pump, waiter->ended_fd, err);
    if (result < 0) {
        struct error ignored = {0}; /* nobody listens any more: the process goes, the waiter sees it go */
        (void)process_kill(containerd, request->container_id, exec_id, SIGKILL, &ignored);
    }
    pthread_join(waiter->thread, NULL);
    if (result < 0)
        return -1;
    if (waiter->result < 0)
        *err = waiter->err;
    return waiter->result;
}

static int must_run(struct containerd *containerd, const char *container_id, struct error *err)
{
    struct task task;
    int frozen = container_is_frozen(containerd, container_id, err);

    if (frozen < 0)
        return -1;
    if (frozen) {
        (void)error_set(err, ERR_PRECONDITION, "container %s is frozen by a commit", container_id);
        return error_reason(err, "ContainerNotRunning");
    }
    if (task_get(containerd, container_id, &task, err) < 0) {
        if (err->code == ERR_NOT_FOUND)
            err->code = ERR_PRECONDITION;
        return -1;
    }
    if (task.state == TASK_RUNNING)
        return 0;
    (void)error_set(err, ERR_PRECONDITION, "container %s is %s, want RUNNING", container_id,
                    task_state_name(task.state));
    return error_reason(err, "ContainerNotRunning");
}

static int check_request(const struct exec_request *request, struct error *err)
{
    if (request->word_count == 0 || !*request->command[0] || request->word_count > EXEC_MAX_WORDS)
        return error_set(err, ERR_INVALID, "command: want 1 to %d words, the first not empty",
                         EXEC_MAX_WORDS);
    if (request->input_length > EXEC_MAX_STDIN_BYTES)
        return error_set(err, ERR_INVALID, "stdin: want at most %d bytes, got %zu", EXEC_MAX_STDIN_BYTES,
                         request->input_length);
    return 0;
}

static int start(struct containerd *containerd, const struct exec_request *request, const char *exec_id,
                 const struct exec_fifos *fifos, struct error *err)
{
    SCOPED(string) char *container_json = NULL;
    SCOPED(string) char *process_json = NULL;

    if (container_spec(containerd, request->container_id, &container_json, err) < 0 ||
        exec_process_json(container_json, request->command, request->word_count, &process_json, err) < 0)
        return -1;
    struct process_spec spec = {.container_id = request->container_id,
                                .exec_id = exec_id,
                                .json = process_json,
                                .stdin_fifo = fifos->input_path,
                                .stdout_fifo = fifos->output_path,
                                .stderr_fifo = fifos->errors_path};
    if (process_add(containerd, &spec, err) < 0)
        return -1;
    if (process_start(containerd, request->container_id, exec_id, err) < 0) {
        struct error ignored = {0};
        (void)process_remove(containerd, request->container_id, exec_id, &ignored);
        return -1;
    }
    return 0;
}

int exec_run(struct containerd *containerd, const char *state_dir, const struct exec_request *request,
             const struct exec_sink *sink, struct rpc_call *parent, int *ret_exit_code, struct error *err)
{
    SCOPED_EXEC_FIFOS struct exec_fifos fifos = EXEC_FIFOS_INIT;
    SCOPED(fd) int ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    char exec_id[HEX_ID_SIZE];

    if (ended_fd < 0)
        return error_sys(err, errno, "creating an eventfd");
    hex_id(exec_id);
    if (check_request(request, err) < 0 || must_run(containerd, request->container_id, err) < 0 ||
        exec_fifos_open(state_dir, request->input_length > 0, &fifos, err) < 0 ||
        start(containerd, request, exec_id, &fifos, err) < 0)
        return -1;

    struct waiter waiter = {.containerd = containerd,
                            .container_id = request->container_id,
                            .exec_id = exec_id,
                            .options = {.timeout_ms = request->timeout_ms, .parent = parent},
                            .ended_fd = ended_fd};
    if (run_started(containerd, request, exec_id, &fifos, sink, &waiter, err) < 0)
        return -1;
    *ret_exit_code = (int)waiter.exit_status;
    return 0;
}
