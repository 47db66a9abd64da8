#include "shared/http/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <time.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/http/listen.h"
#include "shared/http/server_priv.h"
#include "shared/http/server_tls.h"

enum {
    DEFAULT_MAX_BODY = 1 << 20,
    DEFAULT_MAX_CONNECTIONS = 1024,
    DEFAULT_IDLE_TIMEOUT_S = 75,
    DEFAULT_HEAD_TIMEOUT_MS = 30 * 1000,
    DEFAULT_SLACK_MS = 30 * 1000,
    DEFAULT_MIN_BYTES_PER_S = 512,
    MAX_HEADER_BYTES = 32 << 10,
    /* Holds a head, then either a piece of the body or the head of the answer. */
    CONNECTION_MEMORY_BYTES = 2 * MAX_HEADER_BYTES,
    THREAD_STACK_BYTES = 1 << 20,
    /* A body that is too large is read on a little: a client that writes into a closed connection never reads the 413. */
    DRAIN_FACTOR = 4,
    LAST_ANSWERS_MS = 5000, /* for clients to take the answers of handlers that a stop has woken */
    MAX_DAEMON_OPTIONS = 8,
};

/* -- connections ------------------------------------------------------------------------------------------------ */

int64_t server_time_for(const struct http_server *server, int64_t bytes)
{
    return server->options.slack_ms + bytes * 1000 / server->options.min_bytes_per_s;
}

static int socket_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info ? info->connect_fd : -1;
}

/* A MHD_NotifyConnectionCallback. The socket is open in both calls. */
static void connection_changed(void *cls, struct MHD_Connection *connection, void **slot,
                               enum MHD_ConnectionNotificationCode what)
{
    struct http_server *server = cls;
    struct connection *client = *slot;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *slot = client = xcalloc(1, sizeof(*client));
        client->server = server;
        pace_begin(server->pacer, &client->pace, socket_of(connection));
        pace_within(server->pacer, &client->pace, server->options.head_timeout_ms);
    } else if (client) {
        *slot = NULL;
        pace_end(server->pacer, &client->pace);
        free(client);
    }
}

static struct connection *client_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* From here on it is the client's turn to send (more of) the body. */
static void await_body(struct connection *client)
{
    client->waits_since_ms = clock_monotonic_ms();
    pace_within(client->server->pacer, &client->pace,
                client->body_credit_ms > 0 ? client->body_credit_ms : 0);
}

/* Waiting costs credit, bytes bring some: a burst buys no long silence, a trickle is not enough. */
static void got_body(struct connection *client, size_t length)
{
    const struct http_server_options *options = &client->server->options;
    int64_t credit_ms = client->body_credit_ms - (clock_monotonic_ms() - client->waits_since_ms) +
                        (int64_t)length * 1000 / options->min_bytes_per_s;

    client->body_credit_ms = credit_ms < options->slack_ms ? credit_ms : options->slack_ms;
    pace_within(client->server->pacer, &client->pace, PACE_FREE);
}

/* -- one exchange ----------------------------------------------------------------------------------------------- */

/* The first thing that is known of a request: its target as the client spelled it, before any decoding. */
static void *exchange_begin(void *cls, const char *target, struct MHD_Connection *connection)
{
    struct http_server *server = cls;
    struct http_exchange *exchange = xcalloc(1, sizeof(*exchange));
    const char *mark = strchr(target, '?');

    exchange->server = server;
    exchange->connection = connection;
    exchange->client = client_of(connection);
    exchange->path = mark ? xstrndup(target, (size_t)(mark - target)) : xstrdup(target);
    exchange->query = mark ? xstrdup(mark + 1) : NULL;
    exchange->body.limit = server->options.max_body;
    exchange->body.secret = true; /* bodies carry credentials */
    return exchange;
}

static void end_streaming(struct http_exchange *exchange)
{
    const struct http_server_options *options = &exchange->server->options;

    if (exchange->tunnel) /* the client left before its 101 */
        exchange->tunnel->ended(exchange->tunnel_self);
    if (!exchange->steps)
        return;
    http_on_client_gone(exchange, NULL, NULL);
    exchange->steps->ended(exchange->stream);
    (void)MHD_set_connection_option(exchange->connection, MHD_CONNECTION_OPTION_TIMEOUT,
                                    options->idle_timeout_s);
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
    end_streaming(exchange);
    /* The next request may come, and then be slow; when its first byte comes is not told. A connection that has left
     * HTTP is not for us to time. */
    if (exchange->kind != ANSWER_UPGRADE)
        pace_within(server->pacer, &exchange->client->pace,
                    server->options.idle_timeout_s * INT64_C(1000) + server->options.head_timeout_ms);
    if (exchange->running) {
        pthread_mutex_lock(&server->lock);
        server->running--;
        pthread_cond_broadcast(&server->all_ended);
        pthread_mutex_unlock(&server->lock);
    }
    exchange_free(exchange);
}

