/* Streamed exchanges and upgrades of the server, step by step, in plaintext and over TLS. */
#include "tests/unit/shared/http_server/talk.h"

#include <curl/curl.h>
#include <pthread.h>
#include <semaphore.h>

#include "pki.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

struct host {
    struct http_server *server;
    struct strbuf told; /* what was called, in order; by the connection's thread until `ended` */
    sem_t ended;

    pthread_mutex_t lock; /* guards what follows */
    char *chain, *key;
};

static struct host host;

static int take(void *stream, const char *bytes, size_t length)
{
    (void)stream;
    strbuf_addf(&host.told, "take(%.*s) ", (int)length, bytes);
    return strncmp(bytes, "cut", 3) == 0 ? -1 : 0;
}

static void answer(void *stream, struct http_exchange *exchange)
{
    const char *path = http_path(exchange);

    (void)stream;
    strbuf_adds(&host.told, "answer ");
    if (strcmp(path, "/stream/known") == 0)
        http_answer_streamed(exchange, 200, 10);
    else if (strcmp(path, "/stream/short") == 0)
        http_answer_streamed(exchange, 200, 11);
    else if (strcmp(path, "/stream/whole") == 0)
        http_answer(exchange, 409, "text/plain", "whole", 5);
    else if (strcmp(path, "/stream/silent") != 0)
        http_answer_streamed(exchange, 200, -1);
}

static long give(void *stream, char *into, size_t room)
{
    int *pieces = stream;

    (void)room;
    strbuf_adds(&host.told, "give ");
    if (++*pieces > 2)
        return 0;
    memcpy(into, "piece", 5);
    return 5;
}

static void ended(void *stream)
{
    free(stream);
    strbuf_adds(&host.told, "ended");
    sem_post(&host.ended);
}

static const struct http_stream_steps steps = {take, answer, give, ended};

/* Echoes until the client ends or the server stops. */
static void run_tunnel(void *self, int client_fd, int stop_fd, const char *early, size_t early_length)
{
    struct pollfd polled[2] = {{.fd = client_fd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};
    char piece[256];

    (void)self;
    if (early_length)
        (void)!send(client_fd, early, early_length, MSG_NOSIGNAL);
    while (poll(polled, 2, -1) > 0 && !polled[1].revents) {
        ssize_t length = recv(client_fd, piece, sizeof(piece), MSG_DONTWAIT);
        if (length <= 0)
            return;
        (void)!send(client_fd, piece, (size_t)length, MSG_NOSIGNAL);
    }
}

static void tunnel_ended(void *self)
{
    (void)self;
    sem_post(&host.ended);
}

static const struct http_tunnel tunnel = {run_tunnel, tunnel_ended};

static void answer_upgrade(void *stream, struct http_exchange *exchange)
{
    (void)stream;
    http_answer_header(exchange, "Upgrade", "echo");
    http_answer_upgrade(exchange, &tunnel, NULL);
}

static void upgrade_ended(void *stream)
{
    (void)stream;
}

static const struct http_stream_steps upgrade_steps = {take, answer_upgrade, give, upgrade_ended};

static bool streams(void *self, const struct http_exchange *exchange)
{
    (void)self;
    return strncmp(http_path(exchange), "/stream", 7) == 0 || strcmp(http_path(exchange), "/upgrade") == 0;
}

static void serve(void *self, struct http_exchange *exchange)
{
    (void)self;
    if (strcmp(http_path(exchange), "/upgrade") == 0)
        http_stream(exchange, &upgrade_steps, NULL);
    else if (strcmp(http_path(exchange), "/stream/refused") == 0)
        http_answer(exchange, 403, "text/plain", "refused", 7);
    else if (streams(NULL, exchange))
        http_stream(exchange, &steps, xcalloc(1, sizeof(int)));
    else
        http_answer(exchange, 200, "text/plain", http_is_tls(exchange) ? "tls" : "plain",
                    http_is_tls(exchange) ? 3 : 5);
}

static void certificate(void *self, char **ret_chain, char **ret_key)
{
    (void)self;
    pthread_mutex_lock(&host.lock);
    *ret_chain = xstrdup(host.chain);
    *ret_key = xstrdup(host.key);
    pthread_mutex_unlock(&host.lock);
}

static int start_with(void **state, bool tls)
{
    struct error err = {0};
    struct http_server_options options = {.address = "127.0.0.1:0",
                                          .handler = serve,
                                          .streams = streams,
                                          .upgrades = true,
                                          .max_body = 100,
                                          .tls = {tls ? certificate : NULL, NULL}};

    sem_init(&host.ended, 0, 0);
    pthread_mutex_init(&host.lock, NULL);
    *state = &host;
    return http_server_start(&options, &host.server, &err);
}

static int start(void **state)
{
    return start_with(state, false);
}

static int stop(void **state)
{
    (void)state;
    http_server_free(host.server);
    strbuf_done(&host.told);
    sem_destroy(&host.ended);
    pthread_mutex_destroy(&host.lock);
    return 0;
}

static void talk(const char *request, struct strbuf *out)
{
    SCOPED(fd) int fd = dial(host.server);

    assert_true(say(fd, request));
    hear_all(fd, out);
}

static void the_steps_come_in_their_order(void **state)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    SCOPED(fd) int fd = dial(host.server);

    (void)state;
    say(fd, "POST /stream HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
    sem_wait(&host.ended);
    assert_string_equal(strbuf_text(&host.told), "take(body) answer give give give ended");
    hear(fd, &out, "5\r\npiece\r\n5\r\npiece\r\n0\r\n\r\n");
    strbuf_reset(&host.told);
    say(fd, "GET /stream/known HTTP/1.1\r\nHost: h\r\n\r\n"); /* the connection goes on */
    sem_wait(&host.ended);
    assert_string_equal(strbuf_text(&host.told), "answer give give ended");
    strbuf_reset(&out);
    hear(fd, &out, "\r\n\r\npiecepiece");
    assert_contains(strbuf_text(&out), "Content-Length: 10\r\n");
}

static void an_answer_shorter_than_announced_cuts_the_connection(void **state)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;

    (void)state;
    talk("GET /stream/short HTTP/1.1\r\nHost: h\r\n\r\n", &out);
    assert_contains(strbuf_text(&out), "Content-Length: 11\r\n");
    assert_contains(strbuf_text(&out), "piecepiece");
}

