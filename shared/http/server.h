/* http/server.h - an HTTP/1.1 server on libmicrohttpd: bounded requests in, whole answers out; and, for who asks for
 * it, streams both ways.
 *
 * One thread per connection, so handlers may block; connections, header and body sizes are bounded, and so is the
 * time that a client may take for each of them. The request is complete when the handler runs, unless it is streamed.
 * Time spent in a handler never counts as the client's. Spec: RFC 9110 and RFC 9112, as far as libmicrohttpd goes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "shared/base/strbuf.h"

struct http_server;
struct http_exchange; /* one request and its answer; lives for the handler's call */

/* On the connection's thread. Calls http_answer() once; a handler that does not gives the client a 500. */
typedef void http_handler(void *self, struct http_exchange *exchange);

/* Where the certificate comes from: asked at each handshake, so that a renewed one is used at once. */
struct http_server_tls {
    /* PEM texts: our certificate and the intermediates behind it, and the key. Both are the caller's, who wipes the
     * key. Any thread. */
    void (*certificate)(void *self, char **ret_chain, char **ret_key);
    void *self;
};

struct http_server_options {
    const char *address; /* "127.0.0.1:8080", "0.0.0.0:8080", ":8080" or "[::1]:8080"; port 0 picks one */
    http_handler *handler;
    void *self;
    size_t max_body;            /* bytes; above it the server answers 413 itself. 0: 1 MiB */
    unsigned max_connections;   /* 0: 1024; more are closed at once */
    unsigned idle_timeout_s;    /* 0: 75. Clients close idle connections at 30 s: equal values would race */
    const char *too_large_body; /* JSON body of the 413; borrowed; NULL: a plain sentence */

    /* Slow clients are cut off. The head of a request, TLS handshake included: so long. Its body, and taking the
     * answer: so long without one byte, and no slower than so many bytes a second on the whole. */
    int64_t head_timeout_ms;   /* 0: 30 s */
    int64_t slack_ms;          /* 0: 30 s */
    int64_t min_bytes_per_s;   /* 0: 512 */
    const char *too_long_head; /* JSON body of the 431 (a head above 32 KiB); as too_large_body */

    /* Called before an answer that the server itself gives (413, 431) is sent: it may read the head of the request and
     * add headers. NULL: nothing to add. What is no HTTP at all libmicrohttpd answers, and tells nobody. */
    void (*refused)(void *self, struct http_exchange *exchange);
    /* Asked when the head of a request is there; true: the handler runs now, before the body. NULL: never. */
    bool (*streams)(void *self, const struct http_exchange *exchange);
    bool upgrades;              /* http_answer_upgrade() will be used */
    struct http_server_tls tls; /* no .certificate: plaintext. Otherwise TLS 1.2 or 1.3 */
};

/* ERR_INVALID: the address, or a certificate that is no use; ERR_UNAVAILABLE: somebody listens there already (the text
 * names the address). */
int http_server_start(const struct http_server_options *options, struct http_server **ret_server,
                      struct error *err);
unsigned http_server_port(const struct http_server *server);
/* Stops accepting and gives running exchanges grace_ms to end; those still there then are told as if their
 * client had gone (see http_on_client_gone), and their handlers are waited for; tunnels are told and waited for, too.
 * Idle connections are closed. Once. */
void http_server_stop(struct http_server *server, int64_t grace_ms);
/* Stops with no grace unless that was done, joins all threads, frees. NULL is fine. */
void http_server_free(struct http_server *server);
DEFINE_FREEP(http_server, struct http_server, http_server_free)

/* Everything borrowed until the handler returns; of a streamed exchange, until its ended(). */
const char *http_method(const struct http_exchange *exchange);
const char *http_path(const struct http_exchange *exchange);  /* raw, without query, percent escapes kept */
const char *http_query(const struct http_exchange *exchange); /* raw; NULL: no '?' in the target */
bool http_is_1_1(const struct http_exchange *exchange);       /* else an older one: no chunks, no upgrade */
bool http_is_tls(const struct http_exchange *exchange);
const char *http_header_get(const struct http_exchange *exchange,
                            const char *name); /* any case; NULL absent */
