/* http/server.h - an HTTP/1.1 server on libmicrohttpd: bounded requests in, whole answers out.
 *
 * One thread per connection, so handlers may block; connections, header and body sizes and idle times are
 * bounded. The request is complete when the handler runs. Time spent in a handler never counts as idle. Spec:
 * RFC 9110 and RFC 9112, as far as libmicrohttpd goes. */
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

struct http_server_options {
    const char *address; /* "127.0.0.1:8080", "0.0.0.0:8080", ":8080" or "[::1]:8080"; port 0 picks one */
    http_handler *handler;
    void *self;
    size_t max_body;            /* bytes; above it the server answers 413 itself. 0: 1 MiB */
    unsigned max_connections;   /* 0: 1024; more are closed at once */
    unsigned idle_timeout_s;    /* 0: 75. Clients close idle connections at 30 s: equal values would race */
    const char *too_large_body; /* JSON body of the 413; borrowed; NULL: a plain sentence */
};

/* ERR_INVALID: the address; ERR_UNAVAILABLE: somebody listens there already (the text names the address). */
int http_server_start(const struct http_server_options *options, struct http_server **ret_server,
                      struct error *err);
unsigned http_server_port(const struct http_server *server);
/* Stops accepting and gives running exchanges grace_ms to end; those still there then are told as if their
 * client had gone (see http_on_client_gone), and their handlers are waited for. Idle connections are closed.
 * Once. */
void http_server_stop(struct http_server *server, int64_t grace_ms);
/* Stops with no grace unless that was done, joins all threads, frees. NULL is fine. */
void http_server_free(struct http_server *server);
DEFINE_FREEP(http_server, struct http_server, http_server_free)

/* Everything borrowed until the handler returns. */
const char *http_method(const struct http_exchange *exchange);
const char *http_path(const struct http_exchange *exchange); /* raw, without query, percent escapes kept */
const char *http_header_get(const struct http_exchange *exchange,
                            const char *name); /* any case; NULL absent */
/* Calls back for each decoded query pair in order (value "" when there is no '='). */
void http_query_each(const struct http_exchange *exchange,
                     void (*each)(void *self, const char *name, const char *value), void *self);
const char *http_body(const struct http_exchange *exchange, size_t *ret_length); /* never NULL */

/* True once the client has gone away, or the server wants its threads back. */
bool http_client_gone(const struct http_exchange *exchange);
/* Calls fn(self) once when the client goes away or the server wants its threads back, on another thread,
 * possibly at once; fn must not block nor call back into this exchange. It wakes what the handler waits for.
 * fn NULL ends it: afterwards fn does not run and is not running. Ends with the handler at the latest. */
void http_on_client_gone(struct http_exchange *exchange, void (*fn)(void *self), void *self);

/* The answer, sent when the handler returns. An empty body is sent with Content-Length: 0 (none for 204).
 * content_type NULL: no such header. Copies. */
void http_answer(struct http_exchange *exchange, int status, const char *content_type, const char *body,
                 size_t length);
/* Before or after http_answer; copies. A value with line breaks is dropped. */
void http_answer_header(struct http_exchange *exchange, const char *name, const char *value);
int http_answer_status(const struct http_exchange *exchange); /* 0 before http_answer */
