/* http/client.h against a scripted server, our own server, and one that never answers. */
#include <arpa/inet.h>
#include <netinet/in.h>
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

#include "shared/base/clock.h"
#include "shared/http/client.h"
#include "shared/http/server.h"
#include "tests/support/fake_registry.h"

struct fixture {
    struct fake_registry *fake;
    struct http_client *client;
    char url[100];
    bool cancelled;
};

static int set_up(void **state)
{
    struct fixture *fix = calloc(1, sizeof(*fix));

    fix->fake = fake_registry_start();
    fix->client = http_client_new(&(struct http_client_options){.cancelled = &fix->cancelled});
    (void)snprintf(fix->url, sizeof(fix->url), "http://%s/x?token=hidden", fake_registry_host(fix->fake));
    *state = fix;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fix = *state;
    http_client_free(fix->client);
    fake_registry_stop(fix->fake);
    free(fix);
    return 0;
}

#define TARGET "/x?token=hidden"

static void an_answer_is_status_headers_and_body(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    struct http_header headers[] = {{"Authorization", "Bearer t"}};

    fake_registry_expects(fix->fake, GET, TARGET,
                          REPLY(404, .location = "/elsewhere", .body = "not here", .retry_after = "  7 "),
                          .authorization = "Bearer t", .content_type = "");
    assert_int_equal(http_do(fix->client,
                             &(struct http_request){
                                 .method = "GET", .url = fix->url, .headers = headers, .header_count = 1},
                             &response, &err),
                     0);
    assert_int_equal(response.status, 404);
    assert_string_equal(strbuf_text(&response.body), "not here");
    assert_string_equal(http_response_header(&response, "Location"), "/elsewhere");
    assert_string_equal(http_response_header(&response, "retry-after"), "7");
    assert_null(http_response_header(&response, "x-none"));
    for (size_t i = 0; i < response.header_count; i++)
        for (const char *c = response.headers[i].name; *c; c++)
            assert_false(*c >= 'A' && *c <= 'Z');
    fake_registry_verify(fix->fake);
}

