#include "tests/integration/registry/cutting_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* The client under test keeps few connections and uses one at a time, so one thread polls them all. */
enum { PAIRS_MAX = 32 };

struct pair {
    int client, server; /* -1: unused */
    unsigned long sent_bytes;
};

struct cutting_proxy {
    int listener;
    char host[32];
    struct sockaddr_in upstream;
    unsigned long cut_after_bytes;
    unsigned cuts_left; /* atomic */
    struct pair pairs[PAIRS_MAX];
    pthread_t thread;
};

static void pair_close(struct pair *pair)
{
    close(pair->client);
    close(pair->server);
    *pair = (struct pair){-1, -1, 0};
}

static void pair_open(struct cutting_proxy *proxy, int client)
{
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        struct pair *pair = &proxy->pairs[i];
        if (pair->client >= 0)
            continue;
        *pair = (struct pair){client, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 0};
        if (connect(pair->server, (struct sockaddr *)&proxy->upstream, sizeof(proxy->upstream)) < 0)
            pair_close(pair);
        return;
    }
    close(client);
}

/* Passes on what is there; false: the connection is over. */
static bool pass(int from, int to, unsigned long *ret_bytes)
{
    char buffer[16 << 10];
    ssize_t got = recv(from, buffer, sizeof(buffer), 0);

    for (ssize_t at = 0; at < got;) {
        ssize_t sent = send(to, buffer + at, (size_t)(got - at), MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
    }
    *ret_bytes += got > 0 ? (unsigned long)got : 0;
    return got > 0;
}

static void serve_pair(struct cutting_proxy *proxy, struct pair *pair, short client_events,
                       short server_events)
{
    unsigned long unused = 0;

    if ((client_events && !pass(pair->client, pair->server, &pair->sent_bytes)) ||
        (server_events && !pass(pair->server, pair->client, &unused))) {
        pair_close(pair);
        return;
    }
    if (pair->sent_bytes >= proxy->cut_after_bytes &&
        __atomic_load_n(&proxy->cuts_left, __ATOMIC_RELAXED) > 0) {
        __atomic_sub_fetch(&proxy->cuts_left, 1, __ATOMIC_RELAXED);
        pair_close(pair);
    }
}

static void *serve(void *self)
{
    struct cutting_proxy *proxy = self;

    for (;;) {
        struct pollfd fds[1 + 2 * PAIRS_MAX] = {{proxy->listener, POLLIN, 0}};
        for (size_t i = 0; i < PAIRS_MAX; i++) {
            fds[1 + 2 * i] = (struct pollfd){proxy->pairs[i].client, POLLIN, 0};
            fds[2 + 2 * i] = (struct pollfd){proxy->pairs[i].server, POLLIN, 0};
        }
        (void)poll(fds, 1 + 2 * PAIRS_MAX, -1);
        for (size_t i = 0; i < PAIRS_MAX; i++)
            if (proxy->pairs[i].client >= 0)
                serve_pair(proxy, &proxy->pairs[i], fds[1 + 2 * i].revents, fds[2 + 2 * i].revents);
        if (!fds[0].revents)
            continue;
        int client = accept(proxy->listener, NULL, NULL);
        if (client < 0)
            break; /* shut down */
        pair_open(proxy, client);
    }
    for (size_t i = 0; i < PAIRS_MAX; i++)
        if (proxy->pairs[i].client >= 0)
            pair_close(&proxy->pairs[i]);
    return NULL;
}

struct cutting_proxy *cutting_proxy_start(const char *upstream, unsigned cuts, unsigned long cut_after_bytes)
{
    struct cutting_proxy *proxy = calloc(1, sizeof(*proxy));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);

    assert_non_null(proxy);
    for (size_t i = 0; i < PAIRS_MAX; i++)
        proxy->pairs[i] = (struct pair){-1, -1, 0};
    proxy->cuts_left = cuts;
    proxy->cut_after_bytes = cut_after_bytes;
    proxy->upstream = address;
    proxy->upstream.sin_port = htons((uint16_t)atoi(strchr(upstream, ':') + 1));
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(proxy->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(proxy->listener, 16), 0);
    assert_int_equal(getsockname(proxy->listener, (struct sockaddr *)&address, &length), 0);
    (void)snprintf(proxy->host, sizeof(proxy->host), "127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&proxy->thread, NULL, serve, proxy), 0);
    return proxy;
}

void cutting_proxy_stop(struct cutting_proxy *proxy)
{
    shutdown(proxy->listener, SHUT_RDWR);
    pthread_join(proxy->thread, NULL);
    close(proxy->listener);
    free(proxy);
}

const char *cutting_proxy_host(const struct cutting_proxy *proxy)
{
    return proxy->host;
}

unsigned cutting_proxy_cuts_left(const struct cutting_proxy *proxy)
{
    return __atomic_load_n(&proxy->cuts_left, __ATOMIC_RELAXED);
}
