/* http/listen.h - a listening TCP socket from "host:port". */
#pragma once

#include "shared/base/error.h"

/* "127.0.0.1:8080", "localhost:8080", "[::1]:8080"; ":8080" listens on every address, IPv6 where there is
 * IPv6. *ret_fd is the caller's; *ret_port is what was bound (port 0 picks a free one). ERR_INVALID: no such
 * spelling or host; ERR_UNAVAILABLE: the address is in use; ERR_DENIED: a port we may not have. */
int listen_tcp(const char *address, int *ret_fd, unsigned *ret_port, struct error *err);
