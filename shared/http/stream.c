#include "shared/http/stream.h"

#include <stdlib.h>

#include "shared/base/alloc.h"
#include "shared/http/client_priv.h"

enum { POLL_MAX_MS = 60 * 60 * 1000 }; /* curl's own timers end a poll earlier, and so does a stop */

struct http_stream {
    const struct http_peer *peer;
    CURLM *multi; /* keeps the connection; curl_multi_wakeup() is for any thread, all else for the reader's */
    bool stopped; /* atomic */
};

struct http_stream *http_stream_new(const struct http_peer *peer)
{
    struct http_stream *stream = xcalloc(1, sizeof(*stream));

    http_curl_start();
    stream->peer = peer;
    stream->multi = curl_multi_init();
    return stream;
}

void http_stream_free(struct http_stream *stream)
{
    if (!stream)
        return;
    if (stream->multi)
        curl_multi_cleanup(stream->multi);
    free(stream);
}

void http_stream_stop(struct http_stream *stream)
{
    __atomic_store_n(&stream->stopped, true, __ATOMIC_RELEASE);
    (void)curl_multi_wakeup(stream->multi); /* a full pipe means that it is awake already */
}

bool http_stream_is_stopped(const struct http_stream *stream)
{
    return __atomic_load_n(&stream->stopped, __ATOMIC_ACQUIRE);
}

static bool transfer_is_over(CURLM *multi, CURLcode *ret_result)
{
    int left;
    CURLMsg *message = curl_multi_info_read(multi, &left);

    if (!message || message->msg != CURLMSG_DONE)
        return false;
    *ret_result = message->data.result;
    return true;
}

static CURLcode run(struct http_stream *stream, struct http_transfer *transfer)
{
    CURLcode result = CURLE_OK;
    int running;

    for (;;) {
        if (http_stream_is_stopped(stream)) {
            transfer->was_cancelled = true;
            return CURLE_ABORTED_BY_CALLBACK;
        }
        if (curl_multi_perform(stream->multi, &running) != CURLM_OK)
            return CURLE_FAILED_INIT;
        if (transfer_is_over(stream->multi, &result))
            return result;
        if (curl_multi_poll(stream->multi, NULL, 0, POLL_MAX_MS, NULL) != CURLM_OK)
            return CURLE_FAILED_INIT;
    }
}

int http_stream_do(struct http_stream *stream, const struct http_request *request,
                   struct http_response *ret_response, struct error *err)
{
    SCOPED_HEADER_LIST struct curl_slist *headers = NULL;
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    struct http_transfer transfer = {.request = request, .response = &response, .err = err};

    if (http_request_headers(request, &headers, err) < 0)
        return -1;
    CURL *curl = curl_easy_init();
    if (!curl || !stream->multi) {
        curl_easy_cleanup(curl);
        return error_set(err, ERR_EXHAUSTED, "libcurl cannot start");
    }
    http_peer_setup(stream->peer, curl, &transfer, headers);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_multi_add_handle(stream->multi, curl); /* fails for a handle that is in use only */
    CURLcode result = run(stream, &transfer);
    (void)curl_multi_remove_handle(stream->multi, curl);
    curl_easy_cleanup(curl);
    if (result != CURLE_OK)
        return http_transfer_error(&transfer, result, "given");
    *ret_response = response;
    response = (struct http_response){0};
    return 0;
}
