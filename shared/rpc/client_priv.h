/* client_priv.h - what unary calls and streams share: a core call on a queue of its own. */
#pragma once

#include <grpc/grpc.h>

#include <pthread.h>

#include "shared/rpc/client.h"
#include "shared/rpc/trust_priv.h"

/* A channel of the core, which has the certificates that were in use when it was made. Lasts as long as a call on it. */
struct rpc_connection {
    atomic_int refs;
    grpc_channel *core;
    struct rpc_trust *trust; /* NULL: plaintext */
    uint64_t generation;     /* of the certificates */
};

struct rpc_channel {
    char *target; /* set by rpc_channel_new, like all but the connection: any thread may call */
    struct rpc_channel_options options; /* its texts and its tls are ours */
    bool connects_with_tls;

    pthread_mutex_t lock; /* guards the connection */
    struct rpc_connection *connection;
};

/* The newest; the caller's reference. */
struct rpc_connection *rpc_channel_connection(struct rpc_channel *channel);
void rpc_connection_unref(struct rpc_connection *connection);

#define RPC_CLIENT_HEADERS 2

/* One call of ours to a peer. The queue is of the PLUCK kind: each batch is waited for by its tag. */
struct rpc_client_call {
    const struct rpc_channel *channel;
    struct rpc_connection *connection; /* keeps it alive, also when certificates change */
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
void rpc_client_call_init(struct rpc_client_call *call, struct rpc_channel *channel,
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
