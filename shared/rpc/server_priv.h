/* server_priv.h - the server and its accepts: what the core hands over, one slot per method. */
#pragma once

#include <grpc/grpc.h>
#include <pthread.h>
#include <sys/queue.h>

#include "shared/rpc/call_priv.h"
#include "shared/rpc/health_priv.h"
#include "shared/rpc/listen_priv.h"
#include "shared/rpc/server.h"
#include "shared/rpc/tag_priv.h"
#include "shared/rpc/workers_priv.h"

/* An armed request for the next call of one method. Always armed, from start until the server shuts down. */
struct rpc_accept {
    struct rpc_tag tag;
    struct rpc_server *server;
    struct rpc_endpoint *endpoint; /* NULL: catches the methods that nobody registered */

    grpc_call *core; /* filled by the core, like the rest */
    gpr_timespec deadline;
    grpc_call_details details; /* of the catch-all only */
    grpc_metadata_array metadata;
    grpc_byte_buffer *payload;
};

struct rpc_endpoint { /* immutable after rpc_server_start, but for its accept */
    char *path;       /* "/package.Service/Method" */
    const ProtobufCMethodDescriptor *descriptor;
    const struct rpc_method *row;
    void *self;
    void *registered; /* the core's name for it */
    struct rpc_accept accept;
    struct rpc_endpoint *next;
};

struct rpc_server {
    /* Set before rpc_server_start, then read by anyone. */
    struct rpc_server_options options;
    grpc_server *core;
    grpc_completion_queue *queue;
    struct rpc_endpoint *endpoints;
    struct rpc_accept unknown;
    struct rpc_health *health;
    pthread_t *pollers;
    bool started, stopped; /* the owner's thread only */
    struct rpc_listener *listeners;
    size_t listener_count;

    struct rpc_workers *unary, *streams; /* they lock for themselves */

    struct rpc_tag shut_down;
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    unsigned outstanding; /* armed accepts and calls not yet freed */
    bool stopping, is_shut_down;
    LIST_HEAD(, rpc_call) watches;
};

/* A watch handler begins: false when the server stops already. */
bool rpc_server_watch_begin(struct rpc_server *server, struct rpc_call *call);
void rpc_server_watch_end(struct rpc_server *server, struct rpc_call *call);
bool rpc_server_is_stopping(struct rpc_server *server);
void rpc_server_outstanding_add(struct rpc_server *server);
void rpc_server_outstanding_drop(struct rpc_server *server);

/* Asks the core for the next call of the endpoint; from then on each accept arms itself again. */
void rpc_accept_start(struct rpc_accept *accept, struct rpc_server *server, struct rpc_endpoint *endpoint);
