#include "committer-agent/api/committer_service.h"

#include <stdio.h>
#include <string.h>

#include "opensandbox/committer/v1/committer.pb-c.h"

enum { PROGRESS_EVERY_MS = 300, TIMEOUT_MAX_MS = 24 * 60 * 60 * 1000 };

typedef Opensandbox__Committer__V1__CommitRequest CommitRequest;
typedef Opensandbox__Committer__V1__CommitEvent CommitEvent;
typedef Opensandbox__Committer__V1__ContainerResult ContainerResult;
typedef Opensandbox__Committer__V1__PodRef PodRef;

static int compression_of(const struct committer_service *service, const CommitRequest *message,
                          enum layer_compression *ret_compression, struct error *err)
{
    switch (message->compression) {
    case OPENSANDBOX__COMMITTER__V1__COMPRESSION__COMPRESSION_UNSPECIFIED:
        *ret_compression = service->compression;
        return 0;
    case OPENSANDBOX__COMMITTER__V1__COMPRESSION__ZSTD:
        *ret_compression = LAYER_ZSTD;
        return 0;
    case OPENSANDBOX__COMMITTER__V1__COMPRESSION__GZIP:
        *ret_compression = LAYER_GZIP;
        return 0;
    case OPENSANDBOX__COMMITTER__V1__COMPRESSION__NONE:
        *ret_compression = LAYER_NONE;
        return 0;
    default:
        return error_set(err, ERR_INVALID, "compression: want ZSTD, GZIP or NONE, got %d",
                         (int)message->compression);
    }
}

static int timeout_of(const char *field, int64_t asked_ms, int64_t default_ms, int64_t *ret_ms,
                      struct error *err)
{
    if (asked_ms < 0 || asked_ms > TIMEOUT_MAX_MS)
        return error_set(err, ERR_INVALID, "%s: want 0 to %d", field, TIMEOUT_MAX_MS);
    *ret_ms = asked_ms ? asked_ms : default_ms;
    return 0;
}

/* Fills a request whose members are the call's memory. */
static int read_request(struct rpc_call *call, const CommitRequest *message,
                        struct commit_request *ret_request, struct error *err)
{
    const struct committer_service *service = rpc_self(call);
    struct commit_request request = {.key = message->key, .count = message->n_containers};

    if (message->n_containers > COMMIT_CONTAINERS_MAX)
        return error_set(err, ERR_INVALID, "containers: want at most %d", COMMIT_CONTAINERS_MAX);
    request.containers = rpc_alloc(call, (request.count + 1) * sizeof(*request.containers));
    for (size_t i = 0; i < request.count; i++)
        request.containers[i] = (struct commit_container){.name = message->containers[i]->container,
                                                          .image = message->containers[i]->image};
    request.pod_uid = message->pod ? message->pod->uid : rpc_strdup(call, "");
    request.pod_ns = message->pod ? message->pod->namespace_ : rpc_strdup(call, "");
    request.pod_name = message->pod ? message->pod->name : rpc_strdup(call, "");
    switch (message->hold) {
    case OPENSANDBOX__COMMITTER__V1__HOLD__THAW_AFTER_CAPTURE:
        request.hold = false;
        break;
    case OPENSANDBOX__COMMITTER__V1__HOLD__HOLD_UNTIL_RELEASED:
        request.hold = true;
        break;
    default:
        return error_set(err, ERR_INVALID, "hold: want THAW_AFTER_CAPTURE or HOLD_UNTIL_RELEASED");
    }
    request.early_release = request.hold && message->early_release;
    if (message->registry) {
        request.insecure = message->registry->insecure;
        request.docker_config_length = message->registry->docker_config_json.len;
        request.docker_config =
            request.docker_config_length ? (char *)message->registry->docker_config_json.data : NULL;
    }
    if (compression_of(service, message, &request.compression, err) < 0 ||
        timeout_of("timeout_ms", message->timeout_ms, service->commit_timeout_ms, &request.timeout_ms, err) <
            0 ||
        timeout_of("hold_timeout_ms", message->hold_timeout_ms, service->hold_timeout_ms,
                   &request.hold_timeout_ms, err) < 0)
        return -1;
    *ret_request = request;
    return 0;
}

static int send_progress(struct rpc_call *call, const struct commit_report *report, struct error *err)
{
    Opensandbox__Committer__V1__Progress progress = OPENSANDBOX__COMMITTER__V1__PROGRESS__INIT;
    CommitEvent event = OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__INIT;

    progress.phase = (Opensandbox__Committer__V1__Phase)report->phase;
    progress.bytes_read = report->bytes_read;
    progress.bytes_total = report->bytes_total;
    progress.bytes_pushed = report->bytes_pushed;
    progress.files = report->files;
    event.event_case = OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__EVENT_PROGRESS;
    event.progress = &progress;
    return rpc_send(call, &event.base, err);
}

