/* fixture.h - a server of the Echo service on a unix socket in a folder of its own, and a channel to it. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "echo.pb-c.h"
#include "shared/rpc/client.h"
#include "shared/rpc/server.h"

#define ECHO (&stasis__test__echo__descriptor)

typedef Stasis__Test__Text text_message;
typedef Stasis__Test__Number number_message;
typedef Stasis__Test__Failure failure_message;
typedef Stasis__Test__Body body_message;

/* Where Hold waits, and what the tests see of it. */
struct gate {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    bool open;
    unsigned entered, cancelled;
    unsigned answered; /* background calls that came back */
};

struct fixture {
    char folder[64];
    char socket_path[80];
    char target[96];
    struct gate gate;
    struct rpc_server *server;
    struct rpc_channel *channel;
};

int fixture_setup(void **state); /* default options */
int fixture_setup_with(void **state, const struct rpc_server_options *options);
int fixture_teardown(void **state);

struct rpc_server *echo_server_new(struct fixture *fixture, const struct rpc_server_options *options);
void echo_server_start_at_socket(struct fixture *fixture, const struct rpc_server_options *options);

void gate_open(struct gate *gate);
void gate_await_entered(struct gate *gate, unsigned count);
void gate_await_cancelled(struct gate *gate, unsigned count);
void gate_await_answered(struct gate *gate, unsigned count);

/* A unary call of a method that takes and gives a Text, in a thread of its own. */
struct background_call {
    struct fixture *fixture;
    const char *method;
    pthread_t thread;
    int result;
    struct error err;
};
void background_start(struct background_call *call, struct fixture *fixture, const char *method);
int background_join(struct background_call *call); /* the call's result */

/* Text to Text. *ret_text is the caller's. */
int call_text(struct fixture *fixture, const char *method, const char *text, char **ret_text,
              const struct rpc_call_options *options, struct error *err);
struct rpc_stream *open_stream(struct fixture *fixture, const char *method, const ProtobufCMessage *request);
/* Reads one Number; the stream must have it. */
uint64_t next_number(struct rpc_stream *stream);
/* Reads until the end; answers rpc_stream_next's last answer. */
int drain(struct rpc_stream *stream, struct error *err);

/* Needs a `struct error err` in scope. */
#define assert_ok(expression)                                                                                \
    do {                                                                                                     \
        if ((expression) < 0)                                                                                \
            fail_msg("%s", err.text);                                                                        \
    } while (0)
