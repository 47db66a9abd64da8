/* signals.h - SIGTERM and SIGINT as something main waits for.
 * signals_block() comes before any thread (and before grpc_init, which starts some), so all inherit the mask. */
#pragma once

/* Also ignores SIGPIPE: a peer that hung up is an EPIPE for the writer, not the end of the process. */
void signals_block(void);

/* Blocks until SIGTERM or SIGINT arrives; answers the signal. */
int signals_wait(void);
