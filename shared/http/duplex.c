#include "shared/http/duplex.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/http/client_priv.h"

enum {
    BUFFER_BYTES = 64 << 10, /* of the answer; at least two of curl's own (CURL_MAX_WRITE_SIZE) */
    UPLOAD_BUFFER_BYTES = 64 << 10,
    FIRST_REFUSAL = 400, /* from here on curl sends no more of the body, and neither do we want it to */
};

struct http_duplex {
    CURLM *multi; /* curl_multi_wakeup() is for any thread, all else for the caller's */
    CURL *curl;
    struct curl_slist *headers;
    char *url, *method;
    bool cancelled; /* atomic */

    struct http_request request; /* what the header callback and error texts read */
    struct http_response response;
    struct http_transfer transfer;
    struct error err; /* what a callback found */

    int fd;        /* curl's socket; -1: none yet */
    bool detached; /* fd is not curl's to close any more */
    bool added, over;
    CURLcode result;

    const char *piece; /* of the body; borrowed during a push */
    size_t piece_left;
    bool has_body, body_complete;
    int paused; /* CURLPAUSE_SEND, CURLPAUSE_RECV */

    char *buffer; /* of the answer: from start to end */
    size_t start, end;
    int64_t moved_at_ms, idle_timeout_ms;
};

/* ---- curl's callbacks ---- */

static size_t on_read(char *into, size_t size, size_t count, void *self)
{
    struct http_duplex *duplex = self;
    size_t room = size * count;
    size_t length = duplex->piece_left < room ? duplex->piece_left : room;

    if (length == 0 && !duplex->body_complete) {
        duplex->paused |= CURLPAUSE_SEND;
        return CURL_READFUNC_PAUSE;
    }
    if (length)
        memcpy(into, duplex->piece, length);
    duplex->piece += length;
    duplex->piece_left -= length;
    duplex->moved_at_ms = clock_monotonic_ms();
    return length;
}

static size_t on_header(char *line, size_t size, size_t count, void *self)
{
    struct http_duplex *duplex = self;

    duplex->moved_at_ms = clock_monotonic_ms();
    return http_transfer_header(line, size, count, &duplex->transfer);
}

static size_t on_write(char *bytes, size_t size, size_t count, void *self)
{
    struct http_duplex *duplex = self;
    size_t length = size * count;

    duplex->moved_at_ms = clock_monotonic_ms();
    if (length > BUFFER_BYTES - duplex->end) {
        duplex->paused |= CURLPAUSE_RECV; /* curl keeps them, and gives them again */
        return CURL_WRITEFUNC_PAUSE;
    }
    memcpy(duplex->buffer + duplex->end, bytes, length);
    duplex->end += length;
    return length;
}

static curl_socket_t on_open_socket(void *self, curlsocktype purpose, struct curl_sockaddr *at)
{
    struct http_duplex *duplex = self;

    (void)purpose;
    duplex->fd = socket(at->family, at->socktype | SOCK_CLOEXEC, at->protocol);
    return duplex->fd < 0 ? CURL_SOCKET_BAD : duplex->fd;
}

static int on_close_socket(void *self, curl_socket_t fd)
{
    struct http_duplex *duplex = self;

    if (duplex->detached && fd == duplex->fd)
        return 0;
    if (fd == duplex->fd)
        duplex->fd = -1;
    return close(fd);
}

/* ---- opening ---- */

static void set_body(struct http_duplex *duplex, int64_t length)
{
    CURL *curl = duplex->curl;

    if (strcmp(duplex->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    } else if (length != HTTP_DUPLEX_NO_BODY) {
        duplex->has_body = true;
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)length); /* -1: chunked */
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(curl, CURLOPT_READDATA, duplex);
        curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER_BYTES);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, duplex->method);
}

static void set_connection(struct http_duplex *duplex, int64_t connect_timeout_ms)
{
    CURL *curl = duplex->curl;

    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_timeout_ms);
    /* One connection for one exchange: a request is never sent twice because a kept one turned out dead. */
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, duplex);
    curl_easy_setopt(curl, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    curl_easy_setopt(curl, CURLOPT_CLOSESOCKETDATA, duplex);
}

static void set_answer(struct http_duplex *duplex)
{
    CURL *curl = duplex->curl;

    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, duplex->transfer.curl_text);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, duplex);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, duplex);
}

static bool is_sayable(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c <= ' ' || *c == 0x7f)
            return false;
    return *text != '\0';
}

static bool has_header(const struct http_duplex_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (strcasecmp(request->headers[i].name, name) == 0)
            return true;
    return false;
}

