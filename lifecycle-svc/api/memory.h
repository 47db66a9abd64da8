/* memory.h - where the parts of an answer live: with the call (unary answers), or until the next message of a stream.
 * Thread: one. */
#pragma once

#include <stddef.h>

#include "shared/rpc/server.h"

struct memory_block;
struct memory {
    struct rpc_call *call;       /* set: everything goes with the call, memory_reset() frees nothing */
    struct memory_block *blocks; /* else ours */
};

void *memory_take(struct memory *memory, size_t size); /* zeroed */
char *memory_text(struct memory *memory, const char *text);
void memory_reset(struct memory *memory);
#define SCOPED_MEMORY __attribute__((cleanup(memory_reset)))

/* protobuf-c initialises by assignment; this is that, for memory of ours. */
#define NEW_MESSAGE(memory, type, init)                                                                      \
    ({                                                                                                       \
        type *new_ = memory_take(memory, sizeof(type));                                                      \
        init(new_);                                                                                          \
        new_;                                                                                                \
    })
