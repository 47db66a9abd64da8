/* A follower: takes a commit whose time has come, asks its agent, reads to the end, decides whether to try
 * again. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"
#include "shared/rpc/tls.h"
#include "snapshot-svc/dispatch/dispatcher_priv.h"

enum { STREAM_GRACE_MS = 20 * 1000 }; /* for the agent to tell of its own timeout before we hang up */

typedef Opensandbox__Committer__V1__CommitRequest CommitRequest;
typedef Opensandbox__Committer__V1__CommitEvent CommitEvent;

__attribute__((unused)) static void stream_freep(struct rpc_stream **stream)
{
    if (*stream)
        rpc_stream_free(*stream);
    *stream = NULL;
}

/* ---- the request ---- */

struct request {
    CommitRequest message;
    Opensandbox__Committer__V1__PodRef pod;
    Opensandbox__Committer__V1__Registry registry;
    Opensandbox__Committer__V1__ContainerImage *images, **image_list;
    struct strbuf docker_config; /* secret */
};

static void request_done(struct request *request)
{
    if (request->docker_config.bytes)
        explicit_bzero(request->docker_config.bytes, request->docker_config.capacity);
    strbuf_done(&request->docker_config);
    free(request->images);
    free(request->image_list);
}
#define SCOPED_REQUEST __attribute__((cleanup(request_done)))

static void fill_images(struct request *request, const struct action *order)
{
    request->images = xcalloc(order->target_count + 1, sizeof(*request->images));
    request->image_list = xcalloc(order->target_count + 1, sizeof(*request->image_list));
    for (size_t i = 0; i < order->target_count; i++) {
        opensandbox__committer__v1__container_image__init(&request->images[i]);
        request->images[i].container = order->targets[i].container;
        request->images[i].image = order->targets[i].image;
        request->image_list[i] = &request->images[i];
    }
    request->message.n_containers = order->target_count;
    request->message.containers = request->image_list;
}

static void fill_pod(struct request *request, const struct action *order)
{
    opensandbox__committer__v1__pod_ref__init(&request->pod);
    request->pod.uid = order->pod_uid;
    request->pod.namespace_ = order->pod_ns;
    request->pod.name = order->pod_name;
    request->message.pod = &request->pod;
}

static int fill_registry(const struct dispatcher *dispatcher, struct request *request,
                         const struct action *order, struct error *err)
{
    const struct dispatcher_options *options = &dispatcher->options;

    if (options->credentials &&
        options->credentials(options->self, order->ns, &request->docker_config, err) < 0)
        return error_wrap(err, "reading the push Secret");
    opensandbox__committer__v1__registry__init(&request->registry);
    request->registry.insecure = options->registry_insecure;
    request->registry.docker_config_json.data = (uint8_t *)request->docker_config.bytes;
    request->registry.docker_config_json.len = request->docker_config.length;
    request->message.registry = &request->registry;
    return 0;
}

static int fill_request(const struct dispatcher *dispatcher, struct request *request,
                        const struct action *order, int64_t left_ms, struct error *err)
{
    opensandbox__committer__v1__commit_request__init(&request->message);
    request->message.key = order->commit_key;
    request->message.hold = order->hold ? OPENSANDBOX__COMMITTER__V1__HOLD__HOLD_UNTIL_RELEASED
                                        : OPENSANDBOX__COMMITTER__V1__HOLD__THAW_AFTER_CAPTURE;
    request->message.timeout_ms = left_ms;
    request->message.early_release = order->hold && order->early_release;
    fill_pod(request, order);
    fill_images(request, order);
    return fill_registry(dispatcher, request, order, err);
}

/* ---- what the agent says ---- */

static void tell(const struct dispatcher *dispatcher, const struct follow *follow, int64_t delay_ms)
{
    const struct action *order = follow->order.actions;

    dispatcher->options.changed(dispatcher->options.self, order->ns, order->name, delay_ms);
}

