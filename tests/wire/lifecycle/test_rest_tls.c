/* The REST door with TLS: --rest-tls-dir, and files that are renewed. */
#include "tests/wire/lifecycle/stand.h"

#include "pki.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

static const struct leaf leaf = {.san = "IP:127.0.0.1", .usage = "serverAuth"};

struct stage {
    struct stand stand;
    char dir[64];
    struct ca ours, next;
};

/* GET /health with nobody trusted but `ca`. */
static int ask_health(const struct stage *stage, const struct ca *ca, struct http_response *ret_response,
                      struct error *err)
{
    SCOPED(string) char *ca_file = xasprintf("%s/trusted.pem", stage->dir);
    SCOPED(string) char *pem = ca_pem(ca);
    SCOPED(string) char *url = xasprintf("https://127.0.0.1:%d/health", stage->stand.rest_port);
    const struct http_client_options options = {.ca_file = ca_file};
    const struct http_request request = {.method = "GET", .url = url};

    put(stage->dir, "trusted.pem", pem);
    struct http_client *client = http_client_new(&options);
    int asked = http_do(client, &request, ret_response, err);
    http_client_free(client);
    put(stage->dir, "trusted.pem", NULL);
    return asked;
}

static int setup(void **state)
{
    struct stage *stage = xcalloc(1, sizeof(*stage));
    SCOPED(string) char *flag = NULL;

    snprintf(stage->dir, sizeof(stage->dir), "/tmp/stasis-rest-tls-XXXXXX");
    assert_non_null(mkdtemp(stage->dir));
    stage->ours = ca_new("ours");
    stage->next = ca_new("next");
    furnish(stage->dir, &stage->ours, &leaf);
    flag = xasprintf("--rest-tls-dir=%s", stage->dir);
    const char *const flags[] = {flag, NULL};
    stand_start(&stage->stand, flags);
    *state = stage;
    return 0;
}

static int teardown(void **state)
{
    struct stage *stage = *state;

    stand_stop(&stage->stand);
    clear_away(stage->dir);
    ca_done(&stage->ours);
    ca_done(&stage->next);
    free(stage);
    return 0;
}

static void requests_are_answered_over_tls(void **state)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    struct stage *stage = *state;
    struct error err = {0};

    assert_ok(ask_health(stage, &stage->ours, &response, &err), &err);
    assert_int_equal(response.status, 200);
    assert_fails(ask_health(stage, &stage->next, &response, &err), &err, ERR_DENIED, "https://");
}

static void renewed_files_count_without_a_restart(void **state)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    struct stage *stage = *state;
    struct error err = {0};

    furnish(stage->dir, &stage->next, &leaf);
    assert_ok(ask_health(stage, &stage->next, &response, &err), &err);
    assert_int_equal(response.status, 200);
}

static void files_that_are_no_use_are_refused_at_the_start(void **state)
{
    const char *argv[] = {lifecycle_svc_path(), "--address=127.0.0.1:0",
                          "--grpc-address=", "--rest-tls-dir=/nonexistent", NULL};
    static const char *const environment[] = {"OPENSANDBOX_SERVER_API_KEY=k", NULL};
    struct run run = run_program(argv, environment);

    (void)state;
    assert_int_equal(run.exit_code, 2);
    assert_contains(run.errors, "--rest-tls-dir");
    run_done(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(requests_are_answered_over_tls, setup, teardown),
        cmocka_unit_test_setup_teardown(renewed_files_count_without_a_restart, setup, teardown),
        cmocka_unit_test(files_that_are_no_use_are_refused_at_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
