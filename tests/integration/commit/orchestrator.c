#include "tests/integration/commit/orchestrator.h"

#include "shared/base/alloc.h"
#include "tests/unit/testing.h"

enum {
    CALL_MS = 60000,
    KINDS_RELEASED_EARLY = FAIL_IN_HANDOVER | FAIL_IN_KEPT_LOCALLY | FAIL_IN_DISCARDED,
};

typedef Opensandbox__Committer__V1__CommitEvent CommitEvent;
typedef Opensandbox__Committer__V1__ContainerResult ContainerResult;

void orchestrator_init(struct orchestrator *orchestrator, unsigned kind)
{
    char id[HEX_ID_SIZE];

    hex_id(id);
    *orchestrator = (struct orchestrator){.kind = kind, .password = "secret-of-the-tester"};
    (void)snprintf(orchestrator->key, sizeof(orchestrator->key), "crash-%s.1", id);
}

void orchestrator_done(struct orchestrator *orchestrator)
{
    for (size_t i = 0; i < SANDBOX_COMMITTED; i++) {
        free(orchestrator->digests[i]);
        free(orchestrator->layer_digests[i]);
    }
}

static enum ending failed(const struct orchestrator *orchestrator)
{
    return orchestrator->err.code == ERR_UNAVAILABLE ? ENDED_WITH_AGENT : ENDED_REFUSED;
}

/* One unary call whose answer nobody needs. */
static int call(struct orchestrator *orchestrator, const char *method, const ProtobufCMessage *request)
{
    const struct rpc_call_options options = {.timeout_ms = CALL_MS};
    ProtobufCMessage *answer = NULL;

    if (rpc_unary(orchestrator->agent->channel, COMMITTER, method, request, &answer, &options,
                  &orchestrator->err) < 0)
        return -1;
    protobuf_c_message_free_unpacked(answer, NULL);
    return 0;
}

static int release(struct orchestrator *orchestrator, Opensandbox__Committer__V1__ReleaseAction action)
{
    Opensandbox__Committer__V1__ReleaseRequest request = OPENSANDBOX__COMMITTER__V1__RELEASE_REQUEST__INIT;

    request.key = orchestrator->key;
    request.action = action;
    return call(orchestrator, "Release", &request.base);
}

/* The files are what they are from the answer on; the pod goes at once. */
static int release_killing(struct orchestrator *orchestrator)
{
    if (release(orchestrator, OPENSANDBOX__COMMITTER__V1__RELEASE_ACTION__KILL) < 0)
        return -1;
    if (!orchestrator->released)
        sandbox_note_files(orchestrator->sandbox);
    orchestrator->released = true;
    sandbox_delete(orchestrator->sandbox);
    return 0;
}

static int keep_locally(struct orchestrator *orchestrator)
{
    Opensandbox__Committer__V1__KeepLocallyRequest request =
        OPENSANDBOX__COMMITTER__V1__KEEP_LOCALLY_REQUEST__INIT;

    request.key = orchestrator->key;
    return call(orchestrator, "KeepLocally", &request.base);
}

static int discard(struct orchestrator *orchestrator)
{
    Opensandbox__Committer__V1__DiscardRequest request = OPENSANDBOX__COMMITTER__V1__DISCARD_REQUEST__INIT;

    request.key = orchestrator->key;
    return call(orchestrator, "Discard", &request.base);
}

static void note_results(struct orchestrator *orchestrator, ContainerResult *const *results, size_t count)
{
    assert_int_equal(count, SANDBOX_COMMITTED);
    for (size_t i = 0; i < SANDBOX_COMMITTED; i++) {
        free(orchestrator->digests[i]);
        free(orchestrator->layer_digests[i]);
        orchestrator->digests[i] = xstrdup(results[i]->digest);
        orchestrator->layer_digests[i] = xstrdup(results[i]->layer_digest);
    }
}

/* What is left to do when the pod is gone and the image cannot be pushed. */
static int give_up_push(struct orchestrator *orchestrator)
{
    return orchestrator->kind == FAIL_IN_KEPT_LOCALLY ? keep_locally(orchestrator) : discard(orchestrator);
}

/* 1: the commit goes on, 0: it has ended, -1. */
static int on_releasable(struct orchestrator *orchestrator)
{
    if (!(orchestrator->kind & KINDS_RELEASED_EARLY))
        return 1;
    if (release_killing(orchestrator) < 0)
        return -1;
    if (orchestrator->kind == FAIL_IN_HANDOVER) {
        gate_set_open(orchestrator->gate, true);
        return 1;
    }
    return give_up_push(orchestrator);
}

static int on_success(struct orchestrator *orchestrator,
                      const Opensandbox__Committer__V1__CommitSuccess *success)
{
    note_results(orchestrator, success->containers, success->n_containers);
    if (orchestrator->kind == FAIL_IN_LIVE)
        return 0;
    if (orchestrator->kind == FAIL_IN_GIVEN_UP)
        return release(orchestrator, OPENSANDBOX__COMMITTER__V1__RELEASE_ACTION__THAW);
    if (release_killing(orchestrator) < 0)
        return -1;
    return orchestrator->kind == FAIL_IN_KEPT_LOCALLY || orchestrator->kind == FAIL_IN_DISCARDED
               ? give_up_push(orchestrator)
               : 0;
}