static void a_stream_may_answer_whole_or_not_at_all(void **state)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;

    (void)state;
    talk("GET /stream/whole HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &out);
    assert_contains(strbuf_text(&out), "HTTP/1.1 409 ");
    strbuf_reset(&out);
    talk("GET /stream/silent HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &out);
    assert_contains(strbuf_text(&out), "HTTP/1.1 500 ");
}

static void a_stream_that_takes_no_more_cuts_the_connection(void **state)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;

    (void)state;
    talk("POST /stream HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\ncut", &out);
    assert_int_equal(out.length, 0);
    sem_wait(&host.ended);
    assert_string_equal(strbuf_text(&host.told), "take(cut) ended");
}

static void a_refused_request_has_its_body_dropped_and_is_answered(void **state)
{
    static const char *const requests[] = {
        "POST /stream/refused HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody",
        "POST /stream/refused HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n", /* not waited for */
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        SCOPED_STRBUF struct strbuf out = STRBUF_INIT;

        talk(requests[i], &out);
        assert_contains(strbuf_text(&out), "HTTP/1.1 403 ");
        assert_contains(strbuf_text(&out), "\r\n\r\nrefused");
    }
}

static void an_old_client_hears_the_end_by_the_connections_end(void **state)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;

    (void)state;
    talk("GET /stream HTTP/1.0\r\n\r\n", &out);
    assert_contains(strbuf_text(&out), "\r\n\r\npiecepiece");
    assert_lacks(strbuf_text(&out), "chunked");
}

static void an_upgraded_connection_belongs_to_its_tunnel(void **state)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    SCOPED(fd) int fd = dial(host.server);

    (void)state;
    say(fd, "GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly");
    hear(fd, &out, "\r\n\r\nearly");
    assert_contains(strbuf_text(&out), "HTTP/1.1 101 ");
    say(fd, "later");
    hear(fd, &out, "later");
    fd_freep(&fd);
    sem_wait(&host.ended);
}

static void a_stop_ends_tunnels(void **state)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    SCOPED(fd) int fd = dial(host.server);

    (void)state;
    say(fd, "GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly");
    hear(fd, &out, "early");
    http_server_stop(host.server, 0);
    sem_wait(&host.ended);
    hear_all(fd, &out);
}

/* ---- TLS ---- */

static const struct leaf leaf = {.san = "IP:127.0.0.1", .usage = "serverAuth"};

static struct ca ours, renewed;

static void use(const struct ca *ca)
{
    pthread_mutex_lock(&host.lock);
    free(host.chain);
    free(host.key);
    issue(ca, &leaf, &host.chain, &host.key);
    pthread_mutex_unlock(&host.lock);
}

static int start_tls(void **state)
{
    ours = ca_new("ours");
    renewed = ca_new("renewed");
    pthread_mutex_init(&host.lock, NULL);
    use(&ours);
    return start_with(state, true);
}

static int stop_tls(void **state)
{
    stop(state);
    free(host.chain);
    free(host.key);
    host.chain = host.key = NULL;
    ca_done(&ours);
    ca_done(&renewed);
    return 0;
}

/* A handshake that trusts `ca`. NULL: it failed. */
static CURL *handshake(const struct ca *ca, long version)
{
    CURL *curl = curl_easy_init();
    SCOPED(string) char *url = xasprintf("https://127.0.0.1:%u/", http_server_port(host.server));
    SCOPED(string) char *pem = ca_pem(ca);
    struct curl_blob blob = {.data = pem, .len = strlen(pem), .flags = CURL_BLOB_COPY};

    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
    curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, version);
    if (curl_easy_perform(curl) == CURLE_OK)
        return curl;
    curl_easy_cleanup(curl);
    return NULL;
}

static void tell_tls(CURL *curl, const char *text)
{
    size_t sent;

    assert_int_equal(curl_easy_send(curl, text, strlen(text), &sent), CURLE_OK);
    assert_int_equal(sent, strlen(text));
}