static void every_method_sends_its_body_or_a_length_of_zero(void **state)
{
    struct fixture *fix = *state;
    static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE", "HEAD"};

    fake_registry_expects(fix->fake, POST, TARGET, REPLY(202), .content_type = "");
    fake_registry_expects(fix->fake, PUT, TARGET, REPLY(201), .content_type = "");
    fake_registry_expects(fix->fake, PATCH, TARGET, REPLY(202));
    fake_registry_expects(fix->fake, DELETE, TARGET, REPLY(204));
    fake_registry_expects(fix->fake, HEAD, TARGET, REPLY(200, .body = "a HEAD has none"));
    fake_registry_expects(fix->fake, POST, TARGET, REPLY(200), .body = "hello");
    for (size_t i = 0; i < 5; i++) {
        struct error err = {0};
        SCOPED_HTTP_RESPONSE struct http_response response = {0};
        struct http_request request = {.method = methods[i], .url = fix->url};
        if (http_do(fix->client, &request, &response, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(response.body.length, 0);
    }
    struct error err = {0};
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    struct http_request request = {.method = "POST", .url = fix->url, .body = "hello", .body_length = 5};
    assert_int_equal(http_do(fix->client, &request, &response, &err), 0);
    fake_registry_verify(fix->fake);
}

static int get(struct fixture *fix, size_t max_body, struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    struct http_request request = {.method = "GET", .url = fix->url, .max_body = max_body};
    return http_do(fix->client, &request, &response, err);
}

static void assert_fails(struct fixture *fix, size_t max_body, enum error_code code, const char *story)
{
    struct error err = {0};

    assert_int_equal(get(fix, max_body, &err), -1);
    if (err.code != code || !strstr(err.text, story))
        fail_msg("%s: %s", error_code_name(err.code), err.text);
    assert_non_null(strstr(err.text, "GET http://127.0.0.1:"));
    assert_null(strstr(err.text, "hidden")); /* what is in a query may be a signature */
}

static void an_answer_that_breaks_off_or_is_too_long_is_an_error(void **state)
{
    struct fixture *fix = *state;

    fake_registry_expects(fix->fake, GET, TARGET, REPLY(200, .body = "0123456789", .truncate_after = 4));
    assert_fails(fix, 0, ERR_UNAVAILABLE, "x");
    fake_registry_expects(fix->fake, GET, TARGET, HANG_UP);
    assert_fails(fix, 0, ERR_UNAVAILABLE, "x");
    fake_registry_expects(fix->fake, GET, TARGET, REPLY(200, .body = "0123456789"));
    assert_fails(fix, 9, ERR_EXHAUSTED, "larger than 9 bytes");
    fake_registry_expects(fix->fake, GET, TARGET, REPLY(200, .body = "0123456789"));
    struct error err = {0};
    assert_int_equal(get(fix, 10, &err), 0);
    fake_registry_verify(fix->fake);
}

static void a_redirect_is_an_answer_like_others(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    struct http_request request = {.method = "GET", .url = fix->url};

    fake_registry_expects(fix->fake, GET, TARGET, REPLY(307, .location = "/y"));
    assert_int_equal(http_do(fix->client, &request, &response, &err), 0);
    assert_int_equal(response.status, 307);
    fake_registry_verify(fix->fake);
}

static void a_header_cannot_smuggle_another(void **state)
{
    struct fixture *fix = *state;
    static const struct http_header bad[] = {{"X", "a\r\nY: b"}, {"X\nY", "a"}, {"X: y", "a"}, {"", "a"}};

    for (size_t i = 0; i < 4; i++) {
        struct error err = {0};
        SCOPED_HTTP_RESPONSE struct http_response response = {0};
        struct http_request request = {
            .method = "GET", .url = fix->url, .headers = &bad[i], .header_count = 1};
        assert_int_equal(http_do(fix->client, &request, &response, &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
    }
    fake_registry_verify(fix->fake);
}

struct seen {
    int status;
    char bytes[32];
    size_t length;
    bool refuse;
};

static int see_head(void *self, const struct http_response *head, struct error *err)
{
    (void)err;
    ((struct seen *)self)->status = head->status;
    return 0;
}

static int see_bytes(void *self, const char *bytes, size_t length, struct error *err)
{
    struct seen *seen = self;

    if (seen->refuse)
        return error_set(err, ERR_EXHAUSTED, "no space for it");
    assert_int_equal(seen->status, 200); /* the head comes first */
    assert_true(seen->length + length <= sizeof(seen->bytes));
    memcpy(seen->bytes + seen->length, bytes, length);
    seen->length += length;
    return 0;
}

static void only_a_good_answers_body_reaches_the_sink(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    struct seen seen = {0};
    SCOPED_HTTP_RESPONSE struct http_response bad = {0}, good = {0}, refused = {0};
    struct http_request request = {
        .method = "GET", .url = fix->url, .write = see_bytes, .head = see_head, .write_self = &seen};

    fake_registry_expects(fix->fake, GET, TARGET, REPLY(503, .body = "sorry"));
    fake_registry_expects(fix->fake, GET, TARGET, REPLY(200, .body = "blob"));
    fake_registry_expects(fix->fake, GET, TARGET, REPLY(200, .body = "blob"));
    assert_int_equal(http_do(fix->client, &request, &bad, &err), 0);
    assert_int_equal(seen.length, 0);
    assert_string_equal(strbuf_text(&bad.body), "sorry");
    assert_int_equal(http_do(fix->client, &request, &good, &err), 0);
    assert_int_equal(seen.length, 4);
    assert_int_equal(good.body.length, 0);
    seen.refuse = true;
    assert_int_equal(http_do(fix->client, &request, &refused, &err), -1);
    assert_int_equal(err.code, ERR_EXHAUSTED);
    assert_non_null(strstr(err.text, "no space for it"));
    fake_registry_verify(fix->fake);
}

/* A listener whose backlog takes the connection, and nobody who answers. */
static int silent_listener(char url[100])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    (void)snprintf(url, 100, "http://127.0.0.1:%u/", ntohs(address.sin_port));
    return fd;
}

static void silence_ends_by_stall_deadline_or_cancel(void **state)
{
    struct fixture *fix = *state;
    int listener = silent_listener(fix->url);
    int64_t start_ms = clock_monotonic_ms();
    static const struct {
        int64_t timeout_ms, stall_timeout_ms;
        bool cancelled;
        enum error_code code;
    } cases[] = {{0, 100, false, ERR_TIMEOUT}, {100, 0, false, ERR_TIMEOUT}, {0, 0, true, ERR_CANCELLED}};

    for (size_t i = 0; i < 3; i++) {
        struct error err = {0};
        SCOPED_HTTP_RESPONSE struct http_response response = {0};
        struct http_request request = {.method = "GET",
                                       .url = fix->url,
                                       .timeout_ms = cases[i].timeout_ms,
                                       .stall_timeout_ms = cases[i].stall_timeout_ms};
        fix->cancelled = cases[i].cancelled;
        assert_int_equal(http_do(fix->client, &request, &response, &err), -1);
        assert_int_equal(err.code, cases[i].code);
    }
    assert_true(clock_monotonic_ms() - start_ms < 10000);
    close(listener);
}

static void echo(void *self, struct http_exchange *exchange)
{
    size_t length;
    const char *body = http_body(exchange, &length);

    (void)self;
    http_answer(exchange, 200, "text/plain", body, length);
}

static long count_down(void *self, char *into, size_t room, struct error *err)
{
    int *left = self;

    if (*left < 0)
        return error_set(err, ERR_CORRUPT, "the source broke");
    if (*left == 0 || room == 0)
        return 0;
    *into = (char)('0' + (*left)--);
    return 1;
}

static void a_body_of_unknown_length_is_streamed(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    SCOPED_HTTP_RESPONSE struct http_response response = {0}, broken = {0};
    struct http_server *server = NULL;
    int left = 9;

    assert_int_equal(
        http_server_start(&(struct http_server_options){.address = "127.0.0.1:0", .handler = echo}, &server,
                          &err),
        0);
    (void)snprintf(fix->url, sizeof(fix->url), "http://127.0.0.1:%u/", http_server_port(server));
    struct http_request request = {
        .method = "PUT", .url = fix->url, .read = count_down, .read_self = &left, .read_length = -1};
    if (http_do(fix->client, &request, &response, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(strbuf_text(&response.body), "987654321");

    left = -1;
    assert_int_equal(http_do(fix->client, &request, &broken, &err), -1);
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_non_null(strstr(err.text, "the source broke"));
    http_server_free(server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_status_headers_and_body),
        TEST(every_method_sends_its_body_or_a_length_of_zero),
        TEST(an_answer_that_breaks_off_or_is_too_long_is_an_error),
        TEST(a_redirect_is_an_answer_like_others),
        TEST(a_header_cannot_smuggle_another),
        TEST(only_a_good_answers_body_reaches_the_sink),
        TEST(silence_ends_by_stall_deadline_or_cancel),
        TEST(a_body_of_unknown_length_is_streamed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
