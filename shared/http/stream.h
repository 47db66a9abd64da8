/* http/stream.h - a long answer on its reader's own thread, which another thread can end at once.
 *
 * The connection is its own (HTTP/1.1) and kept between exchanges: a reader that is slow holds up nobody else. */
#pragma once

#include "shared/http/client.h"
#include "shared/http/peer.h"

struct http_stream;

/* `peer` is borrowed and outlives the stream. */
struct http_stream *http_stream_new(const struct http_peer *peer);
void http_stream_free(struct http_stream *stream);
DEFINE_FREEP(http_stream, struct http_stream, http_stream_free)

/* As http_do(); one at a time. request->timeout_ms bounds the whole; stall_timeout_ms is not used. */
int http_stream_do(struct http_stream *stream, const struct http_request *request,
                   struct http_response *ret_response, struct error *err);
/* Ends the exchange under way, and all later ones, with ERR_CANCELLED. Any thread, until http_stream_free(). */
void http_stream_stop(struct http_stream *stream);
bool http_stream_is_stopped(const struct http_stream *stream);
