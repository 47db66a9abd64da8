#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/rpc/message_priv.h"
#include "shared/rpc/status_priv.h"

static void a_unary_call_is_answered(void **state)
{
    struct fixture *f = *state;
    SCOPED(string)
    char *answer = NULL;
    struct error err = {0};

    assert_ok(call_text(f, "Say", "h\303\251llo", &answer, NULL, &err));
    assert_string_equal(answer, "h\303\251llo");
}

static void an_empty_message_is_a_message(void **state)
{
    struct fixture *f = *state;
    SCOPED(string)
    char *answer = NULL;
    struct error err = {0};

    assert_ok(call_text(f, "Say", "", &answer, NULL, &err));
    assert_string_equal(answer, "");
}

static void headers_of_the_channel_and_of_the_call_arrive(void **state)
{
    struct fixture *f = *state;
    const struct rpc_call_options options = {.header_key = "x-once", .header_value = "now"};
    SCOPED(string)
    char *always = NULL;
    SCOPED(string)
    char *once = NULL;
    struct error err = {0};

    assert_ok(call_text(f, "Header", "x-always", &always, &options, &err));
    assert_ok(call_text(f, "Header", "x-once", &once, &options, &err));
    assert_string_equal(always, "here");
    assert_string_equal(once, "now");
    assert_int_equal(call_text(f, "Header", "x-once", &once, NULL, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static int call_fail(struct fixture *f, enum error_code code, const char *reason, const char *text,
                     struct error *err)
{
    failure_message failure = STASIS__TEST__FAILURE__INIT;
    text_message *answer = NULL;

    failure.code = code;
    failure.reason = (char *)reason;
    failure.text = (char *)text;
    return rpc_unary(f->channel, ECHO, "Fail", &failure.base, &answer, NULL, err);
}

static void every_error_arrives_with_its_code_reason_and_text(void **state)
{
    struct fixture *f = *state;

    for (enum error_code code = ERR_NONE + 1; code < ERR_MAX; code++) {
        struct error err = {0};
        assert_int_equal(call_fail(f, code, error_code_name(code), "pushing a layer: 50 % done", &err), -1);
        assert_int_equal(err.code, code);
        assert_string_equal(err.reason, error_code_name(code));
        assert_string_equal(err.text, "pushing a layer: 50 % done");
    }
}

static void an_error_without_a_reason_arrives_without_one(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    assert_int_equal(call_fail(f, ERR_PRECONDITION, "", "not now", &err), -1);
    assert_int_equal(err.code, ERR_PRECONDITION);
    assert_string_equal(err.reason, "");
}

static void a_failure_that_names_no_code_is_an_internal_error(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    assert_int_equal(call_fail(f, ERR_NONE, "", "forgot", &err), -1);
    assert_int_equal(err.code, ERR_INTERNAL);
}

static void a_long_text_is_cut_between_characters(void **state)
{
    struct fixture *f = *state;
    char text[302] = "x"; /* one byte, then characters of two: 256 falls inside one */
    struct error err = {0};

    for (size_t i = 1; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "\303\251", 2);
    assert_int_equal(call_fail(f, ERR_INVALID, "", text, &err), -1);
    assert_int_equal(strlen(err.text), RPC_TEXT_MAX - 1);
    assert_memory_equal(err.text, text, strlen(err.text));
}

static void the_handler_sees_the_deadline(void **state)
{
    struct fixture *f = *state;
    const struct rpc_call_options limited = {.timeout_ms = 30000}, endless = {.timeout_ms = -1};
    text_message question = STASIS__TEST__TEXT__INIT;
    number_message *answer = NULL;
    struct error err = {0};

    assert_ok(rpc_unary(f->channel, ECHO, "TimeLeft", &question.base, &answer, &limited, &err));
    assert_in_range(answer->value, 1, 31000);
    protobuf_c_message_free_unpacked(&answer->base, NULL);
    assert_ok(rpc_unary(f->channel, ECHO, "TimeLeft", &question.base, &answer, &endless, &err));
    assert_int_equal(answer->value, INT64_MAX);
    protobuf_c_message_free_unpacked(&answer->base, NULL);
    assert_ok(rpc_unary(f->channel, ECHO, "TimeLeft", &question.base, &answer, NULL, &err));
    assert_in_range(answer->value, 1, 10500);
    protobuf_c_message_free_unpacked(&answer->base, NULL);
}

static void a_passed_deadline_ends_the_call_and_wakes_the_handler(void **state)
{
    struct fixture *f = *state;
    const struct rpc_call_options hasty = {.timeout_ms = 50};
    struct error err = {0};

    assert_int_equal(call_text(f, "Hold", "", NULL, &hasty, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    gate_await_cancelled(&f->gate, 1);
}

static void a_client_that_cancels_wakes_the_handler(void **state)
{
    struct fixture *f = *state;
    text_message question = STASIS__TEST__TEXT__INIT;
    struct rpc_stream *stream = open_stream(f, "Hold", &question.base);
    struct error err = {0};

    gate_await_entered(&f->gate, 1);
    rpc_stream_cancel(stream);
    gate_await_cancelled(&f->gate, 1);
    assert_int_equal(drain(stream, &err), -1);
    assert_int_equal(err.code, ERR_CANCELLED);
    rpc_stream_free(stream);
}

static void a_stream_that_is_freed_is_cancelled(void **state)
{
    struct fixture *f = *state;
    text_message question = STASIS__TEST__TEXT__INIT;
    struct rpc_stream *stream = open_stream(f, "Follow", &question.base);

    (void)next_number(stream);
    gate_await_entered(&f->gate, 1);
    rpc_stream_free(stream);
    gate_await_cancelled(&f->gate, 1);
}

static void an_inner_call_inherits_the_deadline_of_its_parent(void **state)
{
    struct fixture *f = *state;
    const struct rpc_call_options limited = {.timeout_ms = 20000};
    text_message question = STASIS__TEST__TEXT__INIT;
    number_message *answer = NULL;
    struct error err = {0};

    assert_ok(rpc_unary(f->channel, ECHO, "RelayTimeLeft", &question.base, &answer, &limited, &err));
    assert_in_range(answer->value, 1, 20500);
    protobuf_c_message_free_unpacked(&answer->base, NULL);
}

static void an_inner_call_is_cancelled_with_its_parent(void **state)
{
    struct fixture *f = *state;
    text_message question = STASIS__TEST__TEXT__INIT;
    struct rpc_stream *outer = open_stream(f, "RelayHold", &question.base);

    gate_await_entered(&f->gate, 1);
    rpc_stream_cancel(outer);
    gate_await_cancelled(&f->gate, 1);
    rpc_stream_free(outer);
}

static void a_stream_gives_every_message_in_order_and_then_its_end(void **state)
{
    struct fixture *f = *state;
    number_message many = STASIS__TEST__NUMBER__INIT;
    struct error err = {0};

    many.value = 1000;
    struct rpc_stream *stream = open_stream(f, "Count", &many.base);
    for (uint64_t i = 0; i < many.value; i++)
        assert_int_equal(next_number(stream), i);
    assert_int_equal(drain(stream, &err), 0);
    assert_int_equal(drain(stream, &err), 0); /* asked again, it says the same */
    rpc_stream_free(stream);
}

static void a_stream_that_fails_gives_its_messages_first(void **state)
{
    struct fixture *f = *state;
    number_message some = STASIS__TEST__NUMBER__INIT;
    struct error err = {0};

    some.value = 3;
    struct rpc_stream *stream = open_stream(f, "CountThenFail", &some.base);
    for (uint64_t i = 0; i < some.value; i++)
        assert_int_equal(next_number(stream), i);
    assert_int_equal(drain(stream, &err), -1);
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_string_equal(err.reason, "RestLost");
    rpc_stream_free(stream);
}

/* To the wire a unary method is a stream of one message each way. */
static void a_bidirectional_stream_writes_and_reads(void **state)
{
    struct fixture *f = *state;
    struct rpc_stream *stream = open_stream(f, "Say", NULL);
    text_message question = STASIS__TEST__TEXT__INIT, *answer = NULL;
    struct error err = {0};

    question.text = (char *)"both ways";
    assert_ok(rpc_stream_write(stream, &question.base, true, &err));
    assert_int_equal(rpc_stream_next(stream, &answer, &err), 1);
    assert_string_equal(answer->text, "both ways");
    protobuf_c_message_free_unpacked(&answer->base, NULL);
    assert_int_equal(drain(stream, &err), 0);
    rpc_stream_free(stream);
}

static void writing_can_end_without_a_message(void **state)
{
    struct fixture *f = *state;
    struct rpc_stream *stream = open_stream(f, "Say", NULL);
    text_message question = STASIS__TEST__TEXT__INIT;
    struct error err = {0};

    assert_ok(rpc_stream_write(stream, &question.base, false, &err));
    assert_ok(rpc_stream_write(stream, NULL, true, &err));
    assert_int_equal(drain(stream, &err), 0);
    rpc_stream_free(stream);
}

static void a_write_to_an_ended_stream_fails_and_the_end_tells_why(void **state)
{
    struct fixture *f = *state;
    struct rpc_stream *stream = open_stream(f, "Absent", NULL);
    text_message question = STASIS__TEST__TEXT__INIT;
    struct error write_err = {0}, err = {0};

    while (rpc_stream_write(stream, &question.base, false, &write_err) == 0)
        ; /* what the peer's buffers still took */
    assert_int_equal(write_err.code, ERR_UNAVAILABLE);
    assert_int_equal(drain(stream, &err), -1);
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    rpc_stream_free(stream);
}

static void a_method_that_nobody_serves_is_unsupported(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    assert_int_equal(call_text(f, "Absent", "", NULL, NULL, &err), -1);
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "stasis.test.Echo/Absent"));
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    assert_int_equal(call_text(f, "Say", "caf\351", NULL, NULL, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "stasis.test.Text"));
}

static void a_request_that_swells_in_memory_is_refused(void **state)
{
    uint8_t bytes[20000];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i += 2)
        memcpy(bytes + i, "\012\000", 2); /* one more empty Wide */
    assert_null(rpc_message_unpack_bytes(bytes, sizeof(bytes), &stasis__test__wides__descriptor));
    void *modest = rpc_message_unpack_bytes(bytes, 20, &stasis__test__wides__descriptor);
    assert_non_null(modest);
    rpc_message_free(modest);
}

static void an_unreachable_peer_is_named(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    rpc_server_stop(f->server, 0);
    assert_int_equal(call_text(f, "Say", "", NULL, NULL, &err), -1);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "Say of echo"));
}

