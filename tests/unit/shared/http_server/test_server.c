/* The HTTP server, spoken to over a real socket, byte by byte where the bytes matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "shared/base/clock.h"
#include "shared/http/server.h"

struct host {
    struct http_server *server;
    sem_t entered; /* a waiting handler has begun */
    sem_t woken;   /* its client went away */
    sem_t let_go;  /* the test lets it end */
};

static void wake(void *self)
{
    sem_post(self);
}

static void write_pair(void *self, const char *name, const char *value)
{
    strbuf_addf(self, " %s=%s", name, value);
}

static void echo(struct http_exchange *exchange)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    size_t length;
    const char *body = http_body(exchange, &length);
    const char *header = http_header_get(exchange, "x-word");

    strbuf_addf(&out, "%s %s [%s]", http_method(exchange), http_path(exchange), header ? header : "none");
    http_query_each(exchange, write_pair, &out);
    strbuf_addf(&out, " body %zu %.*s", length, (int)length, body);
    http_answer_header(exchange, "X-Answer", "yes");
    http_answer(exchange, 200, "text/plain", strbuf_text(&out), out.length);
}

static void wait_for_the_client_to_leave(struct host *host, struct http_exchange *exchange)
{
    http_on_client_gone(exchange, wake, &host->woken);
    sem_post(&host->entered);
    sem_wait(&host->woken);
    http_on_client_gone(exchange, NULL, NULL);
    assert_true(http_client_gone(exchange));
    http_answer(exchange, 503, "text/plain", "woken", 5);
    sem_post(&host->let_go);
}

static void serve(void *self, struct http_exchange *exchange)
{
    struct host *host = self;
    const char *path = http_path(exchange);

    if (strcmp(path, "/empty") == 0) {
        http_answer(exchange, 202, NULL, NULL, 0);
    } else if (strcmp(path, "/gone") == 0) {
        http_answer(exchange, 204, NULL, NULL, 0);
    } else if (strcmp(path, "/wait") == 0) {
        wait_for_the_client_to_leave(host, exchange);
    } else if (strcmp(path, "/slow") == 0) {
        sem_post(&host->entered);
        sem_wait(&host->let_go);
        assert_false(http_client_gone(exchange));
        http_answer(exchange, 200, "text/plain", "slow", 4);
    } else if (strcmp(path, "/silent") != 0) {
        echo(exchange);
    }
}

static int start(void **state)
{
    static struct host host;
    struct error err = {0};
    struct http_server_options options = {.address = "127.0.0.1:0",
                                          .handler = serve,
                                          .self = &host,
                                          .max_body = 1000,
                                          .idle_timeout_s = 1,
                                          .too_large_body = "{\"code\":\"TOO_LARGE\"}"};

    sem_init(&host.entered, 0, 0);
    sem_init(&host.woken, 0, 0);
    sem_init(&host.let_go, 0, 0);
    *state = &host;
    return http_server_start(&options, &host.server, &err);
}

static int stop(void **state)
{
    struct host *host = *state;

    http_server_free(host->server);
    sem_destroy(&host->entered);
    sem_destroy(&host->woken);
    sem_destroy(&host->let_go);
    return 0;
}

static int dial(const struct host *host)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_server_port(host->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Everything until the server closes. */
static void hear_all(int fd, struct strbuf *out)
{
    char piece[4096];

    for (ssize_t length; (length = recv(fd, piece, sizeof(piece), 0)) > 0;)
        strbuf_append(out, piece, (size_t)length);
}

static void talk(const struct host *host, const char *request, struct strbuf *out)
{
    SCOPED(fd)
    int fd = dial(host);

    strbuf_reset(out);
    say(fd, request);
    hear_all(fd, out);
}

#define assert_says(out, text)                                                                               \
    do {                                                                                                     \
        if (!strstr(strbuf_text(out), text))                                                                 \
            fail_msg("want %s in: %s", text, strbuf_text(out));                                              \
    } while (0)

static void a_request_arrives_whole_and_undecoded(void **state)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;

    talk(*state,
         "POST /a%2Fb/c?x=1&y=%20z HTTP/1.1\r\nHost: h\r\nX-Word: w\r\nContent-Length: 4\r\nConnection: "
         "close\r\n\r\nbody",
         &out);
    assert_says(&out, "HTTP/1.1 200");
    assert_says(&out, "X-Answer: yes");
    assert_says(&out, "Content-Type: text/plain");
    assert_says(&out, "POST /a%2Fb/c [w] x=1 y= z body 4 body");
}

