#include "shared/rpc/workers_priv.h"

#include <pthread.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

struct rpc_workers {
    char name[16]; /* the kernel's limit for a thread's name; set by rpc_workers_new, then read by anyone */
    unsigned max_threads, max_items;
    pthread_attr_t attributes;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    struct rpc_work *first, **last;
    unsigned items;  /* queued and running */
    unsigned idle;   /* threads that wait for work */
    unsigned queued; /* items no thread has taken yet */
    bool stopping;
    unsigned thread_count;
    pthread_t threads[];
};

static struct rpc_work *take_first(struct rpc_workers *workers)
{
    struct rpc_work *work = workers->first;

    workers->first = work->next;
    if (!workers->first)
        workers->last = &workers->first;
    workers->queued--;
    return work;
}

static void *work_until_stopped(void *arg)
{
    struct rpc_workers *workers = arg;

    pthread_mutex_lock(&workers->lock);
    for (;;) {
        workers->idle++;
        while (!workers->first && !workers->stopping)
            pthread_cond_wait(&workers->changed, &workers->lock);
        workers->idle--;
        if (!workers->first)
            break; /* stopping, and nothing is left */
        struct rpc_work *work = take_first(workers);
        pthread_mutex_unlock(&workers->lock);
        work->run(work);
        pthread_mutex_lock(&workers->lock);
        workers->items--;
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

/* Under the lock. Is there, or can there be, a thread for one more item? An existing one will do if items may
 * wait. */
static bool thread_ensure(struct rpc_workers *workers)
{
    if (workers->idle > workers->queued || workers->thread_count == workers->max_threads)
        return true;
    pthread_t *thread = &workers->threads[workers->thread_count];
    if (pthread_create(thread, &workers->attributes, work_until_stopped, workers) != 0)
        return workers->thread_count > 0 && workers->max_items > workers->max_threads;
    (void)pthread_setname_np(*thread, workers->name); /* only for people who look with ps */
    workers->thread_count++;
    return true;
}

struct rpc_workers *rpc_workers_new(const char *name, unsigned max_threads, unsigned max_items,
                                    size_t stack_bytes)
{
    struct rpc_workers *workers = xcalloc(1, sizeof(*workers) + max_threads * sizeof(workers->threads[0]));

    for (size_t i = 0; name[i] && i < sizeof(workers->name) - 1; i++)
        workers->name[i] = name[i];
    workers->max_threads = max_threads;
    workers->max_items = max_items;
    workers->last = &workers->first;
    pthread_attr_init(&workers->attributes);
    if (stack_bytes)
        pthread_attr_setstacksize(&workers->attributes, stack_bytes);
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->changed, NULL);
    return workers;
}

bool rpc_workers_submit(struct rpc_workers *workers, struct rpc_work *work)
{
    pthread_mutex_lock(&workers->lock);
    bool taken = !workers->stopping && workers->items < workers->max_items && thread_ensure(workers);
    if (taken) {
        work->next = NULL;
        *workers->last = work;
        workers->last = &work->next;
        workers->items++;
        workers->queued++;
        pthread_cond_signal(&workers->changed);
    }
    pthread_mutex_unlock(&workers->lock);
    return taken;
}

void rpc_workers_free(struct rpc_workers *workers)
{
    if (!workers)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->changed);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->thread_count; i++)
        (void)pthread_join(workers->threads[i], NULL); /* joinable and ours: cannot fail */
    pthread_cond_destroy(&workers->changed);
    pthread_mutex_destroy(&workers->lock);
    pthread_attr_destroy(&workers->attributes);
    free(workers);
}
