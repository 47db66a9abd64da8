/* listen_priv.h - the address of a server: checked, locked, and a refusal explained. */
#pragma once

#include <grpc/grpc.h>

#include "shared/rpc/credentials_priv.h"

/* One address that is served. */
struct rpc_listener {
    int port;                     /* 0: a unix socket */
    int lock_fd;                  /* the lock that guards a unix socket, or -1 */
    struct rpc_listener_tls *tls; /* NULL: plaintext */
};

/* Adds the address. *ret_listener is the caller's: rpc_listener_done() after the server is gone. */
int rpc_listen(grpc_server *core, const char *address, const struct rpc_server_options *options,
               struct rpc_listener *ret_listener, struct error *err);
void rpc_listener_done(struct rpc_listener *listener);
