#include "tests/integration/registry/fault_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "tests/integration/registry/byte_stream.h"

enum {
    CONNECTIONS_MAX = 256,
    REQUESTS_MAX = 256,
    HEAD_MAX = 16 << 10,
    ANSWER_MAX = 1 << 20,
    DELAY_MS = 300,
    TLS_HANDSHAKE = 0x16
};

struct fault_proxy {
    struct fault_proxy_options options;
    struct byte_tls *tls;
    int listener;
    unsigned upstream_port;
    char host[32];
    unsigned requests, faults; /* atomic */
    char names[REQUESTS_MAX][24];
    pthread_t acceptor, connections[CONNECTIONS_MAX];
    unsigned connection_count; /* the acceptor's */
};

struct request {
    char head[HEAD_MAX];
    size_t head_length; /* with the empty line */
    size_t got;         /* of head: what lies behind head_length is body */
    size_t body_length;
    enum fault fault;
};

static const char *const fault_names[FAULT_MAX] = {[FAULT_NONE] = "none",
                                                   [FAULT_CUT_BEFORE] = "cut-before",
                                                   [FAULT_CUT_BODY] = "cut-body",
                                                   [FAULT_CUT_AFTER] = "cut-after",
                                                   [FAULT_TRUNCATE_HEAD] = "trunc-head",
                                                   [FAULT_TRUNCATE] = "trunc",
                                                   [FAULT_DELAY] = "delay",
                                                   [FAULT_400] = "400",
                                                   [FAULT_401] = "401",
                                                   [FAULT_404] = "404",
                                                   [FAULT_408] = "408",
                                                   [FAULT_416] = "416",
                                                   [FAULT_429] = "429",
                                                   [FAULT_500] = "500",
                                                   [FAULT_502] = "502",
                                                   [FAULT_503] = "503",
                                                   [FAULT_503_EARLY] = "503-early"};

const char *fault_name(enum fault fault)
{
    return fault_names[fault];
}

/* ---- what a request is ---- */

static const char *thing_of(const char *target)
{
    if (strcmp(target, "/v2/") == 0)
        return "ping";
    if (strstr(target, "?mount="))
        return "mount";
    if (strstr(target, "/blobs/uploads/?digest="))
        return "blob";
    if (strstr(target, "/blobs/uploads/"))
        return strstr(target, "/blobs/uploads/")[strlen("/blobs/uploads/")] ? "upload" : "uploads";
    return strstr(target, "/blobs/") ? "blob" : strstr(target, "/manifests/") ? "manifest" : "other";
}

/* Counts it, names it, and says what is to happen to it. */
static enum fault note(struct fault_proxy *proxy, const char *head)
{
    unsigned number = __atomic_add_fetch(&proxy->requests, 1, __ATOMIC_RELAXED);
    char method[10] = "", target[1024] = "";

    if (number < REQUESTS_MAX && sscanf(head, "%9s %1023s", method, target) == 2)
        (void)snprintf(proxy->names[number], sizeof(proxy->names[number]), "%s %s", method, thing_of(target));
    return number >= proxy->options.first && number <= proxy->options.last ? proxy->options.fault
                                                                           : FAULT_NONE;
}

static void count_fault(struct fault_proxy *proxy)
{
    __atomic_add_fetch(&proxy->faults, 1, __ATOMIC_RELAXED);
}

static size_t content_length(const char *head)
{
    const char *header = strcasestr(head, "\r\ncontent-length:");
    return header ? strtoul(header + strlen("\r\ncontent-length:"), NULL, 10) : 0;
}

/* false: no more requests come. */
static bool read_head(struct byte_stream *client, struct request *request)
{
    char *end;

    request->got = 0;
    request->head[0] = '\0';
    while (!(end = strstr(request->head, "\r\n\r\n"))) {
        size_t room = HEAD_MAX - 1 - request->got;
        long got = room ? byte_stream_read(client, request->head + request->got, room) : 0;
        if (got <= 0)
            return false;
        request->got += (size_t)got;
        if (request->head[0] == TLS_HANDSHAKE) /* to a server that speaks none: it hangs up, as servers do */
            return false;
        request->head[request->got] = '\0'; /* bodies may hold zeros: they end the search, after the head */
    }
    request->head_length = (size_t)(end + 4 - request->head);
    char after = request->head[request->head_length];
    request->head[request->head_length] = '\0';
    request->body_length = content_length(request->head);
    request->head[request->head_length] = after;
    return true;
}