static void an_error_of_the_peer_is_not_blamed_on_the_way(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    assert_int_equal(call_fail(f, ERR_UNAVAILABLE, "", "registry is down", &err), -1);
    assert_string_equal(err.text, "registry is down");
}

static void plaintext_never_leaves_the_machine(void **state)
{
    struct fixture *f = *state;
    const struct rpc_channel_options options = {.name = "far away"};
    struct rpc_channel *near = f->channel;
    struct error err = {0};

    f->channel = rpc_channel_new("192.0.2.1:1", &options);
    assert_int_equal(call_text(f, "Say", "", NULL, NULL, &err), -1);
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    rpc_channel_free(f->channel);
    f->channel = near;
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_unary_call_is_answered),
        WITH_SERVER(an_empty_message_is_a_message),
        WITH_SERVER(headers_of_the_channel_and_of_the_call_arrive),
        WITH_SERVER(every_error_arrives_with_its_code_reason_and_text),
        WITH_SERVER(an_error_without_a_reason_arrives_without_one),
        WITH_SERVER(a_failure_that_names_no_code_is_an_internal_error),
        WITH_SERVER(a_long_text_is_cut_between_characters),
        WITH_SERVER(the_handler_sees_the_deadline),
        WITH_SERVER(a_passed_deadline_ends_the_call_and_wakes_the_handler),
        WITH_SERVER(a_client_that_cancels_wakes_the_handler),
        WITH_SERVER(a_stream_that_is_freed_is_cancelled),
        WITH_SERVER(an_inner_call_inherits_the_deadline_of_its_parent),
        WITH_SERVER(an_inner_call_is_cancelled_with_its_parent),
        WITH_SERVER(a_stream_gives_every_message_in_order_and_then_its_end),
        WITH_SERVER(a_stream_that_fails_gives_its_messages_first),
        WITH_SERVER(a_bidirectional_stream_writes_and_reads),
        WITH_SERVER(writing_can_end_without_a_message),
        WITH_SERVER(a_write_to_an_ended_stream_fails_and_the_end_tells_why),
        WITH_SERVER(a_method_that_nobody_serves_is_unsupported),
        WITH_SERVER(text_that_is_not_utf8_is_refused),
        cmocka_unit_test(a_request_that_swells_in_memory_is_refused),
        WITH_SERVER(an_unreachable_peer_is_named),
        WITH_SERVER(an_error_of_the_peer_is_not_blamed_on_the_way),
        WITH_SERVER(plaintext_never_leaves_the_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
