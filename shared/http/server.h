/* http/server.h - an HTTP server on libmicrohttpd: bounded requests in, whole or streamed answers out.
 *
 * One thread per connection, so handlers may block; connections, header and body sizes and idle times are bounded.
 * The request is complete when the handler runs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/error.h"
#include "shared/base/strbuf.h"

struct http_server;
struct http_exchange; /* one request and its answer; lives for the handler's call */

typedef void http_handler(void *self, struct http_exchange *exchange);

struct http_server_options {
    const char *address;        /* "127.0.0.1:8080", "0.0.0.0:8080", ":8080" or "[::1]:8080"; port 0 picks one */
    http_handler *handler;
    void *self;
    size_t max_body;            /* bytes; above it the server answers 413 itself. 0: 1 MiB */
    unsigned max_connections;   /* 0: 1024 */
    unsigned idle_timeout_s;    /* 0: 75 */
    const char *too_large_body; /* JSON bodies for the answers that the server gives by itself */
};

/* ERR_INVALID: the address; ERR_UNAVAILABLE: somebody listens there already (the text names the address). */
int http_server_start(const struct http_server_options *options, struct http_server **ret_server, struct error *err);
unsigned http_server_port(const struct http_server *server);
/* Stops accepting, lets running handlers end, joins all threads. */
void http_server_free(struct http_server *server);

/* Everything borrowed until the handler returns. */
const char *http_method(const struct http_exchange *exchange);
const char *http_path(const struct http_exchange *exchange); /* raw, without query, percent escapes kept */
const char *http_header_get(const struct http_exchange *exchange, const char *name); /* any case; NULL absent */
const char *http_query_get(const struct http_exchange *exchange, const char *name);  /* decoded; first; NULL absent */
/* Calls back for each decoded query pair in order (value "" when there is no '='). */
void http_query_each(const struct http_exchange *exchange, void (*each)(void *self, const char *name, const char *value),
                     void *self);
const char *http_body(const struct http_exchange *exchange, size_t *ret_length);
/* True once the client has gone away: a handler that waits asks between waits. */
bool http_client_gone(const struct http_exchange *exchange);

/* The answer, sent when the handler returns. An empty body is sent with Content-Length: 0. */
void http_answer(struct http_exchange *exchange, int status, const char *content_type, const char *body, size_t length);
void http_answer_header(struct http_exchange *exchange, const char *name, const char *value);
