#include <assert.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/impl/codegen/compression_types.h>
#include <limits.h>
#include <stdlib.h>

#include "shared/base/alloc.h"
#include "shared/rpc/channel_args_priv.h"
#include "shared/rpc/client_priv.h"
#include "shared/rpc/core_priv.h"
#include "shared/rpc/credentials_priv.h"
#include "shared/rpc/status.h"

#define MAX_MESSAGE_DEFAULT  (16 << 20)
#define BACKOFF_FIRST_MS     100
#define BACKOFF_MAX_MS       5000
#define CONNECT_TIMEOUT_MS   5000
#define KEEPALIVE_MS         30000
#define KEEPALIVE_TIMEOUT_MS 10000

/* Every method of every service; 5 attempts is the core's cap. */
static const char retry_policy[] =
    "{\"methodConfig\":[{\"name\":[{}],\"retryPolicy\":{\"maxAttempts\":5,\"initialBackoff\":\"0.05s\","
    "\"maxBackoff\":\"0.5s\",\"backoffMultiplier\":2,\"retryableStatusCodes\":[\"UNAVAILABLE\"]}}]}";

static void fill_args(struct rpc_args *args, const struct rpc_channel_options *options)
{
    size_t max_message = options->max_message ? options->max_message : MAX_MESSAGE_DEFAULT;

    assert(max_message <= INT_MAX);
    rpc_args_int(args, GRPC_ARG_ENABLE_HTTP_PROXY, 0); /* http_proxy of the environment is not for us */
    rpc_args_int(args, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)max_message);
    rpc_args_int(args, GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1);
    rpc_args_int(args, GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, BACKOFF_FIRST_MS);
    rpc_args_int(args, GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, BACKOFF_MAX_MS);
    rpc_args_int(args, GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, CONNECT_TIMEOUT_MS);
    rpc_args_int(args, GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1); /* no policy from DNS TXT records */
    if (options->keepalive) {
        rpc_args_int(args, GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_MS);
        rpc_args_int(args, GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_TIMEOUT_MS);
    }
    if (options->retry_unavailable)
        rpc_args_string(args, GRPC_ARG_SERVICE_CONFIG, retry_policy);
}

/* A target without credentials becomes a channel whose every call fails and says why. */
static grpc_channel *core_open(const struct rpc_channel *channel, struct rpc_connection *connection)
{
    const struct rpc_channel_options *options = &channel->options;
    struct rpc_client_credentials credentials;
    struct rpc_args args = {.count = 0};
    struct error err = {0};

    if (rpc_client_credentials(channel->target, options, &credentials, &err) < 0)
        return grpc_lame_client_channel_create(channel->target, rpc_status_of(err.code), err.text);
    connection->trust = credentials.trust;
    connection->generation = credentials.generation;
    fill_args(&args, options);
    const char *server_name = options->server_role ? options->server_role : options->server_name;
    if (credentials.trust && server_name)
        rpc_args_string(&args, GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, server_name);
    grpc_channel_args view = rpc_args_view(&args);
    grpc_channel *core = grpc_channel_create(channel->target, credentials.core, &view);
    grpc_channel_credentials_release(credentials.core);
    return core;
}

static struct rpc_connection *connection_new(const struct rpc_channel *channel)
{
    struct rpc_connection *connection = xcalloc(1, sizeof(*connection));

    atomic_init(&connection->refs, 1);
    connection->core = core_open(channel, connection);
    return connection;
}

void rpc_connection_unref(struct rpc_connection *connection)
{
    if (atomic_fetch_sub(&connection->refs, 1) != 1)
        return;
    grpc_channel_destroy(connection->core);
    rpc_trust_unref(connection->trust);
    free(connection);
}

struct rpc_connection *rpc_channel_connection(struct rpc_channel *channel)
{
    struct rpc_connection *outdated = NULL;
    uint64_t generation = channel->connects_with_tls ? rpc_tls_generation(channel->options.tls) : 0;

    pthread_mutex_lock(&channel->lock);
    if (channel->connection->generation < generation) {
        outdated = channel->connection;
        channel->connection = connection_new(channel);
    }
    struct rpc_connection *connection = channel->connection;
    (void)atomic_fetch_add(&connection->refs, 1);
    pthread_mutex_unlock(&channel->lock);
    if (outdated)
        rpc_connection_unref(outdated);
    return connection;
}

static char *copy_of(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static void take_options(struct rpc_channel *channel, const struct rpc_channel_options *options)
{
    channel->options = *options;
    channel->options.name = xstrdup(options->name ? options->name : channel->target);
    channel->options.header_key = copy_of(options->header_key);
    channel->options.header_value = options->header_key ? xstrdup(options->header_value) : NULL;
    channel->options.server_role = copy_of(options->server_role);
    channel->options.server_name = copy_of(options->server_name);
    channel->options.secure_with = copy_of(options->secure_with);
    channel->options.tls = options->tls ? rpc_tls_ref(options->tls) : NULL;
}

struct rpc_channel *rpc_channel_new(const char *target, const struct rpc_channel_options *options)
{
    struct rpc_channel *channel = xcalloc(1, sizeof(*channel));

    rpc_core_ref();
    channel->target = xstrdup(target);
    take_options(channel, options);
    pthread_mutex_init(&channel->lock, NULL);
    channel->connection = connection_new(channel);
    channel->connects_with_tls = channel->connection->trust != NULL;
    return channel;
}

int rpc_channel_check(const struct rpc_channel *channel, struct error *err)
{
    return rpc_target_check(channel->target, &channel->options, err);
}

void rpc_channel_free(struct rpc_channel *channel)
{
    if (!channel)
        return;
    rpc_connection_unref(channel->connection);
    rpc_core_unref();
    pthread_mutex_destroy(&channel->lock);
    rpc_tls_free(channel->options.tls);
    free((char *)channel->options.name);
    free((char *)channel->options.header_key);
    free((char *)channel->options.header_value);
    free((char *)channel->options.server_role);
    free((char *)channel->options.server_name);
    free((char *)channel->options.secure_with);
    free(channel->target);
    free(channel);
}
