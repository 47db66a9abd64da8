/* workers_priv.h - threads that run calls: a queue with a bound, threads made when work needs them and kept.
 * With max_items == max_threads every item taken has a thread of its own, and none waits behind another. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct rpc_workers;

struct rpc_work {
    void (*run)(struct rpc_work *work); /* on a worker thread, without a lock */
    struct rpc_work *next;
};

/* max_items bounds what is queued and running together. */
struct rpc_workers *rpc_workers_new(const char *name, unsigned max_threads, unsigned max_items,
                                    size_t stack_bytes);
/* false: the bound is reached, no thread could be made, or the pool is stopped. The work stays the
 * caller's. */
bool rpc_workers_submit(struct rpc_workers *workers, struct rpc_work *work);
/* Runs what is queued, joins the threads and frees; NULL is fine. */
void rpc_workers_free(struct rpc_workers *workers);
