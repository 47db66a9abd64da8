#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

#include "fixture.h"
#include "grpc/health/v1/health.pb-c.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

#define HEALTH        (&grpc__health__v1__health__descriptor)
#define SERVING       GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING   GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define UNKNOWN       GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN
#define SMALL_MESSAGE 65536
#define A_MINUTE_MS   60000

static int setup_small_messages(void **state)
{
    return fixture_setup_with(state, &(const struct rpc_server_options){.max_message = SMALL_MESSAGE});
}

static int setup_two_calls_one_stream(void **state)
{
    return fixture_setup_with(
        state, &(const struct rpc_server_options){.max_calls = 2, .workers = 1, .max_streams = 1});
}

/* Messages */

static void a_request_over_the_limit_is_refused_and_the_connection_lives_on(void **state)
{
    struct fixture *f = *state;
    SCOPED(string)
    char *text = xcalloc(1, SMALL_MESSAGE + 1);
    struct error err = {0};

    memset(text, 'x', SMALL_MESSAGE);
    assert_int_equal(call_text(f, "Say", text, NULL, NULL, &err), -1);
    assert_int_equal(err.code, ERR_EXHAUSTED);
    text[SMALL_MESSAGE - 10] = '\0'; /* with its tag and length just under the limit */
    assert_ok(call_text(f, "Say", text, NULL, NULL, &err));
}

static void an_answer_over_the_limit_is_an_error_that_says_so(void **state)
{
    struct fixture *f = *state;
    number_message size = STASIS__TEST__NUMBER__INIT;
    body_message *answer = NULL;
    struct error err = {0};

    size.value = SMALL_MESSAGE;
    assert_int_equal(rpc_unary(f->channel, ECHO, "Grow", &size.base, &answer, NULL, &err), -1);
    assert_int_equal(err.code, ERR_EXHAUSTED);
    assert_non_null(strstr(err.text, "65536"));
    size.value = SMALL_MESSAGE - 10;
    assert_ok(rpc_unary(f->channel, ECHO, "Grow", &size.base, &answer, NULL, &err));
    assert_int_equal(answer->bytes.len, SMALL_MESSAGE - 10);
    protobuf_c_message_free_unpacked(&answer->base, NULL);
}

/* Overload */

static void calls_above_the_bound_are_refused_and_later_ones_are_not(void **state)
{
    struct fixture *f = *state;
    struct background_call calls[3];
    unsigned refused = 0;
    struct error err = {0};

    for (size_t i = 0; i < 3; i++)
        background_start(&calls[i], f, "Hold");
    gate_await_answered(&f->gate,
                        1); /* the gate is shut: one runs, one waits for the worker, one came back */
    gate_open(&f->gate);
    for (size_t i = 0; i < 3; i++) {
        bool was_refused = background_join(&calls[i]) < 0;
        refused += was_refused;
        assert_int_equal(calls[i].err.code, was_refused ? ERR_EXHAUSTED : ERR_NONE);
    }
    assert_int_equal(refused, 1);
    assert_ok(call_text(f, "Say", "", NULL, NULL, &err));
}

static void streams_above_the_bound_are_refused_and_unary_calls_go_on(void **state)
{
    struct fixture *f = *state;
    text_message question = STASIS__TEST__TEXT__INIT;
    struct rpc_stream *first = open_stream(f, "Follow", &question.base);
    struct error err = {0};

    (void)next_number(first);
    struct rpc_stream *second = open_stream(f, "Follow", &question.base);
    assert_int_equal(drain(second, &err), -1);
    assert_int_equal(err.code, ERR_EXHAUSTED);
    assert_ok(call_text(f, "Say", "", NULL, NULL, &err));
    rpc_stream_free(second);
    rpc_stream_free(first);
}

/* Stopping */

struct stopper {
    struct rpc_server *server;
    int64_t grace_ms;
    pthread_t thread;
};

static void *stop_run(void *arg)
{
    struct stopper *stopper = arg;

    rpc_server_stop(stopper->server, stopper->grace_ms);
    return NULL;
}

