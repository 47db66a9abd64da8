/* http/duplex.h - one exchange with an HTTP/1.1 server, for a proxy: the request's body is pushed, the answer is
 * pulled, and what waits in between is a fixed buffer. No TLS, no redirects, no cookies, no decoding but of chunks.
 *
 *   open ─▶ begin() ─▶ push()... ─▶ head() ─▶ pull()... until 0 ─▶ free          or, after a 101:  head() ─▶ detach() ─▶ free
 *
 * Everything happens on the caller's thread, inside these calls; only http_duplex_cancel() is for any thread. A server
 * that wants its answer read before it reads on stops a push, and times out: HTTP/1.1 proxies cannot do better when
 * their client hears nothing before it has said all. */
#pragma once

#include <stdbool.h>

#include "shared/base/cleanup.h"
#include "shared/http/client.h"

struct http_duplex;

enum { HTTP_DUPLEX_NO_BODY = -2, HTTP_DUPLEX_CHUNKED = -1 };

struct http_duplex_request {
    const char *method;                /* a token; not CONNECT */
    const char *address;               /* "10.0.0.7:8080", "[fd00::7]:8080": an address, never a name */
    const char *target;                /* "/a%20b?c": sent as it is; no blanks, no control characters */
    const struct http_header *headers; /* without Host, Content-Length and Transfer-Encoding */
    size_t header_count;
    int64_t body_length; /* bytes, or one of the two above */
    bool upgrade;        /* the headers ask for one: a 101 is an answer */
    int64_t connect_timeout_ms;
    int64_t
        idle_timeout_ms; /* no byte for so long ends it with ERR_TIMEOUT; our caller's time does not count */
};

/* Of ERR_UNAVAILABLE: nobody listens there, or there is no way. */
#define HTTP_DUPLEX_REFUSED "ConnectionRefused"

/* Copies the request; does not connect yet. ERR_INVALID: it cannot be said in HTTP. */
int http_duplex_open(const struct http_duplex_request *request, struct http_duplex **ret_duplex,
                     struct error *err);
void http_duplex_free(struct http_duplex *duplex); /* an exchange under way ends: its connection is closed */
DEFINE_FREEP(http_duplex, struct http_duplex, http_duplex_free)

/* Connects and sends the request's head, without waiting for a first piece of its body. Errors as http_do(). */
int http_duplex_begin(struct http_duplex *duplex, struct error *err);

/* The next piece of the body, no more than was announced. 0 when it is on its way; 1: the server has answered meanwhile
 * and wants no more of it. Errors as http_do(). */
int http_duplex_push(struct http_duplex *duplex, const char *bytes, size_t length, struct error *err);

/* The body is complete; waits for the answer's status and headers (names in lower case). Borrowed from duplex. */
int http_duplex_head(struct http_duplex *duplex, const struct http_response **ret_head, struct error *err);

/* The next bytes of the answer: how many, at most room; 0 at its end. ERR_UNAVAILABLE: it broke off. */
long http_duplex_pull(struct http_duplex *duplex, char *into, size_t room, struct error *err);

/* After a 101: the connection, and what the server has said on it already. Both become the caller's. */
void http_duplex_detach(struct http_duplex *duplex, int *ret_fd, struct strbuf *ret_early);

/* Ends the call under way, and all later ones, with ERR_CANCELLED. Any thread, until http_duplex_free(). */
void http_duplex_cancel(struct http_duplex *duplex);
