#include "lifecycle-svc/proxy/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "lifecycle-svc/proxy/headers.h"
#include "lifecycle-svc/proxy/tunnel.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/utf8.h"
#include "shared/http/duplex.h"
#include "shared/json/json.h"
#include "shared/log/log.h"

enum {
    BAD_GATEWAY = 502,
    INTERNAL_ERROR = 500,
    SWITCHING_PROTOCOLS = 101,
    NO_CONTENT = 204,
    NOT_MODIFIED = 304,
    /* What nobody wants any more is still read, so that the client gets to see why; but not without end. */
    MAX_UNWANTED_BYTES = 64 << 20,
    /* With our own fields it must fit beside the request's into the connection's memory (http/server.c). */
    MAX_ANSWER_HEAD_BYTES = 24 << 10,
};

struct proxy {
    struct proxy_options options;
    int64_t under_way; /* atomic */
    struct metric *active, *limited, *to_sandboxes, *to_clients;
};

/* One request on its way. The exchange has a reference, and so has the tunnel that it may become; what either of them
 * writes is its own until it ends. */
struct relay {
    struct proxy *proxy;
    struct http_duplex *duplex;
    char *sandbox, *request_id, *method;
    bool upgrade;
    int refs; /* atomic */
    int64_t began_ms;
    int status; /* what the client got; 0: nothing */
    bool whole; /* it got it to its end */
    struct error err;
    size_t unwanted_bytes;
    int64_t length; /* of the answer; -1: unknown */
    uint64_t to_sandbox_bytes, to_client_bytes;

    int sandbox_fd; /* of a tunnel */
    struct strbuf early;
};

struct proxy *proxy_new(const struct proxy_options *options)
{
    struct proxy *proxy = xcalloc(1, sizeof(*proxy));
    struct metrics *metrics = options->metrics;
    static const char bytes[] = "stasis_proxy_bytes_total", bytes_help[] = "Bytes of bodies passed on.";

    proxy->options = *options;
    proxy->active = metrics_gauge(metrics, "stasis_proxy_active", "Proxied requests under way.", NULL);
    proxy->limited = metrics_counter(metrics, "stasis_proxy_limited_total",
                                     "Requests refused because too many were under way.", NULL);
    proxy->to_sandboxes = metrics_counter(metrics, bytes, bytes_help, "to=\"sandbox\"");
    proxy->to_clients = metrics_counter(metrics, bytes, bytes_help, "to=\"client\"");
    return proxy;
}

void proxy_free(struct proxy *proxy)
{
    free(proxy);
}

/* ---- the end of a relay ---- */

static void count(const struct relay *relay)
{
    SCOPED_STRBUF struct strbuf labels = STRBUF_INIT;
    char class[] = "0xx";

    class[0] = (char)('0' + relay->status / 100 % 10);
    metrics_label(&labels, "status", relay->status ? class : "none");
    metric_add(metrics_counter(relay->proxy->options.metrics, "stasis_proxy_requests_total",
                               "Proxied requests, by what the client got.", strbuf_text(&labels)),
               1);
    metric_add(relay->proxy->to_sandboxes, (double)relay->to_sandbox_bytes);
    metric_add(relay->proxy->to_clients, (double)relay->to_client_bytes);
}

static void log_end(const struct relay *relay)
{
    LOG_SCOPE(log_str("request_id", relay->request_id), log_str("method", relay->method),
              log_str("sandbox", relay->sandbox), log_i64("status", relay->status),
              log_i64("elapsed_ms", clock_monotonic_ms() - relay->began_ms),
              log_u64("to_sandbox_bytes", relay->to_sandbox_bytes),
              log_u64("to_client_bytes", relay->to_client_bytes));
    if (relay->err.code != ERR_NONE)
        log_failure(LOG_INFO, "proxied request broke off", &relay->err);
    else if (relay->whole)
        log_info("request proxied");
    else
        log_info("client left a proxied request");
}

static void leave(struct proxy *proxy)
{
    metric_add(proxy->active, -1);
    (void)__atomic_sub_fetch(&proxy->under_way, 1, __ATOMIC_ACQ_REL);
}

