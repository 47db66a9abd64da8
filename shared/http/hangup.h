/* http/hangup.h - tells handlers that wait when their client has hung up: one thread, one epoll set.
 *
 * Lock: callbacks run on the watcher's thread with its lock held, so that hangup_forget() is a promise. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/error.h"

struct hangup_watcher;

int hangup_watcher_new(struct hangup_watcher **ret_watcher, struct error *err);
void hangup_watcher_free(struct hangup_watcher *watcher); /* no watch is left */

/* Calls fn(self) once when the peer of socket fd closes its side or resets, or at hangup_tell_all(); at once
 * when that was called before. fd stays the caller's and open until hangup_forget. Answers the watch's
 * number. */
uint64_t hangup_watch(struct hangup_watcher *watcher, int fd, void (*fn)(void *self), void *self);
/* Afterwards fn does not run and is not running. */
void hangup_forget(struct hangup_watcher *watcher, uint64_t number);

void hangup_tell_all(struct hangup_watcher *watcher);
bool hangup_told_all(struct hangup_watcher *watcher);

/* Has the peer of this socket closed its side? Asks the kernel, does not wait. */
bool hangup_happened(int fd);
