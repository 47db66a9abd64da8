/* door.h - the REST door: request id, CORS, API key and its limit, route, answer, log line, metrics, in this order.
 * Spec: contract rest-api.md §1. Threads: any number at once. */
#pragma once

#include "lifecycle-svc/access/api_keys.h"
#include "lifecycle-svc/proxy/proxy.h"
#include "lifecycle-svc/sandbox/service.h"
#include "shared/http/server.h"
#include "shared/metrics/metrics.h"

struct rest_door {
    const struct sandbox_service *service; /* all borrowed */
    struct api_keys *keys;
    struct metrics *metrics;
    struct proxy *proxy;     /* NULL: there is none */
    const char *public_host; /* see rest_call.h */
};

/* An http_handler; self is a struct rest_door. */
void rest_door_handle(void *self, struct http_exchange *exchange);

/* The server's `refused`: its own answers are named, counted and logged as all others are. */
void rest_door_refused(void *self, struct http_exchange *exchange);

/* The server's `streams`: requests for what runs in a sandbox. */
bool rest_door_streams(void *self, const struct http_exchange *exchange);

/* The body of the server's own answer to a request that is too large. */
extern const char *const REST_TOO_LARGE_BODY;
/* The same for its head. */
extern const char *const REST_TOO_LONG_HEAD;
