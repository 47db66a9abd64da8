/* Clients that take their time: none of them keeps a thread for longer than the server allows. */
#include "tests/unit/shared/http_server/talk.h"

#include <semaphore.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

enum { HEAD_MS = 400, SLACK_MS = 400, BYTES_PER_S = 1000, LONG_MS = 8000, ANSWER_BYTES = 16 << 20 };

struct host {
    struct http_server *server;
    sem_t ended;
    char *much;
};

static int take(void *stream, const char *bytes, size_t length)
{
    (void)stream;
    (void)bytes;
    (void)length;
    return 0;
}

static int slow_take(void *stream, const char *bytes, size_t length)
{
    (void)stream;
    (void)bytes;
    (void)length;
    poll(NULL, 0, 2 * SLACK_MS); /* what the other side takes is not the client's fault */
    return 0;
}

static void answer_endless(void *stream, struct http_exchange *exchange)
{
    (void)stream;
    http_answer_streamed(exchange, 200, -1);
}

static long give_endless(void *stream, char *into, size_t room)
{
    (void)stream;
    memset(into, 'x', room);
    return (long)room;
}

static long give_late(void *stream, char *into, size_t room)
{
    int *given = stream;

    (void)room;
    if ((*given)++)
        return 0;
    poll(NULL, 0, 1500); /* longer than the idle timeout */
    memcpy(into, "late", 4);
    return 4;
}

static sem_t *tell_ended;
static int given;

static void ended(void *stream)
{
    (void)stream;
    sem_post(tell_ended);
}

static const struct http_stream_steps endless = {take, answer_endless, give_endless, ended};
static const struct http_stream_steps late = {slow_take, answer_endless, give_late, ended};

static bool streams(void *self, const struct http_exchange *exchange)
{
    (void)self;
    return strncmp(http_path(exchange), "/stream", 7) == 0;
}

static void serve(void *self, struct http_exchange *exchange)
{
    struct host *host = self;
    const char *path = http_path(exchange);

    if (strcmp(path, "/stream") == 0)
        http_stream(exchange, &endless, host);
    else if (strcmp(path, "/stream-late") == 0)
        http_stream(exchange, &late, &given);
    else if (strcmp(path, "/much") == 0)
        http_answer(exchange, 200, "text/plain", host->much, ANSWER_BYTES);
    else
        http_answer(exchange, 200, "text/plain", "here", 4);
}

static int start(void **state)
{
    static struct host host;
    struct error err = {0};
    struct http_server_options options = {.address = "127.0.0.1:0",
                                          .handler = serve,
                                          .self = &host,
                                          .streams = streams,
                                          .idle_timeout_s = 1,
                                          .head_timeout_ms = HEAD_MS,
                                          .slack_ms = SLACK_MS,
                                          .min_bytes_per_s = BYTES_PER_S};

    sem_init(&host.ended, 0, 0);
    tell_ended = &host.ended;
    given = 0;
    host.much = xcalloc(1, ANSWER_BYTES);
    *state = &host;
    return http_server_start(&options, &host.server, &err);
}

static int stop(void **state)
{
    struct host *host = *state;

    http_server_free(host->server);
    sem_destroy(&host->ended);
    free(host->much);
    return 0;
}

static void a_head_that_trickles_is_cut(void **state)
{
    struct host *host = *state;
    SCOPED(fd) int fd = dial(host->server);
    int64_t began_ms = clock_monotonic_ms();

    say(fd, "GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ");
    assert_true(trickle(fd, "a", 50, LONG_MS));
    assert_true(clock_monotonic_ms() - began_ms >= HEAD_MS);
}

static void a_client_that_says_nothing_is_cut(void **state)
{
    struct host *host = *state;
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    SCOPED(fd) int fd = dial(host->server);

    hear_all(fd, &out);
    assert_int_equal(out.length, 0);
}

