/* http/mux.h - short requests of many threads over few connections.
 *
 * One thread drives them all. Over TLS they share one HTTP/2 connection when the server speaks it; with HTTP/1.1 there
 * are up to MUX_CONNECTIONS_MAX. (libcurl cannot share connections between threads that transfer by themselves, and
 * answers are gathered in memory here: a caller that is slow to read could stop everybody's connection. Long answers
 * have stream.h.)
 *
 * A request whose answer was lost is not sent again, with one exception: GET, when the server had closed an idle
 * connection. Connections that were there when a request timed out get no new ones.
 *
 * Threads: http_mux_do() any number at once. */
#pragma once

#include "shared/http/client.h"
#include "shared/http/peer.h"

#define MUX_CONNECTIONS_MAX 8

struct http_mux;

/* `peer` is borrowed and outlives the mux. ERR_EXHAUSTED: no thread or no memory. */
int http_mux_new(const struct http_peer *peer, struct http_mux **ret_mux, struct error *err);
/* Requests under way end with ERR_CANCELLED; returns when all have. */
void http_mux_free(struct http_mux *mux);
DEFINE_FREEP(http_mux, struct http_mux, http_mux_free)

/* As http_do(). request->timeout_ms is wanted; read, write, head and stall_timeout_ms are not used. */
int http_mux_do(struct http_mux *mux, const struct http_request *request, struct http_response *ret_response,
                struct error *err);
/* From now on requests, also those under way, end with ERR_CANCELLED. Any thread. */
void http_mux_cancel(struct http_mux *mux);
