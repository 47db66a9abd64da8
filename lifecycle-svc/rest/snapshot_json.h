/* snapshot_json.h - public snapshots between JSON and the types of sandbox/. Pure; any thread.
 * Spec: contract rest-api.md §3.3, §12. */
#pragma once

#include <jansson.h>

#include "lifecycle-svc/sandbox/snapshots.h"

/* New references. */
json_t *snapshot_json(const struct snapshot_view *view);
json_t *snapshot_page_json(const struct snapshot_page *page);

/* The body of a create: nothing, null, or an object. *ret_name is the caller's; NULL: none was given.
 * ERR_INVALID (SANDBOX::INVALID_PARAMETER): a schema violation. */
int snapshot_json_read(const char *body, size_t length, char **ret_name, struct error *err);

/* One decoded pair of GET /snapshots. Unknown names are ignored. ERR_INVALID: a number out of bounds. */
int snapshot_query_read_pair(struct snapshot_query *query, const char *name, const char *value,
                             struct error *err);
