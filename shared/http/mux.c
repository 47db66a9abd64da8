#include "shared/http/mux.h"

#include <pthread.h>
#include <stdlib.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/http/client_priv.h"
#include "shared/http/url.h"

enum { POLL_MAX_MS = 60 * 60 * 1000 }; /* curl's own timers end a poll earlier, and so does a new request */

/* One request: its caller waits, the mux's thread drives it. */
struct exchange {
    /* set by the caller, then the thread's until `done` */
    CURL *curl;
    struct http_transfer *transfer;
    struct exchange *next; /* queued or running */

    CURLcode result; /* by the thread, under the lock */
    bool done;
    pthread_cond_t over;
};

struct http_mux {
    const struct http_peer *peer;
    CURLM *multi; /* curl_multi_wakeup() is for any thread, all else for the mux's */
    pthread_t thread;

    struct exchange *running; /* the thread's */

    pthread_mutex_t lock; /* guards everything below, and what exchanges say of it */
    struct exchange *queued;
    unsigned callers; /* in http_mux_do() */
    pthread_cond_t no_callers;
    bool cancelled, stopping;
    int64_t timed_out_at_ms; /* when a request timed out last; 0: never */
};

/* ---- the thread ---- */

/* With the lock held. */
static void end_exchange(struct http_mux *mux, struct exchange **at, CURLcode result)
{
    struct exchange *exchange = *at;

    *at = exchange->next;
    (void)curl_multi_remove_handle(mux->multi, exchange->curl);
    if (result == CURLE_OPERATION_TIMEDOUT)
        mux->timed_out_at_ms = clock_monotonic_ms();
    exchange->result = result;
    exchange->done = true;
    pthread_cond_signal(&exchange->over);
}

static void take_queued(struct http_mux *mux)
{
    while (mux->queued) {
        struct exchange *exchange = mux->queued;
        mux->queued = exchange->next;
        exchange->next = mux->running;
        mux->running = exchange;
        if (curl_multi_add_handle(mux->multi, exchange->curl) != CURLM_OK)
            end_exchange(mux, &mux->running, CURLE_FAILED_INIT);
    }
}

static void cancel_running(struct http_mux *mux)
{
    while (mux->running) {
        mux->running->transfer->was_cancelled = true;
        end_exchange(mux, &mux->running, CURLE_ABORTED_BY_CALLBACK);
    }
}

/* False: time to end. */
static bool take_orders(struct http_mux *mux)
{
    pthread_mutex_lock(&mux->lock);
    take_queued(mux);
    if (mux->cancelled)
        cancel_running(mux);
    bool go_on = !mux->stopping;
    pthread_mutex_unlock(&mux->lock);
    return go_on;
}

static void end_finished(struct http_mux *mux)
{
    CURLMsg *message;
    int left;

    pthread_mutex_lock(&mux->lock);
    while ((message = curl_multi_info_read(mux->multi, &left))) {
        CURL *curl = message->easy_handle; /* the message goes when the handle is removed */
        CURLcode result = message->data.result;
        struct exchange **at = &mux->running;
        while (*at && (*at)->curl != curl)
            at = &(*at)->next;
        if (*at && message->msg == CURLMSG_DONE)
            end_exchange(mux, at, result);
    }
    pthread_mutex_unlock(&mux->lock);
}

static void *drive(void *arg)
{
    struct http_mux *mux = arg;
    int running;

    while (take_orders(mux)) {
        (void)curl_multi_perform(mux->multi, &running); /* what fails, fails by its message */
        end_finished(mux);
        (void)curl_multi_poll(mux->multi, NULL, 0, POLL_MAX_MS, NULL);
    }
    return NULL;
}

/* ---- its life ---- */

