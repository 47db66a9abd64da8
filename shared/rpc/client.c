#include "shared/rpc/client.h"

#include <assert.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/rpc/call_priv.h"
#include "shared/rpc/client_priv.h"
#include "shared/rpc/message_priv.h"
#include "shared/rpc/status_priv.h"
#include "shared/rpc/tag_priv.h"

const ProtobufCMethodDescriptor *rpc_client_method(const ProtobufCServiceDescriptor *service,
                                                   const char *method)
{
    const ProtobufCMethodDescriptor *found =
        protobuf_c_service_descriptor_get_method_by_name(service, method);

    assert(found && "the .proto has no such method");
    return found;
}

static gpr_timespec deadline_of(const struct rpc_call_options *options, int64_t default_timeout_ms)
{
    int64_t timeout_ms = options->timeout_ms ? options->timeout_ms : default_timeout_ms;

    if (timeout_ms < 0)
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
}

static void add_header(struct rpc_client_call *call, const char *key, const char *value)
{
    if (!key)
        return;
    assert(call->header_count < RPC_CLIENT_HEADERS);
    call->headers[call->header_count++] = (grpc_metadata){
        .key = grpc_slice_from_copied_string(key),
        .value = grpc_slice_from_copied_string(value ? value : ""),
    };
}

static grpc_call *core_call_new(struct rpc_client_call *call, const ProtobufCServiceDescriptor *service,
                                const struct rpc_call_options *options, int64_t default_timeout_ms)
{
    SCOPED(string)
    char *path = xasprintf("/%s/%s", service->name, call->method);
    grpc_slice slice = grpc_slice_from_copied_string(path);
    grpc_call *parent = options->parent ? rpc_call_core(options->parent) : NULL;
    grpc_call *core =
        grpc_channel_create_call(call->connection->core, parent, GRPC_PROPAGATE_DEFAULTS, call->queue, slice,
                                 NULL, deadline_of(options, default_timeout_ms), NULL);

    grpc_slice_unref(slice);
    return core;
}

void rpc_client_call_init(struct rpc_client_call *call, struct rpc_channel *channel,
                          const ProtobufCServiceDescriptor *service, const char *method,
                          const struct rpc_call_options *options, int64_t default_timeout_ms)
{
    static const struct rpc_call_options none;

    options = options ? options : &none;
    *call = (struct rpc_client_call){.channel = channel, .method = method, .text = grpc_empty_slice()};
    call->connection = rpc_channel_connection(channel);
    call->queue = grpc_completion_queue_create_for_pluck(NULL);
    call->core = core_call_new(call, service, options, default_timeout_ms);
    grpc_metadata_array_init(&call->initial);
    grpc_metadata_array_init(&call->trailers);
    add_header(call, channel->options.header_key, channel->options.header_value);
    add_header(call, options->header_key, options->header_value);
    if (options->wait_for_ready)
        call->header_flags =
            GRPC_INITIAL_METADATA_WAIT_FOR_READY | GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET;
}

void rpc_client_call_done(struct rpc_client_call *call)
{
    for (size_t i = 0; i < call->header_count; i++) {
        grpc_slice_unref(call->headers[i].key);
        grpc_slice_unref(call->headers[i].value);
    }
    grpc_slice_unref(call->text);
    gpr_free((void *)call->origin);
    grpc_metadata_array_destroy(&call->initial);
    grpc_metadata_array_destroy(&call->trailers);
    grpc_call_unref(call->core);
    grpc_completion_queue_shutdown(call->queue);
    (void)rpc_client_pluck(call, NULL); /* nothing is in flight: this answers that the queue is drained */
    grpc_completion_queue_destroy(call->queue);
    rpc_connection_unref(call->connection);
}

grpc_op rpc_op_send_headers(struct rpc_client_call *call)
{
    return (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA,
                     .flags = call->header_flags,
                     .data.send_initial_metadata = {.count = call->header_count, .metadata = call->headers}};
}

grpc_op rpc_op_send_message(grpc_byte_buffer *message)
{
    return (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = message};
}

