#include "snapshot-svc/workqueue/workqueue.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#define HASH_FUNCTION HASH_FNV /* the default falls through a switch, which clang warns of */
#include <uthash.h>
#include <utlist.h>

#include "shared/base/alloc.h"
#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/base/cond.h"
#include "snapshot-svc/workqueue/due_heap.h"

#define BACKOFF_FIRST_MS 5
#define BACKOFF_MAX_MS   60000

/* What is known of one key; it lives as long as one of these is worth remembering. */
struct item {
    char *key;
    bool dirty;               /* wants work: queued, or waiting until its worker is done */
    bool processing;          /* in the hands of one worker */
    struct due due;           /* wants work later */
    struct backoff backoff;   /* failures since the last forget */
    struct item *prev, *next; /* the queue, when dirty and not processing */
    UT_hash_handle hh;
};

struct workqueue {
    int64_t backoff_first_ms, backoff_max_ms; /* set once */

    pthread_mutex_t lock; /* guards everything below */
    struct item *items;   /* hash of all, owns them */
    struct item *queue;   /* list of those to hand out next, oldest first */
    size_t queue_length;
    struct due_heap delayed;
    bool stopping;

    /* One waiting worker at most minds the clock (timekeeper), the others sleep until they are called. */
    pthread_cond_t work;  /* for those who sleep */
    pthread_cond_t timer; /* for the timekeeper: work, or an earlier due time */
    size_t sleepers;
    bool timekeeper;
};

/* ---- life ---- */

struct workqueue *workqueue_new(const struct workqueue_options *options)
{
    struct workqueue *queue = xcalloc(1, sizeof(*queue));

    queue->backoff_first_ms =
        options && options->backoff_first_ms ? options->backoff_first_ms : BACKOFF_FIRST_MS;
    queue->backoff_max_ms = options && options->backoff_max_ms ? options->backoff_max_ms : BACKOFF_MAX_MS;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->work, NULL);
    cond_init(&queue->timer);
    return queue;
}

static void item_free(struct item *item)
{
    free(item->key);
    free(item);
}

