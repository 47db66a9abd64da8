/* Starting and stopping lifecycle-svc: flags, keys, signals. Contract rest-api.md §1. */
#include "tests/wire/lifecycle/stand.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

#define SCOPED_RUN __attribute__((cleanup(run_done)))

enum { MAX_ARGUMENTS = 8 };

static struct run start_with(const char *flag, const char *variable)
{
    const char *argv[MAX_ARGUMENTS] = {lifecycle_svc_path(), "--address=127.0.0.1:0", "--grpc-address="};
    const char *environment[] = {variable, NULL};

    argv[3] = flag;
    return run_program(argv, environment);
}

static void without_a_key_it_does_not_start(void **state)
{
    SCOPED_RUN struct run none = start_with(NULL, "NOTHING=1");
    SCOPED_RUN struct run blank = start_with(NULL, "OPENSANDBOX_SERVER_API_KEY= ");
    SCOPED_RUN struct run lower = start_with(NULL, "OPENSANDBOX_INSECURE_SERVER=yes");

    (void)state;
    assert_int_equal(none.exit_code, 1);
    assert_contains(none.errors, "no API key is configured");
    assert_int_equal(blank.exit_code, 1);
    assert_int_equal(lower.exit_code, 1);
}

static void bad_flags_are_exit_code_2_and_named(void **state)
{
    static const char *const rows[][2] = {
        {"--adress=:1", "adress"},
        {"--image-pull-policy=Sometimes", "--image-pull-policy"},
        {"--sandbox-create-timeout=0s", "--sandbox-create-timeout"},
        {"--max-sandbox-timeout=-1", "--max-sandbox-timeout"},
        {"--allowed-host-paths=srv", "--allowed-host-paths"},
        {"--allowed-host-paths=/srv/../etc", "--allowed-host-paths"},
        {"--log-level=loud", "loud"},
        {"--max-connections=0", "--max-connections"},
        {"--tls-dir=/nonexistent", "--tls-dir"},
        {"serve", "unexpected argument"},
        {"--address=nowhere", "--address"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED_RUN struct run run = start_with(rows[i][0], "OPENSANDBOX_INSECURE_SERVER=YES");

        print_message("%s\n", rows[i][0]);
        assert_int_equal(run.exit_code, 2);
        assert_contains(run.errors, rows[i][1]);
    }
}

static void a_missing_key_file_or_a_taken_address_is_exit_code_1(void **state)
{
    struct stand *stand = *state;
    SCOPED(string) char *taken = xasprintf("--address=127.0.0.1:%d", stand->rest_port);
    SCOPED_RUN struct run no_file = start_with("--api-key-file=/nowhere/keys", "NOTHING=1");
    SCOPED_RUN struct run in_use = start_with(taken, "OPENSANDBOX_INSECURE_SERVER=YES");

    assert_int_equal(no_file.exit_code, 1);
    assert_contains(no_file.errors, "/nowhere/keys");
    assert_int_equal(in_use.exit_code, 1);
    assert_contains(in_use.errors, "in use");
}

static void help_names_every_setting_and_exits_0(void **state)
{
    SCOPED_RUN struct run help = start_with("--help", "NOTHING=1");
    SCOPED_RUN struct run version = start_with("--version", "NOTHING=1");

    (void)state;
    assert_int_equal(help.exit_code, 0);
    assert_contains(help.output, "--sandbox-create-timeout");
    assert_contains(help.output, "OPENSANDBOX_INSECURE_SERVER");
    assert_int_equal(version.exit_code, 0);
}

struct asking {
    const struct stand *stand;
    struct reply reply;
};

static void *create(void *arg)
{
    struct asking *asking = arg;

    asking->reply = ask(asking->stand, "POST", "/v1/sandboxes",
                        "{\"image\":{\"uri\":\"b\"},\"entrypoint\":[\"a\"],\"resourceLimits\":{}}");
    return NULL;
}

static void sigterm_ends_a_waiting_create_with_503_and_no_sandbox(void **state)
{
    static const char *const no_grace[] = {"--shutdown-grace=0s", NULL};
    struct stand stand;
    struct asking asking = {.stand = &stand};
    pthread_t thread;

    (void)state;
    stand_start(&stand, no_grace);
    fake_on_create(stand.fake, &(struct fake_sandbox){.phase = "Pending", .endpoints = ""});
    assert_int_equal(pthread_create(&thread, NULL, create, &asking), 0);
    const char *id = fake_await_created(stand.fake);
    fake_await_watchers(stand.fake, 1);
    assert_int_equal(kill(stand.pid, SIGTERM), 0);
    fake_await_deleted(stand.fake, id);
    pthread_join(thread, NULL);
    assert_reply(&asking.reply, 503, "KUBERNETES::INITIALIZATION_ERROR", "stopping");
    reply_done(&asking.reply);
    stand_stop(&stand);
}

static void metrics_count_requests_by_route_and_status(void **state)
{
    static const char *const flags[] = {"--metrics-address=127.0.0.1:0", NULL};
    struct stand stand;

    (void)state;
    stand_start(&stand, flags);
    SCOPED_REPLY struct reply refused = ask_with(&stand, "GET", "/v1/sandboxes", NULL, NULL);
    SCOPED_REPLY struct reply missing = ask(&stand, "GET", "/v1/sandboxes/none", NULL);
    int rest_port = stand.rest_port;

    assert_int_equal(refused.http.status, 401);
    assert_int_equal(missing.http.status, 404);
    stand.rest_port = stand.metrics_port;
    SCOPED_REPLY struct reply page = ask_with(&stand, "GET", "/metrics", NULL, NULL);
    stand.rest_port = rest_port;
    assert_contains(strbuf_text(&page.http.body),
                    "stasis_http_requests_total{route=\"/sandboxes/{}\",status=\"404\"} 1");
    assert_contains(strbuf_text(&page.http.body),
                    "stasis_http_requests_total{route=\"none\",status=\"401\"} 1");
    stand_stop(&stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_key_it_does_not_start),
        cmocka_unit_test(bad_flags_are_exit_code_2_and_named),
        cmocka_unit_test(a_missing_key_file_or_a_taken_address_is_exit_code_1),
        cmocka_unit_test(help_names_every_setting_and_exits_0),
        cmocka_unit_test(sigterm_ends_a_waiting_create_with_503_and_no_sandbox),
        cmocka_unit_test(metrics_count_requests_by_route_and_status),
    };
    return cmocka_run_group_tests(tests, stand_setup_group, stand_teardown_group);
}
