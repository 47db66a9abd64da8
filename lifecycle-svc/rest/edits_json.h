/* edits_json.h - the bodies of requests that change a sandbox. Pure; any thread. Spec: contract rest-api.md §9, §10. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "shared/json/json.h"

/* {"expiresAt": <RFC 3339>}. ERR_INVALID (SANDBOX::INVALID_PARAMETER). */
int renewal_json_read(const char *body, size_t length, int64_t *ret_expires_ms, struct error *err);

/* An object of strings, and of null for what is to be removed (NULL in the map). Adds to *changes, which is the caller's
 * also after an error. ERR_INVALID (SANDBOX::INVALID_PARAMETER). */
int metadata_json_read(const char *body, size_t length, struct json_map *changes, struct error *err);