static enum MHD_Result refuse(struct http_exchange *exchange, int status, const char *body,
                              const char *otherwise)
{
    const struct http_server_options *options = &exchange->server->options;
    const char *text = body ? body : otherwise;

    http_answer(exchange, status, *text == '{' ? "application/json" : "text/plain", text, strlen(text));
    http_answer_header(exchange, "Connection", "close");
    if (options->refused)
        options->refused(options->self, exchange);
    return exchange_send(exchange);
}

static enum MHD_Result refuse_large_body(struct http_exchange *exchange)
{
    return refuse(exchange, MHD_HTTP_CONTENT_TOO_LARGE, exchange->server->options.too_large_body,
                  "The request's body is too large.\n");
}

static bool has_long_head(const struct http_exchange *exchange)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    return info && info->header_size > MAX_HEADER_BYTES;
}

static unsigned long long announced_length(const struct http_exchange *exchange)
{
    const char *length = http_header_get(exchange, "Content-Length");

    return length ? strtoull(length, NULL, 10) : 0;
}

static bool announces_large_body(const struct http_exchange *exchange)
{
    return announced_length(exchange) > exchange->server->options.max_body;
}

/* Not worth reading to its end; or not sent at all before the client has seen "100 Continue" or the refusal. */
static bool is_refused_unread(const struct http_exchange *exchange)
{
    return announces_large_body(exchange) &&
           (announced_length(exchange) > exchange->server->options.max_body * DRAIN_FACTOR ||
            http_header_get(exchange, "Expect"));
}

/* What is not streamed is kept up to the limit, or dropped when it is answered already. */
static enum MHD_Result keep_body(struct http_exchange *exchange, const char *bytes, size_t length)
{
    exchange->body_seen += length;
    if (exchange->body_seen > exchange->server->options.max_body * DRAIN_FACTOR)
        return MHD_NO;
    if (!exchange->handled && !exchange->too_large && !strbuf_append(&exchange->body, bytes, length))
        exchange->too_large = true;
    return MHD_YES;
}

static enum MHD_Result take_body(struct http_exchange *exchange, const char *bytes, size_t *length)
{
    enum MHD_Result taken;

    got_body(exchange->client, *length);
    if (exchange->steps)
        taken = exchange->steps->take(exchange->stream, bytes, *length) < 0 ? MHD_NO : MHD_YES;
    else
        taken = keep_body(exchange, bytes, *length);
    await_body(exchange->client);
    *length = 0;
    return taken;
}

static void answer_for_the_silent(struct http_exchange *exchange)
{
    static const char silent[] =
        "{\"code\":\"GENERAL::UNKNOWN_ERROR\",\"message\":\"The server gave no answer.\"}";

    if (exchange->kind == ANSWER_NONE)
        http_answer(exchange, MHD_HTTP_INTERNAL_SERVER_ERROR, "application/json", silent, sizeof(silent) - 1);
}

static void run_handler(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;

    exchange->handled = exchange->running = true;
    pthread_mutex_lock(&server->lock);
    server->running++;
    pthread_mutex_unlock(&server->lock);

    server->options.handler(server->options.self, exchange);
    if (exchange->steps)
        return;
    http_on_client_gone(exchange, NULL, NULL);
    answer_for_the_silent(exchange);
}

/* The head is there, and nothing else. */
static enum MHD_Result begin(struct http_exchange *exchange)
{
    const struct http_server_options *options = &exchange->server->options;

    pace_within(exchange->server->pacer, &exchange->client->pace, PACE_FREE);
    exchange->begun = true;
    if (has_long_head(exchange))
        return refuse(exchange, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, options->too_long_head,
                      "The request's header fields are too large: want at most 32 KiB.\n");
    if (options->streams && options->streams(options->self, exchange)) {
        run_handler(exchange);
        if (!exchange->steps && is_refused_unread(exchange)) {
            http_answer_header(exchange, "Connection", "close");
            return exchange_send(exchange);
        }
    } else if (is_refused_unread(exchange)) {
        return refuse_large_body(exchange);
    } else {
        exchange->too_large = announces_large_body(exchange);
    }
    exchange->client->body_credit_ms = options->slack_ms;
    await_body(exchange->client);
    return MHD_YES;
}

