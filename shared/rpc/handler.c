/* What a handler may do with its call. */
#include <grpc/support/time.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/rpc/call_priv.h"
#include "shared/rpc/message_priv.h"
#include "shared/rpc/server_priv.h"

void *rpc_self(const struct rpc_call *call)
{
    return call->endpoint->self;
}

void *rpc_alloc(struct rpc_call *call, size_t size)
{
    return rpc_arena_alloc(&call->arena, size);
}

char *rpc_strdup(struct rpc_call *call, const char *text)
{
    size_t size = text ? strlen(text) + 1 : 1;
    char *copy = rpc_alloc(call, size);

    return text ? memcpy(copy, text, size) : copy;
}

char *rpc_printf(struct rpc_call *call, const char *fmt, ...)
{
    va_list args, again;

    va_start(args, fmt);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    size_t size = length < 0 ? 1 : (size_t)length + 1;
    char *text = rpc_alloc(call, size);
    (void)vsnprintf(text, size, fmt, again); /* measured above */
    va_end(again);
    return text;
}

const char *rpc_header(const struct rpc_call *call, const char *key)
{
    for (const struct rpc_call_header *header = call->headers; header; header = header->next)
        if (strcmp(header->key, key) == 0)
            return header->value;
    return NULL;
}

const char *rpc_method_name(const struct rpc_call *call)
{
    return call->path;
}

const char *rpc_call_peer_role(const struct rpc_call *call)
{
    return call->peer_role;
}

int64_t rpc_ms_left(const struct rpc_call *call)
{
    if (gpr_time_cmp(call->deadline, gpr_inf_future(call->deadline.clock_type)) == 0)
        return INT64_MAX;
    gpr_timespec left = gpr_time_sub(call->deadline, gpr_now(call->deadline.clock_type));
    int64_t left_ms = left.tv_sec * 1000 + left.tv_nsec / 1000000;
    return left_ms > 0 ? left_ms : 0;
}

bool rpc_cancelled(const struct rpc_call *call)
{
    return atomic_load(&call->cancelled);
}

void rpc_on_cancel(struct rpc_call *call, void (*fn)(void *self), void *self)
{
    pthread_mutex_lock(&call->lock);
    while (call->waking)
        pthread_cond_wait(&call->changed, &call->lock);
    call->on_cancel = fn;
    call->on_cancel_self = self;
    bool too_late = atomic_load(&call->cancelled);
    pthread_mutex_unlock(&call->lock);
    if (fn && too_late)
        fn(self);
}

void rpc_call_sent(struct rpc_tag *tag, bool ok)
{
    struct rpc_call *call = CONTAINER_OF(tag, struct rpc_call, sent);

    pthread_mutex_lock(&call->lock);
    call->sending = ok ? RPC_SEND_IDLE : RPC_SEND_FAILED;
    pthread_cond_broadcast(&call->changed);
    pthread_mutex_unlock(&call->lock);
}

static bool send_and_wait(struct rpc_call *call, grpc_byte_buffer *message)
{
    grpc_op ops[2];
    size_t count = rpc_call_add_headers(call, ops);

    ops[count++] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = message};
    call->sending = RPC_SEND_BUSY; /* no batch is in flight, so nobody else looks */
    if (!rpc_batch_start(call->core, ops, count, &call->sent))
        return false;
    pthread_mutex_lock(&call->lock);
    while (call->sending == RPC_SEND_BUSY)
        pthread_cond_wait(&call->changed, &call->lock);
    bool sent = call->sending == RPC_SEND_IDLE;
    pthread_mutex_unlock(&call->lock);
    return sent;
}

int rpc_send(struct rpc_call *call, const ProtobufCMessage *message, struct error *err)
{
    size_t size = protobuf_c_message_get_packed_size(message), limit = call->server->options.max_message;

    if (size > limit)
        return error_set(err, ERR_EXHAUSTED, "a message of %s has %zu bytes, more than the %zu allowed",
                         call->path, size, limit);
    if (rpc_cancelled(call))
        return error_set(err, ERR_CANCELLED, "the client of %s is gone", call->path);
    grpc_byte_buffer *bytes = rpc_message_pack(message);
    bool sent = send_and_wait(call, bytes);
    grpc_byte_buffer_destroy(bytes);
    if (!sent)
        return error_set(err, ERR_CANCELLED, "the client of %s is gone", call->path);
    return 0;
}
