/* tunnel.h - bytes both ways between two sockets, until one side ends. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct tunnel_end {
    int fd;            /* a stream socket, in whatever blocking mode; borrowed */
    const char *early; /* what it has said already */
    size_t early_length;
    uint64_t sent_bytes; /* out: by this end */
};

/* Returns when one end has closed or broken (what it said before is still delivered), when no byte moved for
 * idle_timeout_ms, or when stop_fd is readable. Memory: two fixed buffers; who does not read stops the other. */
void tunnel_run(struct tunnel_end *a, struct tunnel_end *b, int stop_fd, int64_t idle_timeout_ms);
