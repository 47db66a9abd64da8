#include "snapshot-svc/dispatch/dispatcher.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"
#include "snapshot-svc/dispatch/dispatcher_priv.h"

enum {
    FOLLOWERS_MAX = 256,
    RETRY_FIRST_MS = 250,
    RETRY_MAX_MS = 15 * 1000,
    PROGRESS_EVERY_MS = 1000,
    UNARY_TIMEOUT_MS = 20 * 1000,    /* the agent kills or thaws before it answers */
    CANCEL_DEBT_MS = 30 * 60 * 1000, /* longer than any agent holds */
};

/* ---- life ---- */

static struct dispatcher_options with_defaults(struct dispatcher_options options)
{
    if (!options.followers_max)
        options.followers_max = FOLLOWERS_MAX;
    if (!options.retry_first_ms)
        options.retry_first_ms = RETRY_FIRST_MS;
    if (!options.retry_max_ms)
        options.retry_max_ms = RETRY_MAX_MS;
    if (!options.progress_every_ms)
        options.progress_every_ms = PROGRESS_EVERY_MS;
    return options;
}

struct dispatcher *dispatcher_new(const struct dispatcher_options *options)
{
    struct dispatcher *dispatcher = xcalloc(1, sizeof(*dispatcher));

    dispatcher->options = with_defaults(*options);
    const struct workqueue_options queue = {.backoff_first_ms = dispatcher->options.retry_first_ms,
                                            .backoff_max_ms = dispatcher->options.retry_max_ms};
    dispatcher->queue = workqueue_new(&queue);
    dispatcher->followers = xcalloc(dispatcher->options.followers_max, sizeof(*dispatcher->followers));
    pthread_mutex_init(&dispatcher->lock, NULL);
    pthread_cond_init(&dispatcher->changed, NULL);
    agents_subscribe(dispatcher->options.agents, follow_agent_changed, dispatcher);
    return dispatcher;
}

void dispatcher_stop(struct dispatcher *dispatcher)
{
    struct follow *follow, *next;

    agents_unsubscribe(dispatcher->options.agents, follow_agent_changed, dispatcher);
    pthread_mutex_lock(&dispatcher->lock);
    dispatcher->stopping = true;
    HASH_ITER(hh, dispatcher->follows, follow, next)
    {
        if (follow->stream)
            rpc_stream_cancel(follow->stream);
    }
    unsigned count = dispatcher->follower_count; /* no more are made from now on */
    pthread_mutex_unlock(&dispatcher->lock);
    workqueue_shutdown(dispatcher->queue);
    for (unsigned i = 0; i < count; i++)
        pthread_join(dispatcher->followers[i], NULL);
    dispatcher->follower_count = 0;
}

void dispatcher_free(struct dispatcher *dispatcher)
{
    struct follow *follow, *next;

    if (!dispatcher)
        return;
    agents_unsubscribe(dispatcher->options.agents, follow_agent_changed, dispatcher);
    HASH_ITER(hh, dispatcher->follows, follow, next)
    {
        follow_remove(dispatcher, follow);
    }
    workqueue_free(dispatcher->queue);
    free(dispatcher->followers);
    pthread_cond_destroy(&dispatcher->changed);
    pthread_mutex_destroy(&dispatcher->lock);
    free(dispatcher);
}

/* ---- the table; all with the lock held ---- */

struct follow *follow_find(struct dispatcher *dispatcher, const char *key)
{
    struct follow *follow;

    HASH_FIND_STR(dispatcher->follows, key, follow);
    return follow;
}

static struct follow *follow_add(struct dispatcher *dispatcher, const char *node, const char *key)
{
    struct follow *follow = xcalloc(1, sizeof(*follow));

    follow->key = xstrdup(key);
    follow->node = xstrdup(node);
    follow->number = dispatcher->numbered++;
    HASH_ADD_KEYPTR(hh, dispatcher->follows, follow->key, strlen(follow->key), follow);
    return follow;
}

static bool is_unfinished(const struct follow *follow)
{
    return follow->view.state == COMMIT_RUNNING;
}

void follow_remove(struct dispatcher *dispatcher, struct follow *follow)
{
    HASH_DEL(dispatcher->follows, follow);
    if (is_unfinished(follow))
        dispatcher->unfinished--;
    follow_settle_cancel(dispatcher, follow);
    commit_view_done(&follow->view);
    plan_done(&follow->order);
    free(follow->node);
    free(follow->key);
    free(follow);
}

void follow_fail(struct dispatcher *dispatcher, struct follow *follow, const char *reason,
                 const char *message)
{
    if (is_unfinished(follow))
        dispatcher->unfinished--;
    else if (commit_view_is_final(&follow->view))
        return;
    commit_view_fail(&follow->view, reason, message);
}

void follow_succeed(struct dispatcher *dispatcher, struct follow *follow,
                    const Opensandbox__Committer__V1__CommitSuccess *success)
{
    if (!is_unfinished(follow))
        return;
    dispatcher->unfinished--;
    commit_view_succeed(&follow->view, success);
}

