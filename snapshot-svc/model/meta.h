/* meta.h - what every object of the cluster carries: ObjectMeta, as far as Stasis reads it.
 * Read only: writers send patches of single members. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/base/error.h"
#include "shared/json/json.h"

#define SANDBOX_API_GROUP   "sandbox.opensandbox.io"
#define SANDBOX_API_VERSION SANDBOX_API_GROUP "/v1alpha1"

struct owner_reference {
    char *api_version, *kind, *name, *uid;
    bool controller;
};

struct object_meta {
    char *name, *ns, *uid, *resource_version; /* name is never NULL after a read; the others may be */
    int64_t generation;
    int64_t created_ms; /* Unix ms; 0: unknown */
    int64_t deleted_ms; /* deletionTimestamp: when the grace period is over; 0: not being deleted */
    int64_t deletion_grace_s;
    struct json_map labels, annotations;
    struct json_strings finalizers;
    struct json_list owners; /* of struct owner_reference */
};

extern const struct json_field object_meta_fields[];

bool meta_is_deleting(const struct object_meta *meta);
bool meta_has_finalizer(const struct object_meta *meta, const char *finalizer);
/* New arrays of its finalizers: all and this one, all but this one. */
json_t *meta_finalizers_with(const struct object_meta *meta, const char *finalizer);
json_t *meta_finalizers_without(const struct object_meta *meta, const char *finalizer);
const char *meta_label(const struct object_meta *meta, const char *key);      /* NULL: absent */
const char *meta_annotation(const struct object_meta *meta, const char *key); /* NULL: absent */

/* The owner with controller: true, or NULL. Borrowed. */
const struct owner_reference *meta_controller(const struct object_meta *meta);

/* Is the controller a BatchSandbox of our API group with this uid? */
bool meta_is_controlled_by_sandbox(const struct object_meta *meta, const char *sandbox_uid);

/* Is the object with this uid its controller, of whatever kind? */
bool meta_is_controlled_by(const struct object_meta *meta, const char *uid);

/* A new ownerReferences array with one controller reference (contract/crds.md §7). */
json_t *owner_references_to_sandbox(const struct object_meta *sandbox);
json_t *owner_references_to_pool(const struct object_meta *pool);
json_t *owner_references_to_snapshot(const struct object_meta *snapshot);
