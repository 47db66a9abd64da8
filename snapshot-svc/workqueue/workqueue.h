/* workqueue.h - keys that need work, each at most once at a time, none ever lost.
 * After client-go's util/workqueue: a key added while it is queued is queued once; added while a worker has
 * it, it is queued again when that worker is done.
 *
 *   worker: while ((key = workqueue_get(queue))) { work(key); workqueue_done(queue, key); free(key); }
 *
 * Threads: any. No thread of its own: a waiting worker minds the clock. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "shared/base/cleanup.h"

struct workqueue;

struct workqueue_options {
    int64_t backoff_first_ms; /* workqueue_add_rate_limited: first delay; 0: 5 */
    int64_t backoff_max_ms;   /* 0: 60000 */
};

struct workqueue *workqueue_new(const struct workqueue_options *options); /* NULL: the defaults */
/* No thread may be in a call any more. */
void workqueue_free(struct workqueue *queue);
DEFINE_FREEP(workqueue, struct workqueue, workqueue_free)

/* All adds are ignored after workqueue_shutdown(). */
void workqueue_add(struct workqueue *queue, const char *key);
/* Adds the key later; of several times for one key the earliest wins. A time that has come is now. */
void workqueue_add_after(struct workqueue *queue, const char *key, int64_t delay_ms);
/* The same at a Unix time; the distance from now is taken when this is called. */
void workqueue_add_at(struct workqueue *queue, const char *key, int64_t due_unix_ms);
/* Adds the key after a delay that grows with each call until workqueue_forget(). */
void workqueue_add_rate_limited(struct workqueue *queue, const char *key);
/* The key's work went well: its next delay is the first again. A delay under way stays. */
void workqueue_forget(struct workqueue *queue, const char *key);

/* Waits for a key and marks it as being worked on; the caller owns the text.
 * NULL: the queue is shut down and what was queued then is done or in other hands. */
char *workqueue_get(struct workqueue *queue);
void workqueue_done(struct workqueue *queue, const char *key);

/* No more adds; what is queued is still handed out, delayed keys are dropped, then workqueue_get() answers
 * NULL. */
void workqueue_shutdown(struct workqueue *queue);

size_t workqueue_length(struct workqueue *queue); /* queued, not counting delayed ones */
unsigned workqueue_failures(struct workqueue *queue,
                            const char *key); /* rate-limited adds since the last forget */
