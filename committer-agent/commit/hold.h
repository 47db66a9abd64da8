/* hold.h - the ways out of a hold: SIGKILL while frozen, or thawing. Private to the table of commits.
 *
 * Each writes down what it is about to do before it does it:
 *   kill     KILLING -> kill.h -> KILLED or HANDED_OVER        once begun there is no way back, so it is tried again
 *                                                              until it is done, and the hold cannot run out any more
 *   expire   EXPIRED -> thaw                                   a thaw that fails is owed, and tried again
 *
 * Called with the lock held and the commit not busy; they let the lock go while containerd and the disk are
 * asked, and mark the commit busy meanwhile. */
#pragma once

#include "committer-agent/commit/commits_priv.h"

/* HOLDING or KILLING -> KILLED, or HANDED_OVER when there is no image yet. ERR_PRECONDITION, HoldExpired: a container runs; the
 * commit is EXPIRED then. ERR_NOT_FOUND: a container was removed meanwhile; it is FAILED. Other errors: it is HOLDING or KILLING,
 * try again. */
int commit_kill_held(struct commit *commit, struct error *err);

/* HOLDING or KILLING -> EXPIRED. Fails, and is still what it was, when nothing can be written; or is EXPIRED and
 * owes the thaw. */
int commit_expire(struct commit *commit, struct error *err);

/* Thaws what an EXPIRED or FAILED commit owes. */
int commit_pay_thaw(struct commit *commit, struct error *err);

/* Waits for whoever asks again, keeps or discards; commit->error says why. */
void commit_be_handed_over(struct commit *commit);
