/* watch.h - one sandbox or snapshot, followed over WatchSandbox or WatchSnapshot; a server that restarts under it is waited for. */
#pragma once

#include "lifecycle-svc/ctl/ctl.h"
#include "shared/base/cleanup.h"

struct watch;

/* Open, and read the first event, the object as it is now. Fail at once when the server cannot be reached.
 * watch_open: the sandbox of the command line; watch_open_snapshot borrows the id. */
int watch_open(struct ctl *ctl, struct watch **ret_watch, struct error *err);
int watch_open_snapshot(struct ctl *ctl, const char *id, struct watch **ret_watch, struct error *err);
void watch_free(struct watch *watch);
DEFINE_FREEP(watch, struct watch, watch_free)

/* The newest event of a watch of that kind; never NULL, borrowed until the next watch_next(). */
const ctl_event *watch_event(const struct watch *watch);
const ctl_snapshot *watch_snapshot(const struct watch *watch);

/* Blocks until there is another. A broken stream is opened again, with backoff, for up to WATCH_PATIENCE_MS.
 * ERR_NOT_FOUND: it is gone. */
int watch_next(struct watch *watch, struct error *err);
#define WATCH_PATIENCE_MS (60 * 1000)
