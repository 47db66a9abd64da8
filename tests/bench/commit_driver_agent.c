#include <opensandbox/committer/v1/committer.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/rpc/client.h"
#include "tests/bench/commit_driver.h"

typedef Opensandbox__Committer__V1__CommitRequest CommitRequest;
typedef Opensandbox__Committer__V1__CommitEvent CommitEvent;

enum { TIMEOUT_MS = 30 * 60 * 1000 };

static const ProtobufCServiceDescriptor *const committer = &opensandbox__committer__v1__committer__descriptor;

struct agent_driver {
    struct rpc_channel *channel;
};

struct run { /* of one commit */
    struct agent_driver *driver;
    char *key;
    bool hold, handover;
    int64_t began_us, released_us; /* released_us: the pod could be deleted; 0 until then */
    json_t *outcome;
};

/* Connects, as snapshot-svc has long done when it asks. Nobody has this key, which is the answer that we wait for. */
static void connect_now(struct rpc_channel *channel)
{
    Opensandbox__Committer__V1__CancelRequest request = OPENSANDBOX__COMMITTER__V1__CANCEL_REQUEST__INIT;
    const struct rpc_call_options options = {.timeout_ms = 10000, .wait_for_ready = true};
    ProtobufCMessage *answer = NULL;
    struct error unused;

    request.key = (char *)"bench.none";
    if (rpc_unary(channel, committer, "Cancel", &request.base, &answer, &options, &unused) == 0)
        protobuf_c_message_free_unpacked(answer, NULL);
}

struct agent_driver *agent_driver_new(const char *target)
{
    const struct rpc_channel_options options = {.name = "committer-agent", .keepalive = true};
    struct agent_driver *driver = xcalloc(1, sizeof(*driver));

    driver->channel = rpc_channel_new(target, &options);
    connect_now(driver->channel);
    return driver;
}

void agent_driver_free(struct agent_driver *driver)
{
    rpc_channel_free(driver->channel);
    free(driver);
}

static int release(struct run *run, Opensandbox__Committer__V1__ReleaseAction action, struct error *err)
{
    Opensandbox__Committer__V1__ReleaseRequest request = OPENSANDBOX__COMMITTER__V1__RELEASE_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;

    request.key = run->key;
    request.action = action;
    if (rpc_unary(run->driver->channel, committer, "Release", &request.base, &answer, NULL, err) < 0)
        return -1;
    protobuf_c_message_free_unpacked(answer, NULL);
    run->released_us = driver_now_us();
    return 0;
}

static double seconds(int64_t us)
{
    return (double)us / 1e6;
}

static void take_success(struct run *run, const Opensandbox__Committer__V1__CommitSuccess *success)
{
    run->outcome = json_pack(
        "{s:f, s:I, s:I, s:s, s:I, s:f, s:s}", "seconds", seconds(driver_now_us() - run->began_us),
        "frozen_ms", (json_int_t)success->frozen_ms, "files",
        (json_int_t)(success->n_containers ? success->containers[0]->files : 0), "digest",
        success->n_containers ? success->containers[0]->digest : "", "path", (json_int_t)success->path,
        "released_after_s", run->released_us ? seconds(run->released_us - run->began_us) : 0.0, "path_why",
        success->path_why ? success->path_why : "");
}

/* 1: go on reading, 0: that was the outcome. */
static int take_event(struct run *run, const CommitEvent *event, struct error *err)
{
    switch (event->event_case) {
    case OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__EVENT_RELEASABLE:
        if (!run->handover || event->releasable->handed_over)
            return 1;
        return release(run, OPENSANDBOX__COMMITTER__V1__RELEASE_ACTION__KILL, err) < 0 ? -1 : 1;
    case OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__EVENT_SUCCESS:
        take_success(run, event->success);
        return 0;
    case OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__EVENT_FAILURE:
        (void)error_set(err, ERR_INTERNAL, "%s", event->failure->message);
        return error_reason(err, event->failure->reason);
    default:
        return 1;
    }
}

static int read_stream(struct run *run, struct rpc_stream *stream, struct error *err)
{
    for (int more = 1; more > 0;) {
        CommitEvent *event = NULL;
        int got = rpc_stream_next(stream, &event, err);
        if (got <= 0)
            return got < 0 ? -1 : error_set(err, ERR_UNAVAILABLE, "the stream ended without an outcome");
        more = take_event(run, event, err);
        opensandbox__committer__v1__commit_event__free_unpacked(event, NULL);
        if (more < 0)
            return -1;
    }
    return 0;
}

static int commit(struct run *run, const CommitRequest *request, struct error *err)
{
    const struct rpc_call_options options = {.timeout_ms = TIMEOUT_MS};
    struct rpc_stream *stream = NULL;

    run->began_us = driver_now_us();
    if (rpc_stream_open(run->driver->channel, committer, "Commit", &request->base, &stream, &options, err) <
        0)
        return -1;
    int result = read_stream(run, stream, err);
    rpc_stream_free(stream);
    return result;
}

int agent_driver_run(struct agent_driver *driver, char *const words[5], json_t **ret_outcome,
                     struct error *err)
{
    struct run run = {.driver = driver, .key = words[0]};
    CommitRequest request = OPENSANDBOX__COMMITTER__V1__COMMIT_REQUEST__INIT;
    Opensandbox__Committer__V1__PodRef pod = OPENSANDBOX__COMMITTER__V1__POD_REF__INIT;
    Opensandbox__Committer__V1__Registry registry = OPENSANDBOX__COMMITTER__V1__REGISTRY__INIT;
    Opensandbox__Committer__V1__ContainerImage image = OPENSANDBOX__COMMITTER__V1__CONTAINER_IMAGE__INIT;
    Opensandbox__Committer__V1__ContainerImage *images[] = {&image};

    run.handover = strcmp(words[4], "handover") == 0;
    run.hold = run.handover || strcmp(words[4], "hold") == 0;
    pod.uid = words[1];
    image.container = words[2];
    image.image = words[3];
    registry.insecure = true;
    request.key = run.key;
    request.pod = &pod;
    request.registry = &registry;
    request.containers = images;
    request.n_containers = 1;
    request.hold = run.hold ? OPENSANDBOX__COMMITTER__V1__HOLD__HOLD_UNTIL_RELEASED
                            : OPENSANDBOX__COMMITTER__V1__HOLD__THAW_AFTER_CAPTURE;
    request.early_release = run.handover;
    request.timeout_ms = TIMEOUT_MS;
    if (commit(&run, &request, err) < 0)
        return -1;
    if (run.hold && !run.released_us &&
        release(&run,
                run.handover ? OPENSANDBOX__COMMITTER__V1__RELEASE_ACTION__KILL
                             : OPENSANDBOX__COMMITTER__V1__RELEASE_ACTION__THAW,
                err) < 0) {
        json_decref(run.outcome);
        return -1;
    }
    *ret_outcome = run.outcome;
    return 0;
}
