#include "shared/rpc/arena_priv.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

#define CHUNK_BYTES 4000 /* a page with malloc's own words and ours */

struct rpc_arena_chunk {
    struct rpc_arena_chunk *older;
    size_t size;
    alignas(max_align_t) uint8_t bytes[];
};

static void chunk_add(struct rpc_arena *arena, size_t size)
{
    struct rpc_arena_chunk *chunk = xcalloc(1, sizeof(*chunk) + size);

    chunk->size = size;
    chunk->older = arena->chunks;
    arena->chunks = chunk;
    arena->room = size;
}

void *rpc_arena_alloc(struct rpc_arena *arena, size_t size)
{
    size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);

    if (rounded < size)
        rounded = SIZE_MAX / 2; /* no such memory: ends where xcalloc does */
    if (!arena->chunks || rounded > arena->room)
        chunk_add(arena, rounded > CHUNK_BYTES ? rounded : CHUNK_BYTES);
    void *memory = arena->chunks->bytes + (arena->chunks->size - arena->room);
    arena->room -= rounded;
    return memory;
}

void rpc_arena_done(struct rpc_arena *arena)
{
    while (arena->chunks) {
        struct rpc_arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->older;
        explicit_bzero(chunk->bytes, chunk->size);
        free(chunk);
    }
    arena->room = 0;
}