/* Told now, or when the last telling is long enough ago; what comes until then is told with it. */
static void take_progress(struct dispatcher *dispatcher, struct follow *follow,
                          const Opensandbox__Committer__V1__Progress *progress)
{
    const int64_t now_ms = clock_monotonic_ms(), every_ms = dispatcher->options.progress_every_ms;

    pthread_mutex_lock(&dispatcher->lock);
    commit_view_progress(&follow->view, progress);
    bool is_due = now_ms >= follow->told_at_ms;
    if (is_due) {
        const int64_t next_ms = follow->told_at_ms ? follow->told_at_ms + every_ms : now_ms;
        follow->told_at_ms = next_ms > now_ms ? next_ms : now_ms;
    }
    const int64_t delay_ms = follow->told_at_ms - now_ms;
    pthread_mutex_unlock(&dispatcher->lock);
    if (is_due)
        tell(dispatcher, follow, delay_ms);
}

static void take_success(struct dispatcher *dispatcher, struct follow *follow,
                         const Opensandbox__Committer__V1__CommitSuccess *success)
{
    pthread_mutex_lock(&dispatcher->lock);
    follow_succeed(dispatcher, follow, success);
    pthread_mutex_unlock(&dispatcher->lock);
    log_info("commit succeeded", log_u64("frozen_ms", success->frozen_ms),
             log_u64("elapsed_ms", success->elapsed_ms));
}

/* An agent that stops cancels what it runs; its successor starts the key anew. Whoever cancelled here does not
 * listen any more. */
static bool ended_with_its_agent(const char *reason)
{
    return strcmp(reason, "CommitCancelled") == 0 || strcmp(reason, "AgentRestarted") == 0;
}

/* Its files are the agent's. */
static void take_handover(struct dispatcher *dispatcher, struct follow *follow)
{
    pthread_mutex_lock(&dispatcher->lock);
    follow_handed_over(follow);
    pthread_mutex_unlock(&dispatcher->lock);
}

static void take_releasable(struct dispatcher *dispatcher, struct follow *follow,
                            const Opensandbox__Committer__V1__CommitReleasable *releasable)
{
    if (releasable->handed_over)
        take_handover(dispatcher, follow);
    pthread_mutex_lock(&dispatcher->lock);
    follow->view.releasable = true;
    pthread_mutex_unlock(&dispatcher->lock);
    tell(dispatcher, follow, 0);
}

/* The files are safe where they are, so the upload has another try. */
static int take_upload_trouble(struct dispatcher *dispatcher, struct follow *follow,
                               const Opensandbox__Committer__V1__CommitFailure *failure, struct error *err)
{
    pthread_mutex_lock(&dispatcher->lock);
    if (follow_is_unfinished(follow))
        commit_view_trouble(&follow->view, failure->reason, failure->message);
    pthread_mutex_unlock(&dispatcher->lock);
    (void)error_set(err, ERR_UNAVAILABLE, "%s", failure->message);
    return error_reason(err, failure->reason);
}

static int take_failure(struct dispatcher *dispatcher, struct follow *follow,
                        const Opensandbox__Committer__V1__CommitFailure *failure, struct error *err)
{
    if (failure->handed_over)
        take_handover(dispatcher, follow);
    if (failure->handed_over && failure->retryable && strcmp(failure->reason, "CommitKept") != 0 &&
        !ended_with_its_agent(failure->reason))
        return take_upload_trouble(dispatcher, follow, failure, err);
    if (ended_with_its_agent(failure->reason)) {
        (void)error_set(err, ERR_UNAVAILABLE, "%s", failure->message);
        return error_reason(err, failure->reason);
    }
    pthread_mutex_lock(&dispatcher->lock);
    follow_fail(dispatcher, follow, *failure->reason ? failure->reason : "CommitFailed", failure->message);
    pthread_mutex_unlock(&dispatcher->lock);
    log_warn("commit failed", log_str("reason", failure->reason), log_str("error", failure->message));
    return 0;
}

/* It has its slot; there may be one more. */
static void take_admission(struct dispatcher *dispatcher, struct follow *follow)
{
    pthread_mutex_lock(&dispatcher->lock);
    line_leave(dispatcher, follow);
    pthread_mutex_unlock(&dispatcher->lock);
}

