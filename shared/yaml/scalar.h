/* scalar.h - what an unquoted YAML scalar means. Private to shared/yaml. Pure; any thread.
 * Spec: YAML 1.2 core schema, and the octal numbers of YAML 1.1 ("defaultMode: 0644"), which Kubernetes' tools know. */
#pragma once

#include <jansson.h>

/* A new reference: boolean, number or string. NULL: words that YAML 1.1 and 1.2 understand differently (yes, on),
 * and numbers that do not fit. */
json_t *yaml_scalar(const char *text);
