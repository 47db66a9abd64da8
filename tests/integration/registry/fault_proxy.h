/* fault_proxy.h - an HTTP proxy on loopback that lets one thing go wrong, at a request whose number is given.
 *
 * It counts the requests that come, from 1, passes each on over a connection of its own, and names them for tables. With a
 * certificate it speaks TLS on both sides. One client with few connections. */
#pragma once

#include <stdbool.h>

enum fault {
    FAULT_NONE,
    FAULT_CUT_BEFORE, /* the connection, before the request is passed on */
    FAULT_CUT_BODY,   /* both, when half of the request's body is passed on; without a body nothing happens */
    FAULT_CUT_AFTER,  /* the connection, when the answer is there: the request was carried out */
    FAULT_TRUNCATE_HEAD, /* the answer ends in its status line */
    FAULT_TRUNCATE,      /* the answer lacks its last byte */
    FAULT_DELAY,
    FAULT_400,
    FAULT_401,
    FAULT_404,
    FAULT_408,
    FAULT_416,
    FAULT_429, /* Retry-After: 1 */
    FAULT_500,
    FAULT_502,
    FAULT_503,       /* Retry-After: 1 */
    FAULT_503_EARLY, /* answered, then cut, before the body was read */
    FAULT_MAX
};
const char *fault_name(enum fault fault);

struct fault_proxy_options {
    const char *upstream;          /* "127.0.0.1:5000" */
    const char *certificate, *key; /* PEM files, or NULL: plain HTTP */
    const char *challenge;         /* of FAULT_401 */
    enum fault fault;
    unsigned first, last; /* the requests it happens to */
};

struct fault_proxy;

struct fault_proxy *fault_proxy_start(const struct fault_proxy_options *options); /* aborts when it cannot */
/* When its client has closed its connections. */
void fault_proxy_stop(struct fault_proxy *proxy);
const char *fault_proxy_host(const struct fault_proxy *proxy); /* "127.0.0.1:40002" */
unsigned fault_proxy_requests(const struct fault_proxy *proxy);
unsigned fault_proxy_faults(const struct fault_proxy *proxy); /* how often it happened */
/* "PATCH upload", "" for one that never came. */
const char *fault_proxy_request(const struct fault_proxy *proxy, unsigned number);