/* A key that was handed over is told so first. So whatever comes first says whether it was. */
static void take_first(struct dispatcher *dispatcher, struct follow *follow)
{
    pthread_mutex_lock(&dispatcher->lock);
    if (follow->asked_in_doubt)
        follow->view.in_doubt = follow->asked_in_doubt = false;
    pthread_mutex_unlock(&dispatcher->lock);
}

/* 1: go on reading; 0: that was the outcome. */
static int take_event(struct dispatcher *dispatcher, struct follow *follow, const CommitEvent *event,
                      struct error *err)
{
    take_first(dispatcher, follow);
    switch (event->event_case) {
    case OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__EVENT_RELEASABLE:
        take_admission(dispatcher, follow);
        workqueue_forget(dispatcher->queue, follow->key);
        take_releasable(dispatcher, follow, event->releasable);
        return 1;
    case OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__EVENT_PROGRESS:
        take_admission(dispatcher, follow);
        workqueue_forget(dispatcher->queue, follow->key); /* it moves: the next break starts a new backoff */
        take_progress(dispatcher, follow, event->progress);
        return 1;
    case OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__EVENT_SUCCESS:
        take_success(dispatcher, follow, event->success);
        return 0;
    case OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__EVENT_FAILURE:
        return take_failure(dispatcher, follow, event->failure, err);
    default: /* of a newer agent */
        return 1;
    }
}

static int read_stream(struct dispatcher *dispatcher, struct follow *follow, struct rpc_stream *stream,
                       struct error *err)
{
    for (;;) {
        CommitEvent *event = NULL;
        int got = rpc_stream_next(stream, &event, err);
        if (got < 0)
            return -1;
        if (got == 0)
            return error_set(err, ERR_UNAVAILABLE, "the agent ended the commit's stream without an outcome");
        int more = take_event(dispatcher, follow, event, err);
        opensandbox__committer__v1__commit_event__free_unpacked(event, NULL);
        if (more <= 0)
            return more;
    }
}

/* Shows the stream to whoever ends it; false: that has happened already. */
static bool publish(struct dispatcher *dispatcher, struct follow *follow, const struct agent_channel *channel,
                    struct rpc_stream *stream)
{
    pthread_mutex_lock(&dispatcher->lock);
    bool go_on = !dispatcher->stopping && !follow->given_up;
    follow->stream = go_on ? stream : NULL;
    follow->channel = go_on ? channel : NULL;
    follow->asked_in_doubt = follow->view.in_doubt;
    pthread_mutex_unlock(&dispatcher->lock);
    /* If it moved just before, its telling found no stream. */
    if (go_on && agents_has_moved(dispatcher->options.agents, follow->node, channel))
        rpc_stream_cancel(stream);
    return go_on;
}

static void hide(struct dispatcher *dispatcher, struct follow *follow)
{
    pthread_mutex_lock(&dispatcher->lock);
    follow->stream = NULL;
    follow->channel = NULL;
    follow->asked_in_doubt = false;
    follow->view.releasable = false; /* who attaches is told again */
    pthread_mutex_unlock(&dispatcher->lock);
}

/* ---- one try ---- */

static int64_t ms_left(struct dispatcher *dispatcher, const struct follow *follow)
{
    pthread_mutex_lock(&dispatcher->lock);
    const int64_t left_ms = follow->deadline_ms - clock_realtime_ms();
    pthread_mutex_unlock(&dispatcher->lock);
    return left_ms > 1 ? left_ms : 1; /* attaching costs nothing, even late */
}

/* 0: there is an outcome. */
static int try_once(struct dispatcher *dispatcher, struct follow *follow, struct error *err)
{
    const struct action *order = follow->order.actions;
    const int64_t left_ms = ms_left(dispatcher, follow);
    const struct rpc_call_options options = {.timeout_ms = left_ms + STREAM_GRACE_MS};
    SCOPED_REQUEST struct request request = {.docker_config = STRBUF_INIT};
    SCOPED(agent_channel)
    struct agent_channel *channel = agents_get(dispatcher->options.agents, order->node, err);
    SCOPED(stream) struct rpc_stream *stream = NULL;

    if (!channel || fill_request(dispatcher, &request, order, left_ms, err) < 0 ||
        rpc_stream_open(agent_channel_rpc(channel), &opensandbox__committer__v1__committer__descriptor,
                        "Commit", &request.message.base, &stream, &options, err) < 0)
        return -1;
    if (!publish(dispatcher, follow, channel, stream))
        return error_set(err, ERR_CANCELLED, "nobody wants the commit's outcome any more");
    int result = read_stream(dispatcher, follow, stream, err);
    hide(dispatcher, follow);
    if (result < 0 && err->code == ERR_CANCELLED &&
        agents_has_moved(dispatcher->options.agents, order->node, channel))
        return error_set(err, ERR_UNAVAILABLE, "the committer-agent on node %s was replaced", order->node);
    return result;
}

