#include "committer-agent/containerd/events.h"

#include <containerd/events.pb-c.h>
#include <containerd/services/events.pb-c.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "committer-agent/containerd/connection.h"
#include "shared/base/alloc.h"
#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/base/cond.h"
#include "shared/base/ids.h"

#define ECHO_TOPIC "/stasis/echo"

static const ProtobufCServiceDescriptor *const service =
    &containerd__services__events__v1__events__descriptor;

struct event_stream {
    struct rpc_stream *stream;
};

typedef Containerd__Services__Events__V1__Envelope envelope_message;

/* Every event message has the container's id as field 1 (id or container_id), so one pattern reads them all. */
struct event_kind {
    const char *topic;
    enum container_event_kind kind;
    int (*read)(ProtobufCBinaryData bytes, struct container_event *event);
};

static int copy_id(char *out, size_t size, const char *id)
{
    size_t length = strlen(id);
    if (length >= size)
        return -1; /* containerd's ids have at most 76 characters */
    memcpy(out, id, length + 1);
    return 0;
}

static int read_container(ProtobufCBinaryData bytes, struct container_event *event)
{
    SCOPED_MESSAGE Containerd__Events__ContainerDelete *message =
        containerd__events__container_delete__unpack(NULL, bytes.len, bytes.data);
    return message ? copy_id(event->container_id, sizeof(event->container_id), message->id) : -1;
}

static int read_task(ProtobufCBinaryData bytes, struct container_event *event)
{
    SCOPED_MESSAGE Containerd__Events__TaskPaused *message =
        containerd__events__task_paused__unpack(NULL, bytes.len, bytes.data);
    return message ? copy_id(event->container_id, sizeof(event->container_id), message->container_id) : -1;
}

static int read_exit(ProtobufCBinaryData bytes, struct container_event *event)
{
    SCOPED_MESSAGE Containerd__Events__TaskExit *message =
        containerd__events__task_exit__unpack(NULL, bytes.len, bytes.data);
    if (!message || copy_id(event->container_id, sizeof(event->container_id), message->container_id) < 0)
        return -1;
    event->exit_status = message->exit_status;
    event->is_exec = strcmp(message->id, message->container_id) != 0;
    return event->is_exec ? copy_id(event->exec_id, sizeof(event->exec_id), message->id) : 0;
}

static int read_task_delete(ProtobufCBinaryData bytes, struct container_event *event)
{
    SCOPED_MESSAGE Containerd__Events__TaskDelete *message =
        containerd__events__task_delete__unpack(NULL, bytes.len, bytes.data);
    if (!message || copy_id(event->container_id, sizeof(event->container_id), message->container_id) < 0)
        return -1;
    event->exit_status = message->exit_status;
    event->is_exec = message->id[0] && strcmp(message->id, message->container_id) != 0;
    return event->is_exec ? copy_id(event->exec_id, sizeof(event->exec_id), message->id) : 0;
}

/* clang-format off */
static const struct event_kind event_kinds[] = {
    {"/containers/create", CONTAINER_EVENT_CREATED, read_container},
    {"/containers/update", CONTAINER_EVENT_UPDATED, read_container},
    {"/containers/delete", CONTAINER_EVENT_DELETED, read_container},
    {"/tasks/start",       TASK_EVENT_STARTED,      read_task},
    {"/tasks/exit",        TASK_EVENT_EXITED,       read_exit},
    {"/tasks/delete",      TASK_EVENT_DELETED,      read_task_delete},
    {"/tasks/oom",         TASK_EVENT_OOM,          read_task},
    {"/tasks/paused",      TASK_EVENT_PAUSED,       read_task},
    {"/tasks/resumed",     TASK_EVENT_RESUMED,      read_task},
};
/* clang-format on */
#define EVENT_KIND_COUNT (sizeof(event_kinds) / sizeof(event_kinds[0]))
_Static_assert(EVENT_KIND_COUNT == (size_t)CONTAINER_EVENT_MAX, "every kind has its topic");

static int subscribe(struct containerd *containerd, struct rpc_stream **ret_stream, struct error *err)
{
    Containerd__Services__Events__V1__SubscribeRequest request =
        CONTAINERD__SERVICES__EVENTS__V1__SUBSCRIBE_REQUEST__INIT;
    char *filters[EVENT_KIND_COUNT + 1] = {0};

    for (size_t i = 0; i < EVENT_KIND_COUNT; i++)
        filters[i] =
            xasprintf("topic==\"%s\",namespace==\"%s\"", event_kinds[i].topic, containerd->name_space);
    filters[EVENT_KIND_COUNT] =
        xasprintf("topic==\"%s\",namespace==\"%s\"", ECHO_TOPIC, containerd->name_space);
    request.filters = filters;
    request.n_filters = EVENT_KIND_COUNT + 1;
    int result =
        rpc_stream_open(containerd->channel, service, "Subscribe", &request.base, ret_stream, NULL, err);
    for (size_t i = 0; i < EVENT_KIND_COUNT + 1; i++)
        free(filters[i]);
    return result;
}

/* containerd does not say when a subscription is in place, and an event from before it is lost. So one thread
 * publishes an event of ours again and again until the subscriber has seen it. */
struct echo {
    struct containerd *containerd;
    struct rpc_stream *stream;
    char word[HEX_ID_SIZE];

