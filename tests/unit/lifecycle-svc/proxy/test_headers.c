/* Which fields a proxy hands on. Contract rest-api.md §11. */
#include "lifecycle-svc/proxy/headers.h"

#include "tests/unit/testing.h"

static const struct forwarded nobody = {0};

/* Does a field of this name get through to the sandbox, beside a Connection that says `connection`? */
static bool gets_through(const char *name, const char *connection)
{
    SCOPED_HEADERS struct header_list from = {0}, out = {0};

    header_list_add(&from, name, "value");
    header_list_add(&from, "Connection", connection);
    headers_for_sandbox(&from, &nobody, &out);
    assert_true(out.count <= 1);
    return out.count == 1;
}

static void each_field_has_its_rule(void **state)
{
    static const struct {
        const char *name, *connection;
        bool through;
    } rows[] = {
        {"X-Plain", "close", true},
        {"Connection", "close", false},
        {"KEEP-ALIVE", "close", false},
        {"TE", "close", false},
        {"Trailer", "close", false},
        {"Trailers", "close", false},
        {"Transfer-Encoding", "close", false},
        {"Upgrade", "close", false},
        {"Proxy-Authenticate", "close", false},
        {"proxy-authorization", "close", false},
        {"Proxy-Connection", "close", false},
        {"Host", "close", false},
        {"AUTHORIZATION", "close", false},
        {"cookie", "close", false},
        {"Open-Sandbox-Api-Key", "close", false},
        {"Content-Length", "close", false},
        {"Expect", "close", false},
        {"X-Named", "X-Named", false},
        {"X-Named", "close, x-named", false},
        {"X-Named", "close\t,\tX-NAMED ,", false},
        {"X-Named", "X-Name, X-Named-Not", true},
        {"OpenSandbox-Secure-Access", "", true},
        {"Set-Cookie", "", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("%s beside %s\n", rows[i].name, rows[i].connection);
        assert_int_equal(gets_through(rows[i].name, rows[i].connection), rows[i].through);
    }
}

static void every_connection_field_counts(void **state)
{
    SCOPED_HEADERS struct header_list from = {0}, out = {0};

    (void)state;
    header_list_add(&from, "Connection", "close");
    header_list_add(&from, "X-One", "1");
    header_list_add(&from, "connection", "X-One");
    headers_for_sandbox(&from, &nobody, &out);
    assert_int_equal(out.count, 0);
}

static void the_way_of_the_request_is_told_unless_it_was(void **state)
{
    static const struct forwarded known = {"https", "api:1", "10.0.0.1"};
    SCOPED_HEADERS struct header_list none = {0}, some = {0}, told = {0}, kept = {0};

    (void)state;
    headers_for_sandbox(&none, &known, &told);
    assert_string_equal(header_list_get(&told, "x-forwarded-proto"), "https");
    assert_string_equal(header_list_get(&told, "x-forwarded-host"), "api:1");
    assert_string_equal(header_list_get(&told, "x-forwarded-for"), "10.0.0.1");

    header_list_add(&some, "X-FORWARDED-FOR", "9.9.9.9");
    headers_for_sandbox(&some, &known, &kept);
    assert_string_equal(header_list_get(&kept, "x-forwarded-for"), "9.9.9.9");
    assert_int_equal(kept.count, 3);
}

static void an_answer_keeps_what_is_not_hop_by_hop(void **state)
{
    struct http_header headers[] = {{"connection", "close, X-Hop"}};
    const struct http_response answer = {.headers = headers, .header_count = 1};

    (void)state;
    assert_true(header_is_for_client(&answer, "set-cookie"));
    assert_true(header_is_for_client(&answer, "content-encoding"));
    assert_false(header_is_for_client(&answer, "x-hop"));
    assert_false(header_is_for_client(&answer, "transfer-encoding"));
    assert_false(header_is_for_client(&answer, "content-length")); /* said anew */
}

static void an_upgrade_is_wished_only_by_both_fields(void **state)
{
    static const struct {
        const char *connection, *upgrade;
        enum upgrade_wish wish;
    } rows[] = {
        {"Upgrade", "websocket", UPGRADE_WEBSOCKET}, {"keep-alive, upgrade", "WebSocket", UPGRADE_WEBSOCKET},
        {"Upgrade", "h2c", UPGRADE_OTHER},           {"Upgrade", "websockets", UPGRADE_OTHER},
        {"keep-alive", "websocket", UPGRADE_NONE},   {"Upgrade", NULL, UPGRADE_NONE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED_HEADERS struct header_list from = {0};

        header_list_add(&from, "Connection", rows[i].connection);
        if (rows[i].upgrade)
            header_list_add(&from, "Upgrade", rows[i].upgrade);
        assert_int_equal(upgrade_wished(&from), rows[i].wish);
    }
}

static void a_length_is_digits_and_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(content_length_of("0"), 0);
    assert_int_equal(content_length_of("1073741824"), 1073741824);
    assert_int_equal(content_length_of("999999999999999999"), INT64_C(999999999999999999));
    assert_int_equal(content_length_of("9999999999999999999"), -1);
    assert_int_equal(content_length_of("-1"), -1);
    assert_int_equal(content_length_of("1 "), -1);
    assert_int_equal(content_length_of("1, 1"), -1);
    assert_int_equal(content_length_of(""), -1);
    assert_int_equal(content_length_of(NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_field_has_its_rule),
        cmocka_unit_test(every_connection_field_counts),
        cmocka_unit_test(the_way_of_the_request_is_told_unless_it_was),
        cmocka_unit_test(an_answer_keeps_what_is_not_hop_by_hop),
        cmocka_unit_test(an_upgrade_is_wished_only_by_both_fields),
        cmocka_unit_test(a_length_is_digits_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
