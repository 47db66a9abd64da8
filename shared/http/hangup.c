#include "shared/http/hangup.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "shared/base/alloc.h"

struct watch {
    uint64_t number; /* from 1; the epoll event carries it, because a pointer could outlive its watch */
    int fd;
    void (*fn)(void *self); /* NULL once called */
    void *self;
    struct watch *next;
};

struct hangup_watcher {
    int epoll_fd, stop_fd;
    pthread_t thread;

    pthread_mutex_t lock;  /* guards everything below, and is held while a callback runs */
    struct watch *watches; /* one for each handler that waits: a short list */
    uint64_t last_number;
    bool told_all;
};

enum { STOP_NUMBER = 0 };

static void tell(struct watch *watch)
{
    void (*fn)(void *) = watch->fn;

    watch->fn = NULL;
    if (fn)
        fn(watch->self);
}

/* Under the lock: where the list points to this watch, or its end. */
static struct watch **find(struct hangup_watcher *watcher, uint64_t number)
{
    struct watch **slot = &watcher->watches;

    while (*slot && (*slot)->number != number)
        slot = &(*slot)->next;
    return slot;
}

static void tell_number(struct hangup_watcher *watcher, uint64_t number)
{
    pthread_mutex_lock(&watcher->lock);
    struct watch *watch = *find(watcher, number);
    if (watch)
        tell(watch);
    pthread_mutex_unlock(&watcher->lock);
}

static void *follow_sockets(void *arg)
{
    struct hangup_watcher *watcher = arg;
    struct epoll_event events[16];

    for (;;) {
        int count = epoll_wait(watcher->epoll_fd, events, 16, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.u64 == STOP_NUMBER)
                return NULL;
            tell_number(watcher, events[i].data.u64);
        }
    }
}

int hangup_watcher_new(struct hangup_watcher **ret_watcher, struct error *err)
{
    struct hangup_watcher *watcher = xcalloc(1, sizeof(*watcher));
    struct epoll_event stop = {.events = EPOLLIN, .data.u64 = STOP_NUMBER};

    pthread_mutex_init(&watcher->lock, NULL);
    watcher->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    watcher->stop_fd = eventfd(0, EFD_CLOEXEC);
    int failed = watcher->epoll_fd < 0 || watcher->stop_fd < 0 ||
                         epoll_ctl(watcher->epoll_fd, EPOLL_CTL_ADD, watcher->stop_fd, &stop) < 0
                     ? errno
                     : pthread_create(&watcher->thread, NULL, follow_sockets, watcher);
    if (failed) {
        (void)close(watcher->epoll_fd); /* -1 is harmless here */
        (void)close(watcher->stop_fd);
        pthread_mutex_destroy(&watcher->lock);
        free(watcher);
        return error_sys(err, failed, "starting the watch over client connections");
    }
    *ret_watcher = watcher;
    return 0;
}

void hangup_watcher_free(struct hangup_watcher *watcher)
{
    if (!watcher)
        return;
    (void)eventfd_write(watcher->stop_fd, 1); /* cannot fail: the counter is far from full */
    pthread_join(watcher->thread, NULL);
    (void)close(watcher->epoll_fd);
    (void)close(watcher->stop_fd);
    pthread_mutex_destroy(&watcher->lock);
    free(watcher);
}

uint64_t hangup_watch(struct hangup_watcher *watcher, int fd, void (*fn)(void *self), void *self)
{
    struct watch *watch = xcalloc(1, sizeof(*watch));

    pthread_mutex_lock(&watcher->lock);
    *watch = (struct watch){
        .number = ++watcher->last_number, .fd = fd, .fn = fn, .self = self, .next = watcher->watches};
    watcher->watches = watch;
    uint64_t number = watch->number;
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.u64 = number};
    /* A socket that cannot be watched any more is as good as gone. */
    if (watcher->told_all || epoll_ctl(watcher->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        tell(watch);
    pthread_mutex_unlock(&watcher->lock);
    return number;
}

void hangup_forget(struct hangup_watcher *watcher, uint64_t number)
{
    pthread_mutex_lock(&watcher->lock);
    struct watch **slot = find(watcher, number), *watch = *slot;
    if (watch) {
        (void)epoll_ctl(watcher->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL); /* perhaps never added */
        *slot = watch->next;
        free(watch);
    }
    pthread_mutex_unlock(&watcher->lock);
}

void hangup_tell_all(struct hangup_watcher *watcher)
{
    pthread_mutex_lock(&watcher->lock);
    watcher->told_all = true;
    for (struct watch *watch = watcher->watches; watch; watch = watch->next)
        tell(watch);
    pthread_mutex_unlock(&watcher->lock);
}

bool hangup_told_all(struct hangup_watcher *watcher)
{
    pthread_mutex_lock(&watcher->lock);
    bool told = watcher->told_all;
    pthread_mutex_unlock(&watcher->lock);
    return told;
}

bool hangup_happened(int fd)
{
    struct pollfd at = {.fd = fd, .events = POLLRDHUP};

    return poll(&at, 1, 0) > 0 && (at.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}