    pthread_mutex_t lock; /* guards `heard` */
    pthread_cond_t changed;
    bool heard;
};

static int echo_publish(struct echo *echo, struct error *err)
{
    Containerd__Services__Events__V1__PublishRequest request =
        CONTAINERD__SERVICES__EVENTS__V1__PUBLISH_REQUEST__INIT;
    Google__Protobuf__Any event = GOOGLE__PROTOBUF__ANY__INIT;

    event.type_url = (char *)"stasis.opensandbox.io/echo";
    event.value = (ProtobufCBinaryData){.data = (uint8_t *)echo->word, .len = strlen(echo->word)};
    request.topic = (char *)ECHO_TOPIC;
    request.event = &event;
    return containerd_tell(echo->containerd, (struct containerd_call){service, "Publish", NULL, 0}, &request,
                           err);
}

static void *echo_until_heard(void *arg)
{
    struct echo *echo = arg;
    struct backoff backoff = {.first_ms = 20, .max_ms = 1000};
    struct error err = {0};

    pthread_mutex_lock(&echo->lock);
    while (!echo->heard) {
        pthread_mutex_unlock(&echo->lock);
        int published = echo_publish(echo, &err);
        pthread_mutex_lock(&echo->lock);
        if (published < 0) {
            rpc_stream_cancel(echo->stream); /* containerd is away: let the subscriber find out */
            break;
        }
        const int64_t until_ms = clock_monotonic_ms() + backoff_next_ms(&backoff);
        while (!echo->heard && cond_wait_until(&echo->changed, &echo->lock, until_ms))
            ;
    }
    pthread_mutex_unlock(&echo->lock);
    return NULL;
}

static void echo_set_heard(struct echo *echo)
{
    pthread_mutex_lock(&echo->lock);
    echo->heard = true;
    pthread_cond_signal(&echo->changed);
    pthread_mutex_unlock(&echo->lock);
}

static bool is_echo(const envelope_message *envelope, const struct echo *echo)
{
    return strcmp(envelope->topic, ECHO_TOPIC) == 0 && envelope->event &&
           envelope->event->value.len == strlen(echo->word) &&
           memcmp(envelope->event->value.data, echo->word, envelope->event->value.len) == 0;
}

/* What comes before the echo is older than the subscription's promise and may be dropped. */
static int listen_for_echo(struct echo *echo, struct error *err)
{
    for (;;) {
        SCOPED_MESSAGE envelope_message *envelope = NULL;
        int got = rpc_stream_next(echo->stream, &envelope, err);
        if (got == 0)
            return error_set(err, ERR_UNAVAILABLE, "containerd ended the subscription");
        if (got < 0)
            return -1;
        if (is_echo(envelope, echo))
            return 0;
    }
}

static int await_subscription(struct containerd *containerd, struct rpc_stream *stream, struct error *err)
{
    struct echo echo = {.containerd = containerd, .stream = stream, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t thread;

    cond_init(&echo.changed);
    hex_id(echo.word);
    int failed = pthread_create(&thread, NULL, echo_until_heard, &echo);
    int result = failed ? error_sys(err, failed, "starting a thread") : listen_for_echo(&echo, err);
    if (!failed) {
        echo_set_heard(&echo);
        pthread_join(thread, NULL);
    }
    pthread_cond_destroy(&echo.changed);
    pthread_mutex_destroy(&echo.lock);
    if (result < 0 && err->code == ERR_CANCELLED)
        err->code = ERR_UNAVAILABLE; /* it was our own thread that gave up */
    return result;
}

int event_stream_open(struct containerd *containerd, struct event_stream **ret_stream, struct error *err)
{
    struct rpc_stream *stream = NULL;

    if (subscribe(containerd, &stream, err) < 0)
        return error_wrap(err, "subscribing to containerd's events");
    if (await_subscription(containerd, stream, err) < 0) {
        rpc_stream_free(stream);
        return error_wrap(err, "subscribing to containerd's events");
    }
    *ret_stream = xcalloc(1, sizeof(**ret_stream));
    (*ret_stream)->stream = stream;
    return 0;
}

/* 1 understood, 0 not ours. */
static int read_envelope(const envelope_message *envelope, struct container_event *event)
{
    for (size_t i = 0; i < EVENT_KIND_COUNT; i++) {
        if (strcmp(envelope->topic, event_kinds[i].topic) != 0)
            continue;
        *event = (struct container_event){.kind = event_kinds[i].kind,
                                          .at_unix_ms = containerd_unix_ms(envelope->timestamp)};
        return envelope->event && event_kinds[i].read(envelope->event->value, event) == 0;
    }
    return 0;
}

int event_stream_next(struct event_stream *stream, struct container_event *ret_event, struct error *err)
{
    for (;;) {
        SCOPED_MESSAGE envelope_message *envelope = NULL;
        int got = rpc_stream_next(stream->stream, &envelope, err);
        if (got < 0)
            return error_wrap(err, "following containerd's events");
        if (got == 0)
            return 0;
        if (read_envelope(envelope, ret_event))
            return 1;
    }
}

void event_stream_cancel(struct event_stream *stream)
{
    rpc_stream_cancel(stream->stream);
}

void event_stream_free(struct event_stream *stream)
{
    if (!stream)
        return;
    rpc_stream_free(stream->stream);
    free(stream);
}