/* Calls back for each header in order; names as the client spelled them. */
void http_headers_each(const struct http_exchange *exchange,
                       void (*each)(void *self, const char *name, const char *value), void *self);
/* The client's address without its port: "10.0.0.1", "fd00::1". The caller frees. */
char *http_client_address(const struct http_exchange *exchange);
/* Calls back for each decoded query pair in order (value "" when there is no '='). */
void http_query_each(const struct http_exchange *exchange,
                     void (*each)(void *self, const char *name, const char *value), void *self);
const char *http_body(const struct http_exchange *exchange,
                      size_t *ret_length); /* never NULL; not streamed */

/* True once the client has gone away, or the server wants its threads back. */
bool http_client_gone(const struct http_exchange *exchange);
/* Calls fn(self) once when the client goes away or the server wants its threads back, on another thread,
 * possibly at once; fn must not block nor call back into this exchange. It wakes what the handler waits for.
 * fn NULL ends it: afterwards fn does not run and is not running. Ends with the exchange's handling at the latest:
 * when the handler returns, or before the ended() of a stream. */
void http_on_client_gone(struct http_exchange *exchange, void (*fn)(void *self), void *self);

/* The answer, sent when the handler returns. An empty body is sent with Content-Length: 0 (none for 204).
 * content_type NULL: no such header. Copies. */
void http_answer(struct http_exchange *exchange, int status, const char *content_type, const char *body,
                 size_t length);
/* Before or after http_answer; copies. A value with line breaks is dropped. */
void http_answer_header(struct http_exchange *exchange, const char *name, const char *value);
bool http_answer_has(const struct http_exchange *exchange, const char *name); /* any case */
int http_answer_status(const struct http_exchange *exchange);                 /* 0 before http_answer */

/* ---- streams: bodies of any size, both ways, with bounded memory ----
 *
 *   head of the request ─▶ streams()? ─▶ handler() calls http_stream() (or http_answer(): the body is dropped)
 *                      ─▶ take() for each piece of the body, as it arrives
 *                      ─▶ answer() once it is complete
 *                      ─▶ give() until it answers 0, when the answer is streamed ─▶ ended()
 *
 * All on the connection's thread, so each may block, and that is the back-pressure: while take() blocks nothing more
 * is read from the client, and give() is called when the client has room. What give() gave is sent at once.
 * An answer cannot begin before the request's body is complete: that is what libmicrohttpd can do. */
struct http_stream_steps {
    /* 0, or -1: cut the connection. */
    int (*take)(void *stream, const char *bytes, size_t length);
    /* http_answer(), http_answer_streamed() or http_answer_upgrade(); none: 500. */
    void (*answer)(void *stream, struct http_exchange *exchange);
    /* Blocks until there are bytes, answers how many (at most room). 0: the end; -1: the answer is broken, and the
     * connection is cut, so that the client can tell. */
    long (*give)(void *stream, char *into, size_t room);
    /* Once, last, whatever happened: the owner may free the stream. The exchange is gone after it. */
    void (*ended)(void *stream);
};

/* From the handler of an exchange for which streams() said yes. `steps` outlives the exchange. */
void http_stream(struct http_exchange *exchange, const struct http_stream_steps *steps, void *stream);
bool http_is_streamed(const struct http_exchange *exchange);

/* From answer(): status and headers, then what give() gives. length -1: unknown; otherwise exactly so many bytes come,
 * or -1. */
void http_answer_streamed(struct http_exchange *exchange, int status, int64_t length);

/* A connection that has left HTTP. */
struct http_tunnel {
    /* On a thread of its own. client_fd is a connected stream socket to read from and write to (of TLS, the plaintext
     * side), without its own blocking mode: use MSG_DONTWAIT; it is closed after the return. early: what the client has
     * said already. Returns soon after stop_fd becomes readable. */
    void (*run)(void *tunnel, int client_fd, int stop_fd, const char *early, size_t early_length);
    /* Once, last, whether it ran or not. */
    void (*ended)(void *tunnel);
};

/* From answer(), for HTTP/1.1 and with .upgrades: 101 with the headers given by http_answer_header ("Upgrade" among
 * them, "Connection" not), then the tunnel, which lives longer than the exchange. */
void http_answer_upgrade(struct http_exchange *exchange, const struct http_tunnel *tunnel, void *self);
