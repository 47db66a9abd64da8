#include "shared/http/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/http/form.h"
#include "shared/http/hangup.h"
#include "shared/http/listen.h"

enum {
    DEFAULT_MAX_BODY = 1 << 20,
    DEFAULT_MAX_CONNECTIONS = 1024,
    DEFAULT_IDLE_TIMEOUT_S = 75,
    MAX_HEADER_BYTES = 32 << 10,
    THREAD_STACK_BYTES = 1 << 20,
    MAX_ANSWER_HEADERS = 16,
    /* A chunked body that is too large is read on a little, so that the client gets to see the 413. */
    DRAIN_FACTOR = 4,
    LAST_ANSWERS_MS = 5000, /* for clients to take the answers of handlers that a stop has woken */
};

struct http_server {
    http_handler *handler;
    void *self;
    size_t max_body;
    unsigned idle_timeout_s;
    const char *too_large_body;
    int listen_fd;
    unsigned port;
    struct MHD_Daemon *daemon;
    struct hangup_watcher *hangups;
    bool stopped; /* by the owner's thread */

    pthread_mutex_t lock;
    pthread_cond_t all_ended; /* under lock */
    unsigned running;         /* under lock: handlers at work and answers not yet sent */
};

struct answer_header {
    char *name, *value;
};

struct http_exchange {
    struct http_server *server;
    struct MHD_Connection *connection;
    const char *method; /* borrowed from the connection; set before the handler runs */
    char *path;
    char *query; /* raw; NULL when there is none */
    struct strbuf body;
    size_t body_seen;
    bool begun, too_large, running;

    uint64_t hangup_number; /* 0: nobody asked */

    int status;
    char *content_type;
    char *answer;
    size_t answer_length;
    struct answer_header headers[MAX_ANSWER_HEADERS];
    size_t header_count;
};

/* -- one exchange
 * ---------------------------------------------------------------------------------------------- */

static void exchange_free(struct http_exchange *exchange)
{
    free(exchange->path);
    free(exchange->query);
    if (exchange->body.bytes)
        explicit_bzero(exchange->body.bytes, exchange->body.capacity); /* bodies carry credentials */
    strbuf_done(&exchange->body);
    free(exchange->content_type);
    free(exchange->answer);
    for (size_t i = 0; i < exchange->header_count; i++) {
        free(exchange->headers[i].name);
        free(exchange->headers[i].value);
    }
    free(exchange);
}

/* The first thing that is known of a request: its target as the client spelled it, before any decoding. */
static void *exchange_begin(void *cls, const char *target, struct MHD_Connection *connection)
{
    struct http_server *server = cls;
    struct http_exchange *exchange = xcalloc(1, sizeof(*exchange));
    const char *mark = strchr(target, '?');

    exchange->server = server;
    exchange->connection = connection;
    exchange->path = mark ? xstrndup(target, (size_t)(mark - target)) : xstrdup(target);
    exchange->query = mark ? xstrdup(mark + 1) : NULL;
    exchange->body.limit = server->max_body;
    return exchange;
}

static void exchange_ended(void *cls, struct MHD_Connection *connection, void **slot,
                           enum MHD_RequestTerminationCode why)
{
    struct http_server *server = cls;
    struct http_exchange *exchange = *slot;

    (void)connection;
    (void)why; /* what the client did not take is the client's business */
    if (!exchange)
        return;
    *slot = NULL;
    if (exchange->running) {
        pthread_mutex_lock(&server->lock);
        if (--server->running == 0)
            pthread_cond_broadcast(&server->all_ended);
        pthread_mutex_unlock(&server->lock);
    }
    exchange_free(exchange);
}

