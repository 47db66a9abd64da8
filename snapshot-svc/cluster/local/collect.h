/* collect.h - removal of objects and of what they owned: the garbage collector, in the transaction of the
 * write.
 *
 * Background propagation: an object that lost all its owners is deleted as if by a client; one that lost some
 * of them drops those references. Owners of kinds that this store does not hold count as alive.
 * blockOwnerDeletion has no meaning here. */
#pragma once

#include <jansson.h>

#include "shared/base/error.h"
#include "snapshot-svc/cluster/local/change.h"
#include "snapshot-svc/cluster/local/store.h"

/* Deletes: marks the object while finalizers hold it, else removes it and collects its children. */
int collect_delete(struct store *store, const struct change *change, json_t *object, int grace_s,
                   struct error *err);

/* Removes an object whose last finalizer is gone, and collects its children. */
int collect_remove(struct store *store, const struct change *change, json_t *object, struct error *err);

/* For an object just written: its owner may have vanished before. */
int collect_if_ownerless(struct store *store, const struct change *change, const json_t *object,
                         struct error *err);