static int take_headers(struct http_duplex *duplex, const struct http_duplex_request *request,
                        struct error *err)
{
    const struct http_request said = {.headers = request->headers, .header_count = request->header_count};

    if (http_request_headers(&said, &duplex->headers, err) < 0)
        return -1;
    if (!has_header(request, "accept")) /* curl would say that it takes anything */
        http_header_list_add(&duplex->headers, "Accept:");
    if (request->body_length == HTTP_DUPLEX_CHUNKED)
        http_header_list_add(&duplex->headers, "Transfer-Encoding: chunked");
    curl_easy_setopt(duplex->curl, CURLOPT_HTTPHEADER, duplex->headers);
    return 0;
}

int http_duplex_open(const struct http_duplex_request *request, struct http_duplex **ret_duplex,
                     struct error *err)
{
    SCOPED(http_duplex) struct http_duplex *duplex = xcalloc(1, sizeof(*duplex));

    duplex->fd = -1;
    if (!is_sayable(request->method) || !is_sayable(request->target) || *request->target != '/')
        return error_set(err, ERR_INVALID, "the request's target: want a path without blanks");
    http_curl_start();
    duplex->curl = curl_easy_init();
    duplex->multi = curl_multi_init();
    if (!duplex->curl || !duplex->multi)
        return error_set(err, ERR_EXHAUSTED, "libcurl cannot start");
    duplex->url = xasprintf("http://%s/", request->address);
    duplex->method = xstrdup(request->method);
    duplex->buffer = xcalloc(1, BUFFER_BYTES);
    duplex->idle_timeout_ms = request->idle_timeout_ms;
    duplex->request = (struct http_request){.method = duplex->method, .url = duplex->url};
    duplex->transfer.request = &duplex->request;
    duplex->transfer.response = &duplex->response;
    duplex->transfer.err = &duplex->err;
    duplex->transfer.may_switch = request->upgrade;
    curl_easy_setopt(duplex->curl, CURLOPT_URL, duplex->url);
    curl_easy_setopt(duplex->curl, CURLOPT_REQUEST_TARGET, request->target);
    set_connection(duplex, request->connect_timeout_ms);
    set_answer(duplex);
    set_body(duplex, request->body_length);
    if (take_headers(duplex, request, err) < 0)
        return -1;
    *ret_duplex = TAKE(duplex);
    return 0;
}

void http_duplex_free(struct http_duplex *duplex)
{
    if (!duplex)
        return;
    if (duplex->added)
        (void)curl_multi_remove_handle(duplex->multi, duplex->curl);
    curl_easy_cleanup(duplex->curl);
    if (duplex->multi)
        (void)curl_multi_cleanup(duplex->multi);
    http_header_list_free(&duplex->headers);
    http_response_done(&duplex->response);
    free(duplex->buffer);
    free(duplex->url);
    free(duplex->method);
    free(duplex);
}

void http_duplex_cancel(struct http_duplex *duplex)
{
    __atomic_store_n(&duplex->cancelled, true, __ATOMIC_RELEASE);
    (void)curl_multi_wakeup(duplex->multi); /* a full pipe means that it is awake already */
}

/* ---- moving on ---- */

static int broke_off(struct http_duplex *duplex, CURLcode result, struct error *err)
{
    (void)http_transfer_error(&duplex->transfer, result, NULL);
    *err = duplex->err;
    if (result == CURLE_COULDNT_CONNECT)
        return error_reason(err, HTTP_DUPLEX_REFUSED);
    return -1;
}

static int start(struct http_duplex *duplex, struct error *err)
{
    if (!duplex->added && curl_multi_add_handle(duplex->multi, duplex->curl) != CURLM_OK)
        return error_set(err, ERR_EXHAUSTED, "libcurl cannot start");
    duplex->added = true;
    duplex->moved_at_ms = clock_monotonic_ms(); /* the time since the last call was our caller's */
    return 0;
}

/* Does what can be done without waiting. */
static int work(struct http_duplex *duplex, struct error *err)
{
    int running, left;

    if (__atomic_load_n(&duplex->cancelled, __ATOMIC_ACQUIRE)) {
        duplex->transfer.was_cancelled = true;
        return broke_off(duplex, CURLE_ABORTED_BY_CALLBACK, err);
    }
    if (duplex->over)
        return 0;
    if (curl_multi_perform(duplex->multi, &running) != CURLM_OK)
        return broke_off(duplex, CURLE_FAILED_INIT, err);
    const CURLMsg *message = curl_multi_info_read(duplex->multi, &left);
    if (message && message->msg == CURLMSG_DONE) {
        duplex->over = true;
        duplex->result = message->data.result;
    }
    return 0;
}

