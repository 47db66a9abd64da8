/* tag_priv.h - a completion-queue tag: one struct that knows what happens when its batch is done.
 * The struct around it owns everything that the batch touches. */
#pragma once

#include <grpc/grpc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define CONTAINER_OF(member_ptr, type, member) ((type *)((char *)(member_ptr)-offsetof(type, member)))

struct rpc_tag {
    /* On a poller thread, once per batch; NULL: plucked by its owner. */
    void (*done)(struct rpc_tag *tag, bool ok);
    /* What we wrote before giving the tag to the core is seen by the thread that gets it back. */
    atomic_uint given;
};

static inline void rpc_tag_give(struct rpc_tag *tag)
{
    (void)atomic_fetch_add_explicit(&tag->given, 1, memory_order_release);
}

static inline void rpc_tag_take(struct rpc_tag *tag)
{
    (void)atomic_load_explicit(&tag->given, memory_order_acquire);
}

/* false: the call is over or refuses; no completion will come. */
static inline bool rpc_batch_start(grpc_call *call, const grpc_op *ops, size_t count, struct rpc_tag *tag)
{
    rpc_tag_give(tag);
    return grpc_call_start_batch(call, ops, count, tag, NULL) == GRPC_CALL_OK;
}
