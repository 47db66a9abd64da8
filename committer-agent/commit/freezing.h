/* freezing.h - the pod stands still, and the journal has said so first; and the way back. */
#pragma once

#include "committer-agent/commit/environment.h"
#include "committer-agent/commit/journal.h"
#include "committer-agent/commit/request.h"
#include "committer-agent/commit/source.h"

/* The record of a commit, before it is written. The containers with an image come first, in the order of the request: so are
 * results read back. */
struct journal_record *commit_record_new(const struct commit_request *request, const struct commit_pod *pod,
                                         bool hands_over);

/* Writes the record, marks and freezes every running container of the pod. On failure *ret_written tells whether somebody may
 * be frozen now, whom the record names.
 * ERR_PRECONDITION, ERR_CONFLICT, FreezeFailed: one is frozen by somebody else, or came meanwhile. */
int commit_freeze(const struct commit_environment *env, const struct commit_pod *pod,
                  struct journal_record *record, bool *ret_written, struct error *err);

/* A layer of files that somebody could write meanwhile would be a torn one. ERR_CONFLICT, FreezeFailed. */
int commit_check_still_frozen(struct containerd *containerd, const struct journal_record *record,
                              struct error *err);

/* Thaws every container of a record. ERR_UNAVAILABLE and the like: try again. */
int commit_thaw(struct containerd *containerd, const struct journal_record *record, struct error *err);

/* Nobody can find any of its containers any more. One that cannot be asked for counts as there. */
bool commit_is_gone(struct containerd *containerd, const struct journal_record *record);
