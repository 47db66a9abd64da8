#include "snapshot-svc/workqueue/due_heap.h"

#include <stdlib.h>

#include "shared/base/alloc.h"

static void put(struct due_heap *heap, size_t place, struct due *due)
{
    heap->slots[place] = due;
    due->place = place;
}

static void sift_up(struct due_heap *heap, struct due *due)
{
    size_t place = due->place;
    while (place > 0) {
        size_t parent = (place - 1) / 2;
        if (heap->slots[parent]->at_ms <= due->at_ms)
            break;
        put(heap, place, heap->slots[parent]);
        place = parent;
    }
    put(heap, place, due);
}

static void sift_down(struct due_heap *heap, struct due *due)
{
    size_t place = due->place;
    for (size_t child; (child = 2 * place + 1) < heap->count; place = child) {
        if (child + 1 < heap->count && heap->slots[child + 1]->at_ms < heap->slots[child]->at_ms)
            child++;
        if (due->at_ms <= heap->slots[child]->at_ms)
            break;
        put(heap, place, heap->slots[child]);
    }
    put(heap, place, due);
}

void due_heap_set(struct due_heap *heap, struct due *due, int64_t at_ms)
{
    if (due->place == DUE_NOWHERE) {
        if (heap->count == heap->capacity) {
            heap->capacity = heap->capacity ? heap->capacity * 2 : 16;
            heap->slots = xrealloc_array(heap->slots, heap->capacity, sizeof(heap->slots[0]));
        }
        put(heap, heap->count++, due);
    }
    due->at_ms = at_ms;
    sift_up(heap, due);
    sift_down(heap, due);
}

void due_heap_remove(struct due_heap *heap, struct due *due)
{
    if (due->place == DUE_NOWHERE)
        return;
    struct due *last = heap->slots[--heap->count];
    if (last != due) {
        put(heap, due->place, last);
        sift_up(heap, last);
        sift_down(heap, last);
    }
    due->place = DUE_NOWHERE;
}

struct due *due_heap_top(const struct due_heap *heap)
{
    return heap->count ? heap->slots[0] : NULL;
}

void due_heap_done(struct due_heap *heap)
{
    free(heap->slots);
    *heap = (struct due_heap){0};
}