grpc_op rpc_op_send_close(void)
{
    return (grpc_op){.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
}

grpc_op rpc_op_recv_headers(struct rpc_client_call *call)
{
    return (grpc_op){.op = GRPC_OP_RECV_INITIAL_METADATA,
                     .data.recv_initial_metadata.recv_initial_metadata = &call->initial};
}

grpc_op rpc_op_recv_message(grpc_byte_buffer **ret_message)
{
    return (grpc_op){.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = ret_message};
}

grpc_op rpc_op_recv_status(struct rpc_client_call *call)
{
    return (grpc_op){.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
                     .data.recv_status_on_client = {.trailing_metadata = &call->trailers,
                                                    .status = &call->status,
                                                    .status_details = &call->text,
                                                    .error_string = &call->origin}};
}

bool rpc_client_pluck(struct rpc_client_call *call, void *tag)
{
    grpc_event event =
        grpc_completion_queue_pluck(call->queue, tag, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);

    return event.type == GRPC_OP_COMPLETE && event.success != 0;
}

/* The core marks a status that came over the wire; any other was made on this side: no connection, a lost
 * one, silence until the deadline. Only the text depends on it. */
static bool is_from_peer(const struct rpc_client_call *call)
{
    return call->origin && strstr(call->origin, "Error received from peer");
}

static bool is_unreachable(const struct rpc_client_call *call)
{
    bool worth_naming =
        call->status == GRPC_STATUS_UNAVAILABLE || call->status == GRPC_STATUS_DEADLINE_EXCEEDED;

    return worth_naming && !is_from_peer(call);
}

int rpc_client_outcome(const struct rpc_client_call *call, struct error *err)
{
    if (call->status == GRPC_STATUS_OK)
        return 0;
    (void)rpc_status_decode(call->status, call->text, &call->trailers, err);
    if (is_unreachable(call) && call->connection->trust)
        rpc_trust_explain(call->connection->trust, err);
    if (is_unreachable(call))
        return error_wrap(err, "calling %s of %s", call->method, call->channel->options.name);
    return -1;
}

static int unary_answer(struct rpc_client_call *call, grpc_byte_buffer *answer,
                        const ProtobufCMessageDescriptor *type, void *ret_answer, struct error *err)
{
    if (rpc_client_outcome(call, err) < 0)
        return -1;
    if (!answer)
        return error_set(err, ERR_CORRUPT, "%s of %s answered OK without a message", call->method,
                         call->channel->options.name);
    void *message = rpc_message_unpack(answer, type, NULL);
    if (!message)
        return error_set(err, ERR_CORRUPT, "the answer to %s from %s is not a valid %s", call->method,
                         call->channel->options.name, type->name);
    memcpy(ret_answer, &message, sizeof(message)); /* the caller's variable is a typed pointer */
    return 0;
}

int rpc_unary(struct rpc_channel *channel, const ProtobufCServiceDescriptor *service, const char *method,
              const ProtobufCMessage *request, void *ret_answer, const struct rpc_call_options *options,
              struct error *err)
{
    const ProtobufCMethodDescriptor *descriptor = rpc_client_method(service, method);
    grpc_byte_buffer *question = rpc_message_pack(request), *answer = NULL;
    struct rpc_client_call call;
    struct rpc_tag tag = {0};
    int result = -1;

    rpc_client_call_init(&call, channel, service, method, options, RPC_TIMEOUT_UNARY_MS);
    const grpc_op ops[] = {
        rpc_op_send_headers(&call), rpc_op_send_message(question), rpc_op_send_close(),
        rpc_op_recv_headers(&call), rpc_op_recv_message(&answer),  rpc_op_recv_status(&call),
    };
    if (rpc_batch_start(call.core, ops, sizeof(ops) / sizeof(ops[0]), &tag)) {
        (void)rpc_client_pluck(&call, &tag); /* the status says how it went */
        result = unary_answer(&call, answer, descriptor->output, ret_answer, err);
    } else {
        (void)error_set(err, ERR_INTERNAL, "calling %s of %s: gRPC refused the batch (bad header?)", method,
                        channel->options.name);
    }
    grpc_byte_buffer_destroy(question);
    grpc_byte_buffer_destroy(answer);
    rpc_client_call_done(&call);
    return result;
}
