/* A snapshot of a sandbox that stands still: nothing is captured, it refers to the images that the pause has pushed.
 *
 * The API lets a snapshot begin when its source runs or is paused, and both may change before the first pass. What is seen then decides,
 * in a read that is not cached: an old copy that says Paused of a sandbox that has run since would give older files than were asked for.
 * The pause's snapshot is `usable` when it is of this sandbox and of its last pause, stays, and says Succeed.
 *
 *   source            | pause's snapshot | the snapshot
 *   ------------------+------------------+--------------------------------------------------------------
 *   Paused            | usable           | Succeed, path Reference, in one write
 *   Paused            | kept on one node | Failed, KeptOnOneNode: what has not been pushed cannot be referred to
 *   Paused            | neither          | Failed, PauseSnapshotNotFound
 *   Pausing, Resuming | any              | Pending; what comes of it wakes us. A pod that comes back may have written already
 *   running, or other | -                | not here: a commit of its pod, with the checks of that
 *
 * So a source that was resumed meanwhile is committed as it runs, and one that was paused meanwhile is referred to: in each case the
 * files are no older than the request. Paused promises that no pod is left (K16), and the number of the pause tells its snapshot from
 * that of an earlier one. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/snapshot_checks.h"
#include "snapshot-svc/reconcile/snapshot_pass.h"

/* Of this sandbox's last pause, and nobody has asked for its removal. */
static bool is_of_last_pause(const struct batchsandbox *sandbox, const struct sandboxsnapshot *pause)
{
    const int64_t last = pause_cycle_parse(meta_annotation(&sandbox->meta, ANNOTATION_PAUSE_CYCLE));
    const int64_t cycle = pause_cycle_parse(meta_annotation(&pause->meta, ANNOTATION_PAUSE_CYCLE));
    const bool is_older = cycle > 0 && cycle < last;

    return !is_older && !meta_is_deleting(&pause->meta) &&
           sandboxsnapshot_is_internal(pause, sandbox->meta.uid) &&
           strcmp(pause->sandbox_name, sandbox->meta.name) == 0;
}

/* The pause's snapshot when it has the files that the sandbox has now, or NULL. */
static const struct sandboxsnapshot *snapshot_of_pause(const struct sandboxsnapshot_observed *seen)
{
    const struct sandboxsnapshot *pause = seen->pause_snapshot;

    if (!pause || !is_of_last_pause(seen->sandbox, pause) || pause->status.containers.count == 0 ||
        !sandboxsnapshot_has_files(&pause->status))
        return NULL;
    return pause;
}

static void copy_images(struct sandboxsnapshot_status *status, const struct sandboxsnapshot_status *pause)
{
    const struct snapshot_container *images = pause->containers.items;

    for (size_t i = 0; i < pause->containers.count; i++) {
        sandboxsnapshot_add_container(status, images[i].name, images[i].image_uri);
        struct snapshot_container *copies = status->containers.items;
        if (images[i].image_digest)
            snapshot_set_text(&copies[i].image_digest, images[i].image_digest);
    }
    status->size_bytes = pause->size_bytes;
    status->layers = pause->layers;
}

static void refer(struct snapshot_pass *pass, const struct sandboxsnapshot *pause)
{
    struct sandboxsnapshot_status *status = &pass->status;

    sandboxsnapshot_status_done(status); /* nothing of an earlier try stays */
    copy_images(status, &pause->status);
    snapshot_set_text(&status->path, "Reference");
    status->start_ms = pass->now_ms - pass->now_ms % 1000;
    snapshot_enter_succeeded(pass, "Referenced");
}

static void fail_kept(struct snapshot_pass *pass, const char *node)
{
    SCOPED(string)
    char *message = xasprintf("the files of the paused BatchSandbox %s are on node %s alone, for they could "
                              "not be pushed: repair the way to "
                              "the registry, resume the sandbox, then snapshot it",
                              pass->seen->sandbox->meta.name, node);
    snapshot_enter_failed(pass, "KeptOnOneNode", "KeptOnOneNode", message);
}

static void fail_without_files(struct snapshot_pass *pass)
{
    SCOPED(string)
    char *message =
        xasprintf("BatchSandbox %s is Paused and the snapshot of its pause is not there or not ready",
                  pass->seen->sandbox->meta.name);
    snapshot_enter_failed(pass, "PauseSnapshotNotFound", "PauseSnapshotNotFound", message);
}

static void paused_source(struct snapshot_pass *pass, const struct sandboxsnapshot *pause)
{
    if (!pause)
        fail_without_files(pass);
    else if (sandboxsnapshot_is_kept(&pause->status))
        fail_kept(pass, pause->status.kept_on_node);
    else
        refer(pass, pause);
}

bool reference_step(struct snapshot_pass *pass)
{
    const struct sandboxsnapshot_observed *seen = pass->seen;

    if (!seen->sandbox || !snapshot_is_of(seen->snapshot, seen->sandbox) ||
        sandboxsnapshot_is_internal(seen->snapshot, seen->sandbox->meta.uid))
        return false;
    switch (batchsandbox_phase(&seen->sandbox->status)) {
    case SANDBOX_PAUSED:
        paused_source(pass, snapshot_of_pause(seen));
        return true;
    case SANDBOX_PAUSING:
    case SANDBOX_RESUMING:
        snapshot_wait(pass);
        return true;
    case SANDBOX_PHASE_NONE:
    case SANDBOX_PENDING:
    case SANDBOX_SUCCEED:
    case SANDBOX_FAILED:
    case SANDBOX_PHASE_UNKNOWN:
    case SANDBOX_PHASE_MAX:
        break;
    }
    return false;
}
