#include "tests/unit/snapshot-svc/cluster/kube/fake_apiserver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/strbuf.h"

enum { CONNECTIONS_MAX = 64, STEPS_MAX = 64, WAIT_S = 20 };

struct connection {
    struct fake_apiserver *api;
    int fd;
    pthread_t thread;
};

struct fake_apiserver {
    int listener;
    unsigned port;
    pthread_t acceptor;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t came;
    struct connection connections[CONNECTIONS_MAX];
    size_t connection_count;
    struct api_step steps[STEPS_MAX];
    size_t step_count, next_step;
    char *requests[STEPS_MAX];
    size_t request_count;
    char *complaint; /* the first request that was not expected */
};

/* ---- one connection ---- */

/* Reads until the request is whole; false: the client hung up. */
static bool read_request(int fd, struct strbuf *request)
{
    char bytes[4096];
    size_t wanted = 0;

    while (wanted == 0 || request->length < wanted) {
        ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
        if (got <= 0)
            return false;
        strbuf_append(request, bytes, (size_t)got);
        const char *end = strstr(request->bytes, "\r\n\r\n");
        if (end && wanted == 0) {
            const char *length = strcasestr(request->bytes, "\r\ncontent-length:");
            size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
            wanted = (size_t)(end + 4 - request->bytes) + body;
        }
    }
    return true;
}

static void complain(struct fake_apiserver *api, const char *request)
{
    if (!api->complaint)
        api->complaint = xstrndup(request, strcspn(request, "\r"));
}

/* The step for this request; false: none is left. */
static bool take_step(struct fake_apiserver *api, struct strbuf *request, struct api_step *ret_step)
{
    pthread_mutex_lock(&api->lock);
    bool found = api->next_step < api->step_count && api->request_count < STEPS_MAX;
    if (found)
        *ret_step = api->steps[api->next_step++];
    if (!found || strncmp(request->bytes, ret_step->request, strlen(ret_step->request)) != 0)
        complain(api, request->bytes);
    if (api->request_count < STEPS_MAX)
        api->requests[api->request_count++] = strbuf_take(request);
    pthread_cond_broadcast(&api->came);
    pthread_mutex_unlock(&api->lock);
    return found;
}

static void send_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the client may hang up whenever it likes */
        bytes += sent;
        length -= (size_t)sent;
    }
}

static void send_text(int fd, const char *text)
{
    send_all(fd, text, strlen(text));
}

static void send_padding(int fd, size_t length)
{
    char blanks[64 << 10];

    memset(blanks, ' ', sizeof(blanks));
    for (size_t piece; length > 0; length -= piece) {
        piece = length < sizeof(blanks) ? length : sizeof(blanks);
        send_all(fd, blanks, piece);
    }
}

static void send_chunk(int fd, const char *bytes, size_t length)
{
    SCOPED(string) char *head = xasprintf("%zx\r\n", length);

    if (length == 0)
        return;
    send_text(fd, head);
    send_all(fd, bytes, length);
    send_text(fd, "\r\n");
}

static void wait_for_hang_up(int fd)
{
    char byte;
    while (recv(fd, &byte, 1, 0) > 0)
        ;
}

static void send_stream(int fd, const struct api_step *step)
{
    const char *body = step->body ? step->body : "";
    size_t length = strlen(body), piece = step->piece ? step->piece : length;

    for (size_t at = 0; at < length; at += piece)
        send_chunk(fd, body + at, length - at < piece ? length - at : piece);
    if (step->padding > 0) {
        SCOPED(string) char *head = xasprintf("%zx\r\n", step->padding);
        send_text(fd, head);
        send_padding(fd, step->padding);
        send_text(fd, "\r\n");
    }
    if (step->ends)
        send_text(fd, "0\r\n\r\n");
    else if (step->cut)
        send_text(fd, "ffff\r\n{\"type\":");
    else
        wait_for_hang_up(fd);
}

