/* credentials_priv.h - which security a channel or a listener gets: the one seam where TLS is decided.
 * Plaintext is for addresses that do not leave this machine: unix sockets and loopback.
 *
 * Of gRPC 1.51's two ways to do TLS this takes the older, grpc_ssl_*. The newer, grpc_tls_*, is marked experimental, and
 * its certificate providers either never change or lose the good certificates to a bad file (tls.c). Here the server
 * asks us for certificates before each handshake, so a renewal needs no restart and no thread; a client's are fixed for
 * the life of its channel, so rpc_channel makes a new channel, and the old one lasts until its calls are over. */
#pragma once

#include <grpc/grpc.h>
#include <stdbool.h>

#include "shared/rpc/client.h"
#include "shared/rpc/server.h"
#include "shared/rpc/trust_priv.h"

bool rpc_address_is_unix(const char *address);
/* A unix socket, "127.0.0.1:80", "[::1]:80", "localhost:80". */
bool rpc_address_is_local(const char *address);

/* ERR_UNSUPPORTED: needs TLS. */
int rpc_target_check(const char *target, const struct rpc_channel_options *options, struct error *err);

struct rpc_client_credentials {
    grpc_channel_credentials *core; /* grpc_channel_credentials_release() */
    struct rpc_trust *trust;        /* NULL: plaintext */
    uint64_t generation;            /* of the certificates; 0: plaintext */
};

/* *ret_credentials is the caller's. ERR_UNSUPPORTED: needs TLS. */
int rpc_client_credentials(const char *target, const struct rpc_channel_options *options,
                           struct rpc_client_credentials *ret_credentials, struct error *err);

/* What the credentials of one listener look at; it outlives them. */
struct rpc_listener_tls {
    struct rpc_tls *tls;
    uint64_t given; /* the generation that the core has; handshakes of a listener begin one after the other */
};

/* *ret_credentials is the caller's (grpc_server_credentials_release). *ret_listener too, rpc_listener_tls_free() after
 * the server is gone; NULL: plaintext. ERR_UNSUPPORTED: needs TLS. ERR_INVALID: not a numeric address. */
int rpc_server_credentials(const char *address, const struct rpc_server_options *options,
                           grpc_server_credentials **ret_credentials, struct rpc_listener_tls **ret_listener,
                           struct error *err);
void rpc_listener_tls_free(struct rpc_listener_tls *listener);
