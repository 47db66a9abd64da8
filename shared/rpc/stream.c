#include <assert.h>
#include <grpc/slice.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/rpc/client_priv.h"
#include "shared/rpc/message_priv.h"
#include "shared/rpc/tag_priv.h"

/* Batches in flight: `opened` and `ended` from the start until plucked, `read` and `written` only inside
 * their function. So there is one reader, one writer, and nothing to wait for between calls. */
struct rpc_stream {
    struct rpc_client_call call;
    const ProtobufCMessageDescriptor *type; /* of the messages received */
    grpc_byte_buffer *request;              /* until `opened` is done; NULL: bidirectional */
    struct rpc_tag opened, read, written;

    pthread_mutex_t lock; /* guards what follows */
    struct rpc_tag ended;
    bool is_over; /* `ended` was plucked: call.status is set */
};

static bool stream_start(struct rpc_stream *stream)
{
    const grpc_op status = rpc_op_recv_status(&stream->call);
    const grpc_op opening[] = {rpc_op_send_headers(&stream->call), rpc_op_recv_headers(&stream->call),
                               rpc_op_send_message(stream->request), rpc_op_send_close()};
    size_t count = stream->request ? 4 : 2;

    if (!rpc_batch_start(stream->call.core, opening, count, &stream->opened))
        return false;
    bool started = rpc_batch_start(stream->call.core, &status, 1, &stream->ended);
    assert(started); /* the core refuses only a second status batch */
    return started;
}

static void stream_release(struct rpc_stream *stream)
{
    grpc_byte_buffer_destroy(stream->request);
    rpc_client_call_done(&stream->call);
    pthread_mutex_destroy(&stream->lock);
    free(stream);
}

int rpc_stream_open(struct rpc_channel *channel, const ProtobufCServiceDescriptor *service,
                    const char *method, const ProtobufCMessage *request, struct rpc_stream **ret_stream,
                    const struct rpc_call_options *options, struct error *err)
{
    struct rpc_stream *stream = xcalloc(1, sizeof(*stream));

    stream->type = rpc_client_method(service, method)->output;
    stream->request = request ? rpc_message_pack(request) : NULL;
    pthread_mutex_init(&stream->lock, NULL);
    rpc_client_call_init(&stream->call, channel, service, method, options, RPC_TIMEOUT_NONE);
    if (!stream_start(stream)) {
        stream_release(stream);
        return error_set(err, ERR_INTERNAL, "opening %s of %s: gRPC refused the batch (bad header?)", method,
                         channel->options.name);
    }
    *ret_stream = stream;
    return 0;
}

/* Waits for the status. The call is over already, or was cancelled, so it is there or on its way. */
static void await_end(struct rpc_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    if (!stream->is_over)
        (void)rpc_client_pluck(&stream->call, &stream->ended);
    stream->is_over = true;
    pthread_mutex_unlock(&stream->lock);
}

static bool is_over(struct rpc_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    bool over = stream->is_over;
    pthread_mutex_unlock(&stream->lock);
    return over;
}

/* NULL: the stream has no more messages. */
static grpc_byte_buffer *receive(struct rpc_stream *stream)
{
    grpc_byte_buffer *message = NULL;
    const grpc_op op = rpc_op_recv_message(&message);

    if (is_over(stream) || !rpc_batch_start(stream->call.core, &op, 1, &stream->read))
        return NULL;
    (void)rpc_client_pluck(&stream->call, &stream->read);
    return message;
}

int rpc_stream_next(struct rpc_stream *stream, void *ret_message, struct error *err)
{
    grpc_byte_buffer *bytes = receive(stream);

    if (!bytes) {
        await_end(stream);
        return rpc_client_outcome(&stream->call, err);
    }
    void *message = rpc_message_unpack(bytes, stream->type, NULL);
    grpc_byte_buffer_destroy(bytes);
    if (!message) {
        rpc_stream_cancel(stream);
        return error_set(err, ERR_CORRUPT, "a message of %s from %s is not a valid %s", stream->call.method,
                         stream->call.channel->options.name, stream->type->name);
    }
    memcpy(ret_message, &message, sizeof(message)); /* the caller's variable is a typed pointer */
    return 1;
}

int rpc_stream_write(struct rpc_stream *stream, const ProtobufCMessage *message, bool last, struct error *err)
{
    grpc_byte_buffer *bytes = message ? rpc_message_pack(message) : NULL;
    grpc_op ops[2];
    size_t count = 0;

    assert(message || last);
    if (bytes)
        ops[count++] = rpc_op_send_message(bytes);
    if (last)
        ops[count++] = rpc_op_send_close();
    bool sent = rpc_batch_start(stream->call.core, ops, count, &stream->written) &&
                rpc_client_pluck(&stream->call, &stream->written);
    grpc_byte_buffer_destroy(bytes);
    if (sent)
        return 0;
    return error_set(err, ERR_UNAVAILABLE, "%s ended %s before it had read everything",
                     stream->call.channel->options.name, stream->call.method);
}

void rpc_stream_cancel(struct rpc_stream *stream)
{
    (void)grpc_call_cancel(stream->call.core, NULL); /* a call that is over already stays as it ended */
}

void rpc_stream_free(struct rpc_stream *stream)
{
    if (!stream)
        return;
    rpc_stream_cancel(stream);
    await_end(stream);
    (void)rpc_client_pluck(&stream->call, &stream->opened);
    stream_release(stream);
}
