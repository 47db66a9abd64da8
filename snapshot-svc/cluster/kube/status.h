/* status.h - what the API server answers instead of the object that was wanted: kind Status, or a proxy's page.
 * Spec: Kubernetes API conventions, "Response Status Kind". */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "shared/base/error.h"
#include "snapshot-svc/cluster/cluster.h"

struct status_context {
    const char *verb; /* as RBAC names it: "get", "list", "create", ... */
    enum cluster_kind kind;
    const char *subresource; /* or NULL */
};

/* Sets the error that fits the HTTP status and body; -1. Messages are the server's, cleaned and bounded. */
int status_error(int http_status, const char *body, size_t length, const struct status_context *context,
                 struct error *err);
/* The same for a Status object (code inside), as an ERROR event of a watch has. */
int status_object_error(const json_t *status, const struct status_context *context, struct error *err);