static void an_empty_answer_says_content_length_0_and_204_says_none(void **state)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;

    talk(*state, "GET /empty HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &out);
    assert_says(&out, "HTTP/1.1 202");
    assert_says(&out, "Content-Length: 0\r\n");
    assert_null(strstr(strbuf_text(&out), "chunked"));

    talk(*state, "GET /gone HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &out);
    assert_says(&out, "HTTP/1.1 204");
    assert_null(strcasestr(strbuf_text(&out), "content-length"));
}

static void assert_too_large(struct host *host, const char *framing, const char *body)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    SCOPED_STRBUF struct strbuf request = STRBUF_INIT;

    strbuf_addf(&request, "POST / HTTP/1.1\r\nHost: h\r\n%s\r\nConnection: close\r\n\r\n%s", framing, body);
    talk(host, strbuf_text(&request), &out);
    assert_int_equal(strncmp(strbuf_text(&out), "HTTP/1.1 413", 12), 0);
    assert_says(&out, "{\"code\":\"TOO_LARGE\"}");
    assert_says(&out, "Content-Type: application/json");
}

static void a_body_above_the_limit_is_413_however_it_is_framed(void **state)
{
    char body[2001], chunked[2048];

    memset(body, 'x', 2000);
    body[2000] = '\0';
    assert_too_large(*state, "Content-Length: 2000", body);
    (void)snprintf(chunked, sizeof(chunked), "7d0\r\n%s\r\n0\r\n\r\n", body);
    assert_too_large(*state, "Transfer-Encoding: chunked", chunked);
}

/* One that writes while the connection closes never reads the answer. */
static void a_client_gets_to_send_a_body_that_is_a_little_too_large(void **state)
{
    struct host *host = *state;
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    SCOPED(fd) int fd = dial(host);

    say(fd, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < 1000; i++)
        say(fd, "x");
    assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0), 0); /* no answer yet */
    say(fd, "x");
    hear_all(fd, &out);
    assert_int_equal(strncmp(strbuf_text(&out), "HTTP/1.1 413", 12), 0);
}

static void a_body_far_above_the_limit_is_413_before_it_is_sent(void **state)
{
    assert_too_large(*state, "Content-Length: 4001", "");
}

static void who_asks_before_sending_a_large_body_is_told_413(void **state)
{
    assert_too_large(*state, "Content-Length: 1001\r\nExpect: 100-continue", "");
}

static void a_handler_without_an_answer_is_a_500_with_a_body(void **state)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;

    talk(*state, "GET /silent HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &out);
    assert_says(&out, "HTTP/1.1 500");
    assert_says(&out, "GENERAL::UNKNOWN_ERROR");
}

static void one_connection_carries_many_requests(void **state)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;

    talk(*state,
         "GET /one HTTP/1.1\r\nHost: h\r\n\r\nGET /two HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
         &out);
    assert_says(&out, "GET /one");
    assert_says(&out, "GET /two");
}

static void an_idle_connection_is_closed(void **state)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    int64_t began_ms = clock_monotonic_ms();

    talk(*state, "GET /one HTTP/1.1\r\nHost: h\r\n\r\n", &out); /* returns when the server closes */
    assert_says(&out, "GET /one");
    assert_true(clock_monotonic_ms() - began_ms < 5000);
}

