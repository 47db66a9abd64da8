/* Requests that go through the server to what runs in a sandbox. Contract rest-api.md §11 (Proxy), §20. */
#include "tests/wire/lifecycle/backend.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

static struct backend backend;

static int setup(void **state)
{
    stand_setup(state);
    backend_open(&backend);
    backend_is_web(*state);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    backend_close(&backend);
    return 0;
}

static void the_request_arrives_as_it_was_sent_but_for_the_fields_that_stop_here(void **state)
{
    static const char *const dropped[] = {"authorization",       "cookie",  "open-sandbox-api-key",
                                          "keep-alive",          "te:",     "x-hop",
                                          "proxy-authorization", "upgrade", "trailer",
                                          "connection",          "expect"};
    SCOPED_STRBUF struct strbuf heard = STRBUF_INIT, lower = STRBUF_INIT;
    SCOPED(fd)
    int client =
        ask_web(*state, &backend, "PATCH", "/a%2Fb//c%20d?x=%26&y&z=",
                "Authorization: Bearer secret\r\nCookie: c=1\r\nOPEN-SANDBOX-API-KEY: stand-key\r\n"
                "Keep-Alive: 5\r\nTE: trailers\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\n"
                "Proxy-Authorization: p\r\nTrailer: t\r\nUpgrade: odd\r\nX-Twice: 1\r\nX-Twice: 2\r\n"
                "Accept-Encoding: gzip\r\n\r\n");
    SCOPED(fd) int sandbox = backend_accept(&backend);

    hear(sandbox, &heard, "\r\n\r\n");
    assert_contains(strbuf_text(&heard), "PATCH /a%2Fb//c%20d?x=%26&y&z= HTTP/1.1\r\n");
    assert_contains(strbuf_text(&heard), "X-Twice: 1\r\n");
    assert_contains(strbuf_text(&heard), "X-Twice: 2\r\n");
    assert_contains(strbuf_text(&heard), "Accept-Encoding: gzip\r\n");
    assert_contains(strbuf_text(&heard), "X-Forwarded-Proto: http\r\n");
    assert_contains(strbuf_text(&heard), "X-Forwarded-Host: api.example:99\r\n");
    assert_contains(strbuf_text(&heard), "X-Forwarded-For: 127.0.0.1\r\n");
    SCOPED(string) char *host = xasprintf("Host: 127.0.0.1:%d\r\n", backend.port);
    assert_contains(strbuf_text(&heard), host);
    for (const char *c = strbuf_text(&heard); *c; c++)
        strbuf_addc(&lower, (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c));
    for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++)
        assert_lacks(strbuf_text(&lower), dropped[i]);
}

static void what_an_earlier_proxy_forwarded_is_kept(void **state)
{
    SCOPED_STRBUF struct strbuf heard = STRBUF_INIT;
    SCOPED(fd)
    int client =
        ask_web(*state, &backend, "GET", "",
                "x-forwarded-for: 9.9.9.9\r\nX-FORWARDED-PROTO: https\r\nX-Forwarded-Host: first\r\n\r\n");
    SCOPED(fd) int sandbox = backend_accept(&backend);

    hear(sandbox, &heard, "\r\n\r\n");
    assert_contains(strbuf_text(&heard), "GET / HTTP/1.1\r\n");
    assert_contains(strbuf_text(&heard), "x-forwarded-for: 9.9.9.9\r\n");
    assert_contains(strbuf_text(&heard), "X-FORWARDED-PROTO: https\r\n");
    assert_contains(strbuf_text(&heard), "X-Forwarded-Host: first\r\n");
    assert_lacks(strbuf_text(&heard), "127.0.0.1\r\nX-");
    assert_lacks(strbuf_text(&heard), "api.example");
}

static void a_body_flows_to_the_sandbox_while_it_arrives(void **state)
{
    SCOPED_STRBUF struct strbuf heard = STRBUF_INIT, answer = STRBUF_INIT;
    SCOPED(fd) int client = ask_web(*state, &backend, "POST", "/up", "Content-Length: 10\r\n\r\nfirst");
    SCOPED(fd) int sandbox = backend_accept(&backend);

    hear(sandbox, &heard, "first");
    assert_contains(strbuf_text(&heard), "Content-Length: 10\r\n");
    assert_lacks(strbuf_text(&heard), "Transfer-Encoding");
    speak(client, "secon");
    hear(sandbox, &heard, "firstsecon");
    speak(sandbox, "HTTP/1.1 201 Made\r\nContent-Length: 2\r\n\r\nok");
    hear(client, &answer, "\r\n\r\nok");
    assert_contains(strbuf_text(&answer), "HTTP/1.1 201 ");
    assert_contains(strbuf_text(&answer), "Content-Length: 2\r\n");
}

