#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "snapshot-svc/workqueue/due_heap.h"

#define ITEMS 64

static int64_t earliest_of(const struct due *items)
{
    int64_t earliest_ms = INT64_MAX;
    for (int i = 0; i < ITEMS; i++)
        if (items[i].place != DUE_NOWHERE && items[i].at_ms < earliest_ms)
            earliest_ms = items[i].at_ms;
    return earliest_ms;
}

/* A law: whatever is set, moved and removed, the top is the earliest of those that are in. */
static void the_top_is_always_the_earliest(void **state)
{
    struct due_heap heap = {0};
    struct due items[ITEMS];
    unsigned seed = 7;
    (void)state;

    for (int i = 0; i < ITEMS; i++)
        items[i].place = DUE_NOWHERE;
    for (int step = 0; step < 20000; step++) {
        struct due *item = &items[(unsigned)rand_r(&seed) % ITEMS];
        if (rand_r(&seed) % 3 == 0)
            due_heap_remove(&heap, item);
        else
            due_heap_set(&heap, item, rand_r(&seed) % 1000);
        struct due *top = due_heap_top(&heap);
        assert_int_equal(top ? top->at_ms : INT64_MAX, earliest_of(items));
        for (size_t place = 0; place < heap.count; place++)
            assert_int_equal(heap.slots[place]->place, place);
    }
    due_heap_done(&heap);
}

static void taking_the_top_again_and_again_sorts(void **state)
{
    struct due_heap heap = {0};
    struct due items[ITEMS];
    int64_t last_ms = -1;
    (void)state;

    for (int i = 0; i < ITEMS; i++) {
        items[i].place = DUE_NOWHERE;
        due_heap_set(&heap, &items[i], (i * 37) % 50);
    }
    for (struct due *top; (top = due_heap_top(&heap));) {
        assert_true(top->at_ms >= last_ms);
        last_ms = top->at_ms;
        due_heap_remove(&heap, top);
        due_heap_remove(&heap, top); /* out already: nothing happens */
    }
    due_heap_done(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_top_is_always_the_earliest),
        cmocka_unit_test(taking_the_top_again_and_again_sorts),
    };
    return cmocka_run_group_tests_name("due heap", tests, NULL, NULL);
}
