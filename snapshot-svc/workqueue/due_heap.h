/* due_heap.h - a binary heap of things that fall due, the earliest on top; each knows its place, so it can
 * move or leave in O(log n). Thread: the owner's lock guards it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DUE_NOWHERE ((size_t)-1)

/* A member of whatever falls due. */
struct due {
    int64_t at_ms;
    size_t place; /* DUE_NOWHERE: not in the heap */
};

struct due_heap {
    struct due **slots; /* borrowed items */
    size_t count, capacity;
};

/* Puts the item in, or moves one that is in already, to at_ms. */
void due_heap_set(struct due_heap *heap, struct due *due, int64_t at_ms);
void due_heap_remove(struct due_heap *heap, struct due *due); /* not in: nothing happens */
struct due *due_heap_top(const struct due_heap *heap);        /* NULL: empty */
void due_heap_done(struct due_heap *heap);