int http_mux_new(const struct http_peer *peer, struct http_mux **ret_mux, struct error *err)
{
    struct http_mux *mux = xcalloc(1, sizeof(*mux));

    http_curl_start();
    mux->peer = peer;
    mux->multi = curl_multi_init();
    pthread_mutex_init(&mux->lock, NULL);
    pthread_cond_init(&mux->no_callers, NULL);
    if (mux->multi) {
        curl_multi_setopt(mux->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
        curl_multi_setopt(mux->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)MUX_CONNECTIONS_MAX);
    }
    if (!mux->multi || pthread_create(&mux->thread, NULL, drive, mux) != 0) {
        if (mux->multi)
            curl_multi_cleanup(mux->multi);
        free(mux);
        return error_set(err, ERR_EXHAUSTED, "no thread or no memory for HTTP connections");
    }
    *ret_mux = mux;
    return 0;
}

void http_mux_cancel(struct http_mux *mux)
{
    pthread_mutex_lock(&mux->lock);
    mux->cancelled = true;
    pthread_mutex_unlock(&mux->lock);
    (void)curl_multi_wakeup(mux->multi); /* a full pipe means that it is awake already */
}

void http_mux_free(struct http_mux *mux)
{
    if (!mux)
        return;
    http_mux_cancel(mux);
    pthread_mutex_lock(&mux->lock);
    while (mux->callers > 0)
        pthread_cond_wait(&mux->no_callers, &mux->lock);
    mux->stopping = true;
    pthread_mutex_unlock(&mux->lock);
    (void)curl_multi_wakeup(mux->multi); /* as above */
    pthread_join(mux->thread, NULL);
    curl_multi_cleanup(mux->multi);
    pthread_cond_destroy(&mux->no_callers);
    pthread_mutex_destroy(&mux->lock);
    free(mux);
}

/* ---- the callers ---- */

/* A connection on which a request timed out may be dead without a word: only younger ones take new requests. */
static void avoid_old_connections(CURL *curl, int64_t timed_out_at_ms)
{
    if (timed_out_at_ms)
        curl_easy_setopt(curl, CURLOPT_MAXLIFETIME_CONN,
                         (long)((clock_monotonic_ms() - timed_out_at_ms) / 1000 + 1));
}

static CURLcode wait_for(struct http_mux *mux, struct exchange *exchange)
{
    pthread_mutex_lock(&mux->lock);
    mux->callers++;
    avoid_old_connections(exchange->curl, mux->timed_out_at_ms);
    exchange->next = mux->queued;
    mux->queued = exchange;
    pthread_mutex_unlock(&mux->lock);
    (void)curl_multi_wakeup(mux->multi); /* a full pipe means that it is awake already */

    pthread_mutex_lock(&mux->lock);
    while (!exchange->done)
        pthread_cond_wait(&exchange->over, &mux->lock);
    if (--mux->callers == 0)
        pthread_cond_signal(&mux->no_callers);
    pthread_mutex_unlock(&mux->lock);
    return exchange->result;
}

int http_mux_do(struct http_mux *mux, const struct http_request *request, struct http_response *ret_response,
                struct error *err)
{
    SCOPED_HEADER_LIST struct curl_slist *headers = NULL;
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    struct http_transfer transfer = {.request = request, .response = &response, .err = err};
    struct exchange exchange = {.transfer = &transfer, .over = PTHREAD_COND_INITIALIZER};

    if (http_request_headers(request, &headers, err) < 0)
        return -1;
    exchange.curl = curl_easy_init();
    if (!exchange.curl)
        return error_set(err, ERR_EXHAUSTED, "libcurl cannot start");
    http_peer_setup(mux->peer, exchange.curl, &transfer, headers);
    curl_easy_setopt(exchange.curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    /* Rather wait for what the first connection turns out to speak than open one each. Without TLS it is HTTP/1.1. */
    curl_easy_setopt(exchange.curl, CURLOPT_PIPEWAIT, url_is_https(request->url) ? 1L : 0L);
    CURLcode result = wait_for(mux, &exchange);
    curl_easy_cleanup(exchange.curl);
    pthread_cond_destroy(&exchange.over);
    if (result != CURLE_OK)
        return http_transfer_error(&transfer, result, "given");
    *ret_response = response;
    response = (struct http_response){0};
    return 0;
}
