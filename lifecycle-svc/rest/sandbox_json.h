/* sandbox_json.h - sandboxes and pages as the JSON that clients read. Null members are left out at every
 * depth. Pure; any thread. Spec: contract rest-api.md §3.3. */
#pragma once

#include <jansson.h>

#include "lifecycle-svc/sandbox/service.h"

/* New references. */
json_t *sandbox_json(const struct sandbox_view *view);
json_t *sandbox_page_json(const struct sandbox_page *page);
