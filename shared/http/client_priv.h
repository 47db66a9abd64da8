/* http/client_priv.h - one transfer in flight: what the kinds of clients and curl's callbacks share. */
#pragma once

#include <curl/curl.h>

#include "shared/http/client.h"
#include "shared/http/peer.h"

enum { HTTP_BODY_MAX_BYTES = 1 << 20 }; /* of an answer, unless the request says */

struct http_transfer {
    const struct http_request *request;
    struct http_response *response; /* filled as it arrives */
    struct error *err;
    bool failed; /* a callback set err */
    bool was_cancelled, stalled;
    bool head_complete;
    bool may_switch; /* the request asks for another protocol: a 101 is the answer, no interim one */
    size_t header_bytes;

    const bool *cancelled;
    int64_t stall_timeout_ms;
    int64_t moved_at_ms;
    curl_off_t moved_bytes;
    size_t body_sent; /* of request->body, when it is fed (http_peer_setup) */
    char curl_text[CURL_ERROR_SIZE];
};

/* curl_write_callbacks; self is a struct http_transfer. */
size_t http_transfer_header(char *line, size_t size, size_t count, void *self);
size_t http_transfer_body(char *bytes, size_t size, size_t count, void *self);

void http_curl_start(void); /* once per process; any thread, any number of times */

/* curl's own header list, wiped before it is freed: one of them may be Authorization. */
void http_header_list_free(struct curl_slist **list);
/* Appends; curl copies the line. */
void http_header_list_add(struct curl_slist **list, const char *line);
#define SCOPED_HEADER_LIST __attribute__((cleanup(http_header_list_free)))
/* ERR_INVALID: a line break in a header. */
int http_request_headers(const struct http_request *request, struct curl_slist **list, struct error *err);

/* Says what ended the transfer, unless a callback did; -1. ca_name: for messages. */
int http_transfer_error(struct http_transfer *transfer, CURLcode result, const char *ca_name);

/* Readies a fresh easy handle for the transfer: peer, request, callbacks. The body is fed in a way that curl cannot
 * repeat. `headers` is borrowed until the transfer is over. */
void http_peer_setup(const struct http_peer *peer, CURL *curl, struct http_transfer *transfer,
                     const struct curl_slist *headers);
