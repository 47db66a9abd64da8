/* Where a sandbox can be reached, and waiting for it. Contract rest-api.md §11. */
#include "tests/wire/lifecycle/stand.h"

#include <pthread.h>
#include <unistd.h>

static const char path[] = "/v1/sandboxes/web/endpoints/8080?use_server_proxy=false";

static struct fake_sandbox web(const char *phase, const char *endpoints)
{
    return (struct fake_sandbox){.name = "web", .phase = phase, .endpoints = endpoints};
}

static void put(struct stand *stand, const char *phase, const char *endpoints)
{
    struct fake_sandbox sandbox = web(phase, endpoints);

    fake_put(stand->fake, &sandbox);
}

static void an_address_is_answered_at_once_in_these_states(void **state)
{
    static const struct {
        const char *phase, *endpoints, *endpoint;
    } rows[] = {
        {"Succeed", "[\"10.0.0.7\"]", "10.0.0.7:8080"},
        {"Succeed", "[\"10.0.0.7\",\"10.0.0.8\"]", "10.0.0.7:8080"},
        {"Succeed", "[\"fd00::7\"]", "[fd00::7]:8080"},
        {"Pending", "[\"10.0.0.7\"]", "10.0.0.7:8080"},
        {"Resuming", "[\"10.0.0.7\"]", "10.0.0.7:8080"},
        {"", "[\"10.0.0.7\"]", "10.0.0.7:8080"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        put(*state, rows[i].phase, rows[i].endpoints);
        SCOPED_REPLY struct reply reply = ask(*state, "GET", path, NULL);
        assert_int_equal(reply.http.status, 200);
        assert_string_equal(text_at(&reply, "endpoint"), rows[i].endpoint);
        assert_null(json_object_get(reply.json, "headers"));
    }
}

static void no_address_is_404_at_once_in_these_states(void **state)
{
    static const struct {
        const char *phase, *endpoints;
    } rows[] = {
        {"Succeed", ""},
        {"Succeed", "[]"},
        {"Succeed", "[\"\"]"},
        {"Succeed", "broken"},
        {"Failed", ""},
        {"Paused", "[]"},
        {"Paused", "[\"10.0.0.7\"]"},
        {"Pausing", "[\"10.0.0.7\"]"},
        {"Failed", "[\"10.0.0.7\"]"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        put(*state, rows[i].phase, rows[i].endpoints);
        SCOPED_REPLY struct reply reply = ask(*state, "GET", path, NULL);
        assert_reply(&reply, 404, "KUBERNETES::POD_IP_NOT_AVAILABLE", "no address");
    }
}

static void the_address_of_a_pod_that_goes_away_is_not_given(void **state)
{
    struct stand *stand = *state;
    struct fake_sandbox leaving = web("Succeed", "[\"10.0.0.7\"]");

    leaving.deleting = true;
    fake_put(stand->fake, &leaving);
    SCOPED_REPLY struct reply reply = ask(stand, "GET", path, NULL);
    assert_reply(&reply, 404, "KUBERNETES::POD_IP_NOT_AVAILABLE", "Stopping");
}

/* A request on its own thread, so that the test can change the world meanwhile. */
struct asking {
    const struct stand *stand;
    struct reply reply;
    pthread_t thread;
};

static void *ask_for_endpoint(void *arg)
{
    struct asking *asking = arg;

    asking->reply = ask(asking->stand, "GET", path, NULL);
    return NULL;
}

static void begin(struct asking *asking, struct stand *stand)
{
    asking->stand = stand;
    assert_int_equal(pthread_create(&asking->thread, NULL, ask_for_endpoint, asking), 0);
    fake_await_watchers(stand->fake, 1);
}

static void a_resuming_sandbox_is_waited_for(void **state)
{
    struct stand *stand = *state;
    struct asking asking;

    put(stand, "Resuming", "[]");
    begin(&asking, stand);
    put(stand, "Resuming", "[\"\"]");
    put(stand, "Resuming", "[\"10.0.0.9\"]");
    pthread_join(asking.thread, NULL);
    assert_int_equal(asking.reply.http.status, 200);
    assert_string_equal(text_at(&asking.reply, "endpoint"), "10.0.0.9:8080");
    reply_done(&asking.reply);
}

static void a_resume_that_fails_ends_the_wait(void **state)
{
    static const char *const phases[] = {"Failed", "Paused"};
    struct stand *stand = *state;

    for (size_t i = 0; i < 2; i++) {
        struct asking asking;
        put(stand, "Resuming", "[]");
        begin(&asking, stand);
        put(stand, phases[i], "[]");
        pthread_join(asking.thread, NULL);
        assert_reply(&asking.reply, 404, "KUBERNETES::POD_IP_NOT_AVAILABLE", phases[i]);
        reply_done(&asking.reply);
        fake_await_watchers(stand->fake, 0);
    }
}

static void a_sandbox_that_is_deleted_meanwhile_is_404(void **state)
{
    struct stand *stand = *state;
    struct asking asking;

    put(stand, "Pending", "");
    begin(&asking, stand);
    fake_remove(stand->fake, "web");
    pthread_join(asking.thread, NULL);
    assert_reply(&asking.reply, 404, "KUBERNETES::SANDBOX_NOT_FOUND", "web");
    reply_done(&asking.reply);
}

static void a_client_that_hangs_up_ends_its_watch(void **state)
{
    struct stand *stand = *state;

    put(stand, "Pending", "");
    int fd = dial_and_say(stand, "GET /v1/sandboxes/web/endpoints/80 HTTP/1.1\r\nHost: h\r\n"
                                 "OPEN-SANDBOX-API-KEY: " STAND_KEY "\r\n\r\n");
    fake_await_watchers(stand->fake, 1);
    close(fd);
    fake_await_watchers(stand->fake, 0);
}

#define WITH_STAND(test) cmocka_unit_test_setup(test, stand_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STAND(an_address_is_answered_at_once_in_these_states),
        WITH_STAND(no_address_is_404_at_once_in_these_states),
        WITH_STAND(the_address_of_a_pod_that_goes_away_is_not_given),
        WITH_STAND(a_resuming_sandbox_is_waited_for),
        WITH_STAND(a_resume_that_fails_ends_the_wait),
        WITH_STAND(a_sandbox_that_is_deleted_meanwhile_is_404),
        WITH_STAND(a_client_that_hangs_up_ends_its_watch),
    };
    return cmocka_run_group_tests(tests, stand_setup_group, stand_teardown_group);
}
