/* actions.h - the actions of our planners, one line each.
 * Texts are copied, JSON bodies taken over. Private to snapshot-svc/reconcile. */
#pragma once

#include <stdbool.h>

#include "snapshot-svc/model/meta.h"
#include "snapshot-svc/reconcile/plan.h"

/* An object a plan acts on: its kind and metadata, borrowed. */
struct object_ref {
    enum cluster_kind kind;
    const struct object_meta *meta;
};

/* Under the object's resourceVersion. */
void act_patch(struct plan *plan, struct object_ref object, json_t *body);
/* Whatever the version: only for members that nobody else writes. */
void act_patch_unconditionally(struct plan *plan, struct object_ref object, json_t *body);
/* Members of `before` that `after` lacks become null. Adds nothing when both are equal. Takes over both. */
void act_status(struct plan *plan, struct object_ref object, json_t *before, json_t *after);
void act_create(struct plan *plan, enum cluster_kind kind, const char *ns, const char *name, json_t *body,
                const char *on_failure);
/* Under the object's uid. */
void act_delete(struct plan *plan, struct object_ref object, int grace_s);
/* Under the object's uid and resourceVersion: for reasons that an old copy may only seem to have. */
void act_delete_version(struct plan *plan, struct object_ref object);
void act_event(struct plan *plan, struct object_ref object, bool warning, const char *reason,
               const char *message);
void act_release_kill(struct plan *plan, const char *node, const char *commit_key, const char *pod_uid);
/* CANCEL, KEEP_LOCALLY, DISCARD. */
void act_on_commit(struct plan *plan, enum action_type type, const char *node, const char *commit_key);

/* Moves the actions of `from` to the end of `plan`, and its requeue time. */
void plan_append(struct plan *plan, struct plan *from);
