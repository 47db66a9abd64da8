#include "lifecycle-svc/api/memory.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

struct memory_block {
    struct memory_block *next;
    alignas(max_align_t) char bytes[];
};

void *memory_take(struct memory *memory, size_t size)
{
    if (memory->call)
        return rpc_alloc(memory->call, size);
    struct memory_block *block = xcalloc(1, sizeof(*block) + size);
    block->next = memory->blocks;
    memory->blocks = block;
    return block->bytes;
}

char *memory_text(struct memory *memory, const char *text)
{
    size_t size = text ? strlen(text) + 1 : 1;
    char *copy = memory_take(memory, size);

    if (text)
        memcpy(copy, text, size);
    return copy;
}

void memory_reset(struct memory *memory)
{
    while (memory->blocks) {
        struct memory_block *next = memory->blocks->next;
        free(memory->blocks);
        memory->blocks = next;
    }
}
