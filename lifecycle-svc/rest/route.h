/* route.h - from method and path to what is asked for. Pure; any thread.
 * Spec: contract rest-api.md §1 (prefixes, exempt paths), §2 (the table). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct rest_call;
struct error;

/* Answers through rest_answer.h, or fails with err. */
typedef int rest_fn(struct rest_call *call, struct error *err);

struct route {
    const char *method;  /* "GET"; "*": any */
    const char *pattern; /* "/sandboxes/{}/pause"; "{}" is one segment, a last "*" any rest */
    rest_fn *handle;
    bool root_only; /* not under /v1 */
    bool probe;     /* asked every few seconds for as long as we live: its answers are logged at debug */
};

enum { ROUTE_MAX_PARAMS = 2 };

struct route_match {
    const struct route *route;      /* NULL: no such path, or not with this method */
    bool wrong_method;              /* the path exists with another method */
    char *params[ROUTE_MAX_PARAMS]; /* decoded; owned; "" when the pattern has fewer */
};

/* `path` is raw. `routes` ends with a row whose pattern is NULL. */
void route_find(const struct route *routes, const char *method, const char *path,
                struct route_match *ret_match);
void route_match_done(struct route_match *match);
#define SCOPED_ROUTE_MATCH __attribute__((cleanup(route_match_done)))

/* Does this raw path lead to a sandbox's own port, with or without the prefix? */
bool path_is_proxy(const char *path);

/* Does this raw path need no API key? */
bool path_is_public(const char *path);
