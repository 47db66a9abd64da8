/* kill.h - how a pause becomes final: no process of the pod ever runs again, and what they wrote is kept.
 *
 *   journal KILLING -> SIGKILL to every process while it is frozen -> (hands_over) every writable layer becomes the agent's
 *     -> journal HANDED_OVER, or KILLED when the image is made already
 *
 * From KILLING on there is no way back: what fails is tried again, by whoever called or by the next process. Every step may be
 * repeated. */
#pragma once

#include "committer-agent/commit/environment.h"
#include "committer-agent/commit/journal.h"

/* 1: a container of the record runs, 0: none does, -1. One that stopped counts as not running: it cannot be told
 * whether its processes ran before they died, and the image is the best that is left of it. */
int commit_has_run(struct containerd *containerd, const struct journal_record *record, struct error *err);

/* record->stage tells how far it came. ERR_PRECONDITION, HoldExpired: a container runs, nothing was done.
 * ERR_NOT_FOUND, ContainerNotFound, in stage KILLING: a container was removed before its layer could be taken. */
int commit_kill(const struct commit_environment *env, struct journal_record *record, struct error *err);

/* The pushed images of a record that was handed over start on this node without a pull from now on, for a while: record->warm.
 * Only a convenience: what hinders it is logged. */
void commit_warm(const struct commit_environment *env, struct journal_record *record);

/* Lets go of what was handed over, when nobody needs it any more. Idempotent. */
int commit_let_go(const struct commit_environment *env, const struct journal_record *record,
                  struct error *err);

int commit_write_stage(const struct commit_environment *env, struct journal_record *record,
                       enum commit_stage stage, struct error *err);

int commit_hold_expired(struct error *err);