static ContainerResult *result_message(struct rpc_call *call, const struct commit_result *result)
{
    ContainerResult *message = rpc_alloc(call, sizeof(*message));

    opensandbox__committer__v1__container_result__init(message);
    message->container = result->container;
    message->image = result->image;
    message->digest = result->digest;
    message->layer_digest = result->layer_digest;
    message->diff_id = result->diff_id;
    message->layer_size = result->layer_size;
    message->image_size = result->image_size;
    message->files = result->files;
    message->layers = result->layers;
    message->n_skipped = result->skipped_count;
    message->skipped = rpc_alloc(call, (result->skipped_count + 1) * sizeof(*message->skipped));
    for (size_t i = 0; i < result->skipped_count; i++) {
        message->skipped[i] = rpc_alloc(call, sizeof(**message->skipped));
        opensandbox__committer__v1__skipped__init(message->skipped[i]);
        message->skipped[i]->kind = rpc_strdup(call, result->skipped[i].kind);
        message->skipped[i]->count = result->skipped[i].count;
        message->skipped[i]->example = result->skipped[i].example;
    }
    return message;
}

static Opensandbox__Committer__V1__CommitPath path_of(const struct commit_report *report)
{
    if (!report->hold)
        return OPENSANDBOX__COMMITTER__V1__COMMIT_PATH__LIVE;
    return report->handed_over ? OPENSANDBOX__COMMITTER__V1__COMMIT_PATH__HANDOVER
                               : OPENSANDBOX__COMMITTER__V1__COMMIT_PATH__HOLD;
}

static int send_success(struct rpc_call *call, const struct commit_report *report, struct error *err)
{
    Opensandbox__Committer__V1__CommitSuccess success = OPENSANDBOX__COMMITTER__V1__COMMIT_SUCCESS__INIT;
    CommitEvent event = OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__INIT;

    success.n_containers = report->result_count;
    success.containers = rpc_alloc(call, (report->result_count + 1) * sizeof(*success.containers));
    for (size_t i = 0; i < report->result_count; i++)
        success.containers[i] = result_message(call, &report->results[i]);
    success.frozen_ms = (uint64_t)report->frozen_ms;
    success.elapsed_ms = (uint64_t)report->elapsed_ms;
    success.path = path_of(report);
    success.path_why = rpc_strdup(call, report->path_why);
    success.warm = report->warm;
    event.event_case = OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__EVENT_SUCCESS;
    event.success = &success;
    return rpc_send(call, &event.base, err);
}

static int send_failure(struct rpc_call *call, const struct commit_report *report, struct error *err)
{
    const struct error *failed = &report->error;
    Opensandbox__Committer__V1__CommitFailure failure = OPENSANDBOX__COMMITTER__V1__COMMIT_FAILURE__INIT;
    CommitEvent event = OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__INIT;

    failure.reason = rpc_strdup(call, failed->reason[0] ? failed->reason : error_code_name(failed->code));
    failure.message = rpc_strdup(call, failed->text);
    failure.retryable = error_is_transient(failed->code);
    failure.handed_over = report->handed_over;
    event.event_case = OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__EVENT_FAILURE;
    event.failure = &failure;
    return rpc_send(call, &event.base, err);
}

static int send_releasable(struct rpc_call *call, const struct commit_report *report, struct error *err)
{
    Opensandbox__Committer__V1__CommitReleasable releasable =
        OPENSANDBOX__COMMITTER__V1__COMMIT_RELEASABLE__INIT;
    CommitEvent event = OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__INIT;

    releasable.handed_over = report->handed_over;
    event.event_case = OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__EVENT_RELEASABLE;
    event.releasable = &releasable;
    return rpc_send(call, &event.base, err);
}

static bool has_moved(const struct commit_report *now, const struct commit_report *sent)
{
    return now->phase != sent->phase || now->bytes_read != sent->bytes_read || now->files != sent->files ||
           now->bytes_pushed != sent->bytes_pushed || now->bytes_total != sent->bytes_total;
}

static void wake_commit(void *self)
{
    commit_wake(self);
}

/* Whoever hears anything but CommitReleasable first takes it that nothing was handed over: so nothing is said before that is
 * known. */
static int send_news(struct rpc_call *call, const struct commit_report *now, struct commit_report *sent,
                     struct error *err)
{
    bool told = sent->releasable || sent->handed_over;

    if (now->being_killed)
        return 0;
    if (!told && (now->releasable || now->handed_over) && send_releasable(call, now, err) < 0)
        return -1;
    if (!now->finished && has_moved(now, sent) && send_progress(call, now, err) < 0)
        return -1;
    *sent = *now;
    sent->releasable = told || now->releasable;
    return 0;
}