/* ---- passing on ---- */

/* So many bytes of the body, to `upstream` unless that is NULL. */
static bool pass_body(struct byte_stream *client, const struct request *request, size_t length,
                      struct byte_stream *upstream)
{
    char buffer[16 << 10];
    size_t there = request->got - request->head_length, at = there < length ? there : length;

    if (upstream && !byte_stream_write(upstream, request->head + request->head_length, at))
        return false;
    while (at < length) {
        size_t room = length - at < sizeof(buffer) ? length - at : sizeof(buffer);
        long got = byte_stream_read(client, buffer, room);
        if (got <= 0 || (upstream && !byte_stream_write(upstream, buffer, (size_t)got)))
            return false;
        at += (size_t)got;
    }
    return true;
}

/* The upstream connection is for one request, so that its end is the answer's end. */
static bool pass_head(const struct request *request, struct byte_stream *upstream)
{
    static const char closing[] = "Connection: close\r\n\r\n";
    return byte_stream_write(upstream, request->head, request->head_length - 2) &&
           byte_stream_write(upstream, closing, sizeof(closing) - 1);
}

static size_t read_answer(struct byte_stream *upstream, char *answer)
{
    size_t length = 0;
    long got;

    while (length < ANSWER_MAX &&
           (got = byte_stream_read(upstream, answer + length, ANSWER_MAX - length)) > 0)
        length += (size_t)got;
    return length;
}

/* The client's connection goes on, whatever becomes of ours. */
static size_t drop_closing(char *answer, size_t length)
{
    static const char line[] = "Connection: close\r\n";
    char *at = memmem(answer, length, line, sizeof(line) - 1);

    if (!at)
        return length;
    size_t behind = length - (size_t)(at - answer) - (sizeof(line) - 1);
    memmove(at, at + sizeof(line) - 1, behind);
    return length - (sizeof(line) - 1);
}

static bool send_answer(struct byte_stream *client, enum fault fault, char *answer, size_t length)
{
    length = drop_closing(answer, length);
    switch (fault) {
    case FAULT_CUT_AFTER:
        return false;
    case FAULT_TRUNCATE_HEAD:
        (void)byte_stream_write(client, answer, length < 20 ? length : 20);
        return false;
    case FAULT_TRUNCATE:
        (void)byte_stream_write(client, answer, length ? length - 1 : 0);
        return false;
    default:
        return length > 0 && byte_stream_write(client, answer, length);
    }
}

/* true: the client's connection can take another request. */
static bool forward(struct fault_proxy *proxy, struct byte_stream *client, const struct request *request)
{
    struct byte_stream *upstream = byte_stream_connect(proxy->upstream_port, proxy->tls);
    SCOPED(memory) char *answer = xcalloc(ANSWER_MAX, 1);
    bool cut = request->fault == FAULT_CUT_BODY && request->body_length > 0;
    size_t length = cut ? request->body_length / 2 : request->body_length;

    bool passed = upstream && pass_head(request, upstream) && pass_body(client, request, length, upstream);
    if (cut || (request->fault != FAULT_NONE && request->fault != FAULT_CUT_BODY))
        count_fault(proxy);
    size_t answered = passed && !cut ? read_answer(upstream, answer) : 0;
    byte_stream_close(upstream);
    return answered && send_answer(client, request->fault, answer, answered);
}

/* ---- answering ourselves ---- */

static bool refuse(struct fault_proxy *proxy, struct byte_stream *client, const struct request *request,
                   int status, const char *header, const char *value)
{
    bool early = request->fault == FAULT_503_EARLY;
    char answer[512];

    count_fault(proxy);
    if (!early && !pass_body(client, request, request->body_length, NULL))
        return false;
    (void)snprintf(answer, sizeof(answer), "HTTP/1.1 %d Fault\r\nContent-Length: 0\r\n%s%s%s%s\r\n", status,
                   header ? header : "", header ? ": " : "", header ? value : "", header ? "\r\n" : "");
    return byte_stream_write(client, answer, strlen(answer)) && !early;
}