static void stop_in_background(struct stopper *stopper, struct rpc_server *server, int64_t grace_ms)
{
    *stopper = (struct stopper){.server = server, .grace_ms = grace_ms};
    assert_int_equal(pthread_create(&stopper->thread, NULL, stop_run, stopper), 0);
}

static void a_graceful_stop_lets_running_calls_finish_and_ends_watches_at_once(void **state)
{
    struct fixture *f = *state;
    text_message question = STASIS__TEST__TEXT__INIT;
    struct rpc_stream *watch = open_stream(f, "Follow", &question.base);
    struct background_call call;
    struct stopper stopper;
    struct error err = {0};

    gate_await_entered(&f->gate, 1);
    background_start(&call, f, "Hold");
    gate_await_entered(&f->gate, 2);
    stop_in_background(&stopper, f->server, A_MINUTE_MS);
    assert_int_equal(drain(watch, &err), -1); /* so the stop has begun */
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    gate_open(&f->gate);
    assert_int_equal(background_join(&call), 0);
    assert_int_equal(pthread_join(stopper.thread, NULL), 0);
    rpc_stream_free(watch);
}

static void a_forced_stop_cancels_what_still_runs(void **state)
{
    struct fixture *f = *state;
    struct background_call call;

    background_start(&call, f, "Hold");
    gate_await_entered(&f->gate, 1);
    rpc_server_stop(f->server, 0);
    gate_await_cancelled(&f->gate, 1);
    assert_int_equal(background_join(&call), -1);
    assert_int_equal(call.err.code, ERR_UNAVAILABLE);
}

static void a_forced_stop_frees_a_stream_whose_client_does_not_read(void **state)
{
    struct fixture *f = *state;
    number_message endless = STASIS__TEST__NUMBER__INIT;
    struct error err = {0};

    endless.value = UINT64_MAX;
    struct rpc_stream *stream = open_stream(f, "Count", &endless.base);
    (void)next_number(stream);
    rpc_server_stop(f->server, 0); /* comes back: rpc_send gave up */
    assert_int_equal(drain(stream, &err), -1);
    rpc_stream_free(stream);
}

static void a_server_that_never_started_can_be_freed(void **state)
{
    struct fixture *f = *state;
    struct rpc_server *server = echo_server_new(f, NULL);
    struct error err = {0};
    int port = 0;

    assert_ok(rpc_server_listen(server, "127.0.0.1:0", &port, &err));
    rpc_server_free(server);
    rpc_server_free(echo_server_new(f, NULL));
}

static void a_client_finds_the_server_again_after_a_restart(void **state)
{
    struct fixture *f = *state;
    const struct rpc_call_options patient = {.wait_for_ready = true, .timeout_ms = A_MINUTE_MS};
    struct error err = {0};

    assert_ok(call_text(f, "Say", "", NULL, NULL, &err));
    rpc_server_free(f->server);
    assert_int_equal(call_text(f, "Say", "", NULL, NULL, &err), -1);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    echo_server_start_at_socket(f, NULL);
    assert_ok(call_text(f, "Say", "", NULL, &patient, &err));
}

/* Listening */