/* A thread for each commit that wants something, up to the bound; they stay for the next ones. */
static void ensure_followers(struct dispatcher *dispatcher)
{
    const unsigned wanted = dispatcher->unfinished + dispatcher->debts;
    const unsigned max = dispatcher->options.followers_max;

    while (dispatcher->follower_count < wanted && dispatcher->follower_count < max) {
        pthread_t *thread = &dispatcher->followers[dispatcher->follower_count];
        int failed = pthread_create(thread, NULL, dispatcher_follow, dispatcher);
        if (failed) { /* those that are there take turns; the next commit tries again */
            log_warn("no thread to follow a commit", log_i64("errno", failed));
            return;
        }
        dispatcher->follower_count++;
    }
}

void follow_owe_cancel(struct dispatcher *dispatcher, struct follow *follow)
{
    if (dispatcher->stopping)
        return; /* the next process finds out for itself */
    if (!follow->cancel_until_ms)
        dispatcher->debts++;
    follow->cancel_until_ms = clock_monotonic_ms() + CANCEL_DEBT_MS;
    ensure_followers(dispatcher);
    workqueue_add_rate_limited(dispatcher->queue, follow->key);
}

void follow_settle_cancel(struct dispatcher *dispatcher, struct follow *follow)
{
    if (follow->cancel_until_ms)
        dispatcher->debts--;
    follow->cancel_until_ms = 0;
}

/* ---- following ---- */