static void hear_tls(CURL *curl, struct strbuf *out, const char *text)
{
    curl_socket_t fd;
    char piece[4096];
    size_t length;

    curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &fd);
    while (!strstr(strbuf_text(out), text)) {
        struct pollfd polled = {.fd = fd, .events = POLLIN};
        CURLcode got = curl_easy_recv(curl, piece, sizeof(piece), &length);
        if (got == CURLE_OK && length > 0)
            strbuf_append(out, piece, length);
        else if (got != CURLE_AGAIN || poll(&polled, 1, 10000) <= 0)
            fail_msg("want \"%s\", heard \"%s\"", text, strbuf_text(out));
    }
}

static void tls_carries_requests_streams_and_tunnels(void **state)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    CURL *curl = handshake(&ours, CURL_SSLVERSION_DEFAULT);

    (void)state;
    assert_non_null(curl);
    tell_tls(curl, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    hear_tls(curl, &out, "\r\n\r\ntls");
    tell_tls(curl, "POST /stream HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
    hear_tls(curl, &out, "5\r\npiece\r\n0\r\n\r\n");
    sem_wait(&host.ended);
    tell_tls(curl, "GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    hear_tls(curl, &out, "HTTP/1.1 101 ");
    tell_tls(curl, "over the tunnel");
    hear_tls(curl, &out, "over the tunnel");
    curl_easy_cleanup(curl);
    sem_wait(&host.ended);
}

static void a_stop_ends_tunnels_of_tls(void **state)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    CURL *curl = handshake(&ours, CURL_SSLVERSION_DEFAULT);

    (void)state;
    tell_tls(curl, "GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    hear_tls(curl, &out, "\r\n\r\n");
    http_server_stop(host.server, 0);
    sem_wait(&host.ended);
    curl_easy_cleanup(curl);
}

static void a_renewed_certificate_counts_from_the_next_handshake_on(void **state)
{
    CURL *before = handshake(&ours, CURL_SSLVERSION_DEFAULT);
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;

    (void)state;
    assert_non_null(before);
    use(&renewed);
    assert_null(handshake(&ours, CURL_SSLVERSION_DEFAULT));
    CURL *after = handshake(&renewed, CURL_SSLVERSION_DEFAULT);
    assert_non_null(after);
    curl_easy_cleanup(after);
    tell_tls(before, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); /* connections go on */
    hear_tls(before, &out, "\r\n\r\ntls");
    curl_easy_cleanup(before);
}

static void tls_1_2_is_spoken_and_older_ones_are_not(void **state)
{
    CURL *two = handshake(&ours, CURL_SSLVERSION_TLSv1_2 | CURL_SSLVERSION_MAX_TLSv1_2);

    (void)state;
    assert_non_null(two);
    curl_easy_cleanup(two);
    assert_null(handshake(&ours, CURL_SSLVERSION_TLSv1_1 | CURL_SSLVERSION_MAX_TLSv1_1));
}

static void plaintext_on_a_tls_port_gets_nothing(void **state)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;

    (void)state;
    talk("GET / HTTP/1.1\r\nHost: h\r\n\r\n", &out);
    assert_lacks(strbuf_text(&out), "HTTP/1.1 200");
}

static void a_certificate_that_is_none_is_refused_at_the_start(void **state)
{
    struct error err = {0};

    host.chain = xstrdup("nonsense");
    host.key = xstrdup("nonsense");
    pthread_mutex_init(&host.lock, NULL);
    assert_int_equal(start_with(state, true), -1);
    const struct http_server_options options = {
        .address = "127.0.0.1:0", .handler = serve, .tls = {certificate, NULL}};
    assert_fails(http_server_start(&options, &host.server, &err), &err, ERR_INVALID, "certificate");
    free(host.chain);
    free(host.key);
    host.chain = host.key = NULL;
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)
#define WITH_TLS(test)    cmocka_unit_test_setup_teardown(test, start_tls, stop_tls)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(the_steps_come_in_their_order),
        WITH_SERVER(an_answer_shorter_than_announced_cuts_the_connection),
        WITH_SERVER(a_stream_may_answer_whole_or_not_at_all),
        WITH_SERVER(a_stream_that_takes_no_more_cuts_the_connection),
        WITH_SERVER(a_refused_request_has_its_body_dropped_and_is_answered),
        WITH_SERVER(an_old_client_hears_the_end_by_the_connections_end),
        WITH_SERVER(an_upgraded_connection_belongs_to_its_tunnel),
        WITH_SERVER(a_stop_ends_tunnels),
        WITH_TLS(tls_carries_requests_streams_and_tunnels),
        WITH_TLS(a_stop_ends_tunnels_of_tls),
        WITH_TLS(a_renewed_certificate_counts_from_the_next_handshake_on),
        WITH_TLS(tls_1_2_is_spoken_and_older_ones_are_not),
        WITH_TLS(plaintext_on_a_tls_port_gets_nothing),
        cmocka_unit_test(a_certificate_that_is_none_is_refused_at_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