static int on_failure(struct orchestrator *orchestrator,
                      const Opensandbox__Committer__V1__CommitFailure *failure)
{
    orchestrator->was_handed_over = failure->handed_over;
    (void)error_set(&orchestrator->err, ERR_PRECONDITION, "the commit failed: %s: %s", failure->reason,
                    failure->message);
    return -1;
}

static int on_event(struct orchestrator *orchestrator, const CommitEvent *event)
{
    switch (event->event_case) {
    case OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__EVENT_RELEASABLE:
        return on_releasable(orchestrator);
    case OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__EVENT_SUCCESS:
        return on_success(orchestrator, event->success);
    case OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__EVENT_FAILURE:
        return on_failure(orchestrator, event->failure);
    default:
        return 1;
    }
}

/* Asks by key, as it would for the first time. */
static struct rpc_stream *ask(struct orchestrator *orchestrator)
{
    const struct sandbox *sandbox = orchestrator->sandbox;
    const char *host = gate_host(orchestrator->gate);
    SCOPED(string)
    char *config = xasprintf("{\"auths\":{\"%s\":{\"username\":\"tester\",\"password\":\"%s\"}}}", host,
                             orchestrator->password);
    Opensandbox__Committer__V1__CommitRequest request = OPENSANDBOX__COMMITTER__V1__COMMIT_REQUEST__INIT;
    Opensandbox__Committer__V1__PodRef pod = OPENSANDBOX__COMMITTER__V1__POD_REF__INIT;
    Opensandbox__Committer__V1__Registry registry = OPENSANDBOX__COMMITTER__V1__REGISTRY__INIT;
    Opensandbox__Committer__V1__ContainerImage images[SANDBOX_COMMITTED], *list[SANDBOX_COMMITTED];
    const struct rpc_call_options options = {.timeout_ms = CALL_MS};
    struct rpc_stream *stream = NULL;

    for (size_t i = 0; i < SANDBOX_COMMITTED; i++) {
        SCOPED(string) char *repository = sandbox_repository(sandbox, &sandbox->members[i]);
        opensandbox__committer__v1__container_image__init(&images[i]);
        images[i].container = (char *)(uintptr_t)sandbox->members[i].name;
        images[i].image = xasprintf("%s/%s:snap", host, repository);
        list[i] = &images[i];
    }
    pod.uid = (char *)(uintptr_t)sandbox->uid;
    registry.insecure = true;
    registry.docker_config_json = (ProtobufCBinaryData){.data = (uint8_t *)config, .len = strlen(config)};
    request.key = orchestrator->key;
    request.pod = &pod;
    request.registry = &registry;
    request.containers = list;
    request.n_containers = SANDBOX_COMMITTED;
    request.hold = orchestrator->kind == FAIL_IN_LIVE ? OPENSANDBOX__COMMITTER__V1__HOLD__THAW_AFTER_CAPTURE
                                                      : OPENSANDBOX__COMMITTER__V1__HOLD__HOLD_UNTIL_RELEASED;
    request.early_release = (orchestrator->kind & (KINDS_RELEASED_EARLY | FAIL_IN_LATE_HANDOVER)) != 0;
    int result = rpc_stream_open(orchestrator->agent->channel, COMMITTER, "Commit", &request.base, &stream,
                                 &options, &orchestrator->err);
    for (size_t i = 0; i < SANDBOX_COMMITTED; i++)
        free(images[i].image);
    return result < 0 ? NULL : stream;
}

static enum ending follow(struct orchestrator *orchestrator)
{
    struct rpc_stream *stream = ask(orchestrator);
    int goes_on = stream ? 1 : -1;

    while (goes_on > 0) {
        CommitEvent *event = NULL;
        int got = rpc_stream_next(stream, &event, &orchestrator->err);
        if (got == 0)
            got = error_set(&orchestrator->err, ERR_INTERNAL, "the stream ended without an outcome");
        goes_on = got < 0 ? -1 : on_event(orchestrator, event);
        if (event)
            opensandbox__committer__v1__commit_event__free_unpacked(event, NULL);
    }
    if (stream)
        rpc_stream_free(stream);
    return goes_on < 0 ? failed(orchestrator) : ENDED_WELL;
}

enum ending orchestrate(struct orchestrator *orchestrator)
{
    bool holds_back = (orchestrator->kind & KINDS_RELEASED_EARLY) &&
                      !(orchestrator->kind == FAIL_IN_HANDOVER && orchestrator->released);

    gate_set_open(orchestrator->gate, !holds_back && !orchestrator->gate_stays_closed);
    return follow(orchestrator);
}

enum ending orchestrate_cancel(struct orchestrator *orchestrator)
{
    Opensandbox__Committer__V1__CancelRequest request = OPENSANDBOX__COMMITTER__V1__CANCEL_REQUEST__INIT;

    request.key = orchestrator->key;
    return call(orchestrator, "Cancel", &request.base) < 0 ? failed(orchestrator) : ENDED_WELL;
}

enum ending orchestrate_thaw(struct orchestrator *orchestrator)
{
    if (release(orchestrator, OPENSANDBOX__COMMITTER__V1__RELEASE_ACTION__THAW) < 0 &&
        strcmp(orchestrator->err.reason, "CommitLost") != 0)
        return failed(orchestrator);
    return ENDED_WELL;
}

enum ending orchestrate_discard(struct orchestrator *orchestrator)
{
    return discard(orchestrator) < 0 ? failed(orchestrator) : ENDED_WELL;
}
