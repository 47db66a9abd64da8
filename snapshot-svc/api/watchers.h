/* watchers.h - who waits for a change of which sandbox. A change wakes; what changed is read from the cache by the
 * woken, so a slow one finds the latest state and misses those before. Threads: any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/cleanup.h"

struct watchers;
struct sandbox_watcher;

struct watchers *watchers_new(void);
void watchers_free(struct watchers *watchers); /* no watcher may be left */

/* Something about the sandbox changed: wakes those who wait for it. */
void watchers_tell(struct watchers *watchers, const char *ns, const char *sandbox);

struct sandbox_watcher *sandbox_watcher_new(struct watchers *watchers, const char *ns, const char *sandbox);
void sandbox_watcher_free(struct sandbox_watcher *watcher);
DEFINE_FREEP(sandbox_watcher, struct sandbox_watcher, sandbox_watcher_free)

/* Waits for a change since the last answer (or since sandbox_watcher_new). false: cancelled. */
bool sandbox_watcher_wait(struct sandbox_watcher *watcher);
/* No longer than until clock_monotonic_ms() says deadline_ms. false: that, or cancelled. */
bool sandbox_watcher_wait_until(struct sandbox_watcher *watcher, int64_t deadline_ms);
void sandbox_watcher_cancel(void *watcher); /* any thread */
