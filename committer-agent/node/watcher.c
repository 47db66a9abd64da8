#include "committer-agent/node/watcher.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "committer-agent/containerd/events.h"
#include "committer-agent/node/labels.h"
#include "shared/base/alloc.h"
#include "shared/base/backoff.h"
#include "shared/log/log.h"

struct watcher {
    struct observer observer;
    struct pods *pods;
    pthread_t thread;
    bool started;

    pthread_mutex_t refresh_lock; /* one look at a time, or an older one could overwrite a newer one */

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t stopped;
    bool stopping;
    struct event_stream *stream; /* for watcher_free to cancel; owned by the thread */
};

struct watcher *watcher_new(const struct observer *observer, struct pods *pods)
{
    struct watcher *watcher = xcalloc(1, sizeof(*watcher));
    pthread_condattr_t monotonic;

    watcher->observer = *observer;
    watcher->pods = pods;
    pthread_mutex_init(&watcher->refresh_lock, NULL);
    pthread_mutex_init(&watcher->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&watcher->stopped, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return watcher;
}

int watcher_refresh(struct watcher *watcher, const char *uid, struct error *err)
{
    struct pod *pod = NULL;

    pthread_mutex_lock(&watcher->refresh_lock);
    int result = observe_pod(&watcher->observer, uid, &pod, err);
    if (result == 0)
        pods_adopt(watcher->pods, pod);
    pthread_mutex_unlock(&watcher->refresh_lock);
    return result;
}

/* The containers of one pod, picked out of the whole list in its order. Each strings stays the list's. */
static size_t pick_pod(const struct container_list *list, const char *uid, struct container *picked)
{
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].pod_uid, uid) == 0)
            picked[count++] = list->items[i];
    return count;
}

static bool is_first_of_its_pod(const struct container_list *list, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(list->items[i].pod_uid, list->items[index].pod_uid) == 0)
            return false;
    return true;
}

static int list_all_locked(struct watcher *watcher, struct error *err)
{
    SCOPED_CONTAINER_LIST struct container_list list = {0};

    if (containers_with_label(watcher->observer.containerd, LABEL_MANAGED, "true", &list, err) < 0)
        return -1;
    SCOPED(memory) struct container *picked = xcalloc(list.count + 1, sizeof(*picked));
    SCOPED(memory) const char **uids = xcalloc(list.count + 1, sizeof(*uids));
    size_t uid_count = 0;
    for (size_t i = 0; i < list.count; i++) {
        struct pod *pod = NULL;
        if (!is_first_of_its_pod(&list, i))
            continue;
        const char *uid = uids[uid_count++] = list.items[i].pod_uid;
        if (observe_containers(&watcher->observer, uid, picked, pick_pod(&list, uid, picked), &pod, err) < 0)
            return -1;
        pods_adopt(watcher->pods, pod);
    }
    pods_keep_only(watcher->pods, uids, uid_count);
    pods_set_synced(watcher->pods);
    return 0;
}

static int list_all(struct watcher *watcher, struct error *err)
{
    pthread_mutex_lock(&watcher->refresh_lock);
    int result = list_all_locked(watcher, err);
    pthread_mutex_unlock(&watcher->refresh_lock);
    return result;
}

/* The pod of a container: from the table, else from the container's own labels (new ones). NULL: not ours, or
 * gone. */
static char *uid_of(struct watcher *watcher, const char *container_id)
{
    SCOPED_CONTAINER struct container container = {0};
    struct error ignored = {0};
    char *uid = pods_uid_of_container(watcher->pods, container_id);

    if (uid)
        return uid;
    if (container_get(watcher->observer.containerd, container_id, &container, &ignored) < 0 ||
        strcmp(container_label_get(&container, LABEL_MANAGED), "true") != 0)
        return NULL;
    return xstrdup(container.pod_uid);
}

