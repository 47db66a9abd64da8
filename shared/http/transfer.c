/* What every kind of client does around a transfer: headers, and words for what went wrong. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/alloc.h"
#include "shared/http/client_priv.h"

static void curl_start(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT); /* a failure shows again in curl_easy_init */
}

void http_curl_start(void)
{
    static pthread_once_t started = PTHREAD_ONCE_INIT;
    pthread_once(&started, curl_start);
}

void http_header_list_free(struct curl_slist **list)
{
    for (struct curl_slist *at = *list; at; at = at->next)
        explicit_bzero(at->data, strlen(at->data));
    curl_slist_free_all(*list);
    *list = NULL;
}

void http_header_list_add(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (!longer)
        abort(); /* out of memory, as everywhere */
    *list = longer;
}

static bool header_is_clean(const struct http_header *header)
{
    return *header->name && !strpbrk(header->name, "\r\n: ") && !strpbrk(header->value, "\r\n");
}

int http_request_headers(const struct http_request *request, struct curl_slist **list, struct error *err)
{
    bool has_type = false;

    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        if (!header_is_clean(header))
            return error_set(err, ERR_INVALID, "header %zu: a name or value cannot hold line breaks", i);
        /* "Name;" is how curl is told to send a header without a value */
        char *line = *header->value ? xasprintf("%s: %s", header->name, header->value)
                                    : xasprintf("%s;", header->name);
        http_header_list_add(list, line);
        explicit_bzero(line, strlen(line));
        free(line);
        has_type = has_type || strcasecmp(header->name, "content-type") == 0;
    }
    if (!has_type)
        http_header_list_add(list, "Content-Type:"); /* curl would say application/x-www-form-urlencoded */
    http_header_list_add(list, "Expect:"); /* no second of waiting for a 100 that many servers never send */
    if (request->read && !request->body && request->read_length < 0)
        http_header_list_add(list, "Transfer-Encoding: chunked");
    return 0;
}

static enum error_code code_of(CURLcode result)
{
    switch (result) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CACERT_BADFILE:
        return ERR_INVALID;
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CERTPROBLEM:
        return ERR_DENIED;
    case CURLE_OUT_OF_MEMORY:
        return ERR_EXHAUSTED;
    case CURLE_FAILED_INIT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_UNKNOWN_OPTION:
        return ERR_INTERNAL;
    default:
        return ERR_UNAVAILABLE; /* name lookup, connection, TLS handshake, reset, truncated: another try may
                                   work */
    }
}

int http_transfer_error(struct http_transfer *transfer, CURLcode result, const char *ca_name)
{
    const struct http_request *request = transfer->request;
    struct error *err = transfer->err;
    int url_length = (int)strcspn(request->url, "?#");

    if (transfer->failed)
        (void)0; /* a callback has said what is wrong */
    else if (transfer->was_cancelled)
        (void)error_set(err, ERR_CANCELLED, "cancelled");
    else if (transfer->stalled)
        (void)error_set(err, ERR_TIMEOUT, "no byte moved for %lld ms", (long long)transfer->stall_timeout_ms);
    else if (result == CURLE_SSL_CACERT_BADFILE)
        (void)error_set(err, ERR_INVALID, "CA file %s cannot be read as PEM certificates",
                        ca_name ? ca_name : "of the system");
    else
        (void)error_set(err, code_of(result), "%s",
                        *transfer->curl_text ? transfer->curl_text : curl_easy_strerror(result));
    return error_wrap(err, "%s %.*s", request->method, url_length, request->url);
}