/* True: the connection goes on. */
static bool play(int fd, const struct api_step *step)
{
    SCOPED_STRBUF struct strbuf head = STRBUF_INIT;
    const char *body = step->body ? step->body : "";

    if (step->never)
        wait_for_hang_up(fd);
    if (step->never || step->status == 0)
        return false;
    strbuf_addf(&head, "HTTP/1.1 %d Scripted\r\nContent-Type: application/json\r\n%s", step->status,
                step->headers ? step->headers : "");
    if (step->is_stream)
        strbuf_adds(&head, "Transfer-Encoding: chunked\r\n\r\n");
    else
        strbuf_addf(&head, "Content-Length: %zu\r\n\r\n", strlen(body) + step->padding);
    send_all(fd, head.bytes, head.length);
    if (step->is_stream) {
        send_stream(fd, step);
        return step->ends;
    }
    send_text(fd, body);
    send_padding(fd, step->padding);
    return true;
}

static void *serve(void *arg)
{
    struct connection *connection = arg;
    bool go_on = true;

    while (go_on) {
        SCOPED_STRBUF struct strbuf request = STRBUF_INIT;
        struct api_step step;
        go_on = read_request(connection->fd, &request) && take_step(connection->api, &request, &step) &&
                play(connection->fd, &step);
    }
    (void)shutdown(connection->fd, SHUT_RDWR); /* closed when all are joined */
    return NULL;
}

/* ---- its life ---- */

static void *accept_all(void *arg)
{
    struct fake_apiserver *api = arg;
    int fd;

    while ((fd = accept(api->listener, NULL, NULL)) >= 0) {
        pthread_mutex_lock(&api->lock);
        struct connection *connection =
            api->connection_count < CONNECTIONS_MAX ? &api->connections[api->connection_count] : NULL;
        if (connection) {
            *connection = (struct connection){.api = api, .fd = fd};
            if (pthread_create(&connection->thread, NULL, serve, connection) == 0)
                api->connection_count++;
            else
                close(fd);
        } else {
            close(fd);
        }
        pthread_mutex_unlock(&api->lock);
    }
    return NULL;
}

struct fake_apiserver *api_start(void)
{
    struct fake_apiserver *api = xcalloc(1, sizeof(*api));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);

    pthread_mutex_init(&api->lock, NULL);
    pthread_cond_init(&api->came, NULL);
    api->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(api->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(api->listener, 16), 0);
    assert_int_equal(getsockname(api->listener, (struct sockaddr *)&address, &length), 0);
    api->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&api->acceptor, NULL, accept_all, api), 0);
    return api;
}

void api_stop(struct fake_apiserver *api)
{
    (void)shutdown(api->listener, SHUT_RDWR); /* wakes accept() */
    pthread_join(api->acceptor, NULL);
    close(api->listener);
    for (size_t i = 0; i < api->connection_count; i++)
        (void)shutdown(api->connections[i].fd, SHUT_RDWR); /* wakes recv() */
    for (size_t i = 0; i < api->connection_count; i++) {
        pthread_join(api->connections[i].thread, NULL);
        close(api->connections[i].fd);
    }
    size_t left = api->step_count - api->next_step;
    SCOPED(string) char *complaint = TAKE(api->complaint);
    for (size_t i = 0; i < api->request_count; i++)
        free(api->requests[i]);
    pthread_cond_destroy(&api->came);
    pthread_mutex_destroy(&api->lock);
    free(api);
    if (complaint)
        fail_msg("not expected: %s", complaint);
    assert_int_equal(left, 0);
}

unsigned api_port(const struct fake_apiserver *api)
{
    return api->port;
}

void api_expect(struct fake_apiserver *api, const char *request, struct api_step step)
{
    step.request = request;
    pthread_mutex_lock(&api->lock);
    assert_true(api->step_count < STEPS_MAX);
    api->steps[api->step_count++] = step;
    pthread_mutex_unlock(&api->lock);
}

void api_await_requests(struct fake_apiserver *api, size_t count)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&api->lock);
    while (api->request_count < count && pthread_cond_timedwait(&api->came, &api->lock, &until) == 0)
        ;
    size_t came = api->request_count;
    pthread_mutex_unlock(&api->lock);
    assert_true(came >= count);
}

size_t api_request_count(struct fake_apiserver *api)
{
    pthread_mutex_lock(&api->lock);
    size_t count = api->request_count;
    pthread_mutex_unlock(&api->lock);
    return count;
}

char *api_request(struct fake_apiserver *api, size_t at)
{
    pthread_mutex_lock(&api->lock);
    char *request = at < api->request_count ? xstrdup(api->requests[at]) : NULL;
    pthread_mutex_unlock(&api->lock);
    assert_non_null(request);
    return request;
}
