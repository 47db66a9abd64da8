/* proxy.h - requests for what runs in a sandbox go there and the answers come back, both as they flow; WebSockets, too.
 *
 * Memory is bounded whatever the bodies' sizes: who is slow slows the other side down. Whichever side leaves takes the
 * other's connection along. Nothing but the given address is ever contacted, redirects are the client's business.
 * Threads: any; an exchange uses its connection's thread, a WebSocket one of its own. Spec: contract rest-api.md §11. */
#pragma once

#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "shared/http/server.h"
#include "shared/metrics/metrics.h"

struct proxy;

struct proxy_options {
    int64_t max_requests;       /* at a time, WebSockets included */
    int64_t connect_timeout_ms; /* to a sandbox */
    int64_t idle_timeout_ms;    /* no byte in either direction for so long ends it */
    struct metrics *metrics;    /* borrowed */
};

struct proxy *proxy_new(const struct proxy_options *options);
void proxy_free(struct proxy *proxy); /* after the server's stop: nothing is under way. NULL is fine */
DEFINE_FREEP(proxy, struct proxy, proxy_free)

struct proxy_route {
    const char *sandbox;    /* for logs */
    const char *address;    /* "10.0.0.7:8080": an IP address and a port */
    const char *path;       /* raw, behind the port: "", "/", "/a%20b" */
    const char *request_id; /* for logs */
};

/* From the handler of an exchange that the server streams: hands it over. ERR_EXHAUSTED: max_requests;
 * ERR_INVALID: an upgrade to something else than WebSocket, or a request that cannot be passed on. */
int proxy_begin(struct proxy *proxy, struct http_exchange *exchange, const struct proxy_route *route,
                struct error *err);
