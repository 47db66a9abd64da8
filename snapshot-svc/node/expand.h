/* expand.h - $(NAME) in command, args and env, as the kubelet expands it.
 * Spec: Kubernetes docs, "Define dependent environment variables"; third_party/forked/golang/expansion. */
#pragma once

#include "shared/json/json.h"

/* $(NAME) becomes the variable's value; one that is not defined stays as it is; $$ is a $. The caller frees. */
char *expand(const char *text, const struct json_map *variables);
