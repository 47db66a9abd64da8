#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

static void gate_wake(void *self)
{
    struct gate *gate = self;

    pthread_mutex_lock(&gate->lock);
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static void gate_await(struct gate *gate, const unsigned *counter, unsigned count)
{
    pthread_mutex_lock(&gate->lock);
    while (*counter < count)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

void gate_await_entered(struct gate *gate, unsigned count)
{
    gate_await(gate, &gate->entered, count);
}

void gate_await_cancelled(struct gate *gate, unsigned count)
{
    gate_await(gate, &gate->cancelled, count);
}

void gate_await_answered(struct gate *gate, unsigned count)
{
    gate_await(gate, &gate->answered, count);
}

static struct fixture *fixture_of(const struct rpc_call *call)
{
    return rpc_self(call);
}

static int say(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const text_message *question = request;
    text_message *answer = response;

    (void)call;
    (void)err;
    answer->text = question->text; /* the request lives as long as the response */
    return 0;
}

static int header(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const text_message *question = request;
    text_message *answer = response;
    const char *value = rpc_header(call, question->text);

    if (!value)
        return error_set(err, ERR_NOT_FOUND, "no header %s", question->text);
    answer->text = rpc_strdup(call, value);
    return 0;
}

static int role(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    text_message *answer = response;

    (void)request;
    (void)err;
    answer->text = rpc_strdup(call, rpc_call_peer_role(call));
    return 0;
}

static int time_left(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    number_message *answer = response;

    (void)request;
    (void)err;
    answer->value = (uint64_t)rpc_ms_left(call);
    return 0;
}

static int fail_as_told(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const failure_message *failure = request;

    (void)call;
    (void)response;
    (void)error_set(err, (enum error_code)failure->code, "%s", failure->text);
    return failure->reason[0] ? error_reason(err, failure->reason) : -1;
}

static int grow(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const number_message *question = request;
    body_message *answer = response;

    (void)err;
    answer->bytes.len = question->value;
    answer->bytes.data = rpc_alloc(call, question->value);
    return 0;
}

static int hold(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    struct gate *gate = &fixture_of(call)->gate;

    (void)request;
    (void)response;
    rpc_on_cancel(call, gate_wake, gate);
    pthread_mutex_lock(&gate->lock);
    gate->entered++;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open && !rpc_cancelled(call))
        pthread_cond_wait(&gate->changed, &gate->lock);
    bool cancelled = !gate->open;
    gate->cancelled += cancelled;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
    return cancelled ? error_set(err, ERR_CANCELLED, "nobody waits any more") : 0;
}

static int relay_time_left(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const struct rpc_call_options options = {.timeout_ms = -1, .parent = call};
    number_message *answer = response, *inner = NULL;

    if (rpc_unary(fixture_of(call)->channel, ECHO, "TimeLeft", request, &inner, &options, err) < 0)
        return -1;
    answer->value = inner->value;
    protobuf_c_message_free_unpacked(&inner->base, NULL);
    return 0;
}

static int relay_hold(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const struct rpc_call_options options = {.timeout_ms = -1, .parent = call};
    text_message *inner = NULL;

    (void)response;
    if (rpc_unary(fixture_of(call)->channel, ECHO, "Hold", request, &inner, &options, err) < 0)
        return -1;
    protobuf_c_message_free_unpacked(&inner->base, NULL);
    return 0;
}

static int count(struct rpc_call *call, const void *request, struct error *err)
{
    const number_message *question = request;
    number_message answer = STASIS__TEST__NUMBER__INIT;

    for (uint64_t i = 0; i < question->value; i++) {
        answer.value = i;
        if (rpc_send(call, &answer.base, err) < 0)
            return -1;
    }
    return 0;
}

static int count_then_fail(struct rpc_call *call, const void *request, struct error *err)
{
    if (count(call, request, err) < 0)
        return -1;
    (void)error_set(err, ERR_CORRUPT, "the rest is gone");
    return error_reason(err, "RestLost");
}

static int follow(struct rpc_call *call, const void *request, struct error *err)
{
    number_message first = STASIS__TEST__NUMBER__INIT;

    if (rpc_send(call, &first.base, err) < 0)
        return -1;
    return hold(call, request, NULL, err);
}

static const struct rpc_method methods[] = {
    {.name = "Say", .unary = say},
    {.name = "Header", .unary = header},
    {.name = "Role", .unary = role},
    {.name = "TimeLeft", .unary = time_left},
    {.name = "Fail", .unary = fail_as_told},
    {.name = "Grow", .unary = grow},
    {.name = "Hold", .unary = hold},
    {.name = "RelayTimeLeft", .unary = relay_time_left},
    {.name = "RelayHold", .unary = relay_hold},
    {.name = "Count", .stream = count},
    {.name = "CountThenFail", .stream = count_then_fail},
    {.name = "Follow", .stream = follow, .endless = true},
    {.name = NULL},
};

struct rpc_server *echo_server_new(struct fixture *fixture, const struct rpc_server_options *options)
{
    struct rpc_server *server = rpc_server_new(options);

    rpc_server_add(server, ECHO, methods, fixture);
    return server;
}

void echo_server_start_at_socket(struct fixture *fixture, const struct rpc_server_options *options)
{
    struct error err = {0};

    fixture->server = echo_server_new(fixture, options);
    if (rpc_server_listen(fixture->server, fixture->target, NULL, &err) < 0)
        fail_msg("%s", err.text);
    rpc_server_start(fixture->server);
}

int fixture_setup_with(void **state, const struct rpc_server_options *options)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    const struct rpc_channel_options channel_options = {
        .name = "echo", .header_key = "x-always", .header_value = "here"};

    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/stasis-rpc-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->socket_path, sizeof(fixture->socket_path), "%s/sock", fixture->folder);
    snprintf(fixture->target, sizeof(fixture->target), "unix:%s", fixture->socket_path);
    pthread_mutex_init(&fixture->gate.lock, NULL);
    pthread_cond_init(&fixture->gate.changed, NULL);
    fixture->channel = rpc_channel_new(fixture->target, &channel_options);
    echo_server_start_at_socket(fixture, options);
    *state = fixture;
    return 0;
}