static enum MHD_Result send_answer(struct http_exchange *exchange)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(exchange->answer_length, exchange->answer, MHD_RESPMEM_MUST_COPY);

    if (!response)
        return MHD_NO;
    if (exchange->content_type)
        (void)MHD_add_response_header(response, "Content-Type", exchange->content_type);
    for (size_t i = 0; i < exchange->header_count; i++)
        /* Refuses line breaks, which is what we want of it. */
        (void)MHD_add_response_header(response, exchange->headers[i].name, exchange->headers[i].value);
    enum MHD_Result queued = MHD_queue_response(exchange->connection, (unsigned)exchange->status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result refuse_large_body(struct http_exchange *exchange)
{
    const char *body = exchange->server->too_large_body;

    if (!body)
        body = "The request's body is too large.\n";
    http_answer(exchange, 413, *body == '{' ? "application/json" : "text/plain", body, strlen(body));
    http_answer_header(exchange, "Connection", "close");
    return send_answer(exchange);
}

static bool announces_large_body(const struct http_exchange *exchange)
{
    const char *length = http_header_get(exchange, "Content-Length");

    return length && strtoull(length, NULL, 10) > exchange->server->max_body;
}

static enum MHD_Result take_body(struct http_exchange *exchange, const char *bytes, size_t *length)
{
    exchange->body_seen += *length;
    if (exchange->body_seen > exchange->server->max_body * DRAIN_FACTOR)
        return MHD_NO;
    if (!exchange->too_large && !strbuf_append(&exchange->body, bytes, *length))
        exchange->too_large = true;
    *length = 0;
    return MHD_YES;
}

static enum MHD_Result run_handler(struct http_exchange *exchange)
{
    static const char silent[] =
        "{\"code\":\"GENERAL::UNKNOWN_ERROR\",\"message\":\"The server gave no answer.\"}";
    struct http_server *server = exchange->server;

    exchange->running = true;
    pthread_mutex_lock(&server->lock);
    server->running++;
    pthread_mutex_unlock(&server->lock);

    server->handler(server->self, exchange);
    http_on_client_gone(exchange, NULL, NULL);

    if (exchange->status == 0)
        http_answer(exchange, 500, "application/json", silent, sizeof(silent) - 1);
    return send_answer(exchange);
}

/* libmicrohttpd calls this with the headers, then with each piece of the body, then once more at the end. */
static enum MHD_Result access_handler(void *cls, struct MHD_Connection *connection, const char *url,
                                      const char *method, const char *version, const char *bytes,
                                      size_t *length, void **slot)
{
    struct http_exchange *exchange = *slot;

    (void)cls;
    (void)connection;
    (void)url; /* already decoded, so of no use to us */
    (void)version;
    if (!exchange->begun) {
        exchange->begun = true;
        exchange->method = method;
        if (announces_large_body(exchange))
            return refuse_large_body(exchange);
        return MHD_YES;
    }
    if (*length > 0)
        return take_body(exchange, bytes, length);
    if (exchange->too_large)
        return refuse_large_body(exchange);
    return run_handler(exchange);
}

/* -- the server
 * ------------------------------------------------------------------------------------------------ */

static struct http_server *server_new(const struct http_server_options *options)
{
    struct http_server *server = xcalloc(1, sizeof(*server));
    pthread_condattr_t monotonic;

    server->handler = options->handler;
    server->self = options->self;
    server->max_body = options->max_body ? options->max_body : DEFAULT_MAX_BODY;
    server->idle_timeout_s = options->idle_timeout_s ? options->idle_timeout_s : DEFAULT_IDLE_TIMEOUT_S;
    server->too_large_body = options->too_large_body;
    server->listen_fd = -1;
    pthread_mutex_init(&server->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&server->all_ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return server;
}

static int start_daemon(struct http_server *server, unsigned max_connections, struct error *err)
{
    unsigned flags =
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC;

    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, access_handler, server, MHD_OPTION_LISTEN_SOCKET, server->listen_fd,
        MHD_OPTION_CONNECTION_LIMIT, max_connections ? max_connections : DEFAULT_MAX_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, server->idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)MAX_HEADER_BYTES, MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK_BYTES,
        MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, server, MHD_OPTION_NOTIFY_COMPLETED, exchange_ended,
        server, MHD_OPTION_END);
    if (!server->daemon)
        return error_sys(err, errno ? errno : ENOMEM, "starting the HTTP server");
    return 0;
}