static void a_chunked_body_flows_in_chunks(void **state)
{
    SCOPED_STRBUF struct strbuf heard = STRBUF_INIT;
    SCOPED(fd)
    int client =
        ask_web(*state, &backend, "DELETE", "/up", "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    SCOPED(fd) int sandbox = backend_accept(&backend);

    hear(sandbox, &heard, "5\r\nfirst\r\n");
    assert_contains(strbuf_text(&heard), "DELETE /up HTTP/1.1\r\n");
    assert_contains(strbuf_text(&heard), "Transfer-Encoding: chunked\r\n");
    assert_lacks(strbuf_text(&heard), "Content-Length");
    speak(client, "6\r\nsecond\r\n0\r\n\r\n");
    hear(sandbox, &heard, "6\r\nsecond\r\n");
    hear(sandbox, &heard, "0\r\n\r\n");
}

static void an_empty_body_is_sent_as_one_and_none_as_none(void **state)
{
    static const struct {
        const char *more;
        bool has_length;
    } rows[] = {{"Content-Length: 0\r\n\r\n", true}, {"\r\n", false}};

    for (size_t i = 0; i < 2; i++) {
        SCOPED_STRBUF struct strbuf heard = STRBUF_INIT;
        SCOPED(fd) int client = ask_web(*state, &backend, "POST", "/", rows[i].more);
        SCOPED(fd) int sandbox = backend_accept(&backend);

        hear(sandbox, &heard, "\r\n\r\n");
        assert_int_equal(strstr(strbuf_text(&heard), "Content-Length: 0\r\n") != NULL, rows[i].has_length);
    }
}

static void an_answer_flows_to_the_client_as_it_is_said(void **state)
{
    SCOPED_STRBUF struct strbuf heard = STRBUF_INIT, answer = STRBUF_INIT;
    SCOPED(fd) int client = ask_web(*state, &backend, "GET", "/events", "\r\n");
    SCOPED(fd) int sandbox = backend_accept(&backend);

    hear(sandbox, &heard, "\r\n\r\n");
    speak(sandbox, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    hear(client, &answer, "\r\n\r\n"); /* the head alone, before the first event */
    assert_contains(strbuf_text(&answer), "content-type: text/event-stream\r\n");
    speak(sandbox, "data: 1\n\n");
    hear(client, &answer, "data: 1\n\n");
    speak(sandbox, "data: 2\n\n");
    hear(client, &answer, "data: 2\n\n");
    fd_freep(&sandbox);
    hear(client, &answer,
         "\r\n0\r\n\r\n"); /* the end of the stream is the end of the body, not of the connection */
}

static void the_answer_arrives_as_it_was_sent_but_for_hop_by_hop_fields(void **state)
{
    SCOPED_STRBUF struct strbuf heard = STRBUF_INIT, answer = STRBUF_INIT;
    SCOPED(fd)
    int client = ask_web(*state, &backend, "GET", "/", "X-Request-ID: mine\r\nAccept-Encoding: gzip\r\n\r\n");
    SCOPED(fd) int sandbox = backend_accept(&backend);

    hear(sandbox, &heard, "\r\n\r\n");
    speak(sandbox,
          "HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
          "Content-Encoding: gzip\r\nContent-Length: 6\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n"
          "Connection: keep-alive, X-Hop\r\nX-Request-ID: theirs\r\nETag: \"e\"\r\n\r\nno-zip");
    hear(client, &answer, "\r\n\r\nno-zip"); /* nothing was followed, nothing unpacked */
    assert_contains(strbuf_text(&answer), "HTTP/1.1 302 ");
    assert_contains(strbuf_text(&answer), "location: http://elsewhere/\r\n");
    assert_contains(strbuf_text(&answer), "set-cookie: a=1\r\n");
    assert_contains(strbuf_text(&answer), "set-cookie: b=2\r\n");
    assert_contains(strbuf_text(&answer), "content-encoding: gzip\r\n");
    assert_contains(strbuf_text(&answer), "etag: \"e\"\r\n");
    assert_contains(strbuf_text(&answer), "X-Request-ID: mine\r\n");
    assert_lacks(strbuf_text(&answer), "theirs");
    assert_lacks(strbuf_text(&answer), "keep-alive");
    assert_lacks(strbuf_text(&answer), "x-hop");
}

static void interim_answers_and_answers_without_a_body_are_told_apart(void **state)
{
    static const struct {
        const char *method, *said, *status, *end;
    } rows[] = {
        {"GET", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 ",
         "\r\n\r\n"},
        {"GET", "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n", "HTTP/1.1 304 ", "\r\n\r\n"},
        {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", "Content-Length: 999\r\n", "\r\n\r\n"},
        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "Content-Length: 0\r\n", "\r\n\r\n"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED_STRBUF struct strbuf heard = STRBUF_INIT, answer = STRBUF_INIT;
        SCOPED(fd) int client = ask_web(*state, &backend, rows[i].method, "/", "Connection: close\r\n\r\n");
        SCOPED(fd) int sandbox = backend_accept(&backend);

        hear(sandbox, &heard, "\r\n\r\n");
        speak(sandbox, rows[i].said);
        hear_end(client, &answer);
        assert_contains(strbuf_text(&answer), rows[i].status);
        assert_lacks(strbuf_text(&answer), "HTTP/1.1 103");
        size_t end = strlen(rows[i].end);
        assert_string_equal(strbuf_text(&answer) + answer.length - end, rows[i].end);
        assert_ptr_equal(strstr(strbuf_text(&answer), "\r\n\r\n"),
                         strbuf_text(&answer) + answer.length - end);
    }
}

static void one_connection_of_a_client_carries_many_proxied_requests(void **state)
{
    SCOPED_STRBUF struct strbuf answer = STRBUF_INIT;
    SCOPED(fd) int client = ask_web(*state, &backend, "GET", "/0", "\r\n");

    for (int i = 0; i < 3; i++) {
        SCOPED_STRBUF struct strbuf heard = STRBUF_INIT;
        SCOPED(fd) int sandbox = backend_accept(&backend);
        SCOPED(string) char *said = xasprintf("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nno %d", i);
        SCOPED(string)
        char *next =
            xasprintf("GET /sandboxes/web/proxy/%d/%d HTTP/1.1\r\nHost: h\r\n\r\n", backend.port, i + 1);

        hear(sandbox, &heard, "\r\n\r\n");
        speak(sandbox, said);
        hear(client, &answer, said + strlen(said) - 4);
        speak(client, next);
    }
    SCOPED(fd) int last = backend_accept(&backend);
}

static void nobody_who_listens_is_502(void **state)
{
    SCOPED_STRBUF struct strbuf answer = STRBUF_INIT;

    backend_close(&backend);
    SCOPED(fd)
    int client = ask_web(*state, &backend, "POST", "/", "Connection: close\r\nContent-Length: 4\r\n\r\nbody");
    hear_end(client, &answer);
    assert_contains(strbuf_text(&answer), "HTTP/1.1 502 ");
    assert_contains(strbuf_text(&answer), "Content-Type: application/json\r\n");
    assert_contains(strbuf_text(&answer),
                    "{\"code\":\"GENERAL::UNKNOWN_ERROR\",\"message\":\"Could not connect");
    assert_contains(strbuf_text(&answer), "X-Request-ID: ");
}

static void an_answer_that_is_none_is_500(void **state)
{
    static const char *const said[] = {"", "GARBAGE\r\n\r\n", "HTTP/1.1 200", "HTTP/1.1 77 Low\r\n\r\n",
                                       "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"};

    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        SCOPED_STRBUF struct strbuf heard = STRBUF_INIT, answer = STRBUF_INIT;
        SCOPED(fd) int client = ask_web(*state, &backend, "GET", "/", "Connection: close\r\n\r\n");
        SCOPED(fd) int sandbox = backend_accept(&backend);

        hear(sandbox, &heard, "\r\n\r\n");
        speak(sandbox, said[i]);
        fd_freep(&sandbox);
        hear_end(client, &answer);
        print_message("%s\n", said[i]);
        assert_contains(strbuf_text(&answer), "HTTP/1.1 500 ");
        assert_contains(strbuf_text(&answer), "\"message\":\"The sandbox web gave no usable answer");
    }
}

static void an_answer_with_too_many_fields_is_500(void **state)
{
    SCOPED_STRBUF struct strbuf heard = STRBUF_INIT, answer = STRBUF_INIT, said = STRBUF_INIT;
    SCOPED(fd) int client = ask_web(*state, &backend, "GET", "/", "Connection: close\r\n\r\n");
    SCOPED(fd) int sandbox = backend_accept(&backend);

    strbuf_adds(&said, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
    for (int i = 0; i < 30; i++)
        strbuf_addf(&said, "X-%d: %01000d\r\n", i, i);
    strbuf_adds(&said, "\r\n");
    hear(sandbox, &heard, "\r\n\r\n");
    speak(sandbox, strbuf_text(&said));
    hear_end(client, &answer);
    assert_contains(strbuf_text(&answer), "HTTP/1.1 500 ");
}

static void an_answer_that_breaks_off_cuts_the_connection(void **state)
{
    static const char *const said[] = {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome",
                                       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"};

    for (size_t i = 0; i < 2; i++) {
        SCOPED_STRBUF struct strbuf heard = STRBUF_INIT, answer = STRBUF_INIT;
        SCOPED(fd) int client = ask_web(*state, &backend, "GET", "/", "\r\n");
        SCOPED(fd) int sandbox = backend_accept(&backend);

        hear(sandbox, &heard, "\r\n\r\n");
        speak(sandbox, said[i]);
        hear(client, &answer, "some");
        fd_freep(&sandbox);
        hear_end(client, &answer); /* the connection was to be kept */
        assert_lacks(strbuf_text(&answer), "\r\n0\r\n");
    }
}

static void a_client_that_leaves_takes_the_sandboxes_connection_along(void **state)
{
    static const struct {
        const char *more, *said;
    } rows[] = {
        {"\r\n", ""},                                        /* while it waits for the answer */
        {"\r\n", "HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n"},      /* in the middle of it */
        {"Content-Length: 100\r\n\r\nsome of the body", ""}, /* in the middle of the body */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED_STRBUF struct strbuf heard = STRBUF_INIT, answer = STRBUF_INIT;
        SCOPED(fd) int client = ask_web(*state, &backend, "POST", "/", rows[i].more);
        SCOPED(fd) int sandbox = backend_accept(&backend);

        hear(sandbox, &heard, "\r\n\r\n");
        speak(sandbox, rows[i].said);
        if (*rows[i].said)
            hear(client, &answer, "data: 1");
        fd_freep(&client);
        hear_end(sandbox, &heard);
    }
}

static void a_sandbox_that_refuses_a_body_is_heard(void **state)
{
    SCOPED_STRBUF struct strbuf heard = STRBUF_INIT, answer = STRBUF_INIT;
    SCOPED(fd)
    int client = ask_web(*state, &backend, "POST", "/", "Connection: close\r\nContent-Length: 8\r\n\r\nhalf");
    SCOPED(fd) int sandbox = backend_accept(&backend);

    hear(sandbox, &heard, "half");
    speak(sandbox, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    speak(client, "half");
    hear_end(client, &answer);
    assert_contains(strbuf_text(&answer), "HTTP/1.1 413 ");
    assert_contains(strbuf_text(&answer), "\r\n\r\nno");
}

static void a_sandbox_without_an_address_is_404_at_once(void **state)
{
    static const struct {
        const char *phase, *endpoints, *code;
    } rows[] = {
        {"Paused", "[\"127.0.0.1\"]", "KUBERNETES::POD_IP_NOT_AVAILABLE"},
        {"Resuming", "[]", "KUBERNETES::POD_IP_NOT_AVAILABLE"},
        {"Pending", "", "KUBERNETES::POD_IP_NOT_AVAILABLE"},
        {NULL, NULL, "KUBERNETES::SANDBOX_NOT_FOUND"},
    };
    struct stand *stand = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct fake_sandbox web = {
            .name = "web", .phase = rows[i].phase, .endpoints = rows[i].endpoints};
        fake_remove(stand->fake, "web");
        if (rows[i].phase)
            fake_put(stand->fake, &web);
        SCOPED_REPLY struct reply reply = ask_with(stand, "GET", "/sandboxes/web/proxy/80/x", NULL, NULL);
        assert_reply(&reply, 404, rows[i].code, "web");
    }
}

static void an_address_that_is_no_ip_is_never_looked_up(void **state)
{
    struct stand *stand = *state;
    const struct fake_sandbox web = {.name = "web", .phase = "Succeed", .endpoints = "[\"localhost\"]"};

    fake_put(stand->fake, &web);
    SCOPED_REPLY struct reply reply = ask_with(stand, "GET", "/sandboxes/web/proxy/80/", NULL, NULL);
    assert_reply(&reply, 500, "GENERAL::UNKNOWN_ERROR", "address");
}

static void requests_that_cannot_be_passed_on_say_why(void **state)
{
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *code, *part;
    } rows[] = {
        {"GET", "/v1/sandboxes/web/proxy/http/x", NULL, 422, "SANDBOX::INVALID_PARAMETER", "port"},
        {"GET", "/v1/sandboxes/web/proxy/0/x", NULL, 400, "DOCKER::INVALID_PORT", "port"},
        {"GET", "/v1/sandboxes/web/proxy/65536", NULL, 400, "DOCKER::INVALID_PORT", "65536"},
        {"POST", "/v1/sandboxes/web/proxy/65536", "a body", 400, "DOCKER::INVALID_PORT", "65536"},
        {"GET", "/v1/sandboxes/web/proxy/%38%30/x", NULL, 422, "SANDBOX::INVALID_PARAMETER", "port"},
        {"TRACE", "/v1/sandboxes/web/proxy/80/x", NULL, 400, "SANDBOX::INVALID_PARAMETER", "TRACE"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED_REPLY struct reply reply = ask(*state, rows[i].method, rows[i].path, rows[i].body);
        assert_reply(&reply, rows[i].status, rows[i].code, rows[i].part);
    }
}

static void an_endpoint_may_lead_through_the_server(void **state)
{
    static const char *const headers[] = {"OPEN-SANDBOX-API-KEY: " STAND_KEY, "Host: api.example:8443", NULL};
    SCOPED_REPLY
    struct reply reply =
        ask_with(*state, "GET", "/v1/sandboxes/web/endpoints/80?use_server_proxy=true", NULL, headers);

    assert_int_equal(reply.http.status, 200);
    assert_string_equal(text_at(&reply, "endpoint"), "api.example:8443/sandboxes/web/proxy/80");
    assert_null(json_object_get(reply.json, "headers"));
}

/* ---- amounts ---- */

enum { MANY_BYTES = 192 << 20 };

static void *swallow(void *arg)
{
    int sandbox = backend_accept(&backend);
    char *piece = xcalloc(1, 1 << 16);
    int64_t *swallowed = arg;

    for (ssize_t length; *swallowed < MANY_BYTES && (length = recv(sandbox, piece, 1 << 16, 0)) > 0;)
        *swallowed += length;
    speak(sandbox, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
    while (recv(sandbox, piece, 1 << 16, 0) > 0)
        ;
    close(sandbox);
    free(piece);
    return NULL;
}

/* Of the service, in KiB. */
static long peak_memory(const struct stand *stand)
{
    SCOPED(string) char *path = xasprintf("/proc/%d/status", (int)stand->pid);
    FILE *status = fopen(path, "r");
    char line[256];
    long peak = 0;

    assert_non_null(status);
    while (fgets(line, sizeof(line), status))
        if (sscanf(line, "VmHWM: %ld", &peak) == 1)
            break;
    fclose(status);
    return peak;
}

static void a_large_body_takes_no_memory(void **state)
{
    SCOPED_STRBUF struct strbuf answer = STRBUF_INIT;
    SCOPED(string) char *more = xasprintf("Content-Length: %d\r\n\r\n", MANY_BYTES);
    long before = peak_memory(*state);
    char *piece = xcalloc(1, 1 << 20);
    int64_t swallowed = 0;
    pthread_t thread;

    pthread_create(&thread, NULL, swallow, &swallowed);
    SCOPED(fd) int client = ask_web(*state, &backend, "POST", "/", more);
    for (int64_t sent = 0; sent < MANY_BYTES;) {
        ssize_t length = send(client, piece, 1 << 20, MSG_NOSIGNAL);
        assert_true(length > 0);
        sent += length;
    }
    hear(client, &answer, "\r\n\r\ndone");
    fd_freep(&client);
    pthread_join(thread, NULL);
    free(piece);
    assert_true(peak_memory(*state) - before < 16 << 10);
}

/* Sends until the other side takes no more for a while; answers how much. */
static int64_t stuff(int fd)
{
    char *piece = xcalloc(1, 1 << 16);
    struct pollfd polled = {.fd = fd, .events = POLLOUT};
    int64_t sent = 0;

    while (sent < MANY_BYTES && poll(&polled, 1, 1000) > 0) {
        ssize_t length = send(fd, piece, 1 << 16, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (length > 0)
            sent += length;
    }
    free(piece);
    return sent;
}

static void a_client_that_does_not_read_stops_the_sandbox(void **state)
{
    SCOPED_STRBUF struct strbuf heard = STRBUF_INIT;
    SCOPED(fd) int client = ask_web(*state, &backend, "GET", "/", "\r\n");
    SCOPED(fd) int sandbox = backend_accept(&backend);

    hear(sandbox, &heard, "\r\n\r\n");
    speak(sandbox, "HTTP/1.1 200 OK\r\n\r\n");
    assert_true(stuff(sandbox) < MANY_BYTES);
}

static void a_sandbox_that_does_not_read_stops_the_client(void **state)
{
    SCOPED_STRBUF struct strbuf heard = STRBUF_INIT;
    SCOPED(string) char *more = xasprintf("Content-Length: %d\r\n\r\n", MANY_BYTES);
    SCOPED(fd) int client = ask_web(*state, &backend, "POST", "/", more);
    SCOPED(fd) int sandbox = backend_accept(&backend);

    hear(sandbox, &heard, "\r\n\r\n");
    assert_true(stuff(client) < MANY_BYTES);
}

#define WITH_BACKEND(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BACKEND(the_request_arrives_as_it_was_sent_but_for_the_fields_that_stop_here),
        WITH_BACKEND(what_an_earlier_proxy_forwarded_is_kept),
        WITH_BACKEND(a_body_flows_to_the_sandbox_while_it_arrives),
        WITH_BACKEND(a_chunked_body_flows_in_chunks),
        WITH_BACKEND(an_empty_body_is_sent_as_one_and_none_as_none),
        WITH_BACKEND(an_answer_flows_to_the_client_as_it_is_said),
        WITH_BACKEND(the_answer_arrives_as_it_was_sent_but_for_hop_by_hop_fields),
        WITH_BACKEND(interim_answers_and_answers_without_a_body_are_told_apart),
        WITH_BACKEND(one_connection_of_a_client_carries_many_proxied_requests),
        WITH_BACKEND(nobody_who_listens_is_502),
        WITH_BACKEND(an_answer_that_is_none_is_500),
        WITH_BACKEND(an_answer_with_too_many_fields_is_500),
        WITH_BACKEND(an_answer_that_breaks_off_cuts_the_connection),
        WITH_BACKEND(a_client_that_leaves_takes_the_sandboxes_connection_along),
        WITH_BACKEND(a_sandbox_that_refuses_a_body_is_heard),
        WITH_BACKEND(a_sandbox_without_an_address_is_404_at_once),
        WITH_BACKEND(an_address_that_is_no_ip_is_never_looked_up),
        WITH_BACKEND(requests_that_cannot_be_passed_on_say_why),
        WITH_BACKEND(an_endpoint_may_lead_through_the_server),
        WITH_BACKEND(a_large_body_takes_no_memory),
        WITH_BACKEND(a_client_that_does_not_read_stops_the_sandbox),
        WITH_BACKEND(a_sandbox_that_does_not_read_stops_the_client),
    };

    setenv("ASAN_OPTIONS", "quarantine_size_mb=1", 1); /* or freed memory looks like memory in use */
    return cmocka_run_group_tests(tests, stand_setup_group, stand_teardown_group);
}
