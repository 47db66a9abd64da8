#include "shared/rpc/server.h"

#include <assert.h>
#include <grpc/impl/codegen/compression_types.h>
#include <grpc/slice.h>
#include <grpc/support/time.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "grpc/health/v1/health.pb-c.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/cond.h"
#include "shared/rpc/channel_args_priv.h"
#include "shared/rpc/core_priv.h"
#include "shared/rpc/server_priv.h"

#define POLLERS_DEFAULT      2 /* measured: 1 is as good for few calls, 4 is worse */
#define WORKERS_DEFAULT      8
#define MAX_CALLS_DEFAULT    1024
#define MAX_STREAMS_DEFAULT  256
#define MAX_MESSAGE_DEFAULT  (4 << 20)
#define STREAM_STACK_BYTES   (1 << 20)
#define KEEPALIVE_MS         60000
#define KEEPALIVE_TIMEOUT_MS 20000
#define CLIENT_PING_MIN_MS                                                                                   \
    10000 /* a client that pings oftener is cut off; the default would be 5 minutes                          \
           */
#define HANDSHAKE_TIMEOUT_MS   10000
#define TLS_CONNECTION_AGE_MS  3600000 /* then clients are asked to connect anew; calls under way go on */
#define STREAMS_PER_CONNECTION 1000

static void *poll_events(void *arg)
{
    struct rpc_server *server = arg;

    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(server->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL; /* drained: nothing in flight can reach us any more */
        struct rpc_tag *tag = event.tag;
        rpc_tag_take(tag);
        tag->done(tag, event.success != 0);
    }
}

static void pollers_start(struct rpc_server *server)
{
    server->pollers = xcalloc(server->options.pollers, sizeof(server->pollers[0]));
    for (unsigned i = 0; i < server->options.pollers; i++) {
        int failure = pthread_create(&server->pollers[i], NULL, poll_events, server);
        if (failure) { /* without a poller nothing can be answered, not even a stop */
            static const char last_words[] = "fatal: no thread for the RPC server\n";
            (void)!write(STDERR_FILENO, last_words, sizeof(last_words) - 1);
            abort();
        }
        (void)pthread_setname_np(server->pollers[i], "rpc-poller"); /* only for people who look with ps */
    }
}

static grpc_server *core_new(const struct rpc_server_options *options)
{
    struct rpc_args args = {.count = 0};

    rpc_args_int(&args, GRPC_ARG_ALLOW_REUSEPORT, 0); /* else a second process binds the same port silently */
    /* Identity only: gzip is inflated before the size check, 200 kB sent would cost 200 MB. */
    rpc_args_int(&args, GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1);
    rpc_args_int(&args, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)options->max_message);
    rpc_args_int(&args, GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, (int)options->max_message);
    rpc_args_int(&args, GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_MS);
    rpc_args_int(&args, GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_TIMEOUT_MS);
    rpc_args_int(&args, GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    rpc_args_int(&args, GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, CLIENT_PING_MIN_MS);
    rpc_args_int(&args, GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, HANDSHAKE_TIMEOUT_MS);
    rpc_args_int(&args, GRPC_ARG_MAX_CONCURRENT_STREAMS, STREAMS_PER_CONNECTION);
    if (options
            ->tls) /* certificates are looked at in handshakes only: an expired one must not stay for ever */
        rpc_args_int(&args, GRPC_ARG_MAX_CONNECTION_AGE_MS, TLS_CONNECTION_AGE_MS);
    grpc_channel_args view = rpc_args_view(&args);
    return grpc_server_create(&view, NULL);
}

static void options_fill(struct rpc_server_options *options)
{
    options->pollers = options->pollers ? options->pollers : POLLERS_DEFAULT;
    options->workers = options->workers ? options->workers : WORKERS_DEFAULT;
    options->max_calls = options->max_calls ? options->max_calls : MAX_CALLS_DEFAULT;
    options->max_streams = options->max_streams ? options->max_streams : MAX_STREAMS_DEFAULT;
    options->max_message = options->max_message ? options->max_message : MAX_MESSAGE_DEFAULT;
    assert(options->max_message <= INT_MAX);
    options->tls = options->tls ? rpc_tls_ref(options->tls) : NULL;
    /* Whoever has a certificate of our CA may connect, so a server must say whom it serves. */
    assert((options->tls && rpc_tls_kind(options->tls) == RPC_TLS_MUTUAL) == (options->accept_roles != NULL));
}

