/* WebSockets through the server, and what ends or limits proxied requests. Contract rest-api.md §11 (Proxy), §20. */
#include "tests/wire/lifecycle/backend.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

#define UPGRADE                                                                                              \
    "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: k\r\n"                      \
    "Sec-WebSocket-Version: 13\r\nCookie: c=1\r\n\r\n"
#define SWITCHING "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"

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

/* A WebSocket that is open on both sides. */
struct socket_pair {
    int client, sandbox;
};

static struct socket_pair open_socket(const struct stand *stand)
{
    SCOPED_STRBUF struct strbuf heard = STRBUF_INIT, answer = STRBUF_INIT;
    struct socket_pair pair = {.client = ask_web(stand, &backend, "GET", "/ws?a=b", UPGRADE)};

    pair.sandbox = backend_accept(&backend);
    hear(pair.sandbox, &heard, "\r\n\r\n");
    assert_contains(strbuf_text(&heard), "GET /ws?a=b HTTP/1.1\r\n");
    assert_contains(strbuf_text(&heard), "Upgrade: websocket\r\n");
    assert_contains(strbuf_text(&heard), "Connection: Upgrade\r\n");
    assert_contains(strbuf_text(&heard), "Sec-WebSocket-Key: k\r\n");
    assert_contains(strbuf_text(&heard), "Sec-WebSocket-Version: 13\r\n");
    assert_lacks(strbuf_text(&heard), "Cookie");
    speak(pair.sandbox, SWITCHING "Sec-WebSocket-Accept: yes\r\n\r\nearly");
    hear(pair.client, &answer, "\r\n\r\nearly"); /* what came with the head is not lost */
    assert_contains(strbuf_text(&answer), "HTTP/1.1 101 ");
    assert_contains(strbuf_text(&answer), "Upgrade: websocket\r\n");
    assert_contains(strbuf_text(&answer), "Connection: Upgrade\r\n");
    assert_contains(strbuf_text(&answer), "sec-websocket-accept: yes\r\n");
    return pair;
}

static void close_socket(struct socket_pair *pair)
{
    fd_freep(&pair->client);
    fd_freep(&pair->sandbox);
}
#define SCOPED_SOCKET __attribute__((cleanup(close_socket)))

static void a_websocket_carries_bytes_both_ways(void **state)
{
    SCOPED_STRBUF struct strbuf heard = STRBUF_INIT, answer = STRBUF_INIT;
    SCOPED_SOCKET struct socket_pair pair = open_socket(*state);

    speak(pair.client, "ping");
    hear(pair.sandbox, &heard, "ping");
    speak(pair.sandbox, "pong");
    hear(pair.client, &answer, "pong");
    speak(pair.client, "again");
    hear(pair.sandbox, &heard, "again");
}

static void bytes_that_a_client_sends_too_early_arrive(void **state)
{
    SCOPED_STRBUF struct strbuf heard = STRBUF_INIT;
    SCOPED(fd) int client = ask_web(*state, &backend, "GET", "/", UPGRADE "hasty");
    SCOPED(fd) int sandbox = backend_accept(&backend);

    hear(sandbox, &heard, "\r\n\r\n");
    speak(sandbox, SWITCHING "\r\n");
    hear(sandbox, &heard, "hasty");
}

static void whichever_side_ends_the_other_is_told(void **state)
{
    for (int i = 0; i < 2; i++) {
        SCOPED_STRBUF struct strbuf heard = STRBUF_INIT;
        SCOPED_SOCKET struct socket_pair pair = open_socket(*state);
        int *leaves = i ? &pair.client : &pair.sandbox, *stays = i ? &pair.sandbox : &pair.client;

        speak(*leaves, "bye");
        fd_freep(leaves);
        hear_end(*stays, &heard);
        assert_string_equal(strbuf_text(&heard), "bye"); /* the last words are delivered */
    }
}

