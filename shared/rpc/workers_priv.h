/* workers_priv.h - threads that run calls: a queue with a bound, threads made when work needs them and kept.
 * With max_items == max_threads every item taken has a thread of its own, and none waits behind another. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct workers;

struct work {
    void (*run)(struct work *work); /* on a worker thread, without a lock */
    struct work *next;
};

/* max_items bounds what is queued and running together. */
struct workers *workers_new(const char *name, unsigned max_threads, unsigned max_items, size_t stack_bytes);
/* false: the bound is reached, no thread could be made, or the pool is stopped. The work stays the
 * caller's. */
bool workers_submit(struct workers *workers, struct work *work);
/* Runs what is queued, joins the threads and frees; NULL is fine. */
void workers_free(struct workers *workers);
