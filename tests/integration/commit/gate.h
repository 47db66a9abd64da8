/* gate.h - a proxy on loopback before a registry, which holds uploads back while it is closed.
 *
 * Closed, it passes questions on and keeps every request that brings bytes (PATCH, PUT) until it is opened, so that a commit
 * stands in the middle of its upload for as long as a test wants. */
#pragma once

#include <stdbool.h>

struct gate;

struct gate *gate_start(const char *upstream); /* "127.0.0.1:5000"; open */
void gate_stop(struct gate *gate);
const char *gate_host(const struct gate *gate);

/* Connections that are held back go on when it opens. Any thread. */
void gate_set_open(struct gate *gate, bool open);
/* Whoever is held back is cut off instead: its client is gone. */
void gate_cut(struct gate *gate);
