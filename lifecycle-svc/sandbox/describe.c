#include "lifecycle-svc/sandbox/describe.h"

#include <string.h>

#include "lifecycle-svc/sandbox/contract_code.h"
#include "lifecycle-svc/sandbox/orchestrator_error.h"
#include "shared/base/clock.h"
#include "shared/base/utf8.h"

typedef Opensandbox__Orchestrator__V1__SandboxLogsEvent log_event;

enum { NS_PER_MS = 1000000, LINE_MAX_BYTES = 64 * 1024 };

DEFINE_FREEP(stream, struct rpc_stream, rpc_stream_free)

void orch_description_free(orch_description *description)
{
    if (description)
        protobuf_c_message_free_unpacked(&description->base, NULL);
}

int sandbox_describe(const struct sandbox_service *service, const char *id,
                     orch_description **ret_description, struct error *err)
{
    Opensandbox__Orchestrator__V1__GetSandboxRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__GET_SANDBOX_REQUEST__INIT;
    SCOPED(orch_description) orch_description *description = NULL;

    if (sandbox_check_id(id, err) < 0)
        return -1;
    request.name = (char *)id;
    if (rpc_unary(service->orchestrator, ORCHESTRATOR, "DescribeSandbox", &request.base, &description, NULL,
                  err) < 0)
        return orchestrator_error(err, id);
    if (!description->sandbox)
        return refuse(err, CODE_API_ERROR, "snapshot-svc described sandbox %.80s without the sandbox", id);
    *ret_description = TAKE(description);
    return 0;
}

/* -- logs ------------------------------------------------------------------------------------------------------ */

/* Forgets whole lines at the front until at most LOG_TEXT_MAX bytes are left. */
static void drop_oldest(struct strbuf *text)
{
    if (text->length <= LOG_TEXT_MAX)
        return;
    size_t from = text->length - LOG_TEXT_MAX; /* every text ends with a line's end */
    size_t start =
        (size_t)((char *)memchr(text->bytes + from - 1, '\n', text->length - from + 1) - text->bytes) + 1;

    memmove(text->bytes, text->bytes + start, text->length - start + 1); /* the NUL, too */
    text->length -= start;
}

static void add_line(struct strbuf *text, const log_event *event)
{
    const char *line = (const char *)event->line.data;
    size_t length = event->line.len;
    char time[RFC3339_SIZE];

    if (length > LINE_MAX_BYTES)
        length = utf8_cut_length(line, LINE_MAX_BYTES);
    (void)strbuf_addf(text, "%s ", rfc3339_format_ms(event->time_unix_ns / NS_PER_MS, time));
    utf8_append_clean(text, line, length);
    (void)strbuf_addc(text, '\n');
    if (text->length > 2 * (size_t)LOG_TEXT_MAX) /* now and then, so that moving costs little for each line */
        drop_oldest(text);
}

static int read_lines(struct rpc_stream *stream, const struct log_wish *wish, struct strbuf *text,
                      struct error *err)
{
    log_event *event;
    int more;

    while ((more = rpc_stream_next(stream, &event, err)) > 0) {
        if (event->time_unix_ns / NS_PER_MS >= wish->since_unix_ms)
            add_line(text, event);
        protobuf_c_message_free_unpacked(&event->base, NULL);
    }
    drop_oldest(text);
    return more;
}

static void cancel(void *stream)
{
    rpc_stream_cancel(stream);
}

static int logs_error(struct error *err, const char *id)
{
    if (err->code == ERR_PRECONDITION)
        return refuse(err, CODE_SANDBOX_NOT_FOUND, "No pod found for sandbox %.80s", id);
    if (err->code == ERR_UNSUPPORTED)
        return refuse_as(err, CODE_DIAGNOSTICS_NOT_IMPLEMENTED);
    return orchestrator_error(err, id);
}

int sandbox_logs(const struct sandbox_service *service, const char *id, const struct log_wish *wish,
                 const struct sandbox_caller *caller, struct strbuf *ret_text, struct error *err)
{
    Opensandbox__Orchestrator__V1__SandboxLogsRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__SANDBOX_LOGS_REQUEST__INIT;
    struct rpc_call_options options = {.timeout_ms = LOG_TIMEOUT_MS};
    SCOPED(stream) struct rpc_stream *stream = NULL;
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;

    if (sandbox_check_id(id, err) < 0)
        return -1;
    request.name = (char *)id;
    request.tail_lines = wish->tail;
    if (rpc_stream_open(service->orchestrator, ORCHESTRATOR, "Logs", &request.base, &stream, &options, err) <
        0)
        return logs_error(err, id);
    caller->on_gone(caller->door, cancel, stream);
    int ended = read_lines(stream, wish, &text, err);
    caller->on_gone(caller->door, NULL, NULL);
    if (ended < 0)
        return logs_error(err, id);
    (void)strbuf_append(ret_text, strbuf_text(&text), text.length);
    return 0;
}
