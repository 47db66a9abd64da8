/* attach.c - exec and logs: bytes of a sandbox, passed through as they are. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "lifecycle-svc/ctl/ctl.h"
#include "lifecycle-svc/ctl/interrupt.h"
#include "shared/base/cleanup.h"
#include "shared/base/strbuf.h"

typedef Opensandbox__Lifecycle__V1__ExecEvent exec_event;
typedef Opensandbox__Lifecycle__V1__LogsEvent logs_event;

enum { MAX_INPUT_BYTES = 1 << 20 };

DEFINE_FREEP(stream, struct rpc_stream, rpc_stream_free)

static int pass_on(int fd, const ProtobufCBinaryData *bytes, struct error *err)
{
    for (size_t at = 0; at < bytes->len;) {
        ssize_t written = write(fd, bytes->data + at, bytes->len - at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return error_sys(err, errno, "writing to standard %s", fd == STDERR_FILENO ? "error" : "output");
        at += (size_t)written;
    }
    return 0;
}

static int read_input(struct strbuf *ret_input, struct error *err)
{
    char piece[16384];
    ssize_t length;

    while ((length = read(STDIN_FILENO, piece, sizeof(piece))) != 0) {
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            return error_sys(err, errno, "reading standard input");
        if (!strbuf_append(ret_input, piece, (size_t)length))
            return error_set(err, ERR_INVALID, "--stdin: want at most %d bytes", MAX_INPUT_BYTES);
    }
    return 0;
}

/* *ret_code is set by the event that carries it. */
static int take_exec_event(const exec_event *event, int *ret_code, struct error *err)
{
    switch (event->event_case) {
    case OPENSANDBOX__LIFECYCLE__V1__EXEC_EVENT__EVENT_STDOUT:
        return pass_on(STDOUT_FILENO, &event->stdout, err);
    case OPENSANDBOX__LIFECYCLE__V1__EXEC_EVENT__EVENT_STDERR:
        return pass_on(STDERR_FILENO, &event->stderr, err);
    case OPENSANDBOX__LIFECYCLE__V1__EXEC_EVENT__EVENT_EXIT_CODE:
        *ret_code = event->exit_code;
        break;
    case OPENSANDBOX__LIFECYCLE__V1__EXEC_EVENT__EVENT__NOT_SET:
    case _OPENSANDBOX__LIFECYCLE__V1__EXEC_EVENT__EVENT__CASE_IS_INT_SIZE:
        break; /* an event of a newer server */
    }
    return 0;
}

static int run_to_the_end(struct rpc_stream *stream, struct error *err)
{
    exec_event *event;
    int more, code = -1;

    while ((more = rpc_stream_next(stream, &event, err)) > 0) {
        int taken = take_exec_event(event, &code, err);
        protobuf_c_message_free_unpacked(&event->base, NULL);
        if (taken < 0)
            return -1;
    }
    if (more < 0)
        return -1;
    if (code < 0)
        return error_set(err, ERR_INTERNAL, "the stream ended before the command's exit code");
    return code;
}

int ctl_exec(struct ctl *ctl, struct error *err)
{
    const struct options *options = ctl->options;
    Opensandbox__Lifecycle__V1__ExecRequest request = OPENSANDBOX__LIFECYCLE__V1__EXEC_REQUEST__INIT;
    SCOPED_STRBUF struct strbuf input = {.limit = MAX_INPUT_BYTES};
    SCOPED(stream) struct rpc_stream *stream = NULL;

    if (options->input && read_input(&input, err) < 0)
        return -1;
    request.id = (char *)options->id;
    if (options->container)
        request.container = (char *)options->container;
    request.command = options->words.items;
    request.n_command = (size_t)options->words.count;
    request.stdin = (ProtobufCBinaryData){.len = input.length, .data = (uint8_t *)input.bytes};
    interrupt_says("leaving; the command may go on in the sandbox");
    if (rpc_stream_open(ctl->channel, LIFECYCLE, "Exec", &request.base, &stream, NULL, err) < 0)
        return -1;
    return run_to_the_end(stream, err);
}

static int show_line(const logs_event *event, struct error *err)
{
    static const ProtobufCBinaryData newline = {.data = (uint8_t *)"\n", .len = 1};
    int fd = event->stderr ? STDERR_FILENO : STDOUT_FILENO;

    return pass_on(fd, &event->line, err) < 0 ? -1 : pass_on(fd, &newline, err);
}

int ctl_logs(struct ctl *ctl, struct error *err)
{
    const struct options *options = ctl->options;
    Opensandbox__Lifecycle__V1__LogsRequest request = OPENSANDBOX__LIFECYCLE__V1__LOGS_REQUEST__INIT;
    SCOPED(stream) struct rpc_stream *stream = NULL;
    logs_event *event;
    int more;

    request.id = (char *)options->id;
    if (options->container)
        request.container = (char *)options->container;
    request.follow = options->follow;
    request.tail_lines = options->tail_lines;
    if (rpc_stream_open(ctl->channel, LIFECYCLE, "Logs", &request.base, &stream, NULL, err) < 0)
        return -1;
    while ((more = rpc_stream_next(stream, &event, err)) > 0) {
        int passed = show_line(event, err);
        protobuf_c_message_free_unpacked(&event->base, NULL);
        if (passed < 0)
            return -1;
    }
    return more < 0 ? -1 : CTL_OK;
}
