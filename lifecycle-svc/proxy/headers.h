/* headers.h - which header fields a proxy hands on. Pure; any thread.
 * Spec: contract rest-api.md §11 (Proxy); RFC 9110 §7.6.1 (hop-by-hop). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/http/client.h"

struct header_list {
    struct http_header *items; /* owned, and so are their texts: they carry credentials, and are wiped */
    size_t count;
};
void header_list_add(struct header_list *list, const char *name, const char *value); /* copies */
const char *header_list_get(const struct header_list *list,
                            const char *name); /* any case; the first; NULL: none */
void header_list_done(struct header_list *list);
#define SCOPED_HEADERS __attribute__((cleanup(header_list_done)))

/* How the client reached us: what X-Forwarded-* say when the client did not. NULL: not known. */
struct forwarded {
    const char *proto, *host, *client;
};

/* What of the client's fields goes to the sandbox: nothing hop-by-hop, nothing named in Connection, none of Host,
 * Authorization, Cookie and OPEN-SANDBOX-API-KEY; Content-Length and Expect are said anew by who sends the body. */
void headers_for_sandbox(const struct header_list *from_client, const struct forwarded *forwarded,
                         struct header_list *out);

/* May this field of the sandbox's answer go to the client? */
bool header_is_for_client(const struct http_response *answer, const char *name);

enum upgrade_wish { UPGRADE_NONE, UPGRADE_WEBSOCKET, UPGRADE_OTHER };
/* Does the client want to leave HTTP, and where to? */
enum upgrade_wish upgrade_wished(const struct header_list *from_client);

/* The number that Content-Length says; -1: it says none. */
int64_t content_length_of(const char *text);
