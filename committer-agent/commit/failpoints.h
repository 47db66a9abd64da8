/* failpoints.h - where a commit can be killed by a test (shared/base/failpoint.h): between any two things that outlive the
 * process. Each point says what has just been done, and in which kinds of commit it is passed; a test kills the agent there in
 * each of them (tests/integration/commit/test_crashes.c) and fails when one is not reached.
 *
 *   FAILPOINT(frozen);
 *
 * One line per point: X(name, kinds). */
#pragma once

#include "shared/base/failpoint.h"

/* Kinds of commits, as bits. */
enum {
    FAIL_IN_HOLD = 1 << 0,          /* a pause that stays frozen until it is pushed */
    FAIL_IN_HANDOVER = 1 << 1,      /* a pause with early_release, released as soon as it is releasable */
    FAIL_IN_LATE_HANDOVER = 1 << 2, /* the same, released when its image is pushed already */
    FAIL_IN_LIVE = 1 << 3,          /* a live snapshot */
    FAIL_IN_GIVEN_UP = 1 << 4,      /* a held one that is released by thawing */
    FAIL_IN_KEPT_LOCALLY = 1 << 5,  /* handed over, cannot be pushed, KeepLocally */
    FAIL_IN_DISCARDED = 1 << 6,     /* handed over, cannot be pushed, Discard */
    FAIL_AT_EACH = 1 << 7,          /* no kind: the point is passed once for each container */

    FAIL_IN_PUSHES = FAIL_IN_HOLD | FAIL_IN_HANDOVER | FAIL_IN_LIVE,
    FAIL_IN_KILLS = FAIL_IN_HOLD | FAIL_IN_HANDOVER | FAIL_IN_LATE_HANDOVER,
    FAIL_IN_HANDOVERS = FAIL_IN_HANDOVER | FAIL_IN_LATE_HANDOVER,
    FAIL_IN_THAWS = FAIL_IN_GIVEN_UP | FAIL_IN_LIVE,
};

/* clang-format off */
#define COMMIT_FAILPOINTS(X)                                                                                 \
    X(resolved,               FAIL_IN_PUSHES) /* registry asked, base there; nothing is written */           \
    X(freezing_journalled,    FAIL_IN_PUSHES)                                                                \
    X(container_marked,       FAIL_IN_PUSHES | FAIL_AT_EACH)                                                 \
    X(container_frozen,       FAIL_IN_PUSHES | FAIL_AT_EACH)                                                 \
    X(frozen,                 FAIL_IN_PUSHES)                                                                \
    X(releasable_told,        FAIL_IN_HANDOVERS)                                                             \
    X(capture_begun,          FAIL_IN_PUSHES | FAIL_AT_EACH) /* the spool and the upload are open */         \
    X(captured,               FAIL_IN_PUSHES)                                                                \
    X(thawed_after_capture,   FAIL_IN_LIVE)                                                                  \
    X(layer_uploaded,         FAIL_IN_PUSHES | FAIL_AT_EACH)                                                 \
    X(config_uploaded,        FAIL_IN_PUSHES | FAIL_AT_EACH)                                                 \
    X(manifest_put,           FAIL_IN_PUSHES | FAIL_AT_EACH)                                                 \
    X(holding_journalled,     FAIL_IN_HOLD | FAIL_IN_LATE_HANDOVER)                                          \
    X(done_journalled,        FAIL_IN_LIVE)                                                                  \
    X(killing_journalled,     FAIL_IN_KILLS)                                                                 \
    X(container_killed,       FAIL_IN_KILLS | FAIL_AT_EACH)                                                  \
    X(all_killed,             FAIL_IN_KILLS)                                                                 \
    X(snapshot_committed,     FAIL_IN_HANDOVERS | FAIL_AT_EACH)                                              \
    X(handed_over_journalled, FAIL_IN_HANDOVER)                                                              \
    X(alias_made,             FAIL_IN_HANDOVERS | FAIL_AT_EACH)                                              \
    X(killed_journalled,      FAIL_IN_KILLS)                                                                 \
    X(expired_journalled,     FAIL_IN_GIVEN_UP)                                                              \
    X(container_thawed,       FAIL_IN_THAWS | FAIL_AT_EACH)                                                  \
    X(thawed,                 FAIL_IN_THAWS) /* all, and unmarked */                                         \
    X(kept_image_made,        FAIL_IN_KEPT_LOCALLY | FAIL_AT_EACH)                                           \
    X(kept_content_written,   FAIL_IN_KEPT_LOCALLY) /* all images */                                         \
    X(kept_journalled,        FAIL_IN_KEPT_LOCALLY)                                                          \
    X(lease_deleted,          FAIL_IN_DISCARDED)                                                             \
    X(record_removed,         FAIL_IN_DISCARDED)
/* clang-format on */

enum commit_failpoint {
#define X(name, kinds) FAILPOINT_##name,
    COMMIT_FAILPOINTS(X)
#undef X
        FAILPOINT_MAX
};

#define FAILPOINT(name) ((void)FAILPOINT_##name, failpoint_pass(#name))