int http_server_start(const struct http_server_options *options, struct http_server **ret_server,
                      struct error *err)
{
    SCOPED(http_server)
    struct http_server *server = server_new(options);

    if (listen_tcp(options->address, &server->listen_fd, &server->port, err) < 0 ||
        hangup_watcher_new(&server->hangups, err) < 0 ||
        start_daemon(server, options->max_connections, err) < 0)
        return -1;
    *ret_server = TAKE(server);
    return 0;
}

unsigned http_server_port(const struct http_server *server)
{
    return server->port;
}

static void wait_for_handlers(struct http_server *server, int64_t at_most_ms)
{
    int64_t until_ms = clock_monotonic_ms() + at_most_ms;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};

    pthread_mutex_lock(&server->lock);
    while (server->running > 0 && pthread_cond_timedwait(&server->all_ended, &server->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&server->lock);
}

void http_server_stop(struct http_server *server, int64_t grace_ms)
{
    if (server->stopped || !server->daemon)
        return;
    server->stopped = true;
    (void)MHD_quiesce_daemon(server->daemon); /* gives back listen_fd, which we kept anyway */
    if (grace_ms > 0)
        wait_for_handlers(server, grace_ms);
    hangup_tell_all(server->hangups);
    wait_for_handlers(server, LAST_ANSWERS_MS);
    MHD_stop_daemon(server->daemon);
    server->daemon = NULL;
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    http_server_stop(server, 0);
    hangup_watcher_free(server->hangups);
    fd_freep(&server->listen_fd);
    pthread_cond_destroy(&server->all_ended);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

/* -- what handlers see
 * ----------------------------------------------------------------------------------------- */

const char *http_method(const struct http_exchange *exchange)
{
    return exchange->method;
}

const char *http_path(const struct http_exchange *exchange)
{
    return exchange->path;
}

const char *http_header_get(const struct http_exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

void http_query_each(const struct http_exchange *exchange,
                     void (*each)(void *self, const char *name, const char *value), void *self)
{
    if (exchange->query)
        form_each(exchange->query, each, self);
}

const char *http_body(const struct http_exchange *exchange, size_t *ret_length)
{
    *ret_length = exchange->body.length;
    return strbuf_text(&exchange->body);
}

static int client_fd(const struct http_exchange *exchange)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info ? info->connect_fd : -1;
}

bool http_client_gone(const struct http_exchange *exchange)
{
    return hangup_told_all(exchange->server->hangups) || hangup_happened(client_fd(exchange));
}

void http_on_client_gone(struct http_exchange *exchange, void (*fn)(void *self), void *self)
{
    struct hangup_watcher *hangups = exchange->server->hangups;

    if (exchange->hangup_number)
        hangup_forget(hangups, exchange->hangup_number);
    exchange->hangup_number = fn ? hangup_watch(hangups, client_fd(exchange), fn, self) : 0;
}

void http_answer(struct http_exchange *exchange, int status, const char *content_type, const char *body,
                 size_t length)
{
    free(exchange->content_type);
    free(exchange->answer);
    exchange->status = status;
    exchange->content_type = content_type ? xstrdup(content_type) : NULL;
    exchange->answer = xcalloc(1, length + 1);
    if (length)
        memcpy(exchange->answer, body, length);
    exchange->answer_length = length;
}

void http_answer_header(struct http_exchange *exchange, const char *name, const char *value)
{
    if (exchange->header_count == MAX_ANSWER_HEADERS)
        return;
    exchange->headers[exchange->header_count++] = (struct answer_header){xstrdup(name), xstrdup(value)};
}

int http_answer_status(const struct http_exchange *exchange)
{
    return exchange->status;
}
