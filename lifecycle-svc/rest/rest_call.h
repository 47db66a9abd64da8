/* rest_call.h - one REST request on its way through the door, and the ways to answer it.
 * Spec: contract rest-api.md §1, "Error envelope". Thread: the connection's. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "lifecycle-svc/access/api_keys.h"
#include "lifecycle-svc/proxy/proxy.h"
#include "lifecycle-svc/rest/route.h"
#include "lifecycle-svc/sandbox/service.h"
#include "shared/http/server.h"

struct rest_call {
    const struct sandbox_service *service;
    struct proxy *proxy;     /* NULL: there is none */
    const char *public_host; /* where the proxy is reached, "host:port/path"; "": where this request went */
    struct http_exchange *exchange;
    struct admission admission; /* whose key it came with */
    struct route_match match;
    const char *request_id;
    const char *own_request_id; /* the same when the client chose it; NULL: we made it up */
    const char *unreadable; /* set: err is a schema violation (422) in this place: "body", "query", "path" */
};

/* Turns err into a schema violation of `place`. Answers -1. */
int unreadable(struct rest_call *call, const char *place);

/* The client behind this call. */
struct sandbox_caller rest_caller(struct rest_call *call);

/* Takes `body`. Answers 0. */
int answer_json(struct rest_call *call, int status, json_t *body);
/* 202 or 204 without a body. Answers 0. */
int answer_empty(struct rest_call *call, int status);
/* The envelope for err: {"code","message"}, and "detail" for a schema violation. */
void answer_error(struct rest_call *call, const struct error *err);

/* A string whatever the bytes: what is no UTF-8 becomes U+FFFD. New reference. */
json_t *json_clean(const char *text);
