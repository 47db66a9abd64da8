#include "tests/integration/commit/gate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "tests/unit/testing.h"

enum { PAIRS_MAX = 64, FD_LISTENER = 0, FD_WAKER, FD_PAIRS };

struct pair {
    int client, server; /* -1: unused */
    bool held;          /* what it sends next is an upload, and the gate is closed */
};

struct gate {
    int listener, waker;
    char host[32];
    struct sockaddr_in upstream;
    bool open, cut, stopping;     /* atomically */
    struct pair pairs[PAIRS_MAX]; /* the thread's */
    pthread_t thread;
};

static void pair_close(struct pair *pair)
{
    (void)close(pair->client);
    (void)close(pair->server);
    *pair = (struct pair){-1, -1, false};
}

static void pair_open(struct gate *gate, int client)
{
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        struct pair *pair = &gate->pairs[i];
        if (pair->client >= 0)
            continue;
        *pair = (struct pair){client, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), false};
        if (connect(pair->server, (struct sockaddr *)&gate->upstream, sizeof(gate->upstream)) < 0)
            pair_close(pair);
        return;
    }
    (void)close(client);
}

/* A request's head comes in a piece of its own: a client waits for the answer to the one before. */
static bool brings_bytes(int client)
{
    char head[8] = "";
    ssize_t got = recv(client, head, 6, MSG_PEEK);

    return got >= 4 && (memcmp(head, "PUT ", 4) == 0 || (got == 6 && memcmp(head, "PATCH ", 6) == 0));
}

/* Passes on what is there; false: the connection is over. */
static bool pass(int from, int to)
{
    char buffer[16 << 10];
    ssize_t got = recv(from, buffer, sizeof(buffer), 0);

    for (ssize_t at = 0; at < got;) {
        ssize_t sent = send(to, buffer + at, (size_t)(got - at), MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
    }
    return got > 0;
}

static void serve_pair(const struct gate *gate, struct pair *pair, short client_events, short server_events)
{
    if (client_events && !__atomic_load_n(&gate->open, __ATOMIC_ACQUIRE) && brings_bytes(pair->client)) {
        pair->held = true;
        client_events = 0;
    }
    if ((client_events && !pass(pair->client, pair->server)) ||
        (server_events && !pass(pair->server, pair->client)))
        pair_close(pair);
}

static void note_change(struct gate *gate)
{
    uint64_t ignored;
    bool open = __atomic_load_n(&gate->open, __ATOMIC_ACQUIRE);
    bool cut = __atomic_exchange_n(&gate->cut, false, __ATOMIC_ACQ_REL);

    (void)!read(gate->waker, &ignored, sizeof(ignored)); /* only empties it */
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        struct pair *pair = &gate->pairs[i];
        if (cut && pair->held)
            pair_close(pair);
        pair->held = pair->held && !open;
    }
}

static void fill_pollfds(const struct gate *gate, struct pollfd *fds)
{
    fds[FD_LISTENER] = (struct pollfd){gate->listener, POLLIN, 0};
    fds[FD_WAKER] = (struct pollfd){gate->waker, POLLIN, 0};
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        const struct pair *pair = &gate->pairs[i];
        fds[FD_PAIRS + 2 * i] = (struct pollfd){pair->held ? -1 : pair->client, POLLIN, 0};
        fds[FD_PAIRS + 2 * i + 1] = (struct pollfd){pair->server, POLLIN, 0};
    }
}

static void *serve(void *self)
{
    struct gate *gate = self;
    struct pollfd fds[FD_PAIRS + 2 * PAIRS_MAX];

    while (!__atomic_load_n(&gate->stopping, __ATOMIC_ACQUIRE)) {
        fill_pollfds(gate, fds);
        (void)poll(fds, FD_PAIRS + 2 * PAIRS_MAX, -1);
        for (size_t i = 0; i < PAIRS_MAX; i++)
            if (gate->pairs[i].client >= 0)
                serve_pair(gate, &gate->pairs[i], fds[FD_PAIRS + 2 * i].revents,
                           fds[FD_PAIRS + 2 * i + 1].revents);
        if (fds[FD_WAKER].revents)
            note_change(gate);
        if (fds[FD_LISTENER].revents)
            pair_open(gate, accept4(gate->listener, NULL, NULL, SOCK_CLOEXEC));
    }
    for (size_t i = 0; i < PAIRS_MAX; i++)
        if (gate->pairs[i].client >= 0)
            pair_close(&gate->pairs[i]);
    return NULL;
}

struct gate *gate_start(const char *upstream)
{
    struct gate *gate = xcalloc(1, sizeof(*gate));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);

    for (size_t i = 0; i < PAIRS_MAX; i++)
        gate->pairs[i] = (struct pair){-1, -1, false};
    gate->open = true;
    gate->upstream = address;
    gate->upstream.sin_port = htons((uint16_t)atoi(strchr(upstream, ':') + 1));
    gate->waker = eventfd(0, EFD_CLOEXEC);
    gate->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(gate->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(gate->listener, 16), 0);
    assert_int_equal(getsockname(gate->listener, (struct sockaddr *)&address, &length), 0);
    (void)snprintf(gate->host, sizeof(gate->host), "127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&gate->thread, NULL, serve, gate), 0);
    return gate;
}

static void wake(struct gate *gate)
{
    uint64_t one = 1;
    assert_int_equal(write(gate->waker, &one, sizeof(one)), sizeof(one));
}

void gate_stop(struct gate *gate)
{
    __atomic_store_n(&gate->stopping, true, __ATOMIC_RELEASE);
    wake(gate);
    (void)pthread_join(gate->thread, NULL);
    (void)close(gate->listener);
    (void)close(gate->waker);
    free(gate);
}

const char *gate_host(const struct gate *gate)
{
    return gate->host;
}

void gate_set_open(struct gate *gate, bool open)
{
    __atomic_store_n(&gate->open, open, __ATOMIC_RELEASE);
    wake(gate);
}

void gate_cut(struct gate *gate)
{
    __atomic_store_n(&gate->cut, true, __ATOMIC_RELEASE);
    wake(gate);
}
