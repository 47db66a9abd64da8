/* rpc/server.h - a gRPC server for protobuf-c services on gRPC core.
 *
 * One NEXT completion queue, a few pollers, a worker pool for unary methods, a thread per stream up to a
 * bound. grpc.health.v1.Health is always served. Unknown methods answer UNIMPLEMENTED. In a handler all
 * memory is the call's (rpc_alloc, the request, the response) and goes with it. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/error.h"

struct rpc_server;
struct rpc_call;
struct rpc_tls;

/* 0: `response` (a zero-initialised message of the right type, in the call's memory) is sent; -1: err is
 * sent. */
typedef int rpc_unary_fn(struct rpc_call *call, const void *request, void *response, struct error *err);
/* Sends messages by rpc_send(); returns 0 for OK, -1 for err. Runs on its own thread and may block. */
typedef int rpc_stream_fn(struct rpc_call *call, const void *request, struct error *err);

struct rpc_method {
    const char *name;      /* as in the .proto */
    rpc_unary_fn *unary;   /* exactly one of the two */
    rpc_stream_fn *stream; /* server stream */
    bool endless; /* a stream that only its client ends (a watch): a stopping server does not wait for it,
                     but cancels it at once; its client gets UNAVAILABLE */
};

/* Every call at its end, on a thread of the server's; must not block. err NULL: OK. For logs and metrics. */
typedef void rpc_observe_fn(void *self, const struct rpc_call *call, const struct error *err,
                            int64_t elapsed_ms);

struct rpc_server_options {
    unsigned pollers;        /* 0: 2 */
    unsigned workers;        /* threads for unary methods; 0: 8 */
    unsigned max_calls;      /* queued and running unary calls; RESOURCE_EXHAUSTED above. 0: 1024 */
    unsigned max_streams;    /* 0: 256 */
    size_t max_message;      /* bytes, both ways; 0: 4 MiB */
    rpc_observe_fn *observe; /* or NULL */
    void *observe_self;

    struct rpc_tls *tls; /* for TCP addresses, loopback too; NULL: plaintext */
    /* Mutual TLS: whom we serve, {"snapshot-svc", NULL}; outlives the server. Every call over TCP is checked before
     * anything else: PERMISSION_DENIED with reason RoleNotAllowed names the role found and those wanted. */
    const char *const *accept_roles;
    bool insecure;           /* TCP in plaintext beyond loopback: only behind a proxy that ends TLS */
    const char *secure_with; /* named when TLS is missing; NULL: "--tls-dir=FOLDER" */
};

struct rpc_server *rpc_server_new(const struct rpc_server_options *options);
/* `methods` ends with a row whose name is NULL and outlives the server; `self` is what rpc_self() answers.
 * Before rpc_server_start. A method of the descriptor without a row answers UNIMPLEMENTED. */
void rpc_server_add(struct rpc_server *server, const ProtobufCServiceDescriptor *service,
                    const struct rpc_method *methods, void *self);
/* "127.0.0.1:0", "unix:/run/stasis/agent.sock". A socket file is made with mode 0600 and guarded by a lock
 * file (path + ".lock"), so a live server's socket is never taken over. The umask changes for a moment: call
 * this from main, before other threads create files.
 * Unix sockets are always plaintext; TCP is TLS when the server has tls, and then wants a numeric host ("0.0.0.0:9091",
 * "[::]:9091"); without tls only loopback is taken.
 * *ret_port (may be NULL): the port, 0 for unix. ERR_UNAVAILABLE: another process serves there.
 * ERR_UNSUPPORTED: the address would need TLS. */
int rpc_server_listen(struct rpc_server *server, const char *address, int *ret_port, struct error *err);
void rpc_server_start(struct rpc_server *server);
/* Refuses new calls, cancels endless streams, waits up to grace_ms for running calls, cancels the rest and
 * waits for their handlers. Not from a handler. */
void rpc_server_stop(struct rpc_server *server, int64_t grace_ms);
void rpc_server_free(struct rpc_server *server); /* stopped, or never started */

/* grpc.health.v1: service "" is the server as a whole, serving until told otherwise; any other is unknown
 * until it is set. Watchers are told. Any thread. */
void rpc_health_set(struct rpc_server *server, const char *service, bool serving);

void *rpc_self(const struct rpc_call *call);
void *rpc_alloc(struct rpc_call *call, size_t size);       /* zeroed; gone with the call */
char *rpc_strdup(struct rpc_call *call, const char *text); /* NULL gives "" */
char *rpc_printf(struct rpc_call *call, const char *fmt, ...) PRINTF(2, 3);
const char *rpc_header(const struct rpc_call *call, const char *key); /* request metadata; NULL absent */
const char *rpc_method_name(const struct rpc_call *call);             /* "package.Service/Method" */
const char *rpc_call_peer_role(const struct rpc_call *call);          /* NULL: not over mutual TLS */
int64_t rpc_ms_left(const struct rpc_call *call);                     /* INT64_MAX: no deadline */
bool rpc_cancelled(const struct rpc_call *call); /* by the client, its deadline, or a stopping server */
/* Calls fn(self) once when the call is cancelled: on another thread, or on this one if that has happened
 * already, so hold no lock that fn takes. fn must not block. It replaces an earlier fn, and ends with the
 * handler; fn NULL takes it back, and when that returns fn is not running. Use it to wake what the handler
 * waits for. */
void rpc_on_cancel(struct rpc_call *call, void (*fn)(void *self), void *self);
/* Blocks until the client may take more. One sender at a time. ERR_CANCELLED: the call is over.
 * ERR_EXHAUSTED: larger than max_message. */
int rpc_send(struct rpc_call *call, const ProtobufCMessage *message, struct error *err);
