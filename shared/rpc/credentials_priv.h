/* credentials_priv.h - which security a channel or a listener gets: the one seam where TLS is decided.
 * Plaintext is for addresses that do not leave this machine: unix sockets and loopback. */
#pragma once

#include <grpc/grpc.h>
#include <stdbool.h>

#include "shared/base/error.h"

/* "unix:/path", "unix:///path", "127.0.0.1:80", "[::1]:80", "localhost:80". */
bool rpc_address_is_local(const char *address);

/* *ret_credentials is the caller's (grpc_..._credentials_release). ERR_UNSUPPORTED: needs TLS. */
int rpc_client_credentials(const char *target, grpc_channel_credentials **ret_credentials, struct error *err);
int rpc_server_credentials(const char *address, grpc_server_credentials **ret_credentials, struct error *err);
