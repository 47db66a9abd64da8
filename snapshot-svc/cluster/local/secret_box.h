/* secret_box.h - the Secrets that the API made here: in memory only, and wiped when they go. They are gone after a
 * restart; what must outlive one is a folder (secrets.h). Bounded by SECRET_BOX_MAX_BYTES in all.
 *
 * An object that comes out is a copy of the caller's, and secret. One that has lost its owner is taken out by whoever
 * sees that happen. Threads: nothing here locks; the cluster's lock guards a box. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "snapshot-svc/cluster/local/change.h"

#define SECRET_BOX_MAX_BYTES (64 * 1024 * 1024)

struct secret_box;
struct secret_box *secret_box_new(void);
void secret_box_free(struct secret_box *box);
DEFINE_FREEP(secret_box, struct secret_box, secret_box_free)

bool secret_box_is_empty(const struct secret_box *box);
bool secret_box_has(const struct secret_box *box, const char *name);

/* ERR_NOT_FOUND. */
int secret_box_get(const struct secret_box *box, const char *name, json_t **ret_secret, struct error *err);
/* ERR_EXISTS, ERR_INVALID (data: want an object of base64 texts; stringData is not taken), ERR_EXHAUSTED: too many. */
int secret_box_create(struct secret_box *box, const struct change *change, const json_t *wanted,
                      json_t **ret_secret, struct error *err);
/* ERR_NOT_FOUND, ERR_CONFLICT, ERR_INVALID, ERR_EXHAUSTED. resource_version may be NULL. */
int secret_box_patch(struct secret_box *box, const struct change *change, const char *name,
                     const json_t *merge_patch, const char *resource_version, json_t **ret_secret,
                     struct error *err);
/* ERR_NOT_FOUND, ERR_CONFLICT. uid and resource_version may be NULL. */
int secret_box_remove(struct secret_box *box, const char *name, const char *uid, const char *resource_version,
                      struct error *err);
/* Takes out what names this uid, and no other, as its owner. */
void secret_box_owner_gone(struct secret_box *box, const char *uid);
