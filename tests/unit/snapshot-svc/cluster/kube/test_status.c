#include "snapshot-svc/cluster/kube/status.h"

#include "tests/unit/testing.h"

static const struct status_context patch_status = {"patch", KIND_BATCH_SANDBOX, "status"};

static int refuse(int http_status, const char *body, struct error *err)
{
    error_clear(err);
    return status_error(http_status, body, strlen(body), &patch_status, err);
}

#define STATUS(reason, name, message)                                                                        \
    "{\"kind\":\"Status\",\"reason\":\"" reason "\",\"details\":{\"name\":\"" name                           \
    "\"},\"message\":\"" message "\"}"

static void every_answer_has_its_code_and_words(void **state)
{
    static const struct {
        int http_status;
        const char *body;
        enum error_code code;
        const char *text;
    } rows[] = {
        {400, STATUS("BadRequest", "", "does not match"), ERR_INVALID, "does not match"},
        {401, STATUS("Unauthorized", "", "Unauthorized"), ERR_UNAVAILABLE,
         "does not accept our credentials: Unauthorized"},
        {403, STATUS("Forbidden", "a", "x is forbidden: User \\\"u\\\" cannot patch"), ERR_DENIED,
         "RBAC must allow patch on batchsandboxes/status (API group \"sandbox.opensandbox.io\"): x is "
         "forbidden: User \"u\""},
        {403, STATUS("Forbidden", "a", "pods \\\"a\\\" is forbidden: exceeded quota: q"), ERR_DENIED,
         "pods \"a\" is forbidden: exceeded quota: q"},
        {403, STATUS("", "", "admission webhook \\\"w\\\" denied the request: no"), ERR_DENIED,
         "admission webhook"},
        {404, STATUS("NotFound", "a", "pods \\\"a\\\" not found"), ERR_NOT_FOUND, "pods \"a\" not found"},
        {405, STATUS("MethodNotAllowed", "", "no"), ERR_UNSUPPORTED, "no"},
        {409, STATUS("AlreadyExists", "a", "pods \\\"a\\\" already exists"), ERR_EXISTS, "already exists"},
        {409, STATUS("Conflict", "a", "the object has been modified"), ERR_CONFLICT, "modified"},
        {410, STATUS("Expired", "", "too old"), ERR_PRECONDITION, "too old"},
        {413, "", ERR_INVALID, "empty answer"},
        {422, STATUS("Invalid", "a", "spec.replicas: Invalid value"), ERR_INVALID,
         "spec.replicas: Invalid value"},
        {429, STATUS("TooManyRequests", "", "later"), ERR_UNAVAILABLE, "is busy: later"},
        {500, STATUS("InternalError", "", "oh"), ERR_UNAVAILABLE, "HTTP 500: oh"},
        {502, "<html>\r\n<b>bad</b>", ERR_UNAVAILABLE, "HTTP 502: <html>  <b>bad</b>"},
        {504, STATUS("Timeout", "", "slow"), ERR_UNAVAILABLE, "slow"},
        {302, "", ERR_UNAVAILABLE, "HTTP 302"},
    };
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_fails(refuse(rows[i].http_status, rows[i].body, &err), &err, rows[i].code, rows[i].text);
}

/* Who believes that would throw away what belongs to an object that is still there. */
static void a_kind_that_is_not_known_does_not_say_that_the_object_is_gone(void **state)
{
    static const char *const bodies[] = {
        "404 page not found\n",
        STATUS("NotFound", "", "the server could not find the requested resource"),
        STATUS("", "a", "odd"),
        "{\"kind\":\"Status\"}",
        "{\"kind\":\"Pod\",\"reason\":\"NotFound\",\"details\":{\"name\":\"a\"}}",
        "",
    };
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        assert_fails(refuse(404, bodies[i], &err), &err, ERR_UNAVAILABLE, "does not know batchsandboxes");
}

static void an_expired_version_has_its_reason(void **state)
{
    struct error err = {0};

    (void)state;
    assert_fails(refuse(410, "", &err), &err, ERR_PRECONDITION, "");
    assert_string_equal(err.reason, "Expired");
}

static void messages_are_one_line_of_text(void **state)
{
    struct error err = {0};

    (void)state;
    assert_fails(refuse(422, STATUS("Invalid", "", "a\\r\\nb\\u001b[31mc"), &err), &err, ERR_INVALID,
                 "a  b [31mc");
    assert_fails(refuse(502, "a\xff\xfe\x7f", &err), &err, ERR_UNAVAILABLE, "a\xef\xbf\xbd\xef\xbf\xbd ");
}

static void a_long_message_keeps_its_beginning_and_its_end(void **state)
{
    struct error err = {0};
    char body[1200] = "{\"kind\":\"Status\",\"message\":\"the beginning ";

    (void)state;
    for (int i = 0; i < 200; i++)
        strcat(body, "\xc3\xa4");
    strcat(body, " and the end\"}");
    assert_fails(refuse(422, body, &err), &err, ERR_INVALID, "the beginning ");
    assert_contains(err.text, "\xc3\xa4 ... \xc3\xa4");
    assert_contains(err.text, " and the end");
    assert_true(strlen(err.text) < 300);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_has_its_code_and_words),
        cmocka_unit_test(a_kind_that_is_not_known_does_not_say_that_the_object_is_gone),
        cmocka_unit_test(an_expired_version_has_its_reason),
        cmocka_unit_test(messages_are_one_line_of_text),
        cmocka_unit_test(a_long_message_keeps_its_beginning_and_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
