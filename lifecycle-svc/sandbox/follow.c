#include "lifecycle-svc/sandbox/follow.h"

#include <pthread.h>

#include "shared/base/backoff.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"
#include "shared/base/cond.h"

DEFINE_FREEP(stream, struct rpc_stream, rpc_stream_free)

enum { FIRST_BACKOFF_MS = 50, MAX_BACKOFF_MS = 2000 };

/* What is watched, and who looks: exactly one of the two. */
struct subject {
    const char *method;
    const ProtobufCMessage *request;
    follow_fn *look_at_sandbox;
    follow_snapshot_fn *look_at_snapshot;
    void *self;
};

struct follow {
    int64_t until_ms; /* monotonic */
    struct backoff backoff;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t gone_changed;
    bool gone;
    struct rpc_stream *stream; /* borrowed while it is read */
};

static void follow_init(struct follow *follow, const struct sandbox_caller *caller, int64_t timeout_ms)
{
    int64_t ms = caller->ms_left < timeout_ms ? caller->ms_left : timeout_ms;

    *follow = (struct follow){.until_ms = clock_monotonic_ms() + ms,
                              .backoff = {.first_ms = FIRST_BACKOFF_MS, .max_ms = MAX_BACKOFF_MS}};
    pthread_mutex_init(&follow->lock, NULL);
    cond_init(&follow->gone_changed);
}

static void follow_done(struct follow *follow)
{
    pthread_cond_destroy(&follow->gone_changed);
    pthread_mutex_destroy(&follow->lock);
}

/* On the door's thread: the client left. */
static void note_gone(void *self)
{
    struct follow *follow = self;

    pthread_mutex_lock(&follow->lock);
    follow->gone = true;
    if (follow->stream)
        rpc_stream_cancel(follow->stream);
    pthread_cond_signal(&follow->gone_changed);
    pthread_mutex_unlock(&follow->lock);
}

static void read_from(struct follow *follow, struct rpc_stream *stream)
{
    pthread_mutex_lock(&follow->lock);
    follow->stream = stream;
    if (follow->gone && stream)
        rpc_stream_cancel(stream);
    pthread_mutex_unlock(&follow->lock);
}

static int check_caller(struct follow *follow, struct error *err)
{
    pthread_mutex_lock(&follow->lock);
    bool gone = follow->gone;
    pthread_mutex_unlock(&follow->lock);

    if (gone)
        return error_set(err, ERR_CANCELLED, "the client went away, or the server is stopping");
    if (clock_monotonic_ms() >= follow->until_ms)
        return error_set(err, ERR_TIMEOUT, "the time to wait is over");
    return 0;
}

static int show(const struct subject *subject, const ProtobufCMessage *message, struct error *err)
{
    return subject->look_at_sandbox
               ? subject->look_at_sandbox(subject->self, (const orch_sandbox *)message, err)
               : subject->look_at_snapshot(subject->self, (const orch_snapshot *)message, err);
}

/* 1: look said stop; 0: the stream ended early; -1. */
static int read_stream(struct rpc_stream *stream, struct follow *follow, const struct subject *subject,
                       struct error *err)
{
    ProtobufCMessage *message;
    int more;

    while ((more = rpc_stream_next(stream, &message, err)) > 0) {
        backoff_reset(&follow->backoff);
        int outcome = show(subject, message, err);
        protobuf_c_message_free_unpacked(message, NULL);
        if (outcome != 0)
            return outcome;
    }
    return more;
}

static int open_and_read(const struct sandbox_service *service, struct follow *follow,
                         const struct subject *subject, struct error *err)
{
    struct rpc_call_options options = {.timeout_ms = follow->until_ms - clock_monotonic_ms()};
    SCOPED(stream) struct rpc_stream *stream = NULL;

    if (options.timeout_ms <= 0)
        options.timeout_ms = 1;
    if (rpc_stream_open(service->orchestrator, ORCHESTRATOR, subject->method, subject->request, &stream,
                        &options, err) < 0)
        return -1;
    read_from(follow, stream);
    int outcome = read_stream(stream, follow, subject, err);
    read_from(follow, NULL);
    return outcome;
}

static void wait_unless_gone(struct follow *follow, int64_t ms)
{
    int64_t until_ms = clock_monotonic_ms() + ms;

    if (until_ms > follow->until_ms)
        until_ms = follow->until_ms;

    pthread_mutex_lock(&follow->lock);
    while (!follow->gone && cond_wait_until(&follow->gone_changed, &follow->lock, until_ms))
        ;
    pthread_mutex_unlock(&follow->lock);
}

static int follow_until(const struct sandbox_service *service, struct follow *follow,
                        const struct subject *subject, struct error *err)
{
    for (;;) {
        int outcome = open_and_read(service, follow, subject, err);

        if (outcome > 0) {
            error_clear(err); /* of a stream before this one */
            return 0;
        }
        if (outcome < 0 && err->code != ERR_UNAVAILABLE && err->code != ERR_CANCELLED)
            return -1;
        if (check_caller(follow, err) < 0)
            return -1;
        wait_unless_gone(follow, backoff_next_ms(&follow->backoff));
    }
}

static int follow_subject(const struct sandbox_service *service, const struct subject *subject,
                          const struct sandbox_caller *caller, int64_t timeout_ms, struct error *err)
{
    struct follow follow;

    follow_init(&follow, caller, timeout_ms);
    caller->on_gone(caller->door, note_gone, &follow);
    int outcome = follow_until(service, &follow, subject, err);
    caller->on_gone(caller->door, NULL, NULL);
    follow_done(&follow);
    return outcome;
}

int sandbox_follow(const struct sandbox_service *service, const char *name,
                   const struct sandbox_caller *caller, int64_t timeout_ms, follow_fn *look, void *self,
                   struct error *err)
{
    Opensandbox__Orchestrator__V1__GetSandboxRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__GET_SANDBOX_REQUEST__INIT;
    const struct subject subject = {
        .method = "WatchSandbox", .request = &request.base, .look_at_sandbox = look, .self = self};

    request.name = (char *)name;
    return follow_subject(service, &subject, caller, timeout_ms, err);
}

int snapshot_follow(const struct sandbox_service *service, const char *id,
                    const struct sandbox_caller *caller, int64_t timeout_ms, follow_snapshot_fn *look,
                    void *self, struct error *err)
{
    Opensandbox__Orchestrator__V1__GetSnapshotRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__GET_SNAPSHOT_REQUEST__INIT;
    const struct subject subject = {
        .method = "WatchSnapshot", .request = &request.base, .look_at_snapshot = look, .self = self};

    request.id = (char *)id;
    return follow_subject(service, &subject, caller, timeout_ms, err);
}

int sandbox_follow_pause(const struct sandbox_caller *caller, int64_t pause_ms, struct error *err)
{
    struct follow follow;

    follow_init(&follow, caller, FOLLOW_FOR_EVER);
    caller->on_gone(caller->door, note_gone, &follow);
    wait_unless_gone(&follow, pause_ms);
    int outcome = check_caller(&follow, err);
    caller->on_gone(caller->door, NULL, NULL);
    follow_done(&follow);
    return outcome;
}
