/* metadata.h - changing the metadata of a sandbox. As service.h: no state, any thread.
 * Spec: contract rest-api.md §9. */
#pragma once

#include "lifecycle-svc/sandbox/service.h"

/* Sets the pairs of `changes`; a pair without a value (NULL) removes its key. Nothing to change is fine.
 * ERR_NOT_FOUND comes first, then ERR_INVALID: a reserved key (INVALID_METADATA_LABEL), a pair that breaks the grammar
 * (SANDBOX::INVALID_METADATA_LABEL). */
int sandbox_patch_metadata(const struct sandbox_service *service, const char *id,
                           const struct json_map *changes, struct sandbox_view *ret_view, struct error *err);
