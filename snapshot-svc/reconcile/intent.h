/* intent.h - has somebody asked for a pause or a resume since we last answered?
 *
 * generation also rises for renewals, template edits and our own writes, so it cannot tell. What was in
 * spec.pause and in the rest of the spec at the last ACK is remembered in the status (observedPause,
 * observedSpecDigest) and compared. When the controller itself moved the expiry (ANNOTATION_TTL_STARTED), what it left there counts
 * as remembered until the next ACK: otherwise a wish that comes right behind would look like a part of that change. Spec: contract/controller-behaviour.md §4, "What counts as a real edge of
 * intent". */
#pragma once

#include "snapshot-svc/model/batchsandbox.h"

enum intent {
    INTENT_NONE,     /* nothing happened since the last ACK */
    INTENT_ACK_ONLY, /* the spec changed, but nobody asked for anything */
    INTENT_PAUSE,
    INTENT_RESUME,
    INTENT_MAX
};

enum intent sandbox_intent(const struct batchsandbox *sandbox);

/* The ACK: generation, spec.pause and digest of the rest, always the three together. */
void sandbox_acknowledge(const struct batchsandbox *sandbox, struct batchsandbox_status *status);