int fixture_setup(void **state)
{
    return fixture_setup_with(state, NULL);
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    SCOPED(string)
    char *lock_path = xasprintf("%s.lock", fixture->socket_path);

    gate_open(&fixture->gate);
    rpc_server_free(fixture->server);
    rpc_channel_free(fixture->channel);
    (void)unlink(fixture->socket_path);
    (void)unlink(lock_path);
    assert_int_equal(rmdir(fixture->folder), 0);
    pthread_cond_destroy(&fixture->gate.changed);
    pthread_mutex_destroy(&fixture->gate.lock);
    free(fixture);
    return 0;
}

int call_text(struct fixture *fixture, const char *method, const char *text, char **ret_text,
              const struct rpc_call_options *options, struct error *err)
{
    text_message question = STASIS__TEST__TEXT__INIT, *answer = NULL;

    question.text = (char *)text;
    if (rpc_unary(fixture->channel, ECHO, method, &question.base, &answer, options, err) < 0)
        return -1;
    if (ret_text)
        *ret_text = xstrdup(answer->text);
    protobuf_c_message_free_unpacked(&answer->base, NULL);
    return 0;
}

static void *background_run(void *arg)
{
    struct background_call *call = arg;
    const struct rpc_call_options patient = {.timeout_ms = -1};

    call->result = call_text(call->fixture, call->method, "", NULL, &patient, &call->err);
    pthread_mutex_lock(&call->fixture->gate.lock);
    call->fixture->gate.answered++;
    pthread_cond_broadcast(&call->fixture->gate.changed);
    pthread_mutex_unlock(&call->fixture->gate.lock);
    return NULL;
}

void background_start(struct background_call *call, struct fixture *fixture, const char *method)
{
    *call = (struct background_call){.fixture = fixture, .method = method};
    assert_int_equal(pthread_create(&call->thread, NULL, background_run, call), 0);
}

int background_join(struct background_call *call)
{
    assert_int_equal(pthread_join(call->thread, NULL), 0);
    return call->result;
}

struct rpc_stream *open_stream(struct fixture *fixture, const char *method, const ProtobufCMessage *request)
{
    struct rpc_stream *stream = NULL;
    struct error err = {0};

    if (rpc_stream_open(fixture->channel, ECHO, method, request, &stream, NULL, &err) < 0)
        fail_msg("%s", err.text);
    return stream;
}

uint64_t next_number(struct rpc_stream *stream)
{
    number_message *message = NULL;
    struct error err = {0};

    if (rpc_stream_next(stream, &message, &err) != 1)
        fail_msg("the stream ended: %s", err.text);
    uint64_t value = message->value;
    protobuf_c_message_free_unpacked(&message->base, NULL);
    return value;
}

int drain(struct rpc_stream *stream, struct error *err)
{
    ProtobufCMessage *message = NULL;
    int more;

    while ((more = rpc_stream_next(stream, &message, err)) == 1)
        protobuf_c_message_free_unpacked(message, NULL);
    return more;
}
