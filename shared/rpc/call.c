#include "shared/rpc/call_priv.h"

#include <assert.h>
#include <grpc/slice.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/rpc/admit_priv.h"
#include "shared/rpc/message_priv.h"
#include "shared/rpc/server_priv.h"

static void run(struct rpc_work *work);
static void closed(struct rpc_tag *tag, bool ok);
static void finished(struct rpc_tag *tag, bool ok);

static const char *text_from_slice(struct rpc_call *call, grpc_slice slice)
{
    char *text = rpc_alloc(call, GRPC_SLICE_LENGTH(slice) + 1);

    memcpy(text, GRPC_SLICE_START_PTR(slice), GRPC_SLICE_LENGTH(slice));
    return text;
}

static void take_headers(struct rpc_call *call, const grpc_metadata_array *metadata)
{
    for (size_t i = 0; i < metadata->count; i++) {
        struct rpc_call_header *header = rpc_alloc(call, sizeof(*header));
        header->key = text_from_slice(call, metadata->metadata[i].key);
        header->value = text_from_slice(call, metadata->metadata[i].value);
        header->next = call->headers;
        call->headers = header;
    }
}

struct rpc_call *rpc_call_new(struct rpc_server *server, const struct rpc_endpoint *endpoint,
                              const char *path, grpc_call *core, gpr_timespec deadline,
                              const grpc_metadata_array *metadata, grpc_byte_buffer *payload)
{
    struct rpc_call *call = xcalloc(1, sizeof(*call));

    call->server = server;
    call->endpoint = endpoint;
    call->path = rpc_strdup(call, path);
    call->core = core;
    call->deadline = deadline;
    call->accepted_ms = clock_monotonic_ms();
    call->request = payload;
    call->work.run = run;
    call->closed.done = closed;
    call->sent.done = rpc_call_sent;
    call->finished.done = finished;
    call->status.text = grpc_empty_slice();
    atomic_init(&call->refs, 1);
    pthread_mutex_init(&call->lock, NULL);
    pthread_cond_init(&call->changed, NULL);
    take_headers(call, metadata);
    rpc_server_outstanding_add(server);
    return call;
}

static void call_free(struct rpc_call *call)
{
    struct rpc_server *server = call->server;

    grpc_byte_buffer_destroy(call->request);
    grpc_byte_buffer_destroy(call->answer);
    rpc_wire_status_done(&call->status);
    grpc_call_unref(call->core);
    rpc_arena_done(&call->arena);
    pthread_cond_destroy(&call->changed);
    pthread_mutex_destroy(&call->lock);
    free(call);
    rpc_server_outstanding_drop(server);
}

void rpc_call_ref(struct rpc_call *call)
{
    (void)atomic_fetch_add(&call->refs, 1);
}

void rpc_call_unref(struct rpc_call *call)
{
    if (atomic_fetch_sub(&call->refs, 1) == 1)
        call_free(call);
}

grpc_call *rpc_call_core(const struct rpc_call *call)
{
    return call->core;
}

void rpc_call_cancel(struct rpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    bool first = !atomic_exchange(&call->cancelled, true);
    void (*wake)(void *) = first ? call->on_cancel : NULL;
    void *self = call->on_cancel_self;
    if (wake)
        call->waking = true;
    pthread_mutex_unlock(&call->lock);
    if (!wake)
        return;
    wake(self);
    pthread_mutex_lock(&call->lock);
    call->waking = false;
    pthread_cond_broadcast(&call->changed);
    pthread_mutex_unlock(&call->lock);
}

static void closed(struct rpc_tag *tag, bool ok)
{
    struct rpc_call *call = CONTAINER_OF(tag, struct rpc_call, closed);

    (void)ok; /* always true; what happened is in core_cancelled */
    if (call->core_cancelled)
        rpc_call_cancel(call);
    rpc_call_unref(call);
}

static void finished(struct rpc_tag *tag, bool ok)
{
    (void)ok; /* the client is told, or gone: there is nothing left to do for either */
    rpc_call_unref(CONTAINER_OF(tag, struct rpc_call, finished));
}

size_t rpc_call_add_headers(struct rpc_call *call, grpc_op *ops)
{
    if (call->headers_sent)
        return 0;
    call->headers_sent = true;
    ops[0] = (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
    return 1;
}

/* Ends the call: with `answer` when err is NULL and the method is unary. Gives the handler's reference away.
 */
static void finish(struct rpc_call *call, const struct error *err)
{
    const struct rpc_server_options *options = &call->server->options;
    grpc_op ops[3];
    size_t count = rpc_call_add_headers(call, ops);

    if (options->observe)
        options->observe(options->observe_self, call, err, clock_monotonic_ms() - call->accepted_ms);
    if (call->answer)
        ops[count++] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = call->answer};
    rpc_status_encode(err, &call->status);
    ops[count++] = (grpc_op){
        .op = GRPC_OP_SEND_STATUS_FROM_SERVER,
        .data.send_status_from_server = {.trailing_metadata_count = call->status.has_details ? 1 : 0,
                                         .trailing_metadata = &call->status.details,
                                         .status = call->status.status,
                                         .status_details = &call->status.text}};
    if (!rpc_batch_start(call->core, ops, count, &call->finished))
        rpc_call_unref(call);
}