static int follow(struct rpc_call *call, struct commit *commit, struct error *err)
{
    struct commit_report sent = {0};

    rpc_on_cancel(call, wake_commit, commit);
    while (!rpc_cancelled(call)) {
        struct commit_report now = commit_wait(commit, &sent, PROGRESS_EVERY_MS);
        if (send_news(call, &now, &sent, err) < 0)
            return -1;
        if (now.finished)
            return now.failed ? send_failure(call, &now, err) : send_success(call, &now, err);
    }
    return error_set(err, ERR_CANCELLED, "the caller has left; the commit goes on");
}

static int handle_commit(struct rpc_call *call, const void *request_message, struct error *err)
{
    const struct committer_service *service = rpc_self(call);
    struct commit_request request;
    struct commit *commit;

    if (read_request(call, request_message, &request, err) < 0 ||
        commits_start(service->commits, &request, &commit, err) < 0)
        return -1;
    int result = follow(call, commit, err);
    rpc_on_cancel(call, NULL, NULL); /* the commit may go before the call does */
    commit_unref(commit);
    return result;
}

static int handle_release(struct rpc_call *call, const void *request_message, void *response,
                          struct error *err)
{
    const struct committer_service *service = rpc_self(call);
    const Opensandbox__Committer__V1__ReleaseRequest *request = request_message;

    (void)response; /* empty */
    switch (request->action) {
    case OPENSANDBOX__COMMITTER__V1__RELEASE_ACTION__THAW:
        return commits_release(service->commits, request->key, COMMIT_RELEASE_THAW, err);
    case OPENSANDBOX__COMMITTER__V1__RELEASE_ACTION__KILL:
        return commits_release(service->commits, request->key, COMMIT_RELEASE_KILL, err);
    default:
        return error_set(err, ERR_INVALID, "action: want THAW or KILL");
    }
}

static int handle_cancel(struct rpc_call *call, const void *request_message, void *response,
                         struct error *err)
{
    const struct committer_service *service = rpc_self(call);
    const Opensandbox__Committer__V1__CancelRequest *request = request_message;

    (void)response; /* empty */
    return commits_cancel(service->commits, request->key, err);
}

static int handle_keep(struct rpc_call *call, const void *request_message, void *response_message,
                       struct error *err)
{
    const struct committer_service *service = rpc_self(call);
    const Opensandbox__Committer__V1__KeepLocallyRequest *request = request_message;
    Opensandbox__Committer__V1__KeepLocallyResponse *response = response_message;
    SCOPED(commit) struct commit *commit = NULL;
    const struct commit_report nothing = {0};

    if (commits_keep(service->commits, request->key, &commit, err) < 0)
        return -1;
    struct commit_report report = commit_wait(commit, &nothing, 0);
    response->n_containers = report.result_count;
    response->containers = rpc_alloc(call, (report.result_count + 1) * sizeof(*response->containers));
    for (size_t i = 0; i < report.result_count; i++)
        response->containers[i] = result_message(call, &report.results[i]);
    return 0;
}

static int handle_discard(struct rpc_call *call, const void *request_message, void *response,
                          struct error *err)
{
    const struct committer_service *service = rpc_self(call);
    const Opensandbox__Committer__V1__DiscardRequest *request = request_message;

    (void)response; /* empty */
    return commits_discard(service->commits, request->key, err);
}

static int handle_unpause(struct rpc_call *call, const void *request_message, void *response_message,
                          struct error *err)
{
    const struct committer_service *service = rpc_self(call);
    const Opensandbox__Committer__V1__UnpauseRequest *request = request_message;
    Opensandbox__Committer__V1__UnpauseResponse *response = response_message;
    const PodRef *ref = request->pod;
    unsigned thawed = 0;

    if (!ref)
        return error_set(err, ERR_INVALID, "pod: want a uid, or namespace and name");
    const struct pod_name pod = {.uid = ref->uid, .pod_namespace = ref->namespace_, .name = ref->name};
    if (commits_unpause(service->commits, &pod, (const char *const *)request->containers,
                        request->n_containers, &thawed, err) < 0)
        return -1;
    response->thawed = thawed;
    return 0;
}

static const struct rpc_method methods[] = {
    {.name = "Commit", .stream = handle_commit, .endless = true}, /* the commit itself outlives it */
    {.name = "Release", .unary = handle_release},
    {.name = "Cancel", .unary = handle_cancel},
    {.name = "KeepLocally", .unary = handle_keep},
    {.name = "Discard", .unary = handle_discard},
    {.name = "Unpause", .unary = handle_unpause},
    {.name = NULL},
};

void committer_service_add(struct committer_service *service, struct rpc_server *server)
{
    rpc_server_add(server, &opensandbox__committer__v1__committer__descriptor, methods, service);
}
