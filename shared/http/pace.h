/* http/pace.h - no client may take for ever: a deadline for each connection, one thread that cuts those that pass theirs.
 *
 * libmicrohttpd's own timeout starts again with each byte, so a byte a second would hold a thread for good. Here the
 * owner of a connection says how long its client may take for what it does now; a cut is a shutdown() of the socket,
 * which wakes whoever reads or writes it. Threads: any; one struct pace belongs to one connection. */
#pragma once

#include <stdint.h>

#include "shared/base/error.h"

struct pacer;

/* Lives in the connection's own struct, between pace_begin and pace_end; for the pacer's eyes only. */
struct pace {
    int fd;
    int64_t cut_at_ms; /* monotonic; INT64_MAX: never */
    struct pace *next, *previous;
};

enum { PACE_FREE = -1 }; /* for pace_within: it is not the client's turn */

int pacer_new(struct pacer **ret_pacer, struct error *err);
void pacer_free(struct pacer *pacer); /* every pace has ended; NULL is fine */

/* fd stays the caller's and open until pace_end. Begins free. */
void pace_begin(struct pacer *pacer, struct pace *pace, int fd);
/* The client has so long from now, or PACE_FREE. Takes the place of what was said before. */
void pace_within(struct pacer *pacer, struct pace *pace, int64_t ms);
void pace_end(struct pacer *pacer, struct pace *pace);