static void a_later_head_that_trickles_is_cut_too(void **state)
{
    struct host *host = *state;
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    SCOPED(fd) int fd = dial(host->server);

    say(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    hear(fd, &out, "here");
    say(fd, "GET / HTTP/1.1\r\nX-Slow: ");
    assert_true(trickle(fd, "a", 50, LONG_MS));
}

static void a_body_that_trickles_is_cut(void **state)
{
    static const char *const paths[] = {"/", "/stream"};
    struct host *host = *state;

    for (size_t i = 0; i < 2; i++) {
        SCOPED(fd) int fd = dial(host->server);
        SCOPED(string)
        char *head = xasprintf("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n", paths[i]);

        say(fd, head);
        assert_true(trickle(fd, "a", 50, LONG_MS));
    }
}

static void a_body_that_stalls_is_cut(void **state)
{
    struct host *host = *state;
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    SCOPED(fd) int fd = dial(host->server);

    say(fd, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
    hear_all(fd, &out);
    assert_int_equal(out.length, 0);
}

static void a_body_that_is_fast_enough_may_take_longer_than_the_slack(void **state)
{
    struct host *host = *state;
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    SCOPED(fd) int fd = dial(host->server);
    char piece[201];

    memset(piece, 'x', 200);
    piece[200] = '\0';
    say(fd, "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2000\r\n\r\n");
    for (int i = 0; i < 10; i++) { /* 2000 bytes a second, for a second */
        assert_true(say(fd, piece));
        poll(NULL, 0, 100);
    }
    hear_all(fd, &out);
    assert_contains(strbuf_text(&out), "here");
}

static void time_that_a_stream_takes_is_not_the_clients(void **state)
{
    struct host *host = *state;
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    SCOPED(fd) int fd = dial(host->server);

    say(fd, "POST /stream-late HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody");
    hear_all(fd, &out);
    assert_contains(strbuf_text(&out), "late");
    assert_contains(strbuf_text(&out), "\r\n0\r\n\r\n");
}

static void an_answer_that_nobody_takes_is_cut(void **state)
{
    struct host *host = *state;
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    SCOPED(fd) int fd = dial(host->server);

    say(fd, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    sem_wait(&host->ended); /* although we are still there */
    hear_all(fd, &out);
    assert_lacks(strbuf_text(&out), "\r\n0\r\n");
}

static void a_head_that_is_too_long_is_431(void **state)
{
    static const int lengths[] = {33 << 10, 70 << 10, 1 << 20};
    struct host *host = *state;

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        SCOPED_STRBUF struct strbuf out = STRBUF_INIT, request = STRBUF_INIT;
        SCOPED(fd) int fd = dial(host->server);

        strbuf_adds(&request, "GET / HTTP/1.1\r\nHost: h\r\n");
        while (request.length < (size_t)lengths[i])
            strbuf_addf(&request, "X-%zu: %0500d\r\n", request.length, 0);
        strbuf_adds(&request, "\r\n");
        (void)say(fd, strbuf_text(&request)); /* it may be cut off before it has said all */
        hear_all(fd, &out);
        if (out.length) /* a reset can swallow the answer to what was not read */
            assert_contains(strbuf_text(&out), " 431 ");
        else
            assert_true(lengths[i] > 64 << 10);
    }
}

static void a_head_that_is_just_short_enough_is_served(void **state)
{
    struct host *host = *state;
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT, request = STRBUF_INIT;
    SCOPED(fd) int fd = dial(host->server);

    strbuf_adds(&request, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n");
    while (request.length < 31 << 10)
        strbuf_addf(&request, "X-%zu: %0500d\r\n", request.length, 0);
    strbuf_adds(&request, "\r\n");
    assert_true(say(fd, strbuf_text(&request)));
    hear_all(fd, &out);
    assert_contains(strbuf_text(&out), "here");
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_head_that_trickles_is_cut),
        WITH_SERVER(a_client_that_says_nothing_is_cut),
        WITH_SERVER(a_later_head_that_trickles_is_cut_too),
        WITH_SERVER(a_body_that_trickles_is_cut),
        WITH_SERVER(a_body_that_stalls_is_cut),
        WITH_SERVER(a_body_that_is_fast_enough_may_take_longer_than_the_slack),
        WITH_SERVER(time_that_a_stream_takes_is_not_the_clients),
        WITH_SERVER(an_answer_that_nobody_takes_is_cut),
        WITH_SERVER(a_head_that_is_too_long_is_431),
        WITH_SERVER(a_head_that_is_just_short_enough_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
