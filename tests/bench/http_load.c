/* bench-http-load - asks a server for one path at a fixed rate and prints how long the answers took.
 *
 *   bench-http-load PORT PATH RATE SECONDS CONNECTIONS [HEADER...]
 *
 * Open loop: requests are due at fixed times whether or not earlier ones are answered, and a latency counts from when its
 * request was due. So a server that stalls is seen to stall (no coordinated omission). HTTP/1.1 on 127.0.0.1, kept alive; one
 * thread. RATE 0: as fast as the connections go, and a latency counts from when the request was sent.
 * Prints one JSON object: {"sent","ok","failed","seconds","rps","p50_ms","p99_ms","max_ms","bytes"}. Exit 1 when none was ok. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/strbuf.h"

enum { MAX_EVENTS = 64, HEAD_MAX = 16 << 10, DRAIN_NS = 2000000000 };

struct connection {
    int fd;
    int64_t due_ns; /* of the request that is out; 0: idle */
    char head[HEAD_MAX];
    size_t head_length;
    int64_t body_left; /* -1: still in the head */
    bool ok;
};

struct load {
    const char *request;
    size_t request_length;
    int64_t interval_ns; /* 0: closed loop */
    int64_t begin_ns, end_ns;
    struct connection *connections;
    size_t connection_count, busy;
    uint64_t sent, ok, failed, bytes;
    int64_t *latencies;
    size_t latency_count, latency_room;
};

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void fail(const char *what)
{
    (void)fprintf(stderr, "bench-http-load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int connect_to(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
        fail("connecting");
    return fd;
}

static void keep_latency(struct load *load, int64_t ns)
{
    if (load->latency_count == load->latency_room) {
        load->latency_room = load->latency_room ? load->latency_room * 2 : 65536;
        load->latencies = xrealloc_array(load->latencies, load->latency_room, sizeof(*load->latencies));
    }
    load->latencies[load->latency_count++] = ns;
}

/* Requests are small: they fit into a fresh connection's buffer. */
static void send_request(struct load *load, struct connection *connection, int64_t due_ns)
{
    if (write(connection->fd, load->request, load->request_length) != (ssize_t)load->request_length)
        fail("sending");
    connection->due_ns = due_ns;
    connection->head_length = 0;
    connection->body_left = -1;
    load->busy++;
    load->sent++;
}

/* ---- answers ---- */

static int64_t content_length(const char *head)
{
    const char *header = strcasestr(head, "\r\nContent-Length:");

    return header ? strtoll(header + strlen("\r\nContent-Length:"), NULL, 10) : 0;
}

/* What follows the head is the body; how much of it has come is taken off what is left. */
static void take_head(struct connection *connection)
{
    connection->head[connection->head_length] = '\0';
    const char *end = strstr(connection->head, "\r\n\r\n");

    if (!end && connection->head_length == HEAD_MAX - 1) {
        errno = EMSGSIZE;
        fail("the answer's head");
    }
    if (!end)
        return;
    size_t body_seen = connection->head_length - (size_t)(end + 4 - connection->head);
    connection->ok = strncmp(connection->head, "HTTP/1.1 200 ", 13) == 0;
    connection->body_left = content_length(connection->head) - (int64_t)body_seen;
}

static void take_answer(struct load *load, struct connection *connection)
{
    char scratch[65536];
    const bool in_head = connection->body_left < 0;
    char *into = in_head ? connection->head + connection->head_length : scratch;
    size_t room = in_head ? HEAD_MAX - 1 - connection->head_length : sizeof(scratch);
    ssize_t length = read(connection->fd, into, room);

    if (length <= 0)
        fail("the server closed a connection");
    load->bytes += (size_t)length;
    if (in_head) {
        connection->head_length += (size_t)length;
        take_head(connection);
    } else {
        connection->body_left -= length;
    }
    if (connection->body_left != 0)
        return;
    keep_latency(load, now_ns() - connection->due_ns);
    connection->due_ns = 0;
    load->busy--;
    *(connection->ok ? &load->ok : &load->failed) += 1;
}

/* ---- the loop ---- */

static struct connection *idle_connection(struct load *load)
{
    for (size_t i = 0; i < load->connection_count; i++)
        if (load->connections[i].due_ns == 0)
            return &load->connections[i];
    return NULL;
}

/* Sends all that is due and can be sent; the rest stays due. */
static void send_due(struct load *load)
{
    struct connection *idle;
    int64_t now = now_ns();

    while (now < load->end_ns && (idle = idle_connection(load))) {
        int64_t due = load->interval_ns ? load->begin_ns + (int64_t)load->sent * load->interval_ns : now;
        if (due > now)
            return;
        send_request(load, idle, due);
    }
}

static int make_timer(const struct load *load)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    const int64_t tick_ns = load->interval_ns ? load->interval_ns : 1000000;
    const struct itimerspec spec = {.it_value = {.tv_nsec = 1}, .it_interval = {.tv_nsec = tick_ns}};

    if (fd < 0 || timerfd_settime(fd, 0, &spec, NULL) < 0)
        fail("the timer");
    return fd;
}

