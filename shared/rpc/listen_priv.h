/* listen_priv.h - the address of a server: checked, locked, and a refusal explained. */
#pragma once

#include <grpc/grpc.h>

#include "shared/base/error.h"

/* Adds the address. *ret_port: 0 for a unix socket. *ret_lock_fd: the lock that guards a unix socket, the
 * caller's; else -1. */
int rpc_listen(grpc_server *core, const char *address, int *ret_port, int *ret_lock_fd, struct error *err);
