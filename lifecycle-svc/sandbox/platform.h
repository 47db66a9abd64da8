/* platform.h - which platform a pod spec is pinned to. Pure; any thread. Spec: contract rest-api.md §5. */
#pragma once

#include <jansson.h>

/* From nodeSelector, else from required node affinity when every term pins the key with In and one same
 * value. Both new strings are set, or none: half a platform is none. spec may be NULL. */
void platform_of(const json_t *spec, char **ret_os, char **ret_arch);
