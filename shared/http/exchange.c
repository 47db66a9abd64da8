/* exchange.c - one request and its answer, as handlers see them. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "shared/base/alloc.h"
#include "shared/http/form.h"
#include "shared/http/server_priv.h"

enum {
    MAX_ANSWER_HEADERS = 320, /* as many as our own client takes, and ours */
    STREAM_BLOCK_BYTES = 32 << 10,
};

void exchange_free(struct http_exchange *exchange)
{
    free(exchange->path);
    free(exchange->query);
    strbuf_done(&exchange->body);
    free(exchange->content_type);
    free(exchange->answer);
    for (size_t i = 0; i < exchange->header_count; i++) {
        free(exchange->headers[i].name);
        free(exchange->headers[i].value);
    }
    free(exchange->headers);
    free(exchange);
}

/* -- the request ------------------------------------------------------------------------------------------------ */

const char *http_method(const struct http_exchange *exchange)
{
    return exchange->method;
}

const char *http_path(const struct http_exchange *exchange)
{
    return exchange->path;
}

const char *http_query(const struct http_exchange *exchange)
{
    return exchange->query;
}

bool http_is_1_1(const struct http_exchange *exchange)
{
    return strcmp(exchange->version, MHD_HTTP_VERSION_1_1) == 0;
}

bool http_is_tls(const struct http_exchange *exchange)
{
    return exchange->server->options.tls.certificate != NULL;
}

const char *http_header_get(const struct http_exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

struct each_header {
    void (*each)(void *self, const char *name, const char *value);
    void *self;
};

static enum MHD_Result tell_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    const struct each_header *told = cls;

    (void)kind;
    told->each(told->self, name, value ? value : "");
    return MHD_YES;
}

void http_headers_each(const struct http_exchange *exchange,
                       void (*each)(void *self, const char *name, const char *value), void *self)
{
    struct each_header told = {each, self};

    (void)MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, tell_header, &told);
}

char *http_client_address(const struct http_exchange *exchange)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *at = info ? info->client_addr : NULL;
    char text[INET6_ADDRSTRLEN] = "unknown";

    if (at && at->sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)at)->sin_addr, text,
                        sizeof(text));
    } else if (at && at->sa_family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)at)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(six))
            (void)inet_ntop(AF_INET, &six->s6_addr[12], text, sizeof(text));
        else
            (void)inet_ntop(AF_INET6, six, text, sizeof(text));
    }
    return xstrdup(text);
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
    return exchange->client->pace.fd;
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

/* -- the answer ------------------------------------------------------------------------------------------------- */

static void forget_answer(struct http_exchange *exchange)
{
    free(exchange->content_type);
    free(exchange->answer);
    exchange->content_type = NULL;
    exchange->answer = NULL;
    exchange->answer_length = 0;
}

void http_answer(struct http_exchange *exchange, int status, const char *content_type, const char *body,
                 size_t length)
{
    forget_answer(exchange);
    exchange->kind = ANSWER_WHOLE;
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
    exchange->headers =
        xrealloc_array(exchange->headers, exchange->header_count + 1, sizeof(*exchange->headers));
    exchange->headers[exchange->header_count++] = (struct answer_header){xstrdup(name), xstrdup(value)};
}

bool http_answer_has(const struct http_exchange *exchange, const char *name)
{
    for (size_t i = 0; i < exchange->header_count; i++)
        if (strcasecmp(exchange->headers[i].name, name) == 0)
            return true;
    return false;
}

int http_answer_status(const struct http_exchange *exchange)
{
    return exchange->status;
}

void http_answer_streamed(struct http_exchange *exchange, int status, int64_t length)
{
    forget_answer(exchange);
    exchange->kind = ANSWER_STREAMED;
    exchange->status = status;
    exchange->stream_length = length;
}

void http_answer_upgrade(struct http_exchange *exchange, const struct http_tunnel *tunnel, void *self)
{
    forget_answer(exchange);
    exchange->kind = ANSWER_UPGRADE;
    exchange->status = MHD_HTTP_SWITCHING_PROTOCOLS;
    exchange->tunnel = tunnel;
    exchange->tunnel_self = self;
}

/* -- streams ---------------------------------------------------------------------------------------------------- */

void http_stream(struct http_exchange *exchange, const struct http_stream_steps *steps, void *stream)
{
    exchange->steps = steps;
    exchange->stream = stream;
    /* A stream may be silent for long while the other side thinks; the pacer watches over the client instead. */
    (void)MHD_set_connection_option(exchange->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
}

bool http_is_streamed(const struct http_exchange *exchange)
{
    return exchange->steps != NULL;
}

/* A MHD_ContentReaderCallback. */
static ssize_t give(void *cls, uint64_t position, char *into, size_t room)
{
    struct http_exchange *exchange = cls;
    struct http_server *server = exchange->server;

    (void)position;
    pace_within(server->pacer, &exchange->client->pace, PACE_FREE);
    long given = exchange->steps->give(exchange->stream, into, room);
    pace_within(server->pacer, &exchange->client->pace, server_time_for(server, given > 0 ? given : 0));
    if (given > 0)
        return given;
    /* Too early an end of an answer whose length was said cuts the connection as well. */
    return given == 0 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

/* -- sending ---------------------------------------------------------------------------------------------------- */

void exchange_add_headers(const struct http_exchange *exchange, struct MHD_Response *response)
{
    if (exchange->content_type)
        (void)MHD_add_response_header(response, "Content-Type", exchange->content_type);
    for (size_t i = 0; i < exchange->header_count; i++)
        /* Refuses line breaks, which is what we want of it. */
        (void)MHD_add_response_header(response, exchange->headers[i].name, exchange->headers[i].value);
}

static struct MHD_Response *response_of(struct http_exchange *exchange)
{
    if (exchange->kind == ANSWER_STREAMED && exchange->stream_length != 0)
        return MHD_create_response_from_callback(
            exchange->stream_length < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)exchange->stream_length,
            STREAM_BLOCK_BYTES, give, exchange, NULL);
    return MHD_create_response_from_buffer(exchange->answer_length, exchange->answer, MHD_RESPMEM_MUST_COPY);
}

enum MHD_Result exchange_send(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;

    if (exchange->kind == ANSWER_UPGRADE)
        return exchange_send_upgrade(exchange);
    struct MHD_Response *response = response_of(exchange);
    if (!response)
        return MHD_NO;
    exchange_add_headers(exchange, response);
    pace_within(server->pacer, &exchange->client->pace,
                server_time_for(server, (int64_t)exchange->answer_length));
    enum MHD_Result queued = MHD_queue_response(exchange->connection, (unsigned)exchange->status, response);
    MHD_destroy_response(response);
    return queued;
}
