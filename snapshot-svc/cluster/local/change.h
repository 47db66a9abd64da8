/* change.h - what a write does to an object: pure functions from the old JSON to the new.
 *
 * Objects carry metadata.resourceVersion when they come in; whoever stores the result gives it the next one.
 * The answers are new references; nothing that came in is changed. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "shared/base/error.h"
#include "snapshot-svc/cluster/cluster.h"

struct change {
    enum cluster_kind kind;
    const char *ns;
    const char *node; /* where new pods run; NULL: nowhere yet */
    int64_t now_ms;
};

/* A new object, complete but for its resourceVersion. ERR_INVALID. */
int change_create(const struct change *change, const json_t *wanted, json_t **ret_object, struct error *err);

enum patch_target { PATCH_ALL_BUT_STATUS, PATCH_STATUS };

/* RFC 7396. The answer equals `old` when nothing changed. ERR_CONFLICT: the patch itself names another
 * resourceVersion or uid. ERR_INVALID. */
int change_patch(const struct change *change, enum patch_target target, const json_t *old,
                 const json_t *patch, json_t **ret_object, struct error *err);

/* A delete that must wait for finalizers: the object marked as being deleted (equal to `old` when it was
 * already). */
json_t *change_mark_deleted(const struct change *change, const json_t *old, int grace_s);
