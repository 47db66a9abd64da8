/* node/watcher.h - keeps the table of pods true: lists, follows containerd's events, and lists again (with
 * backoff) when they break off. One thread of its own. */
#pragma once

#include "committer-agent/node/observe.h"
#include "committer-agent/node/pods.h"

struct watcher;

/* All borrowed until watcher_free. */
struct watcher *watcher_new(const struct observer *observer, struct pods *pods);
int watcher_start(struct watcher *watcher, struct error *err);
void watcher_free(struct watcher *watcher); /* stops it first */

/* Looks at one pod now: for who has just changed it, since CRI's own table lags behind the events. */
int watcher_refresh(struct watcher *watcher, const char *uid, struct error *err);