/* The body, if there is one, is there too. */
static enum MHD_Result complete(struct http_exchange *exchange)
{
    pace_within(exchange->server->pacer, &exchange->client->pace, PACE_FREE);
    if (exchange->too_large)
        return refuse_large_body(exchange);
    if (!exchange->handled)
        run_handler(exchange);
    if (exchange->steps) {
        exchange->steps->answer(exchange->stream, exchange);
        answer_for_the_silent(exchange);
    }
    return exchange_send(exchange);
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
    exchange->method = method;
    exchange->version = version;
    if (!exchange->begun)
        return begin(exchange);
    return *length > 0 ? take_body(exchange, bytes, length) : complete(exchange);
}

/* -- the server ------------------------------------------------------------------------------------------------- */

static struct http_server *server_new(const struct http_server_options *given)
{
    struct http_server *server = xcalloc(1, sizeof(*server));
    struct http_server_options *options = &server->options;
    pthread_condattr_t monotonic;

    *options = *given;
    options->max_body = given->max_body ? given->max_body : DEFAULT_MAX_BODY;
    options->max_connections = given->max_connections ? given->max_connections : DEFAULT_MAX_CONNECTIONS;
    options->idle_timeout_s = given->idle_timeout_s ? given->idle_timeout_s : DEFAULT_IDLE_TIMEOUT_S;
    options->head_timeout_ms = given->head_timeout_ms ? given->head_timeout_ms : DEFAULT_HEAD_TIMEOUT_MS;
    options->slack_ms = given->slack_ms ? given->slack_ms : DEFAULT_SLACK_MS;
    options->min_bytes_per_s = given->min_bytes_per_s ? given->min_bytes_per_s : DEFAULT_MIN_BYTES_PER_S;
    server->listen_fd = server->stop_fd = -1;
    pthread_mutex_init(&server->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&server->all_ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return server;
}

static int start_daemon(struct http_server *server, struct error *err)
{
    const struct http_server_options *options = &server->options;
    struct MHD_OptionItem more[MAX_DAEMON_OPTIONS];
    unsigned flags =
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC;

    if (options->upgrades)
        flags |= MHD_ALLOW_UPGRADE;
    if (options->tls.certificate) {
        flags |= MHD_USE_TLS;
        server_tls_options(more);
    } else {
        more[0] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    }
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, access_handler, server, MHD_OPTION_LISTEN_SOCKET, server->listen_fd,
        MHD_OPTION_CONNECTION_LIMIT, options->max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
        options->idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK_BYTES, MHD_OPTION_URI_LOG_CALLBACK, exchange_begin,
        server, MHD_OPTION_NOTIFY_COMPLETED, exchange_ended, server, MHD_OPTION_NOTIFY_CONNECTION,
        connection_changed, server, MHD_OPTION_ARRAY, more, MHD_OPTION_END);
    if (!server->daemon)
        return error_sys(err, errno ? errno : ENOMEM, "starting the HTTP server");
    return 0;
}

int http_server_start(const struct http_server_options *options, struct http_server **ret_server,
                      struct error *err)
{
    SCOPED(http_server)
    struct http_server *server = server_new(options);

    if (options->tls.certificate && server_tls_check(&options->tls, err) < 0)
        return -1;
    server->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->stop_fd < 0)
        return error_sys(err, errno, "starting the HTTP server");
    if (listen_tcp(options->address, &server->listen_fd, &server->port, err) < 0 ||
        hangup_watcher_new(&server->hangups, err) < 0 || pacer_new(&server->pacer, err) < 0 ||
        start_daemon(server, err) < 0)
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
    while (server->running + server->tunnels > 0 &&
           pthread_cond_timedwait(&server->all_ended, &server->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&server->lock);
}

/* They are told, and may not be outlived. */
static void wait_for_tunnels(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    while (server->tunnels > 0)
        pthread_cond_wait(&server->all_ended, &server->lock);
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
    (void)eventfd_write(server->stop_fd, 1); /* cannot fail: it is the first */
    hangup_tell_all(server->hangups);
    wait_for_handlers(server, LAST_ANSWERS_MS);
    wait_for_tunnels(server);
    MHD_stop_daemon(server->daemon);
    server->daemon = NULL;
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    http_server_stop(server, 0);
    pacer_free(server->pacer);
    hangup_watcher_free(server->hangups);
    fd_freep(&server->stop_fd);
    fd_freep(&server->listen_fd);
    pthread_cond_destroy(&server->all_ended);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
