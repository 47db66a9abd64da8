#include "lifecycle-svc/rest/proxying.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/rest/handlers.h"
#include "lifecycle-svc/rest/params.h"
#include "lifecycle-svc/sandbox/contract_code.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

char *proxied_endpoint(const struct rest_call *call, const char *id, int64_t port)
{
    const char *host = call->public_host;

    if (!host || !*host)
        host = http_header_get(call->exchange, "Host");
    if (!host)
        host = "";
    const char *scheme_end = strstr(host, "://");
    host = scheme_end ? scheme_end + 3 : host;
    size_t length = strlen(host);
    while (length > 0 && host[length - 1] == '/')
        length--;
    return xasprintf("%.*s/sandboxes/%s/proxy/%" PRId64, (int)length, host, id, port);
}

/* What follows the port: the path that the sandbox is asked for, as the client spelled it. */
static const char *path_behind_port(const char *path)
{
    static const char middle[] = "/proxy/";
    const char *port = strstr(path, middle) + sizeof(middle) - 1; /* an id cannot hold a slash */

    return port + strcspn(port, "/");
}

int rest_proxy(struct rest_call *call, struct error *err)
{
    const char *path = http_path(call->exchange), *id = call->match.params[0];
    SCOPED(string) char *address = NULL;
    int64_t port;

    if (!call->proxy)
        return refuse(err, CODE_API_NOT_SUPPORTED,
                      "the proxy is turned off here; reach the sandbox at its own address");
    if (param_read_int("port", call->match.params[1], &port, err) < 0)
        return unreadable(call, "path");
    if (!path_is_proxy(path)) { /* digits in disguise */
        (void)refuse(err, CODE_INVALID_PARAMETER, "port: want a whole number");
        return unreadable(call, "path");
    }
    if (sandbox_endpoint_now(call->service, id, port, &address, err) < 0)
        return -1;
    const struct proxy_route route = {
        .sandbox = id, .address = address, .path = path_behind_port(path), .request_id = call->request_id};
    return proxy_begin(call->proxy, call->exchange, &route, err);
}
