/* client_priv.h - what unary calls and streams share: a core call on a queue of its own. */
#pragma once

#include <grpc/grpc.h>

#include "shared/rpc/client.h"

struct rpc_channel { /* immutable after rpc_channel_new, so any thread may call */
    grpc_channel *core;
    char *name;
    char *header_key, *header_value; /* NULL: none */
};

#define RPC_CLIENT_HEADERS 2

/* One call of ours to a peer. The queue is of the PLUCK kind: each batch is waited for by its tag. */
struct rpc_client_call {
    const struct rpc_channel *channel;
    const char *method;
    grpc_completion_queue *queue;
    grpc_call *core;
    grpc_metadata headers[RPC_CLIENT_HEADERS]; /* must live until the batch that sends them is done */
    size_t header_count;
    uint32_t header_flags;

    grpc_metadata_array initial, trailers;
    grpc_status_code status;
    grpc_slice text;
    const char *origin; /* the core's own story of the failure, gpr_malloc'ed; NULL: none */
};

#define RPC_TIMEOUT_UNARY_MS 10000
#define RPC_TIMEOUT_NONE     (-1)

const ProtobufCMethodDescriptor *rpc_client_method(const ProtobufCServiceDescriptor *service,
                                                   const char *method);

/* options may be NULL; default_timeout_ms is used when they say 0. */
void rpc_client_call_init(struct rpc_client_call *call, const struct rpc_channel *channel,
                          const ProtobufCServiceDescriptor *service, const char *method,
                          const struct rpc_call_options *options, int64_t default_timeout_ms);
/* Every batch has been plucked. */
void rpc_client_call_done(struct rpc_client_call *call);

grpc_op rpc_op_send_headers(struct rpc_client_call *call);
grpc_op rpc_op_send_message(grpc_byte_buffer *message);
grpc_op rpc_op_send_close(void);
grpc_op rpc_op_recv_headers(struct rpc_client_call *call);
grpc_op rpc_op_recv_message(grpc_byte_buffer **ret_message);
grpc_op rpc_op_recv_status(struct rpc_client_call *call);

/* Waits for a started batch, without a limit of its own: the call's deadline or a cancel ends it. */
bool rpc_client_pluck(struct rpc_client_call *call, void *tag);

/* The status as received: 0 when OK, else -1 with err. */
int rpc_client_outcome(const struct rpc_client_call *call, struct error *err);
