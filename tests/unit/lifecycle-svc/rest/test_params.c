/* Numbers and switches in queries, and create bodies. Contract rest-api.md §1, §3. */
#include "tests/unit/testing.h"

#include "lifecycle-svc/rest/create_json.h"
#include "lifecycle-svc/rest/params.h"

static void switches_have_eight_words(void **state)
{
    static const struct {
        const char *text;
        int value; /* -1: refused */
    } rows[] = {{"true", 1}, {"FALSE", 0}, {"1", 1}, {"0", 0},  {"Yes", 1}, {"no", 0},
                {"on", 1},   {"Off", 0},   {"", -1}, {"2", -1}, {"t", -1},  {"true ", -1}};
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool value = rows[i].value != 1;
        assert_int_equal(param_read_bool("x", rows[i].text, &value, &err), rows[i].value < 0 ? -1 : 0);
        if (rows[i].value >= 0)
            assert_int_equal(value, rows[i].value);
    }
}

static void numbers_are_whole_and_fit(void **state)
{
    static const char *const bad[] = {"",    "-",  "1.0", "1e3", "x", " 1", "1 ", "9223372036854775808",
                                      "--1", "0x1"};
    struct error err = {0};
    int64_t value;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(param_read_int("port", bad[i], &value, &err), &err, ERR_INVALID,
                     "port: want a whole number");
    assert_ok(param_read_int("port", "-9223372036854775808", &value, &err), &err);
    assert_ok(param_read_int("port", "+7", &value, &err), &err);
    assert_int_equal(value, 7);
}

static void a_whole_body_becomes_a_request(void **state)
{
    static const char body[] =
        "{\"image\":{\"uri\":\" busybox "
        "\",\"auth\":{\"username\":\"u\",\"password\":\"p\"}},\"entrypoint\":[\"a\",\"b\"],"
        "\"resourceLimits\":{\"cpu\":\"1\"},\"timeout\":600,\"env\":{\"A\":null,\"B\":\"\"},\"metadata\":{"
        "\"m\":\"v\"},"
        "\"platform\":{\"os\":\"Linux\",\"arch\":\"AMD64\"},\"volumes\":[{\"name\":\"d\",\"mountPath\":\"/"
        "d\","
        "\"host\":{\"path\":\"/srv\"}}],\"extensions\":{\"poolRef\":\" "
        "\"},\"secureAccess\":false,\"unknown\":[1]}";
    SCOPED_CREATE_REQUEST struct create_request request = {0};
    struct error err = {0};

    (void)state;
    assert_ok(create_json_read(body, strlen(body), &request, &err), &err);
    assert_string_equal(request.image.uri, "busybox");
    assert_string_equal(request.image.auth.password, "p");
    assert_int_equal(request.entrypoint.count, 2);
    assert_int_equal(request.timeout_s, 600);
    assert_null(request.env.pairs[0].value);
    assert_string_equal(request.env.pairs[1].value, "");
    assert_string_equal(request.platform.os, "linux");
    assert_string_equal(request.platform.arch, "amd64");
    assert_string_equal(((struct volume *)request.volumes.items)[0].host_path, "/srv");
    assert_null(create_request_pool(&request));
}

static void a_schema_violation_names_its_member(void **state)
{
    static const struct {
        const char *body, *part;
    } rows[] = {
        {"", "body"},
        {"null", "want an object"},
        {"{\"image\":\"busybox\"}", "image: "},
        {"{\"image\":{}}", "image.uri: "},
        {"{\"image\":{\"uri\":\"b\",\"auth\":{\"username\":\"u\"}}}", "image.auth.password: "},
        {"{\"image\":{\"uri\":\"b\"},\"resourceLimits\":{}}", "entrypoint: required"},
        {"{\"image\":{\"uri\":\"b\"},\"entrypoint\":[],\"resourceLimits\":{}}",
         "entrypoint: want at least one"},
        {"{\"image\":{\"uri\":\"b\"},\"entrypoint\":[1],\"resourceLimits\":{}}", "entrypoint[0]: "},
        {"{\"image\":{\"uri\":\"b\"},\"entrypoint\":[\"a\"]}", "resourceLimits: required"},
        {"{\"image\":{\"uri\":\"b\"},\"entrypoint\":[\"a\"],\"resourceLimits\":{\"cpu\":1}}",
         "resourceLimits.cpu: "},
        {"{\"snapshotId\":\"s\",\"image\":{\"uri\":\"b\"},\"entrypoint\":[\"a\"],\"resourceLimits\":{}}",
         "got both"},
        {"{\"extensions\":{\"poolRef\":\"p\"},\"credentialProxy\":{\"enabled\":true}}",
         "credentialProxy.enabled: "},
        {"{\"image\":{\"uri\":\"b\"},\"entrypoint\":[\"a\"],\"resourceLimits\":{},\"credentialProxy\":{"
         "\"enabled\":true}}",
         "credentialProxy.enabled: needs networkPolicy"},
        {"{\"image\":{\"uri\":\"b\"},\"entrypoint\":[\"a\"],\"resourceLimits\":{},\"platform\":{\"os\":"
         "\"linux\"}}",
         "platform.arch: "},
        {"{\"image\":{\"uri\":\"b\"},\"entrypoint\":[\"a\"],\"resourceLimits\":{},\"secureAccess\":\"no\"}",
         "secureAccess: "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED_CREATE_REQUEST struct create_request request = {0};
        struct error err = {0};

        print_message("%s\n", rows[i].body);
        assert_fails(create_json_read(rows[i].body, strlen(rows[i].body), &request, &err), &err, ERR_INVALID,
                     rows[i].part);
        assert_string_equal(err.reason, "SANDBOX::INVALID_PARAMETER");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(switches_have_eight_words),
        cmocka_unit_test(numbers_are_whole_and_fit),
        cmocka_unit_test(a_whole_body_becomes_a_request),
        cmocka_unit_test(a_schema_violation_names_its_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