void workqueue_free(struct workqueue *queue)
{
    struct item *item, *next;

    if (!queue)
        return;
    HASH_ITER(hh, queue->items, item, next)
    {
        HASH_DEL(queue->items, item);
        item_free(item);
    }
    due_heap_done(&queue->delayed);
    pthread_cond_destroy(&queue->timer);
    pthread_cond_destroy(&queue->work);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

/* ---- items; all with the lock held ---- */

static struct item *item_find(struct workqueue *queue, const char *key)
{
    struct item *item;
    HASH_FIND_STR(queue->items, key, item);
    return item;
}

static struct item *item_ensure(struct workqueue *queue, const char *key)
{
    struct item *item = item_find(queue, key);
    if (item)
        return item;
    item = xcalloc(1, sizeof(*item));
    item->key = xstrdup(key);
    item->due.place = DUE_NOWHERE;
    item->backoff = (struct backoff){.first_ms = queue->backoff_first_ms, .max_ms = queue->backoff_max_ms};
    HASH_ADD_KEYPTR(hh, queue->items, item->key, strlen(item->key), item);
    return item;
}

static void item_forget_if_idle(struct workqueue *queue, struct item *item)
{
    if (item->dirty || item->processing || item->due.place != DUE_NOWHERE || item->backoff.failures > 0)
        return;
    HASH_DEL(queue->items, item);
    item_free(item);
}

static struct item *item_of_due(struct due *due)
{
    return (struct item *)(void *)((char *)due - offsetof(struct item, due));
}

/* ---- waking; all with the lock held ---- */

/* Whoever takes a key calls this again when more is left, so one call suffices for any number of keys. */
static void wake_one(struct workqueue *queue)
{
    if (queue->sleepers > 0)
        pthread_cond_signal(&queue->work);
    else
        pthread_cond_signal(&queue->timer);
}

static void enqueue(struct workqueue *queue, struct item *item)
{
    DL_APPEND(queue->queue, item);
    queue->queue_length++;
    wake_one(queue);
}

static void make_dirty(struct workqueue *queue, struct item *item)
{
    if (item->dirty)
        return;
    item->dirty = true;
    if (!item->processing)
        enqueue(queue, item);
}

/* A new earliest time: the timekeeper must look again, and where there is none a sleeper becomes it. */
static void wake_for_time(struct workqueue *queue)
{
    if (queue->timekeeper)
        pthread_cond_signal(&queue->timer);
    else
        pthread_cond_signal(&queue->work);
}

static void delay_until(struct workqueue *queue, struct item *item, int64_t at_ms)
{
    if (item->due.place != DUE_NOWHERE && item->due.at_ms <= at_ms)
        return;
    due_heap_set(&queue->delayed, &item->due, at_ms);
    if (due_heap_top(&queue->delayed) == &item->due)
        wake_for_time(queue);
}

/* ---- adding ---- */

void workqueue_add(struct workqueue *queue, const char *key)
{
    pthread_mutex_lock(&queue->lock);
    if (!queue->stopping)
        make_dirty(queue, item_ensure(queue, key));
    pthread_mutex_unlock(&queue->lock);
}

void workqueue_add_after(struct workqueue *queue, const char *key, int64_t delay_ms)
{
    int64_t now_ms = clock_monotonic_ms(), at_ms;

    if (delay_ms <= 0) {
        workqueue_add(queue, key);
        return;
    }
    if (__builtin_add_overflow(now_ms, delay_ms, &at_ms))
        at_ms = INT64_MAX;
    pthread_mutex_lock(&queue->lock);
    if (!queue->stopping)
        delay_until(queue, item_ensure(queue, key), at_ms);
    pthread_mutex_unlock(&queue->lock);
}

void workqueue_add_at(struct workqueue *queue, const char *key, int64_t due_unix_ms)
{
    int64_t delay_ms;
    if (__builtin_sub_overflow(due_unix_ms, clock_realtime_ms(), &delay_ms))
        delay_ms = due_unix_ms < 0 ? 0 : INT64_MAX;
    workqueue_add_after(queue, key, delay_ms);
}

void workqueue_add_rate_limited(struct workqueue *queue, const char *key)
{
    pthread_mutex_lock(&queue->lock);
    if (!queue->stopping) {
        struct item *item = item_ensure(queue, key);
        delay_until(queue, item, clock_monotonic_ms() + backoff_next_ms(&item->backoff));
    }
    pthread_mutex_unlock(&queue->lock);
}

void workqueue_forget(struct workqueue *queue, const char *key)
{
    pthread_mutex_lock(&queue->lock);
    struct item *item = item_find(queue, key);
    if (item) {
        backoff_reset(&item->backoff);
        item_forget_if_idle(queue, item);
    }
    pthread_mutex_unlock(&queue->lock);
}

/* ---- handing out ---- */

static void promote_due(struct workqueue *queue)
{
    struct due *due;
    int64_t now_ms = clock_monotonic_ms();

    while ((due = due_heap_top(&queue->delayed)) && due->at_ms <= now_ms) {
        due_heap_remove(&queue->delayed, due);
        make_dirty(queue, item_of_due(due));
    }
}

static char *take_first(struct workqueue *queue)
{
    struct item *item = queue->queue;

    DL_DELETE(queue->queue, item);
    queue->queue_length--;
    item->dirty = false;
    item->processing = true;
    if (queue->queue || (due_heap_top(&queue->delayed) && !queue->timekeeper))
        wake_one(queue); /* for the rest of the keys, or to mind the clock in our place */
    return xstrdup(item->key);
}

static void wait_as_timekeeper(struct workqueue *queue, int64_t until_ms)
{
    queue->timekeeper = true;
    (void)cond_wait_until(&queue->timer, &queue->lock, until_ms); /* the caller looks at everything again */
    queue->timekeeper = false;
}

static void wait_for_work(struct workqueue *queue)
{
    struct due *due = due_heap_top(&queue->delayed);
    if (due && !queue->timekeeper) {
        wait_as_timekeeper(queue, due->at_ms);
        return;
    }
    queue->sleepers++;
    pthread_cond_wait(&queue->work, &queue->lock);
    queue->sleepers--;
}

char *workqueue_get(struct workqueue *queue)
{
    char *key = NULL;

    pthread_mutex_lock(&queue->lock);
    for (;;) {
        promote_due(queue);
        if (queue->queue) {
            key = take_first(queue);
            break;
        }
        if (queue->stopping)
            break;
        wait_for_work(queue);
    }
    pthread_mutex_unlock(&queue->lock);
    return key;
}

void workqueue_done(struct workqueue *queue, const char *key)
{
    pthread_mutex_lock(&queue->lock);
    struct item *item = item_find(queue, key);
    if (item && item->processing) {
        item->processing = false;
        if (item->dirty)
            enqueue(queue, item);
        else
            item_forget_if_idle(queue, item);
    }
    pthread_mutex_unlock(&queue->lock);
}

void workqueue_shutdown(struct workqueue *queue)
{
    struct due *due;

    pthread_mutex_lock(&queue->lock);
    queue->stopping = true;
    while ((due = due_heap_top(&queue->delayed))) {
        due_heap_remove(&queue->delayed, due);
        item_forget_if_idle(queue, item_of_due(due));
    }
    pthread_cond_broadcast(&queue->work);
    pthread_cond_broadcast(&queue->timer);
    pthread_mutex_unlock(&queue->lock);
}

/* ---- looking ---- */

size_t workqueue_length(struct workqueue *queue)
{
    pthread_mutex_lock(&queue->lock);
    size_t length = queue->queue_length;
    pthread_mutex_unlock(&queue->lock);
    return length;
}

unsigned workqueue_failures(struct workqueue *queue, const char *key)
{
    pthread_mutex_lock(&queue->lock);
    struct item *item = item_find(queue, key);
    unsigned failures = item ? item->backoff.failures : 0;
    pthread_mutex_unlock(&queue->lock);
    return failures;
}
