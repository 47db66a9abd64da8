/* talk.h - a client that says and hears raw bytes, for tests of the server. */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/http/server.h"
#include "tests/unit/testing.h"

static inline int dial(const struct http_server *server)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_server_port(server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

/* False: the server has cut us off. */
static inline bool say(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* Everything until the server closes; fails the test after 10 s of silence. */
static inline void hear_all(int fd, struct strbuf *out)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    char piece[65536];

    for (;;) {
        if (poll(&polled, 1, 10000) <= 0)
            fail_msg("the server does not close; so far: %s", strbuf_text(out));
        ssize_t length = recv(fd, piece, sizeof(piece), 0);
        if (length <= 0)
            return;
        strbuf_append(out, piece, (size_t)length);
    }
}

/* Until `text` was heard. */
static inline void hear(int fd, struct strbuf *out, const char *text)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    char piece[4096];

    while (!strstr(strbuf_text(out), text)) {
        ssize_t length = poll(&polled, 1, 10000) > 0 ? recv(fd, piece, sizeof(piece), 0) : 0;
        if (length <= 0)
            fail_msg("want \"%s\", heard \"%s\"", text, strbuf_text(out));
        strbuf_append(out, piece, (size_t)length);
    }
}

/* Says one byte of `text` after the other, `gap_ms` apart, over and over, until the server cuts us off or until_ms is
 * over. True: cut off. */
static inline bool trickle(int fd, const char *text, int gap_ms, int64_t for_ms)
{
    int64_t until_ms = clock_monotonic_ms() + for_ms;
    struct pollfd end = {.fd = fd, .events = POLLIN};

    for (const char *c = text; clock_monotonic_ms() < until_ms; c = c[1] ? c + 1 : text) {
        if (send(fd, c, 1, MSG_NOSIGNAL) != 1 || poll(&end, 1, gap_ms) > 0)
            return true;
    }
    return false;
}
