/* The answer as it arrives: headers become a bounded list, the body goes where the request wants it. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/alloc.h"
#include "shared/http/client_priv.h"

enum { HEADERS_MAX = 256, HEADERS_MAX_BYTES = 64 << 10 };

void http_response_done(struct http_response *response)
{
    for (size_t i = 0; i < response->header_count; i++) {
        free((char *)response->headers[i].name);
        free((char *)response->headers[i].value);
    }
    free(response->headers);
    strbuf_done(&response->body);
    *response = (struct http_response){0};
}

const char *http_response_header(const struct http_response *response, const char *name)
{
    for (size_t i = 0; i < response->header_count; i++)
        if (strcasecmp(response->headers[i].name, name) == 0)
            return response->headers[i].value;
    return NULL;
}

static void add_header(struct http_response *response, const char *line, size_t length)
{
    const char *colon = memchr(line, ':', length);
    if (!colon || colon == line)
        return;
    const char *value = colon + 1, *end = line + length;
    while (value < end && isspace((unsigned char)*value))
        value++;
    while (end > value && isspace((unsigned char)end[-1]))
        end--;

    char *name = xstrndup(line, (size_t)(colon - line));
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    response->headers =
        xrealloc_array(response->headers, response->header_count + 1, sizeof(*response->headers));
    response->headers[response->header_count++] =
        (struct http_header){.name = name, .value = xstrndup(value, (size_t)(end - value))};
}

/* A status line starts over: what came before it was a 1xx. */
static void start_head(struct http_transfer *transfer, const char *line, size_t length)
{
    const char *space = memchr(line, ' ', length);
    size_t limit = transfer->response->body.limit;

    http_response_done(transfer->response);
    transfer->response->body.limit = limit;
    transfer->response->status = space ? (int)strtol(space, NULL, 10) : 0;
    transfer->head_complete = false;
}

static int end_head(struct http_transfer *transfer)
{
    const struct http_request *request = transfer->request;

    if (transfer->response->status < 200 && !(transfer->may_switch && transfer->response->status == 101))
        return 0;
    transfer->head_complete = true;
    return request->head ? request->head(request->write_self, transfer->response, transfer->err) : 0;
}

size_t http_transfer_header(char *line, size_t size, size_t count, void *self)
{
    struct http_transfer *transfer = self;
    size_t length = size * count;
    int result = 0;

    transfer->header_bytes += length;
    if (transfer->header_bytes > HEADERS_MAX_BYTES || transfer->response->header_count >= HEADERS_MAX)
        result =
            error_set(transfer->err, ERR_EXHAUSTED, "the answer has more than %d headers or %d bytes of them",
                      HEADERS_MAX, HEADERS_MAX_BYTES);
    else if (length >= 5 && memcmp(line, "HTTP/", 5) == 0)
        start_head(transfer, line, length);
    else if (transfer->head_complete)
        ; /* a trailer: nobody reads those */
    else if (length <= 2)
        result = end_head(transfer);
    else
        add_header(transfer->response, line, length);
    transfer->failed |= result < 0;
    return result < 0 ? 0 : length;
}

size_t http_transfer_body(char *bytes, size_t size, size_t count, void *self)
{
    struct http_transfer *transfer = self;
    const struct http_request *request = transfer->request;
    struct http_response *response = transfer->response;
    size_t length = size * count;
    int result = 0;

    if (request->write && response->status / 100 == 2)
        result = request->write(request->write_self, bytes, length, transfer->err);
    else if (!strbuf_append(&response->body, bytes, length))
        result = error_set(transfer->err, ERR_EXHAUSTED, "the answer (HTTP %d) is larger than %zu bytes",
                           response->status, response->body.limit);
    transfer->failed |= result < 0;
    return result < 0 ? 0 : length;
}