static bool serve_request(struct fault_proxy *proxy, struct byte_stream *client,
                          const struct request *request)
{
    switch (request->fault) {
    case FAULT_CUT_BEFORE:
        count_fault(proxy);
        return false;
    case FAULT_DELAY:
        (void)poll(NULL, 0, DELAY_MS); /* the fault itself */
        return forward(proxy, client, request);
    case FAULT_401:
        return refuse(proxy, client, request, 401, "WWW-Authenticate", proxy->options.challenge);
    case FAULT_429:
        return refuse(proxy, client, request, 429, "Retry-After", "1");
    case FAULT_503:
    case FAULT_503_EARLY:
        return refuse(proxy, client, request, 503, "Retry-After", "1");
    case FAULT_400:
    case FAULT_404:
    case FAULT_408:
    case FAULT_416:
    case FAULT_500:
    case FAULT_502:
        return refuse(proxy, client, request, atoi(fault_name(request->fault)), NULL, NULL);
    default:
        return forward(proxy, client, request);
    }
}

/* ---- connections ---- */

struct connection {
    struct fault_proxy *proxy;
    int fd;
};

static void *serve_connection(void *arg)
{
    struct connection *connection = arg;
    struct fault_proxy *proxy = connection->proxy;
    struct byte_stream *client = byte_stream_accept(connection->fd, proxy->tls);
    SCOPED(memory) struct request *request = xcalloc(1, sizeof(*request));

    free(connection);
    while (client && read_head(client, request)) {
        request->fault = note(proxy, request->head);
        if (!serve_request(proxy, client, request))
            break;
    }
    byte_stream_close(client);
    return NULL;
}

static void *accept_all(void *self)
{
    struct fault_proxy *proxy = self;
    int fd;

    while ((fd = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct connection *connection = xcalloc(1, sizeof(*connection));
        *connection = (struct connection){proxy, fd};
        if (proxy->connection_count == CONNECTIONS_MAX ||
            pthread_create(&proxy->connections[proxy->connection_count], NULL, serve_connection, connection))
            abort();
        proxy->connection_count++;
    }
    return NULL; /* shut down */
}

struct fault_proxy *fault_proxy_start(const struct fault_proxy_options *options)
{
    struct fault_proxy *proxy = xcalloc(1, sizeof(*proxy));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);

    proxy->options = *options;
    proxy->upstream_port = (unsigned)atoi(strchr(options->upstream, ':') + 1);
    proxy->tls = options->certificate ? byte_tls_new(options->certificate, options->key) : NULL;
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if ((options->certificate && !proxy->tls) ||
        bind(proxy->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(proxy->listener, 16) < 0 ||
        getsockname(proxy->listener, (struct sockaddr *)&address, &length) < 0 ||
        pthread_create(&proxy->acceptor, NULL, accept_all, proxy) != 0)
        abort();
    (void)snprintf(proxy->host, sizeof(proxy->host), "127.0.0.1:%u", ntohs(address.sin_port));
    return proxy;
}

void fault_proxy_stop(struct fault_proxy *proxy)
{
    (void)shutdown(proxy->listener, SHUT_RDWR);
    (void)pthread_join(proxy->acceptor, NULL);
    for (unsigned i = 0; i < proxy->connection_count; i++)
        (void)pthread_join(proxy->connections[i], NULL);
    (void)close(proxy->listener);
    byte_tls_free(proxy->tls);
    free(proxy);
}

const char *fault_proxy_host(const struct fault_proxy *proxy)
{
    return proxy->host;
}

unsigned fault_proxy_requests(const struct fault_proxy *proxy)
{
    return __atomic_load_n(&proxy->requests, __ATOMIC_RELAXED);
}

unsigned fault_proxy_faults(const struct fault_proxy *proxy)
{
    return __atomic_load_n(&proxy->faults, __ATOMIC_RELAXED);
}

const char *fault_proxy_request(const struct fault_proxy *proxy, unsigned number)
{
    return number < REQUESTS_MAX ? proxy->names[number] : "";
}