/* ---- and after it ---- */

/* Refusals of the request itself stay; everything else may pass, and the deadline bounds it. */
static bool is_worth_another_try(const struct error *err)
{
    switch (err->code) {
    case ERR_INVALID:
    case ERR_EXISTS:
    case ERR_UNSUPPORTED:
        return false;
    case ERR_DENIED:
    case ERR_UNAUTHENTICATED:
        return rpc_tls_refused(err); /* the two sides may be in the middle of a change of certificates */
    case ERR_PRECONDITION:
        return strcmp(err->reason, "CommitSuperseded") == 0;
    case ERR_NONE:
    case ERR_NOT_FOUND: /* of the push Secret */
    case ERR_CONFLICT:
    case ERR_EXHAUSTED:
    case ERR_UNAVAILABLE:
    case ERR_TIMEOUT:
    case ERR_CORRUPT:
    case ERR_CANCELLED:
    case ERR_INTERNAL:
    case ERR_MAX:
        return true;
    }
    return true;
}

static const char *failure_reason(const struct error *err)
{
    if (err->reason[0])
        return err->reason;
    switch (err->code) {
    case ERR_UNAVAILABLE:
    case ERR_TIMEOUT:
        return "AgentUnreachable";
    case ERR_EXHAUSTED:
        return "NoCommitSlot";
    case ERR_NOT_FOUND:
        return "PushSecretNotFound";
    default:
        return "CommitRefused";
    }
}

/* Is its failure ours to tell? Who has the only copy of the files is asked for as long as it takes. */
static bool is_too_late(const struct follow *follow, int64_t now_ms)
{
    return now_ms >= follow->deadline_ms && !follow->view.handed_over && !follow->view.in_doubt;
}

/* One who lets nobody in says nothing about a commit that may have been handed over to him. */
static bool may_pass(const struct follow *follow, const struct error *err)
{
    return is_worth_another_try(err) || (follow->view.in_doubt && err->code == ERR_DENIED);
}

static void try_later(struct dispatcher *dispatcher, struct follow *follow, const struct error *err,
                      int64_t now_ms)
{
    if (err->code == ERR_EXHAUSTED) {
        line_join(dispatcher, follow);
    } else {
        line_leave(dispatcher, follow);
        if (follow->view.handed_over)
            workqueue_add_after(dispatcher->queue, follow->key, backoff_next_ms(&follow->uploads));
        else
            workqueue_add_rate_limited(dispatcher->queue, follow->key);
    }
    if (now_ms < follow->deadline_ms) /* the last try is not later */
        workqueue_add_at(dispatcher->queue, follow->key, follow->deadline_ms);
}

/* Lock held. true: that was all. */
static bool conclude(struct dispatcher *dispatcher, struct follow *follow, const struct error *err)
{
    const int64_t now_ms = clock_realtime_ms();

    if (dispatcher->stopping || follow->given_up)
        return false;
    if (!may_pass(follow, err) || is_too_late(follow, now_ms)) {
        follow_fail(dispatcher, follow, failure_reason(err), err->text);
        line_leave(dispatcher, follow);
        if (is_worth_another_try(err))
            follow_owe_cancel(dispatcher, follow);
        return true;
    }
    try_later(dispatcher, follow, err, now_ms);
    return false;
}

/* Nothing is known or wanted of it any more. */
static bool is_spent(const struct follow *follow)
{
    const bool was_only_cancelled = !follow->order.count && follow->view.state == COMMIT_UNKNOWN;

    return !follow->cancel_until_ms && (follow->forgotten || was_only_cancelled);
}