static void relay_unref(struct relay *relay)
{
    struct proxy *proxy = relay->proxy;

    if (__atomic_sub_fetch(&relay->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    count(relay);
    log_end(relay);
    http_duplex_free(relay->duplex);
    fd_freep(&relay->sandbox_fd);
    strbuf_done(&relay->early);
    free(relay->sandbox);
    free(relay->request_id);
    free(relay->method);
    free(relay);
    leave(proxy);
}

/* ---- the tunnel ---- */

static void run_tunnel(void *self, int client_fd, int stop_fd, const char *early, size_t early_length)
{
    struct relay *relay = self;
    struct tunnel_end client = {.fd = client_fd, .early = early, .early_length = early_length};
    struct tunnel_end sandbox = {
        .fd = relay->sandbox_fd, .early = strbuf_text(&relay->early), .early_length = relay->early.length};
    int on = 1, off = 0;

    /* Helps, where these are TCP: messages are small, and wait for nobody; a peer that vanished is found out. */
    (void)setsockopt(client_fd, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
    (void)setsockopt(client_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(client_fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    tunnel_run(&client, &sandbox, stop_fd, relay->proxy->options.idle_timeout_ms);
    relay->whole = true;
    relay->to_sandbox_bytes += client.sent_bytes;
    relay->to_client_bytes += sandbox.sent_bytes;
}

static void tunnel_ended(void *self)
{
    relay_unref(self);
}

static const struct http_tunnel tunnel_steps = {.run = run_tunnel, .ended = tunnel_ended};

/* ---- the steps of an exchange ---- */

static int drop(struct relay *relay, size_t length)
{
    relay->unwanted_bytes += length;
    return relay->unwanted_bytes > MAX_UNWANTED_BYTES ? -1 : 0;
}

static int take(void *stream, const char *bytes, size_t length)
{
    struct relay *relay = stream;

    if (relay->err.code != ERR_NONE)
        return drop(relay, length);
    int unwanted = http_duplex_push(relay->duplex, bytes, length, &relay->err);
    if (unwanted)
        return drop(relay, length); /* a failure is answered once the body is there */
    relay->to_sandbox_bytes += length;
    return 0;
}

/* The envelope of the contract (§1). */
static void answer_failure(struct relay *relay, struct http_exchange *exchange)
{
    bool refused = strcmp(relay->err.reason, HTTP_DUPLEX_REFUSED) == 0;
    SCOPED_STRBUF struct strbuf clean = STRBUF_INIT;

    relay->status = refused ? BAD_GATEWAY : INTERNAL_ERROR;
    utf8_append_clean(&clean, relay->err.text, strlen(relay->err.text));
    json_t *body = json_pack("{s:s, s:o}", "code", "GENERAL::UNKNOWN_ERROR", "message",
                             json_sprintf(refused ? "Could not connect to the sandbox %s: %s"
                                                  : "The sandbox %s gave no usable answer: %s",
                                          relay->sandbox, strbuf_text(&clean)));
    SCOPED(string) char *text = json_text(body);
    http_answer(exchange, relay->status, "application/json", text, strlen(text));
    json_decref(body);
}

static int check_head(const struct http_response *head, struct error *err)
{
    size_t bytes = 0;

    for (size_t i = 0; i < head->header_count; i++)
        bytes += strlen(head->headers[i].name) + strlen(head->headers[i].value) + 4;
    if (head->status < SWITCHING_PROTOCOLS || head->status > 999)
        return error_set(err, ERR_UNAVAILABLE, "its status %d is none", head->status);
    if (bytes > MAX_ANSWER_HEAD_BYTES)
        return error_set(err, ERR_EXHAUSTED, "its header fields are larger than %d bytes",
                         MAX_ANSWER_HEAD_BYTES);
    return 0;
}

/* A field that this server has set itself (request id, CORS) is its own; Vary adds up. */
static void copy_headers(const struct http_response *head, struct http_exchange *exchange)
{
    bool *skip = xcalloc(head->header_count + 1, sizeof(*skip));

    for (size_t i = 0; i < head->header_count; i++)
        skip[i] = !header_is_for_client(head, head->headers[i].name) ||
                  (http_answer_has(exchange, head->headers[i].name) &&
                   strcasecmp(head->headers[i].name, "vary") != 0);
    for (size_t i = 0; i < head->header_count; i++)
        if (!skip[i])
            http_answer_header(exchange, head->headers[i].name, head->headers[i].value);
    free(skip);
}

static void begin_tunnel(struct relay *relay, const struct http_response *head,
                         struct http_exchange *exchange)
{
    const char *protocol = http_response_header(head, "upgrade");

    http_answer_header(exchange, "Upgrade", protocol ? protocol : "websocket");
    http_duplex_detach(relay->duplex, &relay->sandbox_fd, &relay->early);
    (void)__atomic_add_fetch(&relay->refs, 1, __ATOMIC_ACQ_REL);
    http_answer_upgrade(exchange, &tunnel_steps, relay);
}

static bool has_no_body(int status)
{
    return status == NO_CONTENT || status == NOT_MODIFIED;
}

static void stream_answer(struct relay *relay, const struct http_response *head,
                          struct http_exchange *exchange)
{
    int64_t length =
        has_no_body(head->status) ? 0 : content_length_of(http_response_header(head, "content-length"));

    relay->length = length;
    relay->whole = length == 0 || strcmp(relay->method, "HEAD") == 0;
    http_answer_streamed(exchange, head->status, length);
}

static void answer(void *stream, struct http_exchange *exchange)
{
    struct relay *relay = stream;
    const struct http_response *head;

    if (relay->err.code != ERR_NONE || http_duplex_head(relay->duplex, &head, &relay->err) < 0 ||
        check_head(head, &relay->err) < 0) {
        answer_failure(relay, exchange);
        return;
    }
    relay->status = head->status;
    copy_headers(head, exchange);
    if (relay->upgrade && head->status == SWITCHING_PROTOCOLS)
        begin_tunnel(relay, head, exchange);
    else
        stream_answer(relay, head, exchange);
}

static long give(void *stream, char *into, size_t room)
{
    struct relay *relay = stream;
    long length = http_duplex_pull(relay->duplex, into, room, &relay->err);

    if (length > 0)
        relay->to_client_bytes += (uint64_t)length;
    /* Of a known length, nobody asks for the end. */
    relay->whole = length == 0 || (relay->length >= 0 && (uint64_t)relay->length == relay->to_client_bytes);
    return length;
}

static void ended(void *stream)
{
    relay_unref(stream);
}

static const struct http_stream_steps steps = {.take = take, .answer = answer, .give = give, .ended = ended};

/* ---- the beginning ---- */

static bool is_numeric_address(const char *address)
{
    const char *colon = strrchr(address, ':');
    struct in6_addr ip;

    if (!colon)
        return false;
    bool six = *address == '[' && colon[-1] == ']';
    SCOPED(string)
    char *host = six ? xstrndup(address + 1, (size_t)(colon - address) - 2)
                     : xstrndup(address, (size_t)(colon - address));
    return inet_pton(six ? AF_INET6 : AF_INET, host, &ip) == 1;
}

static void collect(void *self, const char *name, const char *value)
{
    header_list_add(self, name, value);
}

static int64_t body_length_of(const struct header_list *from_client)
{
    if (header_list_get(from_client, "transfer-encoding"))
        return HTTP_DUPLEX_CHUNKED;
    const char *length = header_list_get(from_client, "content-length");
    return length ? content_length_of(length) : HTTP_DUPLEX_NO_BODY;
}

static int check_request(const struct http_exchange *exchange, enum upgrade_wish wish, struct error *err)
{
    const char *method = http_method(exchange);

    if (strcmp(method, "CONNECT") == 0 || strcmp(method, "TRACE") == 0)
        return error_set(err, ERR_INVALID, "%s cannot be proxied", method);
    if (wish == UPGRADE_OTHER)
        return error_set(err, ERR_INVALID, "Upgrade: want websocket, or no upgrade");
    if (wish == UPGRADE_WEBSOCKET && (strcmp(method, "GET") != 0 || !http_is_1_1(exchange)))
        return error_set(err, ERR_INVALID, "Upgrade: want GET and HTTP/1.1 for a WebSocket");
    return 0;
}

static int enter(struct proxy *proxy, struct error *err)
{
    int64_t max = proxy->options.max_requests;

    if (__atomic_add_fetch(&proxy->under_way, 1, __ATOMIC_ACQ_REL) > max) {
        (void)__atomic_sub_fetch(&proxy->under_way, 1, __ATOMIC_ACQ_REL);
        metric_add(proxy->limited, 1);
        return error_set(
            err, ERR_EXHAUSTED,
            "%lld proxied requests are under way, more than that this server does not take; try later",
            (long long)max);
    }
    metric_add(proxy->active, 1);
    return 0;
}

static int open_duplex(const struct proxy *proxy, const struct http_exchange *exchange,
                       const struct proxy_route *route, const struct header_list *from_client, bool upgrade,
                       struct http_duplex **ret_duplex, struct error *err)
{
    SCOPED_HEADERS struct header_list headers = {0};
    SCOPED(string) char *client = http_client_address(exchange);
    const char *query = http_query(exchange);
    SCOPED(string)
    char *target =
        xasprintf("%s%s%s%s", *route->path ? "" : "/", route->path, query ? "?" : "", query ? query : "");
    const struct forwarded forwarded = {.proto = http_is_tls(exchange) ? "https" : "http",
                                        .host = header_list_get(from_client, "host"),
                                        .client = client};

    headers_for_sandbox(from_client, &forwarded, &headers);
    if (upgrade) {
        header_list_add(&headers, "Connection", "Upgrade");
        header_list_add(&headers, "Upgrade", "websocket");
    }
    const struct http_duplex_request request = {.method = http_method(exchange),
                                                .address = route->address,
                                                .target = target,
                                                .headers = headers.items,
                                                .header_count = headers.count,
                                                .body_length = upgrade ? HTTP_DUPLEX_NO_BODY
                                                                       : body_length_of(from_client),
                                                .upgrade = upgrade,
                                                .connect_timeout_ms = proxy->options.connect_timeout_ms,
                                                .idle_timeout_ms = proxy->options.idle_timeout_ms};
    return http_duplex_open(&request, ret_duplex, err);
}

static void client_is_gone(void *duplex)
{
    http_duplex_cancel(duplex);
}

int proxy_begin(struct proxy *proxy, struct http_exchange *exchange, const struct proxy_route *route,
                struct error *err)
{
    SCOPED_HEADERS struct header_list from_client = {0};
    struct http_duplex *duplex;

    if (!is_numeric_address(route->address))
        return error_set(err, ERR_INTERNAL, "the sandbox's address is no IP address");
    http_headers_each(exchange, collect, &from_client);
    enum upgrade_wish wish = upgrade_wished(&from_client);
    if (check_request(exchange, wish, err) < 0 || enter(proxy, err) < 0)
        return -1;
    bool upgrade = wish == UPGRADE_WEBSOCKET;
    if (open_duplex(proxy, exchange, route, &from_client, upgrade, &duplex, err) < 0) {
        leave(proxy);
        return -1;
    }
    struct relay *relay = xcalloc(1, sizeof(*relay));
    *relay = (struct relay){.proxy = proxy,
                            .duplex = duplex,
                            .sandbox = xstrdup(route->sandbox),
                            .request_id = xstrdup(route->request_id),
                            .method = xstrdup(http_method(exchange)),
                            .upgrade = upgrade,
                            .refs = 1,
                            .began_ms = clock_monotonic_ms(),
                            .sandbox_fd = -1};
    http_stream(exchange, &steps, relay);
    http_on_client_gone(exchange, client_is_gone, duplex);
    (void)http_duplex_begin(duplex, &relay->err); /* a failure is answered once the body is there */
    return 0;
}
