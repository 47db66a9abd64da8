/* watchers.h - who waits for a change of which object (a sandbox, a public snapshot). A change wakes; what changed is read from the cache by the
 * woken, so a slow one finds the latest state and misses those before. Threads: any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/cleanup.h"

struct watchers;
struct object_watcher;

struct watchers *watchers_new(void);
void watchers_free(struct watchers *watchers); /* no watcher may be left */

/* Something about the object changed: wakes those who wait for it. */
void watchers_tell(struct watchers *watchers, const char *ns, const char *name);

struct object_watcher *object_watcher_new(struct watchers *watchers, const char *ns, const char *name);
void object_watcher_free(struct object_watcher *watcher);
DEFINE_FREEP(object_watcher, struct object_watcher, object_watcher_free)

/* Waits for a change since the last answer (or since object_watcher_new). false: cancelled. */
bool object_watcher_wait(struct object_watcher *watcher);
/* No longer than until clock_monotonic_ms() says deadline_ms. false: that, or cancelled. */
bool object_watcher_wait_until(struct object_watcher *watcher, int64_t deadline_ms);
void object_watcher_cancel(void *watcher); /* any thread */
