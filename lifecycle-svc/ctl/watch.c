#include "lifecycle-svc/ctl/watch.h"

#include <errno.h>
#include <time.h>

#include "shared/base/alloc.h"
#include "shared/base/backoff.h"
#include "shared/base/clock.h"

struct watch {
    struct ctl *ctl;
    struct rpc_stream *stream; /* NULL: broken, to be opened again */
    const char *id;
    bool of_snapshot;
    ProtobufCMessage *event; /* a ctl_event or a ctl_snapshot */
};

static int open_stream(struct watch *watch, struct error *err)
{
    Opensandbox__Lifecycle__V1__GetSandboxRequest sandbox =
        OPENSANDBOX__LIFECYCLE__V1__GET_SANDBOX_REQUEST__INIT;
    Opensandbox__Lifecycle__V1__GetSnapshotRequest snapshot =
        OPENSANDBOX__LIFECYCLE__V1__GET_SNAPSHOT_REQUEST__INIT;

    sandbox.id = snapshot.id = (char *)watch->id;
    return rpc_stream_open(watch->ctl->channel, LIFECYCLE,
                           watch->of_snapshot ? "WatchSnapshot" : "WatchSandbox",
                           watch->of_snapshot ? &snapshot.base : &sandbox.base, &watch->stream, NULL, err);
}

static int read_event(struct watch *watch, struct error *err)
{
    ProtobufCMessage *event = NULL;
    int more = rpc_stream_next(watch->stream, &event, err);

    if (more > 0) {
        if (watch->event)
            protobuf_c_message_free_unpacked(watch->event, NULL);
        watch->event = event;
        return 0;
    }
    if (more == 0)
        (void)error_set(err, ERR_UNAVAILABLE, "the server ended the watch");
    rpc_stream_free(watch->stream);
    watch->stream = NULL;
    return -1;
}

static int open_watch(struct ctl *ctl, const char *id, bool of_snapshot, struct watch **ret_watch,
                      struct error *err)
{
    SCOPED(watch) struct watch *watch = xcalloc(1, sizeof(*watch));

    watch->ctl = ctl;
    watch->id = id;
    watch->of_snapshot = of_snapshot;
    if (open_stream(watch, err) < 0 || read_event(watch, err) < 0)
        return -1;
    *ret_watch = TAKE(watch);
    return 0;
}

int watch_open(struct ctl *ctl, struct watch **ret_watch, struct error *err)
{
    return open_watch(ctl, ctl->options->id, false, ret_watch, err);
}

int watch_open_snapshot(struct ctl *ctl, const char *id, struct watch **ret_watch, struct error *err)
{
    return open_watch(ctl, id, true, ret_watch, err);
}

void watch_free(struct watch *watch)
{
    if (!watch)
        return;
    rpc_stream_free(watch->stream);
    if (watch->event)
        protobuf_c_message_free_unpacked(watch->event, NULL);
    free(watch);
}

const ctl_event *watch_event(const struct watch *watch)
{
    return (const ctl_event *)watch->event;
}

const ctl_snapshot *watch_snapshot(const struct watch *watch)
{
    return (const ctl_snapshot *)watch->event;
}

/* Between two tries to reach a server that is down there is no event to wait for, only time. */
static void pause_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        ;
}

int watch_next(struct watch *watch, struct error *err)
{
    struct backoff backoff = {.first_ms = 100, .max_ms = 2000};
    int64_t give_up_ms = clock_monotonic_ms() + WATCH_PATIENCE_MS;

    for (;;) {
        if ((watch->stream || open_stream(watch, err) == 0) && read_event(watch, err) == 0)
            return 0;
        if (!error_is_transient(err->code) || clock_monotonic_ms() >= give_up_ms)
            return -1;
        pause_ms(backoff_next_ms(&backoff));
    }
}