static void a_socket_file_is_for_its_owner_only(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(stat(f->socket_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_second_server_on_one_socket_is_refused_and_the_first_goes_on(void **state)
{
    struct fixture *f = *state;
    struct rpc_server *second = echo_server_new(f, NULL);
    struct error err = {0};

    assert_int_equal(rpc_server_listen(second, f->target, NULL, &err), -1);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    rpc_server_free(second);
    assert_ok(call_text(f, "Say", "", NULL, NULL, &err));
}

/* Binds the path; without `listening` nobody is behind it, like after a crash. The fd is the caller's. */
static int bind_socket(const char *path, bool listening)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    if (listening)
        assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void a_socket_file_that_a_crash_left_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    rpc_server_free(f->server);
    assert_int_equal(close(bind_socket(f->socket_path, false)), 0);
    echo_server_start_at_socket(f, NULL);
    assert_ok(call_text(f, "Say", "", NULL,
                        &(const struct rpc_call_options){.wait_for_ready = true, .timeout_ms = A_MINUTE_MS},
                        &err));
}

static void the_socket_of_another_program_is_never_taken_over(void **state)
{
    struct fixture *f = *state;
    SCOPED(string)
    char *path = xasprintf("%s/other", f->folder);
    SCOPED(string)
    char *lock_path = xasprintf("%s.lock", path);
    SCOPED(string)
    char *address = xasprintf("unix:%s", path);
    SCOPED(fd)
    int other = bind_socket(path, true);
    struct rpc_server *server = echo_server_new(f, NULL);
    struct error err = {0};

    assert_int_equal(rpc_server_listen(server, address, NULL, &err), -1);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_true(other >= 0); /* it still listens there */
    assert_int_equal(access(path, F_OK), 0);
    rpc_server_free(server);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(lock_path), 0);
}

static void a_file_in_the_way_is_not_deleted(void **state)
{
    struct fixture *f = *state;
    SCOPED(string)
    char *path = xasprintf("%s/notes", f->folder);
    SCOPED(string)
    char *lock_path = xasprintf("%s.lock", path);
    SCOPED(string)
    char *address = xasprintf("unix:%s", path);
    struct rpc_server *server = echo_server_new(f, NULL);
    struct error err = {0};
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rpc_server_listen(server, address, NULL, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    rpc_server_free(server);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(lock_path), 0);
}

static void a_tcp_server_answers_on_the_port_it_got(void **state)
{
    struct fixture *f = *state;
    struct rpc_server *server = echo_server_new(f, NULL);
    struct rpc_channel *near = f->channel;
    struct error err = {0};
    int port = 0;

    assert_ok(rpc_server_listen(server, "127.0.0.1:0", &port, &err));
    rpc_server_start(server);
    SCOPED(string)
    char *target = xasprintf("127.0.0.1:%d", port);
    f->channel =
        rpc_channel_new(target, &(const struct rpc_channel_options){.name = "tcp", .keepalive = true});
    assert_ok(call_text(f, "Say", "", NULL, NULL, &err));
    rpc_channel_free(f->channel);
    f->channel = near;
    rpc_server_free(server);
}

static void addresses_that_cannot_be_served_are_refused_with_the_reason(void **state)
{
    struct fixture *f = *state;
    struct rpc_server *server = echo_server_new(f, NULL);
    struct error err = {0};
    int port = 0;

    assert_ok(rpc_server_listen(server, "127.0.0.1:0", &port, &err));
    SCOPED(string)
    char *taken = xasprintf("127.0.0.1:%d", port);
    const struct {
        const char *address, *says;
        enum error_code code;
    } rows[] = {
        {taken, "another process", ERR_UNAVAILABLE},
        {"0.0.0.0:0", "plaintext", ERR_UNSUPPORTED},
        {"example.org:80", "plaintext", ERR_UNSUPPORTED},
        {"127.0.0.1:http-ish", "want host:port", ERR_INVALID},
        {"unix:relative/path", "absolute", ERR_INVALID},
        {"unix:/nonexistent/folder/sock", "No such file", ERR_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rpc_server *second = echo_server_new(f, NULL);
        assert_int_equal(rpc_server_listen(second, rows[i].address, NULL, &err), -1);
        assert_int_equal(err.code, rows[i].code);
        assert_non_null(strstr(err.text, rows[i].says));
        rpc_server_free(second);
    }
    rpc_server_free(server);
}

/* Health */

static int check_health(struct fixture *f, const char *service, struct error *err)
{
    Grpc__Health__V1__HealthCheckRequest question = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    Grpc__Health__V1__HealthCheckResponse *answer = NULL;

    question.service = (char *)service;
    if (rpc_unary(f->channel, HEALTH, "Check", &question.base, &answer, NULL, err) < 0)
        return -1;
    int status = (int)answer->status;
    protobuf_c_message_free_unpacked(&answer->base, NULL);
    return status;
}

static void health_says_what_it_was_told(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    assert_int_equal(check_health(f, "", &err), SERVING);
    rpc_health_set(f->server, "", false);
    assert_int_equal(check_health(f, "", &err), NOT_SERVING);
    assert_int_equal(check_health(f, "stasis.test.Echo", &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    rpc_health_set(f->server, "stasis.test.Echo", true);
    assert_int_equal(check_health(f, "stasis.test.Echo", &err), SERVING);
}

static int next_health(struct rpc_stream *stream)
{
    Grpc__Health__V1__HealthCheckResponse *answer = NULL;
    struct error err = {0};

    if (rpc_stream_next(stream, &answer, &err) != 1)
        fail_msg("the watch ended: %s", err.text);
    int status = (int)answer->status;
    protobuf_c_message_free_unpacked(&answer->base, NULL);
    return status;
}

static void a_health_watch_tells_each_change(void **state)
{
    struct fixture *f = *state;
    Grpc__Health__V1__HealthCheckRequest question = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    struct rpc_stream *watch = NULL;
    struct error err = {0};

    question.service = (char *)"later";
    assert_ok(rpc_stream_open(f->channel, HEALTH, "Watch", &question.base, &watch, NULL, &err));
    assert_int_equal(next_health(watch), UNKNOWN);
    rpc_health_set(f->server, "later", true);
    assert_int_equal(next_health(watch), SERVING);
    rpc_health_set(f->server, "elsewhere", true);
    rpc_health_set(f->server, "later", false);
    assert_int_equal(next_health(watch), NOT_SERVING);
    rpc_server_stop(f->server, A_MINUTE_MS);
    assert_int_equal(drain(watch, &err), -1);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    rpc_stream_free(watch);
}

/* Observation */

struct observations {
    pthread_mutex_t lock; /* guards everything below */
    unsigned ok, failed;
    char last_method[64];
    enum error_code last_code;
};

static void observe(void *self, const struct rpc_call *call, const struct error *err, int64_t elapsed_ms)
{
    struct observations *seen = self;

    pthread_mutex_lock(&seen->lock);
    seen->ok += err == NULL;
    seen->failed += err != NULL;
    seen->last_code = err ? err->code : ERR_NONE;
    snprintf(seen->last_method, sizeof(seen->last_method), "%s", rpc_method_name(call));
    pthread_mutex_unlock(&seen->lock);
    assert_true(elapsed_ms >= 0);
}

static void every_call_is_observed_once(void **state)
{
    static struct observations seen = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct error err = {0};

    fixture_setup_with(state, &(const struct rpc_server_options){.observe = observe, .observe_self = &seen});
    struct fixture *f = *state;
    assert_ok(call_text(f, "Say", "", NULL, NULL, &err));
    assert_int_equal(call_text(f, "Absent", "", NULL, NULL, &err), -1);
    pthread_mutex_lock(&seen.lock);
    assert_int_equal(seen.ok, 1);
    assert_int_equal(seen.failed, 1);
    assert_int_equal(seen.last_code, ERR_UNSUPPORTED);
    assert_string_equal(seen.last_method, "stasis.test.Echo/Absent");
    pthread_mutex_unlock(&seen.lock);
}

static void an_idempotent_call_is_tried_five_times(void **state)
{
    static struct observations seen = {.lock = PTHREAD_MUTEX_INITIALIZER};
    failure_message failure = STASIS__TEST__FAILURE__INIT;
    text_message *answer = NULL;
    struct error err = {0};

    fixture_setup_with(state, &(const struct rpc_server_options){.observe = observe, .observe_self = &seen});
    struct fixture *f = *state;
    struct rpc_channel *stubborn = rpc_channel_new(
        f->target, &(const struct rpc_channel_options){.name = "stubborn", .retry_unavailable = true});
    failure.code = ERR_UNAVAILABLE;
    assert_int_equal(rpc_unary(stubborn, ECHO, "Fail", &failure.base, &answer, NULL, &err), -1);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    failure.code = ERR_NOT_FOUND; /* will stay so: asked once */
    assert_int_equal(rpc_unary(stubborn, ECHO, "Fail", &failure.base, &answer, NULL, &err), -1);
    rpc_channel_free(stubborn);
    pthread_mutex_lock(&seen.lock);
    assert_int_equal(seen.failed, 5 + 1);
    pthread_mutex_unlock(&seen.lock);
}

/* Many at once */

static void *say_until_refused(void *arg)
{
    struct background_call *call = arg;

    while (call->result == 0)
        call->result = call_text(call->fixture, "Say", "", NULL, NULL, &call->err);
    return NULL;
}

static void stopping_under_load_ends_every_call(void **state)
{
    for (unsigned round = 0; round < 20; round++) {
        struct background_call calls[6];
        struct fixture *f;
        struct error err = {0};

        fixture_setup(state);
        f = *state;
        for (size_t i = 0; i < 6; i++) {
            calls[i] = (struct background_call){.fixture = f};
            assert_int_equal(pthread_create(&calls[i].thread, NULL, say_until_refused, &calls[i]), 0);
        }
        assert_ok(call_text(f, "Say", "", NULL, NULL, &err));
        rpc_server_stop(f->server, round % 2 ? 0 : A_MINUTE_MS);
        for (size_t i = 0; i < 6; i++)
            assert_int_equal(background_join(&calls[i]), -1);
        fixture_teardown(state);
    }
}

static void *say_often(void *arg)
{
    struct background_call *call = arg;

    for (unsigned i = 0; i < 100 && call->result == 0; i++)
        call->result = call_text(call->fixture, "Say", "again", NULL, NULL, &call->err);
    return NULL;
}

static void many_threads_share_a_channel(void **state)
{
    struct background_call calls[8];

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        calls[i] = (struct background_call){.fixture = *state};
        assert_int_equal(pthread_create(&calls[i].thread, NULL, say_often, &calls[i]), 0);
    }
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        assert_int_equal(background_join(&calls[i]), 0);
}

#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, fixture_teardown)
#define WITH_SERVER(test) WITH(fixture_setup, test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(setup_small_messages, a_request_over_the_limit_is_refused_and_the_connection_lives_on),
        WITH(setup_small_messages, an_answer_over_the_limit_is_an_error_that_says_so),
        WITH(setup_two_calls_one_stream, calls_above_the_bound_are_refused_and_later_ones_are_not),
        WITH(setup_two_calls_one_stream, streams_above_the_bound_are_refused_and_unary_calls_go_on),
        WITH_SERVER(a_graceful_stop_lets_running_calls_finish_and_ends_watches_at_once),
        WITH_SERVER(a_forced_stop_cancels_what_still_runs),
        WITH_SERVER(a_forced_stop_frees_a_stream_whose_client_does_not_read),
        WITH_SERVER(a_server_that_never_started_can_be_freed),
        WITH_SERVER(a_client_finds_the_server_again_after_a_restart),
        WITH_SERVER(a_socket_file_is_for_its_owner_only),
        WITH_SERVER(a_second_server_on_one_socket_is_refused_and_the_first_goes_on),
        WITH_SERVER(a_socket_file_that_a_crash_left_is_replaced),
        WITH_SERVER(the_socket_of_another_program_is_never_taken_over),
        WITH_SERVER(a_file_in_the_way_is_not_deleted),
        WITH_SERVER(a_tcp_server_answers_on_the_port_it_got),
        WITH_SERVER(addresses_that_cannot_be_served_are_refused_with_the_reason),
        WITH_SERVER(health_says_what_it_was_told),
        WITH_SERVER(a_health_watch_tells_each_change),
        cmocka_unit_test_teardown(every_call_is_observed_once, fixture_teardown),
        cmocka_unit_test_teardown(an_idempotent_call_is_tried_five_times, fixture_teardown),
        cmocka_unit_test(stopping_under_load_ends_every_call),
        WITH_SERVER(many_threads_share_a_channel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
