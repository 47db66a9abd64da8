/* insecure_start.h - a server without API keys starts only when somebody said that this is meant.
 * Spec: contract rest-api.md §1, "No key configured". */
#pragma once

#include "shared/base/error.h"

enum { INSECURE_PROMPT_MS = 30000 };

/* Environment OPENSANDBOX_INSECURE_SERVER=YES, or exactly YES typed within timeout_ms when both descriptors
 * are a terminal. ERR_DENIED: neither; the text names the ways out. */
int insecure_start_acknowledged(int in_fd, int out_fd, int timeout_ms, struct error *err);
