#include "snapshot-svc/recorder/recorder.h"

#include <pthread.h>
#include <stdlib.h>
#include <utlist.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/cond.h"
#include "shared/log/log.h"
#include "snapshot-svc/recorder/poster.h"

enum { DRAIN_MS = 2000 /* so that what was told just before a stop is not lost */ };

struct recorder {
    struct poster *poster; /* the recorder's thread only */

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t work;  /* for the thread: a posting, or the end */
    pthread_cond_t idle;  /* for who flushes */
    struct posting *queue;
    unsigned length;
    uint64_t dropped; /* since the queue was empty */
    bool posting;     /* one is in the thread's hands */
    bool closing;
    bool started;
    pthread_t thread;
};

/* ---- the recorder's thread ---- */

/* With the lock held. */
static struct posting *take_oldest(struct recorder *recorder)
{
    struct posting *oldest = recorder->queue;

    DL_DELETE(recorder->queue, oldest);
    recorder->length--;
    return oldest;
}

/* Waits for one. NULL: it is the end. */
static struct posting *next_posting(struct recorder *recorder)
{
    struct posting *next = NULL;

    pthread_mutex_lock(&recorder->lock);
    while (!recorder->queue && !recorder->closing)
        pthread_cond_wait(&recorder->work, &recorder->lock);
    if (recorder->queue) {
        next = take_oldest(recorder);
        recorder->posting = true;
    }
    pthread_mutex_unlock(&recorder->lock);
    return next;
}

static void note_told(struct recorder *recorder)
{
    uint64_t dropped = 0;

    pthread_mutex_lock(&recorder->lock);
    recorder->posting = false;
    if (!recorder->queue) {
        dropped = recorder->dropped;
        recorder->dropped = 0;
        pthread_cond_broadcast(&recorder->idle);
    }
    pthread_mutex_unlock(&recorder->lock);
    if (dropped > 0)
        log_info("no event waits any more", log_u64("dropped", dropped));
}

static void *tell_all(void *arg)
{
    struct recorder *recorder = arg;
    struct posting *posting;

    while ((posting = next_posting(recorder))) {
        poster_post(recorder->poster, posting);
        posting_free(posting);
        note_told(recorder);
    }
    return NULL;
}

/* ---- posting ---- */

/* With the lock held. 0, or why there is no thread: then the next post tries again. */
static int wake_thread(struct recorder *recorder)
{
    if (recorder->started) {
        pthread_cond_signal(&recorder->work);
        return 0;
    }
    int failed = pthread_create(&recorder->thread, NULL, tell_all, recorder);
    recorder->started = failed == 0;
    return failed;
}

static void tell_no_thread(int failed)
{
    struct error err = {0};

    (void)error_sys(&err, failed, "starting the thread that posts events");
    log_emit_error(LOG_WARN, "event not posted yet", &err, NULL, 0);
}

void recorder_post(struct recorder *recorder, const struct event_subject *subject, bool warning,
                   const char *reason, const char *message)
{
    struct posting *posting = posting_new(subject, warning, reason, message), *oldest = NULL;
    bool is_first_dropped = false;

    pthread_mutex_lock(&recorder->lock);
    if (recorder->length == RECORDER_QUEUE_MAX) { /* the newest say how things are by now */
        oldest = take_oldest(recorder);
        is_first_dropped = recorder->dropped++ == 0;
    }
    DL_APPEND(recorder->queue, posting);
    recorder->length++;
    int failed = wake_thread(recorder);
    pthread_mutex_unlock(&recorder->lock);

    posting_free(oldest);
    if (failed)
        tell_no_thread(failed);
    if (is_first_dropped)
        log_warn("dropping events: the cluster takes them too slowly",
                 log_u64("waiting", RECORDER_QUEUE_MAX));
}

bool recorder_flush(struct recorder *recorder, int64_t timeout_ms)
{
    const int64_t until_ms = clock_monotonic_ms() + timeout_ms;

    pthread_mutex_lock(&recorder->lock);
    while ((recorder->queue || recorder->posting) &&
           cond_wait_until(&recorder->idle, &recorder->lock, until_ms))
        ;
    bool idle = !recorder->queue && !recorder->posting;
    pthread_mutex_unlock(&recorder->lock);
    return idle;
}

/* ---- its life ---- */

struct recorder *recorder_new(struct cluster *cluster)
{
    struct recorder *recorder = xcalloc(1, sizeof(*recorder));

    recorder->poster = poster_new(cluster);
    pthread_mutex_init(&recorder->lock, NULL);
    pthread_cond_init(&recorder->work, NULL);
    cond_init(&recorder->idle);
    return recorder;
}

/* Ends the thread after the posting at hand. */
static void stop(struct recorder *recorder)
{
    unsigned left = 0;

    pthread_mutex_lock(&recorder->lock);
    recorder->closing = true;
    for (; recorder->queue; left++)
        posting_free(take_oldest(recorder));
    pthread_cond_signal(&recorder->work);
    pthread_mutex_unlock(&recorder->lock);
    if (recorder->started)
        pthread_join(recorder->thread, NULL);
    if (left > 0)
        log_warn("stopped before all events were posted", log_u64("dropped", left));
}

void recorder_free(struct recorder *recorder)
{
    if (!recorder)
        return;
    (void)recorder_flush(recorder, DRAIN_MS); /* what is left then is told in the log */
    stop(recorder);
    poster_free(recorder->poster);
    pthread_cond_destroy(&recorder->idle);
    pthread_cond_destroy(&recorder->work);
    pthread_mutex_destroy(&recorder->lock);
    free(recorder);
}
