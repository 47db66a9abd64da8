/* labels.h - the grammar of metadata, which ends up as Kubernetes labels. Pure; any thread.
 * Spec: contract rest-api.md §9. */
#pragma once

#include "shared/base/error.h"
#include "shared/json/json.h"

#define RESERVED_LABEL_PREFIX "opensandbox.io/"

/* Pairs without a value (NULL: to be removed) are not looked at.
 * ERR_INVALID (SANDBOX::INVALID_METADATA_LABEL) names the first pair that breaks a rule, and the rule. */
int metadata_check(const struct json_map *metadata, struct error *err);

/* "[a-z0-9]([-a-z0-9]*[a-z0-9])?" of at most max characters: names of volumes, claims and pools. */
bool is_dns_label(const char *text, size_t max);