static char *copy_text(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static void copy_order(const struct action *from, struct plan *ret_order)
{
    struct action *order = plan_add(ret_order, ACTION_COMMIT);

    order->ns = copy_text(from->ns);
    order->name = copy_text(from->name);
    order->node = copy_text(from->node);
    order->commit_key = copy_text(from->commit_key);
    order->pod_ns = copy_text(from->pod_ns);
    order->pod_name = copy_text(from->pod_name);
    order->pod_uid = copy_text(from->pod_uid);
    order->hold = from->hold;
    order->timeout_ms = from->timeout_ms;
    order->deadline_ms = from->deadline_ms;
    order->targets = xcalloc(from->target_count + 1, sizeof(*order->targets));
    order->target_count = from->target_count;
    for (size_t i = 0; i < from->target_count; i++)
        order->targets[i] = (struct commit_target){.container = copy_text(from->targets[i].container),
                                                   .image = copy_text(from->targets[i].image)};
}

void dispatcher_commit(struct dispatcher *dispatcher, const struct action *commit)
{
    pthread_mutex_lock(&dispatcher->lock);
    if (!dispatcher->stopping && !follow_find(dispatcher, commit->commit_key)) {
        struct follow *follow = follow_add(dispatcher, commit->node, commit->commit_key);
        copy_order(commit, &follow->order);
        follow->view.state = COMMIT_RUNNING;
        dispatcher->unfinished++;
        ensure_followers(dispatcher);
        workqueue_add(dispatcher->queue, follow->key);
    }
    pthread_mutex_unlock(&dispatcher->lock);
}

void dispatcher_view(struct dispatcher *dispatcher, const char *key, struct commit_view *ret_view)
{
    *ret_view = (struct commit_view){.state = COMMIT_UNKNOWN};
    pthread_mutex_lock(&dispatcher->lock);
    const struct follow *follow = follow_find(dispatcher, key);
    if (follow && !follow->forgotten)
        commit_view_copy(&follow->view, ret_view);
    pthread_mutex_unlock(&dispatcher->lock);
}

/* Lock held. */
static void give_up(struct dispatcher *dispatcher, struct follow *follow)
{
    follow->given_up = true;
    line_leave(dispatcher, follow);
    if (follow->stream)
        rpc_stream_cancel(follow->stream);
}

static bool is_attempt_of(const char *key, const char *snapshot_uid)
{
    const size_t length = strlen(snapshot_uid);
    return strncmp(key, snapshot_uid, length) == 0 && key[length] == '.';
}

void dispatcher_forget(struct dispatcher *dispatcher, const char *snapshot_uid)
{
    struct follow *follow, *next;

    pthread_mutex_lock(&dispatcher->lock);
    HASH_ITER(hh, dispatcher->follows, follow, next)
    {
        if (!is_attempt_of(follow->key, snapshot_uid))
            continue;
        give_up(dispatcher, follow);
        follow->forgotten = true;
        workqueue_forget(dispatcher->queue, follow->key);
        if (!follow->busy && !follow->cancel_until_ms) /* else its follower removes it */
            follow_remove(dispatcher, follow);
    }
    pthread_mutex_unlock(&dispatcher->lock);
}

struct dispatcher_load dispatcher_load(struct dispatcher *dispatcher)
{
    pthread_mutex_lock(&dispatcher->lock);
    struct dispatcher_load load = {.followed = dispatcher->unfinished,
                                   .known = HASH_COUNT(dispatcher->follows)};
    pthread_mutex_unlock(&dispatcher->lock);
    return load;
}

/* ---- release and cancel ---- */

static int call_agent(struct dispatcher *dispatcher, const char *node, const char *method,
                      const ProtobufCMessage *request, struct error *err)
{
    static const struct rpc_call_options options = {.timeout_ms = UNARY_TIMEOUT_MS};
    SCOPED(agent_channel) struct agent_channel *channel = agents_get(dispatcher->options.agents, node, err);
    ProtobufCMessage *answer = NULL;

    if (!channel || rpc_unary(agent_channel_rpc(channel), &opensandbox__committer__v1__committer__descriptor,
                              method, request, &answer, &options, err) < 0)
        return -1;
    protobuf_c_message_free_unpacked(answer, NULL);
    return 0;
}

/* The hold is gone, so the image may be older than the files: whoever looks at the view must know. */
static void note_lost_hold(struct dispatcher *dispatcher, const char *node, const char *key,
                           const struct error *why)
{
    const char *reason = NULL;

    if (why->code == ERR_NOT_FOUND)
        reason = "CommitLost";
    else if (why->code == ERR_PRECONDITION && strcmp(why->reason, "HoldExpired") == 0)
        reason = "HoldExpired";
    if (!reason)
        return;
    pthread_mutex_lock(&dispatcher->lock);
    struct follow *follow = follow_find(dispatcher, key);
    if (!follow)
        follow = follow_add(dispatcher, node, key);
    if (is_unfinished(follow))
        dispatcher->unfinished--;
    commit_view_fail(&follow->view, reason, why->text); /* even over a success */
    pthread_mutex_unlock(&dispatcher->lock);
}

/* The agent lost its journal while it held the pod: nobody else will ever thaw it. A pod that is gone is fine. */
static int thaw_pod(struct dispatcher *dispatcher, const char *node, const char *pod_uid, struct error *err)
{
    Opensandbox__Committer__V1__UnpauseRequest request = OPENSANDBOX__COMMITTER__V1__UNPAUSE_REQUEST__INIT;
    Opensandbox__Committer__V1__PodRef pod = OPENSANDBOX__COMMITTER__V1__POD_REF__INIT;

    pod.uid = (char *)pod_uid; /* only read */
    request.pod = &pod;
    if (call_agent(dispatcher, node, "Unpause", &request.base, err) == 0 || err->code == ERR_NOT_FOUND)
        return 0;
    return error_wrap(err, "thawing pod %s, whose commit the agent on node %s forgot", pod_uid, node);
}

int dispatcher_release_kill(struct dispatcher *dispatcher, const char *node, const char *key,
                            const char *pod_uid, struct error *err)
{
    struct error thawing;

    Opensandbox__Committer__V1__ReleaseRequest request = OPENSANDBOX__COMMITTER__V1__RELEASE_REQUEST__INIT;

    request.key = (char *)key; /* only read */
    request.action = OPENSANDBOX__COMMITTER__V1__RELEASE_ACTION__KILL;
    if (call_agent(dispatcher, node, "Release", &request.base, err) == 0)
        return 0;
    if (err->code == ERR_NOT_FOUND && thaw_pod(dispatcher, node, pod_uid, &thawing) < 0) {
        *err = thawing;
        return -1;
    }
    note_lost_hold(dispatcher, node, key, err);
    return error_wrap(err, "releasing commit %s on node %s", key, node);
}

/* No follower may start the commit anew behind our back, so wait until none has it. */
static void stop_following(struct dispatcher *dispatcher, const char *key)
{
    struct follow *follow;

    pthread_mutex_lock(&dispatcher->lock);
    while ((follow = follow_find(dispatcher, key))) {
        give_up(dispatcher, follow);
        if (!follow->busy)
            break;
        pthread_cond_wait(&dispatcher->changed, &dispatcher->lock);
    }
    if (follow && follow->order.count)
        follow_fail(dispatcher, follow, "CommitCancelled", "the commit was cancelled");
    pthread_mutex_unlock(&dispatcher->lock);
}

int dispatcher_tell_cancel(struct dispatcher *dispatcher, const char *node, const char *key,
                           struct error *err)
{
    Opensandbox__Committer__V1__CancelRequest request = OPENSANDBOX__COMMITTER__V1__CANCEL_REQUEST__INIT;

    request.key = (char *)key; /* only read */
    if (call_agent(dispatcher, node, "Cancel", &request.base, err) < 0)
        return error_wrap(err, "cancelling commit %s on node %s", key, node);
    return 0;
}

int dispatcher_cancel(struct dispatcher *dispatcher, const char *node, const char *key, struct error *err)
{
    stop_following(dispatcher, key);
    int result = dispatcher_tell_cancel(dispatcher, node, key, err);

    pthread_mutex_lock(&dispatcher->lock);
    struct follow *follow = follow_find(dispatcher, key);
    if (!follow && result < 0)
        follow = follow_add(dispatcher, node, key);
    if (follow && result < 0)
        follow_owe_cancel(dispatcher, follow);
    else if (follow)
        follow_settle_cancel(dispatcher, follow);
    pthread_mutex_unlock(&dispatcher->lock);
    return result;
}
