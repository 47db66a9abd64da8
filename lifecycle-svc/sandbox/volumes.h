/* volumes.h - which volumes a sandbox may mount here: folders of the host under an allow-list, and claims.
 * Pure; any thread. Spec: contract rest-api.md §3.2. */
#pragma once

#include "shared/base/error.h"
#include "shared/json/json.h"

#define INTERNAL_VOLUME "opensandbox-bin"

/* volumes: of struct volume, one backend each. host_paths: allowed prefixes; with none, every host path is
 * refused. The error carries a VOLUME:: code. */
int volumes_check(const struct json_list *volumes, const struct json_strings *host_paths, struct error *err);