static int take_event(struct watcher *watcher, const struct container_event *event, struct error *err)
{
    struct exits *exits = watcher->observer.exits;

    if (event->is_exec)
        return 0;
    if (event->kind == CONTAINER_EVENT_DELETED)
        exits_forget(exits, event->container_id);
    SCOPED(string) char *uid = uid_of(watcher, event->container_id);
    if (!uid)
        return 0;
    if (event->kind == TASK_EVENT_EXITED)
        exits_note_end(exits, event->container_id, event->exit_status, event->at_unix_ms);
    if (event->kind == TASK_EVENT_OOM)
        exits_note_oom(exits, event->container_id);
    return watcher_refresh(watcher, uid, err);
}

static bool set_stream(struct watcher *watcher, struct event_stream *stream)
{
    pthread_mutex_lock(&watcher->lock);
    watcher->stream = stream;
    bool stopping = watcher->stopping;
    pthread_mutex_unlock(&watcher->lock);
    return !stopping;
}

/* Until the stream breaks. The subscription comes first, then the list: nothing falls between them. */
static int follow(struct watcher *watcher, struct backoff *backoff, struct error *err)
{
    struct container_event event;
    struct event_stream *stream = NULL;
    int got = -1;

    if (event_stream_open(watcher->observer.containerd, &stream, err) < 0)
        return -1;
    if (set_stream(watcher, stream) && list_all(watcher, err) == 0) {
        backoff_reset(backoff);
        while ((got = event_stream_next(stream, &event, err)) == 1)
            if (take_event(watcher, &event, err) < 0) {
                got = -1;
                break;
            }
    }
    (void)set_stream(watcher, NULL);
    event_stream_free(stream);
    return got == 0 ? error_set(err, ERR_UNAVAILABLE, "containerd ended the event stream") : -1;
}

static struct timespec monotonic_in_ms(int64_t ms)
{
    struct timespec when;

    clock_gettime(CLOCK_MONOTONIC, &when);
    int64_t ns = when.tv_nsec + (ms % 1000) * 1000000;
    when.tv_sec += ms / 1000 + ns / 1000000000;
    when.tv_nsec = ns % 1000000000;
    return when;
}

/* False: stop. */
static bool wait_before_next_try(struct watcher *watcher, int64_t delay_ms)
{
    struct timespec until = monotonic_in_ms(delay_ms);

    pthread_mutex_lock(&watcher->lock);
    while (!watcher->stopping &&
           pthread_cond_timedwait(&watcher->stopped, &watcher->lock, &until) != ETIMEDOUT)
        ;
    bool go_on = !watcher->stopping;
    pthread_mutex_unlock(&watcher->lock);
    return go_on;
}

static void *watch(void *arg)
{
    struct watcher *watcher = arg;
    struct backoff backoff = {.first_ms = 100, .max_ms = 2000};

    for (;;) {
        struct error err = {0};
        (void)follow(watcher, &backoff, &err);
        int64_t delay_ms = backoff_next_ms(&backoff);
        if (!wait_before_next_try(watcher, delay_ms))
            return NULL;
        log_failure(LOG_WARN, "containerd's events broke off; listing again", &err,
                    log_i64("delay_ms", delay_ms));
    }
}

int watcher_start(struct watcher *watcher, struct error *err)
{
    int failed = pthread_create(&watcher->thread, NULL, watch, watcher);
    if (failed)
        return error_sys(err, failed, "starting the watcher's thread");
    watcher->started = true;
    return 0;
}

void watcher_free(struct watcher *watcher)
{
    if (!watcher)
        return;
    pthread_mutex_lock(&watcher->lock);
    watcher->stopping = true;
    if (watcher->stream)
        event_stream_cancel(watcher->stream);
    pthread_cond_broadcast(&watcher->stopped);
    pthread_mutex_unlock(&watcher->lock);
    if (watcher->started)
        pthread_join(watcher->thread, NULL);
    pthread_cond_destroy(&watcher->stopped);
    pthread_mutex_destroy(&watcher->lock);
    pthread_mutex_destroy(&watcher->refresh_lock);
    free(watcher);
}
