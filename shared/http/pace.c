#include "shared/http/pace.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/cond.h"

struct pacer {
    pthread_t thread;

    pthread_mutex_t lock;  /* guards everything below, and every struct pace in the list */
    pthread_cond_t sooner; /* a deadline before wakes_at_ms, or the end */
    struct pace *first;
    int64_t wakes_at_ms; /* INT64_MAX: sleeps until told */
    bool stopping;
};

/* Under the lock: cuts what is late; answers the next deadline. All are looked at, but only when one is due: deadlines
 * mostly move away before they are reached. */
static int64_t cut_late(struct pacer *pacer, int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;

    for (struct pace *pace = pacer->first; pace; pace = pace->next) {
        if (pace->cut_at_ms <= now_ms) {
            pace->cut_at_ms = INT64_MAX;
            (void)shutdown(pace->fd, SHUT_RDWR); /* fails when the client was faster: fine */
        }
        if (pace->cut_at_ms < next_ms)
            next_ms = pace->cut_at_ms;
    }
    return next_ms;
}

static void sleep_until(struct pacer *pacer, int64_t until_ms)
{
    pacer->wakes_at_ms = until_ms;
    if (until_ms == INT64_MAX)
        (void)pthread_cond_wait(&pacer->sooner, &pacer->lock);
    else
        (void)cond_wait_until(&pacer->sooner, &pacer->lock, until_ms); /* why it woke does not matter */
}

static void *watch_the_clock(void *arg)
{
    struct pacer *pacer = arg;

    pthread_mutex_lock(&pacer->lock);
    while (!pacer->stopping)
        sleep_until(pacer, cut_late(pacer, clock_monotonic_ms()));
    pthread_mutex_unlock(&pacer->lock);
    return NULL;
}

int pacer_new(struct pacer **ret_pacer, struct error *err)
{
    struct pacer *pacer = xcalloc(1, sizeof(*pacer));

    pthread_mutex_init(&pacer->lock, NULL);
    cond_init(&pacer->sooner);
    pacer->wakes_at_ms = INT64_MAX;
    int failed = pthread_create(&pacer->thread, NULL, watch_the_clock, pacer);
    if (failed) {
        pthread_cond_destroy(&pacer->sooner);
        pthread_mutex_destroy(&pacer->lock);
        free(pacer);
        return error_sys(err, failed, "starting the watch over slow clients");
    }
    *ret_pacer = pacer;
    return 0;
}

void pacer_free(struct pacer *pacer)
{
    if (!pacer)
        return;
    pthread_mutex_lock(&pacer->lock);
    pacer->stopping = true;
    pthread_cond_signal(&pacer->sooner);
    pthread_mutex_unlock(&pacer->lock);
    pthread_join(pacer->thread, NULL);
    pthread_cond_destroy(&pacer->sooner);
    pthread_mutex_destroy(&pacer->lock);
    free(pacer);
}

void pace_begin(struct pacer *pacer, struct pace *pace, int fd)
{
    pthread_mutex_lock(&pacer->lock);
    *pace = (struct pace){.fd = fd, .cut_at_ms = INT64_MAX, .next = pacer->first};
    if (pacer->first)
        pacer->first->previous = pace;
    pacer->first = pace;
    pthread_mutex_unlock(&pacer->lock);
}

void pace_within(struct pacer *pacer, struct pace *pace, int64_t ms)
{
    int64_t cut_at_ms = ms == PACE_FREE ? INT64_MAX : clock_monotonic_ms() + ms;

    pthread_mutex_lock(&pacer->lock);
    pace->cut_at_ms = cut_at_ms;
    if (cut_at_ms < pacer->wakes_at_ms)
        pthread_cond_signal(&pacer->sooner);
    pthread_mutex_unlock(&pacer->lock);
}

void pace_end(struct pacer *pacer, struct pace *pace)
{
    pthread_mutex_lock(&pacer->lock);
    if (pace->next)
        pace->next->previous = pace->previous;
    if (pace->previous)
        pace->previous->next = pace->next;
    else
        pacer->first = pace->next;
    pthread_mutex_unlock(&pacer->lock);
}
