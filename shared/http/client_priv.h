/* http/client_priv.h - one transfer in flight: what curl's callbacks share. */
#pragma once

#include <curl/curl.h>

#include "shared/http/client.h"

struct http_transfer {
    const struct http_request *request;
    struct http_response *response; /* filled as it arrives */
    struct error *err;
    bool failed; /* a callback set err */
    bool was_cancelled, stalled;
    bool head_complete;
    size_t header_bytes;

    const bool *cancelled;
    int64_t stall_timeout_ms;
    int64_t moved_at_ms;
    curl_off_t moved_bytes;
    char curl_text[CURL_ERROR_SIZE];
};

/* curl_write_callbacks; self is a struct http_transfer. */
size_t http_transfer_header(char *line, size_t size, size_t count, void *self);
size_t http_transfer_body(char *bytes, size_t size, size_t count, void *self);
