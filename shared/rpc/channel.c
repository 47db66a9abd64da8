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
static grpc_channel *channel_open(const char *target, const struct rpc_channel_options *options)
{
    struct rpc_args args = {.count = 0};
    grpc_channel_credentials *credentials = NULL;
    struct error err = {0};

    if (rpc_client_credentials(target, &credentials, &err) < 0)
        return grpc_lame_client_channel_create(target, rpc_status_of(err.code), err.text);
    fill_args(&args, options);
    grpc_channel_args view = rpc_args_view(&args);
    grpc_channel *core = grpc_channel_create(target, credentials, &view);
    grpc_channel_credentials_release(credentials);
    return core;
}

struct rpc_channel *rpc_channel_new(const char *target, const struct rpc_channel_options *options)
{
    struct rpc_channel *channel = xcalloc(1, sizeof(*channel));

    rpc_core_ref();
    channel->core = channel_open(target, options);
    channel->name = xstrdup(options->name ? options->name : target);
    if (options->header_key) {
        channel->header_key = xstrdup(options->header_key);
        channel->header_value = xstrdup(options->header_value);
    }
    return channel;
}

void rpc_channel_free(struct rpc_channel *channel)
{
    if (!channel)
        return;
    grpc_channel_destroy(channel->core);
    rpc_core_unref();
    free(channel->name);
    free(channel->header_key);
    free(channel->header_value);
    free(channel);
}