/* The follow is no longer ours after this. */
static void let_go(struct dispatcher *dispatcher, struct follow *follow)
{
    pthread_mutex_lock(&dispatcher->lock);
    follow->busy = false;
    if (follow->view.state != COMMIT_RUNNING && !follow->cancel_until_ms)
        workqueue_forget(dispatcher->queue, follow->key);
    if (is_spent(follow))
        follow_remove(dispatcher, follow);
    pthread_cond_broadcast(&dispatcher->changed);
    pthread_mutex_unlock(&dispatcher->lock);
}

static void follow_commit(struct dispatcher *dispatcher, struct follow *follow)
{
    struct error err = {0};
    int result = try_once(dispatcher, follow, &err);

    pthread_mutex_lock(&dispatcher->lock);
    const bool is_over = result == 0 || conclude(dispatcher, follow, &err);
    follow->in_line = follow->in_line && result < 0;
    if (result == 0)
        line_advance(dispatcher, follow->node); /* the agent frees the slot before it tells the outcome */
    const bool is_wanted = !dispatcher->stopping && !follow->given_up;
    const bool has_news = is_over || follow->view.handed_over;
    pthread_mutex_unlock(&dispatcher->lock);
    if (result < 0 && is_wanted)
        log_emit_error(LOG_WARN, is_over ? "commit given up" : "commit to be tried again", &err, NULL, 0);
    if (has_news && is_wanted)
        tell(dispatcher, follow, 0);
}

static void pay_cancel(struct dispatcher *dispatcher, struct follow *follow)
{
    struct error err = {0};

    pthread_mutex_lock(&dispatcher->lock);
    const bool discard = follow->owes_discard;
    pthread_mutex_unlock(&dispatcher->lock);
    int result = dispatcher_tell_end(dispatcher, follow->node, follow->key, discard, &err);

    pthread_mutex_lock(&dispatcher->lock);
    bool is_late = clock_monotonic_ms() >= follow->cancel_until_ms;
    if (result == 0 || is_late || dispatcher->stopping)
        follow_settle_cancel(dispatcher, follow);
    else
        workqueue_add_rate_limited(dispatcher->queue, follow->key);
    pthread_mutex_unlock(&dispatcher->lock);
    if (result == 0)
        log_info("agent told to end an abandoned commit");
    else if (is_late)
        log_emit_error(LOG_WARN, "agent never heard of an abandoned commit", &err, NULL, 0);
}

/* ---- a follower's thread ---- */

enum errand { ERRAND_NONE, ERRAND_FOLLOW, ERRAND_CANCEL };

/* What the commit behind a key wants; when it wants something, it is ours until let_go(). */
static enum errand take(struct dispatcher *dispatcher, const char *key, struct follow **ret_follow)
{
    enum errand errand = ERRAND_NONE;

    pthread_mutex_lock(&dispatcher->lock);
    struct follow *follow = follow_find(dispatcher, key);
    if (follow && !follow->busy && !dispatcher->stopping) {
        if (follow->cancel_until_ms)
            errand = ERRAND_CANCEL;
        else if (follow->view.state == COMMIT_RUNNING && !follow->given_up)
            errand = ERRAND_FOLLOW;
    }
    if (errand != ERRAND_NONE) {
        follow->busy = true;
        *ret_follow = follow;
    }
    pthread_mutex_unlock(&dispatcher->lock);
    return errand;
}

static void run_errand(struct dispatcher *dispatcher, const char *key)
{
    struct follow *follow = NULL;
    const enum errand errand = take(dispatcher, key, &follow);

    if (errand == ERRAND_NONE)
        return;
    LOG_SCOPE(log_str("commit", key), log_str("node", follow->node));
    if (errand == ERRAND_FOLLOW)
        follow_commit(dispatcher, follow);
    else
        pay_cancel(dispatcher, follow);
    let_go(dispatcher, follow);
}

void *dispatcher_follow(void *arg)
{
    struct dispatcher *dispatcher = arg;
    char *key;

    while ((key = workqueue_get(dispatcher->queue))) {
        run_errand(dispatcher, key);
        workqueue_done(dispatcher->queue, key);
        free(key);
    }
    return NULL;
}