static void run(struct load *load)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC), timer = make_timer(load);
    struct epoll_event events[MAX_EVENTS], tick = {.events = EPOLLIN};
    uint64_t ticks;

    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &tick) < 0)
        fail("epoll");
    for (size_t i = 0; i < load->connection_count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &load->connections[i]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, load->connections[i].fd, &event) < 0)
            fail("epoll");
    }
    while (now_ns() < load->end_ns || (load->busy > 0 && now_ns() < load->end_ns + DRAIN_NS)) {
        send_due(load);
        int count = epoll_wait(epoll, events, MAX_EVENTS, 100);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                take_answer(load, events[i].data.ptr);
            else
                (void)!read(timer, &ticks, sizeof(ticks)); /* only wakes */
        }
    }
    (void)close(timer);
    (void)close(epoll);
}

/* ---- the result ---- */

static int by_size(const void *a_, const void *b_)
{
    int64_t a = *(const int64_t *)a_, b = *(const int64_t *)b_;

    return a < b ? -1 : a > b;
}

static double quantile_ms(const struct load *load, double q)
{
    size_t at = (size_t)(q * (double)(load->latency_count - 1) + 0.5);

    return (double)load->latencies[at] / 1e6;
}

static int print_result(struct load *load)
{
    double seconds = (double)(load->end_ns - load->begin_ns) / 1e9;

    if (load->ok == 0) {
        (void)fprintf(stderr, "bench-http-load: no request of %" PRIu64 " was answered with 200\n",
                      load->sent);
        return 1;
    }
    qsort(load->latencies, load->latency_count, sizeof(*load->latencies), by_size);
    printf("{\"sent\":%" PRIu64 ",\"ok\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"seconds\":%.1f,\"rps\":%.0f,"
           "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"bytes\":%" PRIu64 "}\n",
           load->sent, load->ok, load->failed + load->busy, seconds, (double)load->ok / seconds,
           quantile_ms(load, 0.5), quantile_ms(load, 0.99), quantile_ms(load, 1), load->bytes);
    return 0;
}

int main(int argc, char **argv)
{
    SCOPED_STRBUF struct strbuf request = STRBUF_INIT;
    struct load load = {0};

    if (argc < 6) {
        (void)fprintf(stderr, "usage: bench-http-load PORT PATH RATE SECONDS CONNECTIONS [HEADER...]\n");
        return 2;
    }
    strbuf_addf(&request, "GET %s HTTP/1.1\r\nHost: localhost\r\n", argv[2]);
    for (int i = 6; i < argc; i++)
        strbuf_addf(&request, "%s\r\n", argv[i]);
    strbuf_addf(&request, "\r\n");
    const long rate = strtol(argv[3], NULL, 10), seconds = strtol(argv[4], NULL, 10);
    load.request = strbuf_text(&request);
    load.request_length = request.length;
    load.interval_ns = rate > 0 ? 1000000000 / rate : 0;
    load.connection_count = (size_t)strtoul(argv[5], NULL, 10);
    load.connections = xcalloc(load.connection_count, sizeof(*load.connections));
    for (size_t i = 0; i < load.connection_count; i++)
        load.connections[i].fd = connect_to((uint16_t)strtoul(argv[1], NULL, 10));
    load.begin_ns = now_ns();
    load.end_ns = load.begin_ns + (int64_t)seconds * 1000000000;
    run(&load);
    int code = print_result(&load);
    for (size_t i = 0; i < load.connection_count; i++)
        (void)close(load.connections[i].fd);
    free(load.connections);
    free(load.latencies);
    return code;
}
