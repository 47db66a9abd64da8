/* watch.h - one sandbox, followed over WatchSandbox; a server that restarts under it is waited for. */
#pragma once

#include "lifecycle-svc/ctl/ctl.h"
#include "shared/base/cleanup.h"

struct watch;

/* Opens and reads the first event, the sandbox as it is now. Fails at once when the server cannot be reached. */
int watch_open(struct ctl *ctl, struct watch **ret_watch, struct error *err);
void watch_free(struct watch *watch);
DEFINE_FREEP(watch, struct watch, watch_free)

/* The newest event; never NULL, borrowed until the next watch_next(). */
const ctl_event *watch_event(const struct watch *watch);

/* Blocks until there is another. A broken stream is opened again, with backoff, for up to WATCH_PATIENCE_MS.
 * ERR_NOT_FOUND: the sandbox is gone. */
int watch_next(struct watch *watch, struct error *err);
#define WATCH_PATIENCE_MS (60 * 1000)
