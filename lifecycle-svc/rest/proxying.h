/* proxying.h - the way to a sandbox's port through this server. Spec: contract rest-api.md §11. */
#pragma once

#include <stdint.h>

#include "lifecycle-svc/rest/rest_call.h"

/* "<host>/sandboxes/<id>/proxy/<port>", where <host> is what the operator said (without scheme and last slash), or what the
 * client asked. The caller frees. */
char *proxied_endpoint(const struct rest_call *call, const char *id, int64_t port);