static int wait(struct http_duplex *duplex, struct error *err)
{
    int64_t left_ms = duplex->moved_at_ms + duplex->idle_timeout_ms - clock_monotonic_ms();

    if (left_ms <= 0) {
        duplex->transfer.stalled = true;
        duplex->transfer.stall_timeout_ms = duplex->idle_timeout_ms;
        return broke_off(duplex, CURLE_OPERATION_TIMEDOUT, err);
    }
    if (curl_multi_poll(duplex->multi, NULL, 0, left_ms < INT_MAX ? (int)left_ms : INT_MAX, NULL) != CURLM_OK)
        return broke_off(duplex, CURLE_FAILED_INIT, err);
    return 0;
}

/* Works and waits until `enough`, or the exchange is over. */
static int go_on(struct http_duplex *duplex, bool (*enough)(const struct http_duplex *), struct error *err)
{
    if (start(duplex, err) < 0)
        return -1;
    for (;;) {
        if (work(duplex, err) < 0)
            return -1;
        if (duplex->over || enough(duplex))
            return 0;
        if (wait(duplex, err) < 0)
            return -1;
    }
}

static void resume(struct http_duplex *duplex, int direction)
{
    if (!(duplex->paused & direction) || duplex->over)
        return;
    duplex->paused &= ~direction;
    (void)curl_easy_pause(duplex->curl, duplex->paused); /* what fails shows at the next work() */
}

/* ---- what callers see ---- */

static bool refused_the_body(const struct http_duplex *duplex)
{
    return duplex->transfer.head_complete && duplex->response.status >= FIRST_REFUSAL;
}

static bool waits_for_the_body(const struct http_duplex *duplex)
{
    return (duplex->paused & CURLPAUSE_SEND) || duplex->transfer.head_complete;
}

int http_duplex_begin(struct http_duplex *duplex, struct error *err)
{
    if (!duplex->has_body)
        return 0; /* nothing comes in between: head() does it all */
    if (go_on(duplex, waits_for_the_body, err) < 0)
        return -1;
    if (duplex->over && duplex->result != CURLE_OK && !duplex->transfer.head_complete)
        return broke_off(duplex, duplex->result, err);
    return 0;
}

static bool piece_is_gone(const struct http_duplex *duplex)
{
    return duplex->piece_left == 0 || refused_the_body(duplex);
}

int http_duplex_push(struct http_duplex *duplex, const char *bytes, size_t length, struct error *err)
{
    if (refused_the_body(duplex) || (duplex->over && duplex->result == CURLE_OK))
        return 1;
    duplex->piece = bytes;
    duplex->piece_left = length;
    resume(duplex, CURLPAUSE_SEND);
    int moved = go_on(duplex, piece_is_gone, err);
    bool unwanted = duplex->piece_left > 0;
    duplex->piece = NULL;
    duplex->piece_left = 0;
    if (moved < 0)
        return -1;
    if (duplex->over && duplex->result != CURLE_OK && !duplex->transfer.head_complete)
        return broke_off(duplex, duplex->result, err);
    return unwanted;
}

static bool head_is_there(const struct http_duplex *duplex)
{
    return duplex->transfer.head_complete;
}

int http_duplex_head(struct http_duplex *duplex, const struct http_response **ret_head, struct error *err)
{
    duplex->body_complete = true;
    resume(duplex, CURLPAUSE_SEND);
    if (go_on(duplex, head_is_there, err) < 0)
        return -1;
    if (!duplex->transfer.head_complete)
        return broke_off(duplex, duplex->result ? duplex->result : CURLE_GOT_NOTHING, err);
    *ret_head = &duplex->response;
    return 0;
}

static bool has_bytes(const struct http_duplex *duplex)
{
    return duplex->end > duplex->start;
}

long http_duplex_pull(struct http_duplex *duplex, char *into, size_t room, struct error *err)
{
    if (!has_bytes(duplex)) {
        duplex->start = duplex->end = 0;
        resume(duplex, CURLPAUSE_RECV);
        if (go_on(duplex, has_bytes, err) < 0)
            return -1;
    }
    size_t length = duplex->end - duplex->start;
    if (length == 0)
        return duplex->result == CURLE_OK ? 0 : broke_off(duplex, duplex->result, err);
    length = length < room ? length : room;
    memcpy(into, duplex->buffer + duplex->start, length);
    duplex->start += length;
    return (long)length;
}

void http_duplex_detach(struct http_duplex *duplex, int *ret_fd, struct strbuf *ret_early)
{
    (void)strbuf_append(ret_early, duplex->buffer + duplex->start, duplex->end - duplex->start);
    duplex->start = duplex->end;
    duplex->detached = true;
    *ret_fd = duplex->fd;
}
