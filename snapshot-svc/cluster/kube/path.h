/* path.h - URLs of the API server. Names come from objects that users write: one that is no name is refused here, so
 * that it cannot change the path. */
#pragma once

#include "shared/base/error.h"
#include "shared/base/strbuf.h"
#include "snapshot-svc/cluster/cluster.h"

/* Appends "/api/v1/namespaces/<ns>/pods/<name>/<subresource>"; ns, name and subresource may be NULL.
 * ERR_INVALID: ns is no DNS label, or name no DNS subdomain. */
int path_append(struct strbuf *url, enum cluster_kind kind, const char *ns, const char *name,
                const char *subresource, struct error *err);

/* Appends "?name=value" or "&name=value", value percent-encoded. */
void path_append_query(struct strbuf *url, const char *name, const char *value);