static void time_in_a_handler_is_not_idle_time(void **state)
{
    struct host *host = *state;
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    SCOPED(fd)
    int fd = dial(host);
    struct pollfd quiet = {.fd = fd, .events = POLLIN};

    say(fd, "GET /slow HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    sem_wait(&host->entered);
    assert_int_equal(poll(&quiet, 1, 1500), 0); /* longer than the idle timeout, and still open */
    sem_post(&host->let_go);
    hear_all(fd, &out);
    assert_says(&out, "HTTP/1.1 200");
}

static void a_client_that_hangs_up_wakes_its_handler(void **state)
{
    struct host *host = *state;
    int fd = dial(host);

    say(fd, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    sem_wait(&host->entered);
    fd_freep(&fd);
    sem_wait(&host->let_go); /* the handler was woken and saw that the client is gone */
}

static void a_stopping_server_wakes_handlers_and_still_sends_their_answers(void **state)
{
    struct host *host = *state;
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    SCOPED(fd)
    int fd = dial(host);

    say(fd, "GET /wait HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    sem_wait(&host->entered);
    http_server_stop(host->server, 50);
    hear_all(fd, &out);
    assert_says(&out, "HTTP/1.1 503");
    assert_says(&out, "woken");
}

static void *stop_with_grace(void *arg)
{
    http_server_stop(arg, 60000);
    return NULL;
}

static void grace_lets_a_running_handler_finish(void **state)
{
    struct host *host = *state;
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    SCOPED(fd)
    int fd = dial(host);
    pthread_t stopper;

    say(fd, "GET /slow HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    sem_wait(&host->entered);
    pthread_create(&stopper, NULL, stop_with_grace, host->server);
    sem_post(&host->let_go);
    hear_all(fd, &out);
    assert_says(&out, "HTTP/1.1 200");
    pthread_join(stopper, NULL);
}

static void broken_requests_end_the_connection_and_nothing_else(void **state)
{
    static const char *const requests[] = {
        "\r\n\r\n\r\n",
        "GARBAGE\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /\0x HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: banana\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    };
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;

    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        talk(*state, requests[i], &out);
    talk(*state, "GET /alive HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &out);
    assert_says(&out, "GET /alive");
}

static void a_taken_address_and_a_bad_one_are_told_apart(void **state)
{
    struct host *host = *state;
    struct http_server *second = NULL;
    struct error err = {0};
    char address[32];
    static const char *const bad[] = {"", "8080", "host:", "::1:80", "127.0.0.1:99999", "127.0.0.1:80x"};

    snprintf(address, sizeof(address), "127.0.0.1:%u", http_server_port(host->server));
    struct http_server_options options = {.address = address, .handler = serve, .self = host};
    assert_int_equal(http_server_start(&options, &second, &err), -1);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, address));

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        options.address = bad[i];
        assert_int_equal(http_server_start(&options, &second, &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
    }
    assert_null(second);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_request_arrives_whole_and_undecoded),
        WITH_SERVER(an_empty_answer_says_content_length_0_and_204_says_none),
        WITH_SERVER(a_body_above_the_limit_is_413_however_it_is_framed),
        WITH_SERVER(a_client_gets_to_send_a_body_that_is_a_little_too_large),
        WITH_SERVER(a_body_far_above_the_limit_is_413_before_it_is_sent),
        WITH_SERVER(who_asks_before_sending_a_large_body_is_told_413),
        WITH_SERVER(a_handler_without_an_answer_is_a_500_with_a_body),
        WITH_SERVER(one_connection_carries_many_requests),
        WITH_SERVER(an_idle_connection_is_closed),
        WITH_SERVER(time_in_a_handler_is_not_idle_time),
        WITH_SERVER(a_client_that_hangs_up_wakes_its_handler),
        WITH_SERVER(a_stopping_server_wakes_handlers_and_still_sends_their_answers),
        WITH_SERVER(grace_lets_a_running_handler_finish),
        WITH_SERVER(broken_requests_end_the_connection_and_nothing_else),
        WITH_SERVER(a_taken_address_and_a_bad_one_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
