/* rpc/client.h - calls to a gRPC service with protobuf-c messages.
 *
 * A channel connects by itself and again after a loss; it is shared by any number of threads. Answers of
 * unary calls are freed with protobuf_c_message_free_unpacked(answer, NULL). */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/error.h"

struct rpc_channel;
struct rpc_stream;
struct rpc_call;
struct rpc_tls;

struct rpc_channel_options {
    const char *name;       /* of the peer, for error texts: "committer-agent" */
    bool keepalive;         /* never towards containerd: it answers ENHANCE_YOUR_CALM */
    bool retry_unavailable; /* the core retries UNAVAILABLE (5 tries, jittered): only for idempotent services
                             */
    const char *header_key; /* metadata sent with every call ("containerd-namespace"), or NULL */
    const char *header_value;
    size_t max_message; /* bytes; 0: 16 MiB */

    struct rpc_tls *tls;     /* of rpc_tls_open() or rpc_tls_open_client(); NULL: plaintext */
    const char *server_role; /* mutual TLS: whom we mean to reach, "committer-agent" */
    const char *server_name; /* public TLS: host name in the certificate, if not the target's; or NULL */
    const char *secure_with; /* named when TLS is missing; NULL: "--tls-dir=FOLDER" */
};

/* target: "unix:/run/x.sock" or "host:port". Never fails: connecting happens at the first call.
 * Unix sockets are always plaintext, whatever tls says; TCP without tls only to loopback: any other target answers
 * every call with ERR_UNSUPPORTED. A server that we do not trust (wrong role, foreign CA, expired, other host name) is
 * ERR_DENIED with reason PeerNotTrusted, at once; with wait_for_ready it is ERR_TIMEOUT at the deadline. A server that
 * does not trust us hangs up: ERR_UNAVAILABLE, and its log tells why. */
struct rpc_channel *rpc_channel_new(const char *target, const struct rpc_channel_options *options);
/* For a start-up that would rather fail than have every call fail. ERR_UNSUPPORTED: the target needs TLS. */
int rpc_channel_check(const struct rpc_channel *channel, struct error *err);
void rpc_channel_free(struct rpc_channel *channel);

struct rpc_call_options {
    int64_t timeout_ms;                    /* 0: 10 s for unary, none for streams; -1: none */
    struct rpc_call *parent;               /* a server's call: its deadline and cancellation are inherited */
    bool wait_for_ready;                   /* wait for the peer until the deadline instead of failing fast */
    const char *header_key, *header_value; /* one more metadata pair, or NULL */
};

/* *ret_answer is the caller's (see above). The error carries code, text and reason of the peer, prefixed by
 * the channel's name only when the peer could not be reached (or was silent until the deadline). options may
 * be NULL. */
int rpc_unary(struct rpc_channel *channel, const ProtobufCServiceDescriptor *service, const char *method,
              const ProtobufCMessage *request, void *ret_answer, const struct rpc_call_options *options,
              struct error *err);

/* A stream: server streaming (request given, half-closed at once) or bidirectional (request NULL, then
 * rpc_stream_write). *ret_stream is the caller's; it may outlive neither the channel nor its parent. */
int rpc_stream_open(struct rpc_channel *channel, const ProtobufCServiceDescriptor *service,
                    const char *method, const ProtobufCMessage *request, struct rpc_stream **ret_stream,
                    const struct rpc_call_options *options, struct error *err);
/* 1: *ret_message is the caller's; 0: the stream ended with OK; -1: it ended with err. Asked again, an ended
 * stream answers the same. One reader at a time. */
int rpc_stream_next(struct rpc_stream *stream, void *ret_message, struct error *err);
/* Blocks until the peer may take more. message NULL with last: only says that nothing more comes. One writer
 * at a time. ERR_UNAVAILABLE: the peer ended the stream; rpc_stream_next, read to its end, tells why. */
int rpc_stream_write(struct rpc_stream *stream, const ProtobufCMessage *message, bool last,
                     struct error *err);
/* Any thread; rpc_stream_next then answers ERR_CANCELLED. */
void rpc_stream_cancel(struct rpc_stream *stream);
/* Cancels what still runs. */
void rpc_stream_free(struct rpc_stream *stream);
