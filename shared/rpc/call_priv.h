/* call_priv.h - one call that a server answers.
 *
 * Life: accepted on a poller, run by a worker, finished by a batch; freed when both the finish and the core's
 * notice that the call is closed have come back, whichever is later. */
#pragma once

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "shared/rpc/arena_priv.h"
#include "shared/rpc/server.h"
#include "shared/rpc/status_priv.h"
#include "shared/rpc/tag_priv.h"
#include "shared/rpc/workers_priv.h"

struct rpc_endpoint;

struct rpc_call_header {
    const char *key, *value; /* in the arena */
    struct rpc_call_header *next;
};

enum rpc_send_state { RPC_SEND_IDLE, RPC_SEND_BUSY, RPC_SEND_FAILED };

struct rpc_call {
    /* Set when the call is accepted, then read by anyone. */
    struct rpc_server *server;
    const struct rpc_endpoint *endpoint; /* NULL: no such method here */
    const char *path;                    /* "package.Service/Method", in the arena */
    grpc_call *core;
    gpr_timespec deadline;
    int64_t accepted_ms;
    struct rpc_call_header *headers;
    const char *peer_role; /* in the arena; NULL: not over mutual TLS */

    /* The worker's that runs it. */
    struct rpc_work work;
    struct rpc_arena arena;
    grpc_byte_buffer *request;
    size_t unpack_budget; /* bytes that unpacking the request may still take */
    bool headers_sent;
    LIST_ENTRY(rpc_call) watch; /* in server->watches while the handler runs, under the server's lock */

    /* Each belongs to its batch while that is in flight. */
    struct rpc_tag closed, sent, finished;
    int core_cancelled;
    grpc_byte_buffer *answer;
    struct rpc_wire_status status;

    atomic_int refs; /* of the handler until `finished`, and of `closed` */
    atomic_bool cancelled;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    enum rpc_send_state sending;
    void (*on_cancel)(void *self);
    void *on_cancel_self;
    bool waking; /* on_cancel runs right now */
};

/* Takes core, payload (may be NULL) and the contents of metadata. path without the leading slash. */
struct rpc_call *rpc_call_new(struct rpc_server *server, const struct rpc_endpoint *endpoint,
                              const char *path, grpc_call *core, gpr_timespec deadline,
                              const grpc_metadata_array *metadata, grpc_byte_buffer *payload);
/* On the poller: hands the call to a worker, or refuses it. */
void rpc_call_serve(struct rpc_call *call);
/* Marks the call as cancelled and wakes its handler. Any thread. */
void rpc_call_cancel(struct rpc_call *call);
void rpc_call_ref(struct rpc_call *call);
void rpc_call_unref(struct rpc_call *call);

/* For rpc_send and the finish: SEND_INITIAL_METADATA goes out once, with the first. Answers how many ops. */
size_t rpc_call_add_headers(struct rpc_call *call, grpc_op *ops);
void rpc_call_sent(struct rpc_tag *tag, bool ok);

grpc_call *rpc_call_core(const struct rpc_call *call);
