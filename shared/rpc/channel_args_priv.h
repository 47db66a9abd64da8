/* channel_args_priv.h - a small list of gRPC channel arguments on the stack. */
#pragma once

#include <assert.h>
#include <grpc/grpc.h>

#define RPC_ARGS_MAX 16

struct rpc_args {
    grpc_arg items[RPC_ARGS_MAX];
    size_t count;
};

static inline void rpc_args_int(struct rpc_args *args, const char *key, int value)
{
    assert(args->count < RPC_ARGS_MAX);
    args->items[args->count++] =
        (grpc_arg){.type = GRPC_ARG_INTEGER, .key = (char *)key, .value.integer = value};
}

static inline void rpc_args_string(struct rpc_args *args, const char *key, const char *value)
{
    assert(args->count < RPC_ARGS_MAX);
    args->items[args->count++] =
        (grpc_arg){.type = GRPC_ARG_STRING, .key = (char *)key, .value.string = (char *)value};
}

static inline grpc_channel_args rpc_args_view(struct rpc_args *args)
{
    return (grpc_channel_args){.num_args = args->count, .args = args->items};
}
