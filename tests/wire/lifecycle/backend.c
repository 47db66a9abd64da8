#include "tests/wire/lifecycle/backend.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

enum { PATIENCE_MS = 10000 };

void backend_open(struct backend *backend)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(at);

    backend->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(backend->listen_fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(backend->listen_fd, 16), 0);
    assert_int_equal(getsockname(backend->listen_fd, (struct sockaddr *)&at, &length), 0);
    backend->port = ntohs(at.sin_port);
}

void backend_close(struct backend *backend)
{
    fd_freep(&backend->listen_fd);
}

void backend_is_web(struct stand *stand)
{
    const struct fake_sandbox web = {.name = "web", .phase = "Succeed", .endpoints = "[\"127.0.0.1\"]"};

    fake_put(stand->fake, &web);
}

static void await_readable(int fd, const char *what)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};

    if (poll(&polled, 1, PATIENCE_MS) <= 0)
        fail_msg("nothing came: %s", what);
}

int backend_accept(const struct backend *backend)
{
    await_readable(backend->listen_fd, "no connection to the sandbox");
    int fd = accept4(backend->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

int ask_web(const struct stand *stand, const struct backend *backend, const char *method, const char *rest,
            const char *more)
{
    SCOPED(string)
    char *request = xasprintf("%s /v1/sandboxes/web/proxy/%d%s HTTP/1.1\r\nHost: api.example:99\r\n%s",
                              method, backend->port, rest, more);

    return dial_and_say(stand, request);
}

void speak(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* False: the other side has ended. */
static bool hear_more(int fd, struct strbuf *heard)
{
    char piece[4096];
    ssize_t length = recv(fd, piece, sizeof(piece), 0);

    if (length <= 0)
        return false;
    strbuf_append(heard, piece, (size_t)length);
    return true;
}

void hear(int fd, struct strbuf *heard, const char *text)
{
    while (!heard->length || !memmem(heard->bytes, heard->length, text, strlen(text))) {
        await_readable(fd, text);
        if (!hear_more(fd, heard))
            fail_msg("want \"%s\", heard only \"%s\"", text, strbuf_text(heard));
    }
}

void hear_end(int fd, struct strbuf *heard)
{
    do
        await_readable(fd, "the end");
    while (hear_more(fd, heard));
}
