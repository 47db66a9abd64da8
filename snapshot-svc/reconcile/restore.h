/* restore.h - a snapshot's images into a sandbox's template.
 * Spec: contract/controller-behaviour.md §6.2; digests, not tags, decide (architecture.md §5). */
#pragma once

#include <jansson.h>

#include "snapshot-svc/model/batchsandbox.h"
#include "snapshot-svc/model/sandboxsnapshot.h"

enum restore_result {
    RESTORE_DONE, /* the template has the images and the pull Secret, and the annotations say which and where they are */
    RESTORE_NEEDED,   /* *ret_patch brings them; the caller's */
    RESTORE_NO_IMAGES /* the snapshot names no container of the template: resuming would boot the old files */
};
enum restore_result restore_patch(const struct batchsandbox *sandbox, const struct sandboxsnapshot *snapshot,
                                  const char *pull_secret, json_t **ret_patch);

/* The image to run: imageUri, pinned with imageDigest when the URI has no digest of its own. An entry is
 * taken as it stands: a user who replaces imageUri replaces the whole entry (a merge patch cannot do
 * otherwise), and with it the digest. A digest left beside another image pins what does not exist there, and
 * the resume fails instead of booting other files. The caller frees. */
char *restore_image(const struct snapshot_container *container);
