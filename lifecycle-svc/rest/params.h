/* params.h - numbers, switches and list queries from paths and query strings. Pure; any thread.
 * Spec: contract rest-api.md §1 (booleans), §5 (list). Errors are schema violations unless they say
 * otherwise. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle-svc/sandbox/listing.h"
#include "shared/base/error.h"

/* A whole decimal number, with or without a sign. ERR_INVALID: "<name>: want a whole number". */
int param_read_int(const char *name, const char *text, int64_t *ret_value, struct error *err);

/* A whole number from 1 to max. ERR_INVALID. */
int param_read_bounded(const char *name, const char *text, int64_t max, int64_t *ret_value,
                       struct error *err);

/* true/false/1/0/yes/no/on/off in any case. ERR_INVALID. */
int param_read_bool(const char *name, const char *text, bool *ret_value, struct error *err);

/* One decoded pair of GET /sandboxes. Unknown names are ignored.
 * ERR_INVALID: a number out of bounds; with INVALID_METADATA_FORMAT: the metadata filter (no schema
 * violation). */
int list_query_read_pair(struct list_query *query, const char *name, const char *value, struct error *err);
