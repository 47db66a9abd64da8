/* create_json.h - POST /sandboxes: the body becomes a create request. Pure; any thread.
 * Spec: contract rest-api.md §3.1, §3.2. */
#pragma once

#include "lifecycle-svc/sandbox/create_request.h"

/* Fills and settles the zeroed *ret_request; on failure it is empty again.
 * ERR_INVALID (SANDBOX::INVALID_PARAMETER): a schema violation; the text begins with the member's path. */
int create_json_read(const char *body, size_t length, struct create_request *ret_request, struct error *err);
