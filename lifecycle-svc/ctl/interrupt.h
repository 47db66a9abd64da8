/* interrupt.h - Ctrl-C ends stasisctl at once, after saying what it leaves behind.
 * signals_block() comes first, before any thread. */
#pragma once

/* Starts the thread that waits for SIGINT and SIGTERM; it ends the process with 130 or 143. */
void interrupt_watch(void);

/* What to say then: a whole line, borrowed for ever; NULL: nothing. */
void interrupt_says(const char *line);
