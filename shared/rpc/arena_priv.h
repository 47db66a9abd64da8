/* arena_priv.h - the memory of one call: taken in pieces, given back at once, wiped because requests carry
 * secrets. Threads: one at a time. */
#pragma once

#include <stddef.h>

struct rpc_arena {
    struct rpc_arena_chunk *chunks; /* newest first; only that one has room */
    size_t room;                    /* bytes left in the newest chunk */
};

void *rpc_arena_alloc(struct rpc_arena *arena, size_t size); /* zeroed, aligned for anything */
void rpc_arena_done(struct rpc_arena *arena);
