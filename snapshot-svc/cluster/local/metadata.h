/* metadata.h - the part that all objects share: what a client may write there, and what is ours.
 * All are pure functions on JSON; `meta` is the object's "metadata" member. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/base/error.h"

/* What a new object gets: uid, creationTimestamp, a name made from generateName where there is none. What
 * only the API server may set is dropped. ERR_INVALID: no name, another namespace, a resourceVersion. */
int metadata_begin(json_t *meta, const char *ns, int64_t now_ms, struct error *err);

/* A change cannot touch what is ours: put back as it was. ERR_INVALID: another name or namespace, a new
 * finalizer while deleting. */
int metadata_keep(json_t *meta, const json_t *old_meta, struct error *err);

/* Grammar of name, labels, annotations, finalizers, owner references. ERR_INVALID: "metadata.labels: ...". */
int metadata_check(const json_t *meta, struct error *err);

/* Nulls and empty collections are as good as absent; removing them lets equal objects compare equal. */
void metadata_normalise(json_t *meta);

bool metadata_is_deleting(const json_t *meta);
bool metadata_has_finalizers(const json_t *meta);
void metadata_add_finalizer(json_t *meta, const char *finalizer); /* once */
