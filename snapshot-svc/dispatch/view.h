/* view.h - what is known of one commit, as values: made from the agent's events, copied for planners.
 * Threads: none of its own. Private to snapshot-svc/dispatch. */
#pragma once

#include "opensandbox/committer/v1/committer.pb-c.h"
#include "snapshot-svc/reconcile/plan.h"

void commit_view_copy(const struct commit_view *from, struct commit_view *ret_copy);

void commit_view_progress(struct commit_view *view, const Opensandbox__Committer__V1__Progress *progress);
void commit_view_succeed(struct commit_view *view, const Opensandbox__Committer__V1__CommitSuccess *success);
/* Texts are copied. What was handed over stays so. */
void commit_view_fail(struct commit_view *view, const char *reason, const char *message);
/* Running on, for what failed may pass. Texts are copied. */
void commit_view_trouble(struct commit_view *view, const char *reason, const char *message);
/* FAILED with the reason it had; the images are on the node alone. */
void commit_view_keep(struct commit_view *view, const Opensandbox__Committer__V1__KeepLocallyResponse *kept);

bool commit_view_is_final(const struct commit_view *view);