static void locks_init(struct rpc_server *server)
{

    pthread_mutex_init(&server->lock, NULL);
    cond_init(&server->changed);
}

static void shut_down(struct rpc_tag *tag, bool ok)
{
    struct rpc_server *server = CONTAINER_OF(tag, struct rpc_server, shut_down);

    (void)ok;
    pthread_mutex_lock(&server->lock);
    server->is_shut_down = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

struct rpc_server *rpc_server_new(const struct rpc_server_options *options)
{
    struct rpc_server *server = xcalloc(1, sizeof(*server));

    server->options = options ? *options : (struct rpc_server_options){0};
    options_fill(&server->options);
    rpc_core_ref();
    locks_init(server);
    LIST_INIT(&server->watches);
    server->shut_down.done = shut_down;
    server->health = rpc_health_new();
    server->core = core_new(&server->options);
    server->queue = grpc_completion_queue_create_for_next(NULL);
    grpc_server_register_completion_queue(server->core, server->queue, NULL);
    /* A unary call may wait for a worker; a stream never ends soon, so it must not wait for another one. */
    server->unary = rpc_workers_new("rpc-unary", server->options.workers, server->options.max_calls, 0);
    server->streams = rpc_workers_new("rpc-stream", server->options.max_streams, server->options.max_streams,
                                      STREAM_STACK_BYTES);
    rpc_server_add(server, &grpc__health__v1__health__descriptor, rpc_health_methods, server->health);
    pollers_start(server);
    return server;
}

static void endpoint_add(struct rpc_server *server, const ProtobufCServiceDescriptor *service,
                         const struct rpc_method *row, void *self)
{
    const ProtobufCMethodDescriptor *descriptor =
        protobuf_c_service_descriptor_get_method_by_name(service, row->name);
    struct rpc_endpoint *endpoint = xcalloc(1, sizeof(*endpoint));
    char *path = xasprintf("/%s/%s", service->name, row->name);

    assert(descriptor && "the .proto has no such method");
    assert(!row->unary != !row->stream);
    endpoint->path = path;
    endpoint->descriptor = descriptor;
    endpoint->row = row;
    endpoint->self = self;
    endpoint->registered =
        grpc_server_register_method(server->core, path, NULL, GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
    assert(endpoint->registered && "a method is registered once");
    endpoint->next = server->endpoints;
    server->endpoints = endpoint;
}

void rpc_server_add(struct rpc_server *server, const ProtobufCServiceDescriptor *service,
                    const struct rpc_method *methods, void *self)
{
    assert(!server->started);
    for (const struct rpc_method *row = methods; row->name; row++)
        endpoint_add(server, service, row, self);
}

int rpc_server_listen(struct rpc_server *server, const char *address, int *ret_port, struct error *err)
{
    struct rpc_listener listener;

    assert(!server->started);
    if (rpc_listen(server->core, address, &server->options, &listener, err) < 0)
        return -1;
    server->listeners =
        xrealloc_array(server->listeners, server->listener_count + 1, sizeof(server->listeners[0]));
    server->listeners[server->listener_count++] = listener;
    if (ret_port)
        *ret_port = listener.port;
    return 0;
}

void rpc_server_start(struct rpc_server *server)
{
    assert(!server->started);
    server->started = true;
    grpc_server_start(server->core);
    rpc_accept_start(&server->unknown, server, NULL);
    for (struct rpc_endpoint *endpoint = server->endpoints; endpoint; endpoint = endpoint->next)
        rpc_accept_start(&endpoint->accept, server, endpoint);
}

void rpc_server_outstanding_add(struct rpc_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->outstanding++;
    pthread_mutex_unlock(&server->lock);
}

void rpc_server_outstanding_drop(struct rpc_server *server)
{
    pthread_mutex_lock(&server->lock);
    if (--server->outstanding == 0)
        pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

bool rpc_server_is_stopping(struct rpc_server *server)
{
    pthread_mutex_lock(&server->lock);
    bool stopping = server->stopping;
    pthread_mutex_unlock(&server->lock);
    return stopping;
}

bool rpc_server_watch_begin(struct rpc_server *server, struct rpc_call *call)
{
    pthread_mutex_lock(&server->lock);
    bool begun = !server->stopping;
    if (begun)
        LIST_INSERT_HEAD(&server->watches, call, watch);
    pthread_mutex_unlock(&server->lock);
    return begun;
}

void rpc_server_watch_end(struct rpc_server *server, struct rpc_call *call)
{
    pthread_mutex_lock(&server->lock);
    LIST_REMOVE(call, watch);
    pthread_mutex_unlock(&server->lock);
}

/* Cancelling calls back into handlers, so it happens without the lock, on references of our own. */
static void watches_cancel(struct rpc_server *server)
{
    struct rpc_call *call, **calls;
    size_t count = 0;

    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    LIST_FOREACH(call, &server->watches, watch)
    {
        count++;
    }
    calls = xcalloc(count, sizeof(calls[0]));
    count = 0;
    LIST_FOREACH(call, &server->watches, watch)
    {
        rpc_call_ref(call);
        calls[count++] = call;
    }
    pthread_mutex_unlock(&server->lock);
    for (size_t i = 0; i < count; i++) {
        rpc_call_cancel(calls[i]);
        rpc_call_unref(calls[i]);
    }
    free(calls);
}

static bool await_shut_down(struct rpc_server *server, int64_t timeout_ms)
{
    const int64_t until_ms = clock_monotonic_ms() + timeout_ms;

    pthread_mutex_lock(&server->lock);
    while (!server->is_shut_down && cond_wait_until(&server->changed, &server->lock, until_ms))
        ;
    bool done = server->is_shut_down;
    pthread_mutex_unlock(&server->lock);
    return done;
}

static void await_handlers(struct rpc_server *server)
{
    pthread_mutex_lock(&server->lock);
    while (!server->is_shut_down || server->outstanding > 0)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

/* The order matters: a batch on a call whose queue is shut down aborts the process, so the calls go first. */
void rpc_server_stop(struct rpc_server *server, int64_t grace_ms)
{
    if (server->stopped)
        return;
    server->stopped = true;
    watches_cancel(server);
    rpc_tag_give(&server->shut_down);
    grpc_server_shutdown_and_notify(server->core, server->queue, &server->shut_down);
    if (!await_shut_down(server, grace_ms))
        grpc_server_cancel_all_calls(server->core);
    await_handlers(server);
    rpc_workers_free(server->unary);
    rpc_workers_free(server->streams);
    grpc_completion_queue_shutdown(server->queue);
    for (unsigned i = 0; i < server->options.pollers; i++)
        (void)pthread_join(server->pollers[i], NULL); /* joinable and ours: cannot fail */
}

static void endpoints_free(struct rpc_server *server)
{
    while (server->endpoints) {
        struct rpc_endpoint *endpoint = server->endpoints;
        server->endpoints = endpoint->next;
        free(endpoint->path);
        free(endpoint);
    }
}

void rpc_server_free(struct rpc_server *server)
{
    if (!server)
        return;
    rpc_server_stop(server, 0);
    grpc_server_destroy(server->core);
    grpc_completion_queue_destroy(server->queue);
    rpc_core_unref();
    for (size_t i = 0; i < server->listener_count; i++)
        rpc_listener_done(&server->listeners[i]);
    free(server->listeners);
    rpc_tls_free(server->options.tls);
    endpoints_free(server);
    rpc_health_free(server->health);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server->pollers);
    free(server);
}

void rpc_health_set(struct rpc_server *server, const char *service, bool serving)
{
    rpc_health_note(server->health, service, serving);
}
