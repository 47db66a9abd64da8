#include "shared/http/client.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"
#include "shared/http/client_priv.h"

enum {
    CONNECT_TIMEOUT_MS = 10 * 1000,
    STALL_TIMEOUT_MS = 30 * 1000,
    SOCKET_BUFFER_BYTES = 256 << 10,
};

struct http_client {
    CURL *curl; /* keeps connections, name lookups and TLS sessions between requests */
    char *user_agent, *ca_file;
    bool insecure_tls;
    int64_t connect_timeout_ms, stall_timeout_ms;
    const bool *cancelled;
};

struct http_client *http_client_new(const struct http_client_options *options)
{
    struct http_client *client = xcalloc(1, sizeof(*client));
    http_curl_start();
    client->curl = curl_easy_init();
    client->user_agent = xstrdup(options->user_agent ? options->user_agent : "stasis/" STASIS_VERSION);
    client->ca_file = options->ca_file ? xstrdup(options->ca_file) : NULL;
    client->insecure_tls = options->insecure_tls;
    client->connect_timeout_ms =
        options->connect_timeout_ms ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    client->stall_timeout_ms = options->stall_timeout_ms ? options->stall_timeout_ms : STALL_TIMEOUT_MS;
    client->cancelled = options->cancelled;
    return client;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    free(client->user_agent);
    free(client->ca_file);
    free(client);
}

static size_t on_read(char *into, size_t size, size_t count, void *self)
{
    struct http_transfer *transfer = self;
    const struct http_request *request = transfer->request;

    long got = request->read(request->read_self, into, size * count, transfer->err);
    transfer->moved_at_ms =
        clock_monotonic_ms(); /* the time that the source took is no stall of the connection */
    if (got < 0) {
        transfer->failed = true;
        return CURL_READFUNC_ABORT;
    }
    return (size_t)got;
}

static int on_progress(void *self, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    struct http_transfer *transfer = self;
    int64_t now_ms = clock_monotonic_ms();

    (void)down_total;
    (void)up_total;
    if (down + up != transfer->moved_bytes) {
        transfer->moved_bytes = down + up;
        transfer->moved_at_ms = now_ms;
    }
    if (transfer->cancelled && __atomic_load_n(transfer->cancelled, __ATOMIC_RELAXED))
        transfer->was_cancelled = true;
    else if (now_ms - transfer->moved_at_ms > transfer->stall_timeout_ms)
        transfer->stalled = true;
    return transfer->was_cancelled || transfer->stalled;
}

static void set_connection_options(struct http_client *client, struct http_transfer *transfer)
{
    CURL *curl = client->curl;

    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* in-cluster traffic must not follow a stray http_proxy */
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, client->user_agent);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)client->connect_timeout_ms);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)SOCKET_BUFFER_BYTES);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, (long)SOCKET_BUFFER_BYTES);
    if (client->insecure_tls) {
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (client->ca_file) /* CAPATH keeps its default, so the system's CAs stay trusted beside these */
        curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca_file);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->curl_text);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, http_transfer_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, http_transfer_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
}

static void set_request_options(CURL *curl, const struct http_request *request,
                                struct http_transfer *transfer)
{
    bool streams = !request->body && request->read;
    bool may_have_body = strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0 &&
                         strcmp(request->method, "DELETE") != 0;

    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    if (streams) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(curl, CURLOPT_READDATA, transfer);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->read_length);
        /* HTTP/1.1 for long bodies: one connection's window is the kernel's, not a stream's 64 KiB */
        curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    } else if (request->body || may_have_body) { /* an empty body is sent with Content-Length: 0 */
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)(request->body ? request->body_length : 0));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body ? request->body : "");
    } else if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
}

int http_do(struct http_client *client, const struct http_request *request,
            struct http_response *ret_response, struct error *err)
{
    SCOPED_HEADER_LIST struct curl_slist *headers = NULL;
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    struct http_transfer transfer = {
        .request = request,
        .response = &response,
        .err = err,
        .cancelled = client->cancelled,
        .stall_timeout_ms = request->stall_timeout_ms ? request->stall_timeout_ms : client->stall_timeout_ms,
        .moved_at_ms = clock_monotonic_ms(),
    };

    if (http_request_headers(request, &headers, err) < 0)
        return -1;
    if (!client->curl)
        return error_set(err, ERR_EXHAUSTED, "libcurl cannot start");
    response.body.limit = request->max_body ? request->max_body : HTTP_BODY_MAX_BYTES;
    set_connection_options(client, &transfer);
    set_request_options(client->curl, request, &transfer);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);

    CURLcode result = curl_easy_perform(client->curl);
    curl_easy_reset(client->curl); /* nothing borrowed stays behind; connections do */
    if (result != CURLE_OK)
        return http_transfer_error(&transfer, result, client->ca_file);
    *ret_response = response;
    response = (struct http_response){0};
    return 0;
}
