/* http/peer.h - who we are towards a server and whom we trust: TLS material kept in memory, for mux.h and stream.h.
 *
 * Immutable after http_peer_new(): any number of threads. Keys are wiped when it is freed; they never are in a file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/cleanup.h"

struct http_pem {
    const char *bytes; /* NULL: none */
    size_t length;
};

struct http_peer_options {
    const char *user_agent;     /* NULL: "stasis/<version>" */
    struct http_pem ca;         /* trusted alone, in the place of the system's CAs */
    struct http_pem cert, key;  /* client certificate with its chain, and its key */
    bool insecure_tls;          /* skip verification: only when the operator said so */
    const char *connect_to;     /* "host:port" to connect to, whatever URLs name; NULL: what they name */
    int64_t connect_timeout_ms; /* 0: 10 s */
};

struct http_peer;
struct http_peer *http_peer_new(const struct http_peer_options *options); /* copies */
void http_peer_free(struct http_peer *peer);
DEFINE_FREEP(http_peer, struct http_peer, http_peer_free)
