#include "lifecycle-svc/proxy/tunnel.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"

enum { LANE_BYTES = 32 << 10 };

/* One direction. */
struct lane {
    struct tunnel_end *from, *to;
    const char *bytes; /* what waits for `to`: of `from`'s early bytes, then of the buffer */
    size_t length;
    bool over; /* `from` says no more, and all it said is delivered: nothing is read before that */
    char buffer[LANE_BYTES];
};

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* 1: moved something, 0: cannot now, -1: broken. */
static int fill(struct lane *lane)
{
    if (lane->length || lane->over)
        return 0;
    ssize_t got = recv(lane->from->fd, lane->buffer, sizeof(lane->buffer), MSG_DONTWAIT);
    if (got < 0)
        return would_block() ? 0 : -1;
    lane->over = got == 0;
    lane->bytes = lane->buffer;
    lane->length = (size_t)got;
    lane->from->sent_bytes += (uint64_t)got;
    return 1;
}

static int drain(struct lane *lane)
{
    if (!lane->length)
        return 0;
    ssize_t sent = send(lane->to->fd, lane->bytes, lane->length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
        return would_block() ? 0 : -1;
    lane->bytes += sent;
    lane->length -= (size_t)sent;
    return sent > 0;
}

/* As much as goes without waiting, one buffer at a time: the other lane has its turn, too. */
static int move(struct lane *lane)
{
    int filled = fill(lane);
    int drained = filled < 0 ? -1 : drain(lane);

    return drained < 0 ? -1 : filled || drained;
}

static short events_of(const struct lane *reads, const struct lane *writes)
{
    return (short)((!reads->length && !reads->over ? POLLIN : 0) | (writes->length ? POLLOUT : 0));
}

/* False: nothing happened for too long, or it is time to stop. */
static bool await(const struct lane lanes[2], int stop_fd, int64_t left_ms)
{
    struct pollfd polled[] = {
        {.fd = lanes[0].from->fd, .events = events_of(&lanes[0], &lanes[1])},
        {.fd = lanes[1].from->fd, .events = events_of(&lanes[1], &lanes[0])},
        {.fd = stop_fd, .events = POLLIN},
    };

    /* A socket that nobody waits for would wake us by its hang-up alone, again and again. */
    for (int i = 0; i < 2; i++)
        if (!polled[i].events)
            polled[i].fd = -1;
    int ready = left_ms <= 0 ? 0 : poll(polled, 3, left_ms < INT_MAX ? (int)left_ms : INT_MAX);
    if (ready < 0)
        return errno == EINTR;
    return ready > 0 && !polled[2].revents;
}

static void begin_lane(struct lane *lane, struct tunnel_end *from, struct tunnel_end *to)
{
    lane->from = from;
    lane->to = to;
    lane->bytes = from->early;
    lane->length = from->early_length;
    from->sent_bytes = from->early_length;
}

void tunnel_run(struct tunnel_end *a, struct tunnel_end *b, int stop_fd, int64_t idle_timeout_ms)
{
    struct lane *lanes = xcalloc(2, sizeof(*lanes));
    int64_t moved_at_ms = clock_monotonic_ms();

    begin_lane(&lanes[0], a, b);
    begin_lane(&lanes[1], b, a);
    for (;;) {
        int there = move(&lanes[0]), back = there < 0 ? -1 : move(&lanes[1]);

        if (back < 0 || lanes[0].over || lanes[1].over)
            break;
        int64_t now_ms = clock_monotonic_ms();
        if (there || back)
            moved_at_ms = now_ms;
        if (!await(lanes, stop_fd, moved_at_ms + idle_timeout_ms - now_ms))
            break;
    }
    free(lanes);
}