static void *arena_allocate(void *self, size_t size)
{
    struct rpc_call *call = self;

    if (size > call->unpack_budget)
        return NULL;
    call->unpack_budget -= size;
    return rpc_alloc(call, size);
}

static void arena_keep(void *self, void *memory)
{
    (void)self;
    (void)memory; /* goes with the call */
}

static int request_unpack(struct rpc_call *call, const void **ret_request, struct error *err)
{
    const ProtobufCMessageDescriptor *type = call->endpoint->descriptor->input;
    ProtobufCAllocator allocator = {arena_allocate, arena_keep, call};

    if (!call->request)
        return error_set(err, ERR_INVALID, "%s needs a request message", call->path);
    call->unpack_budget = RPC_UNPACK_BUDGET(grpc_byte_buffer_length(call->request));
    *ret_request = rpc_message_unpack(call->request, type, &allocator);
    if (!*ret_request)
        return error_set(err, ERR_INVALID, "the request of %s is not a valid %s", call->path, type->name);
    grpc_byte_buffer_destroy(call->request);
    call->request = NULL;
    return 0;
}

static int answer_pack(struct rpc_call *call, const ProtobufCMessage *response, struct error *err)
{
    size_t size = protobuf_c_message_get_packed_size(response), limit = call->server->options.max_message;

    if (size > limit)
        return error_set(err, ERR_EXHAUSTED, "the answer of %s has %zu bytes, more than the %zu allowed",
                         call->path, size, limit);
    call->answer = rpc_message_pack(response);
    return 0;
}

static int run_unary(struct rpc_call *call, const void *request, struct error *err)
{
    const ProtobufCMessageDescriptor *type = call->endpoint->descriptor->output;
    ProtobufCMessage *response = rpc_alloc(call, type->sizeof_message);

    type->message_init(response);
    if (call->endpoint->row->unary(call, request, response, err) < 0)
        return -1;
    return answer_pack(call, response, err);
}

static int stopping(struct error *err)
{
    return error_set(err, ERR_UNAVAILABLE, "the server is stopping");
}

/* An endless stream ends only because its client left or because we stop. */
static int run_endless(struct rpc_call *call, const void *request, struct error *err)
{
    if (!rpc_server_watch_begin(call->server, call))
        return stopping(err);
    int result = call->endpoint->row->stream(call, request, err);
    rpc_server_watch_end(call->server, call);
    return rpc_server_is_stopping(call->server) ? stopping(err) : result;
}

static int run_method(struct rpc_call *call, struct error *err)
{
    const struct rpc_method *row = call->endpoint->row;
    const void *request = NULL;

    if (rpc_cancelled(call))
        return error_set(err, ERR_CANCELLED, "cancelled before its turn came");
    if (request_unpack(call, &request, err) < 0)
        return -1;
    if (row->unary)
        return run_unary(call, request, err);
    return row->endless ? run_endless(call, request, err) : row->stream(call, request, err);
}

static void run(struct rpc_work *work)
{
    struct rpc_call *call = CONTAINER_OF(work, struct rpc_call, work);
    struct error err = {0};
    int result = run_method(call, &err);

    rpc_on_cancel(call, NULL, NULL); /* what it pointed at lived in the handler */
    finish(call, result < 0 ? &err : NULL);
}

static int dispatch(struct rpc_call *call, struct error *err)
{
    struct rpc_server *server = call->server;

    if (rpc_admit(call, err) < 0)
        return -1;
    if (!call->endpoint)
        return error_set(err, ERR_UNSUPPORTED, "no method %s here", call->path);
    if (rpc_server_is_stopping(server))
        return stopping(err);
    bool is_stream = call->endpoint->row->stream != NULL;
    if (rpc_workers_submit(is_stream ? server->streams : server->unary, &call->work))
        return 0;
    return error_set(err, ERR_EXHAUSTED, "%u %s are open already",
                     is_stream ? server->options.max_streams : server->options.max_calls,
                     is_stream ? "streams" : "calls");
}

void rpc_call_serve(struct rpc_call *call)
{
    const grpc_op close = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER,
                           .data.recv_close_on_server.cancelled = &call->core_cancelled};
    struct error err = {0};

    rpc_call_ref(call);
    if (!rpc_batch_start(call->core, &close, 1, &call->closed))
        rpc_call_unref(call);
    if (dispatch(call, &err) < 0)
        finish(call, &err);
}