static void a_refused_upgrade_is_passed_back(void **state)
{
    SCOPED_STRBUF struct strbuf heard = STRBUF_INIT, answer = STRBUF_INIT;
    SCOPED(fd) int client = ask_web(*state, &backend, "GET", "/ws", UPGRADE);
    SCOPED(fd) int sandbox = backend_accept(&backend);

    hear(sandbox, &heard, "\r\n\r\n");
    speak(sandbox, "HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\nX-Why: 1\r\n\r\nnot you");
    hear(client, &answer, "\r\n\r\nnot you");
    assert_contains(strbuf_text(&answer), "HTTP/1.1 403 ");
    assert_contains(strbuf_text(&answer), "x-why: 1\r\n");
}

static void other_upgrades_are_400(void **state)
{
    static const struct {
        const char *method, *more;
    } rows[] = {
        {"GET", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n"},
        {"POST", "Content-Length: 0\r\n" UPGRADE},
    };

    for (size_t i = 0; i < 2; i++) {
        SCOPED_STRBUF struct strbuf answer = STRBUF_INIT;
        SCOPED(fd) int client = ask_web(*state, &backend, rows[i].method, "/", rows[i].more);

        hear(client, &answer, "\"code\":\"SANDBOX::INVALID_PARAMETER\"");
        assert_contains(strbuf_text(&answer), "HTTP/1.1 400 ");
    }
}

static void nobody_who_listens_for_a_websocket_is_502(void **state)
{
    SCOPED_STRBUF struct strbuf answer = STRBUF_INIT;

    backend_close(&backend);
    SCOPED(fd) int client = ask_web(*state, &backend, "GET", "/ws", UPGRADE);
    hear(client, &answer, "Could not connect");
    assert_contains(strbuf_text(&answer), "HTTP/1.1 502 ");
}

/* ---- stands of their own ---- */

static void start(struct stand *stand, const char *const *flags)
{
    stand_start(stand, flags);
    backend_open(&backend);
    backend_is_web(stand);
}

static void stop(struct stand *stand)
{
    backend_close(&backend);
    stand_stop(stand);
}

/* The end of a WebSocket is noticed, not announced: asks until a request goes through. */
static void await_room(const struct stand *stand)
{
    for (int tries = 0; tries < 1000; tries++) {
        SCOPED_STRBUF struct strbuf answer = STRBUF_INIT;
        SCOPED(fd) int client = ask_web(stand, &backend, "GET", "/", "Connection: close\r\n\r\n");
        struct pollfd either[2] = {{.fd = client, .events = POLLIN},
                                   {.fd = backend.listen_fd, .events = POLLIN}};

        assert_true(poll(either, 2, 10000) > 0);
        if (either[1].revents)
            return;
        hear_end(client, &answer);
        assert_contains(strbuf_text(&answer), "HTTP/1.1 503 ");
    }
    fail_msg("nobody makes room");
}

static void there_is_a_limit_and_whoever_ends_makes_room(void **state)
{
    static const char *const flags[] = {"--proxy-max-requests=1", "--metrics-address=127.0.0.1:0", NULL};
    SCOPED_STRBUF struct strbuf answer = STRBUF_INIT;
    struct stand stand;

    (void)state;
    start(&stand, flags);
    struct socket_pair pair = open_socket(&stand);
    SCOPED(fd) int refused = ask_web(&stand, &backend, "POST", "/", "Content-Length: 4\r\n\r\nbody");
    hear(refused, &answer, "1 proxied requests are under way");
    assert_contains(strbuf_text(&answer), "HTTP/1.1 503 ");
    close_socket(&pair);
    await_room(&stand);
    stop(&stand);
}

static void a_stop_ends_websockets_and_streams(void **state)
{
    static const char *const flags[] = {"--shutdown-grace=50ms", NULL};
    SCOPED_STRBUF struct strbuf heard = STRBUF_INIT, answer = STRBUF_INIT;
    struct stand stand;

    (void)state;
    start(&stand, flags);
    SCOPED_SOCKET struct socket_pair pair = open_socket(&stand);
    SCOPED(fd) int client = ask_web(&stand, &backend, "GET", "/events", "\r\n");
    SCOPED(fd) int sandbox = backend_accept(&backend);
    hear(sandbox, &heard, "\r\n\r\n");
    speak(sandbox, "HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n");
    hear(client, &answer, "data: 1");
    stop(&stand); /* fails unless it ends with 0 */
    hear_end(pair.client, &answer);
    hear_end(pair.sandbox, &heard);
    hear_end(client, &answer);
    hear_end(sandbox, &heard);
}

static void who_is_silent_for_too_long_is_cut(void **state)
{
    static const char *const flags[] = {"--proxy-idle-timeout=200ms", NULL};
    SCOPED_STRBUF struct strbuf heard = STRBUF_INIT, answer = STRBUF_INIT, late = STRBUF_INIT;
    struct stand stand;

    (void)state;
    start(&stand, flags);
    SCOPED_SOCKET struct socket_pair pair = open_socket(&stand);
    SCOPED(fd) int client = ask_web(&stand, &backend, "GET", "/", "\r\n");
    SCOPED(fd) int sandbox = backend_accept(&backend);
    hear(client, &late, "no byte moved for 200 ms");
    assert_contains(strbuf_text(&late), "HTTP/1.1 500 ");
    hear_end(sandbox, &heard);
    hear_end(pair.client, &answer);
    hear_end(pair.sandbox, &heard);
    stop(&stand);
}

static void an_endpoint_leads_to_the_address_that_the_operator_gave(void **state)
{
    static const struct {
        const char *flag, *endpoint;
    } rows[] = {
        {"--eip=https://eip.example:8443/base/", "eip.example:8443/base/sandboxes/web/proxy/80"},
        {"--eip=10.1.1.1", "10.1.1.1/sandboxes/web/proxy/80"},
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const char *const flags[] = {rows[i].flag, NULL};
        struct stand stand;

        start(&stand, flags);
        SCOPED_REPLY struct reply reply =
            ask(&stand, "GET", "/v1/sandboxes/web/endpoints/80?use_server_proxy=1", NULL);
        assert_string_equal(text_at(&reply, "endpoint"), rows[i].endpoint);
        stop(&stand);
    }
}

static void a_proxy_that_is_turned_off_says_so(void **state)
{
    static const char *const flags[] = {"--proxy-max-requests=0", NULL};
    struct stand stand;

    (void)state;
    start(&stand, flags);
    SCOPED_REPLY struct reply reply = ask_with(&stand, "GET", "/sandboxes/web/proxy/80/", NULL, NULL);
    assert_reply(&reply, 501, "SANDBOX::API_NOT_SUPPORTED", "turned off");
    stop(&stand);
}

#define WITH_BACKEND(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest shared[] = {
        WITH_BACKEND(a_websocket_carries_bytes_both_ways),
        WITH_BACKEND(bytes_that_a_client_sends_too_early_arrive),
        WITH_BACKEND(whichever_side_ends_the_other_is_told),
        WITH_BACKEND(a_refused_upgrade_is_passed_back),
        WITH_BACKEND(other_upgrades_are_400),
        WITH_BACKEND(nobody_who_listens_for_a_websocket_is_502),
    };
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(there_is_a_limit_and_whoever_ends_makes_room),
        cmocka_unit_test(a_stop_ends_websockets_and_streams),
        cmocka_unit_test(who_is_silent_for_too_long_is_cut),
        cmocka_unit_test(an_endpoint_leads_to_the_address_that_the_operator_gave),
        cmocka_unit_test(a_proxy_that_is_turned_off_says_so),
    };

    int failed = cmocka_run_group_tests(shared, stand_setup_group, stand_teardown_group);
    return failed + cmocka_run_group_tests(alone, NULL, NULL);
}
