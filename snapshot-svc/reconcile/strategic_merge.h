/* strategic_merge.h - shardPatches: a Kubernetes strategic merge patch over a Pod, as far as pods need it.
 *
 * Objects merge member by member, null removes. Lists of objects merge by their key (containers,
 * initContainers, volumes, env, imagePullSecrets by name; volumeMounts by mountPath; ports by containerPort;
 * ...), every other list is replaced.
 * {"$patch":"delete"} removes a list item, {"$patch":"replace"} replaces an object. The other directives
 * ($setElementOrder, $deleteFromPrimitiveList, $retainKeys, $patch: merge in lists) are refused, not guessed.
 */
#pragma once

#include <jansson.h>

#include "shared/base/error.h"

/* Changes `target` in place. ERR_UNSUPPORTED: a directive we do not know. ERR_INVALID: an item without its
 * key, or a list where the pod has none; `target` is then half done and must be dropped. */
int strategic_merge(json_t *target, const json_t *patch, struct error *err);
