/* What is asked of an agent besides following a commit: Release, KeepLocally, and ending one by Cancel or Discard. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "snapshot-svc/dispatch/dispatcher_priv.h"

enum {
    UNARY_TIMEOUT_MS = 20 * 1000, /* the agent kills or thaws before it answers */
    KEEP_TIMEOUT_MS = 60 * 1000,  /* it reads all files once more, when their upload had not come so far */
};

typedef Opensandbox__Committer__V1__KeepLocallyResponse KeepLocallyResponse;

struct question {
    const char *node, *method;
    const ProtobufCMessage *message;
    int64_t timeout_ms;
};

/* *ret_answer is the caller's; NULL: nothing is in it. */
static int ask(struct dispatcher *dispatcher, const struct question *question, ProtobufCMessage **ret_answer,
               struct error *err)
{
    const struct rpc_call_options options = {.timeout_ms = question->timeout_ms};
    SCOPED(agent_channel)
    struct agent_channel *channel = agents_get(dispatcher->options.agents, question->node, err);
    ProtobufCMessage *answer = NULL;

    if (!channel || rpc_unary(agent_channel_rpc(channel), &opensandbox__committer__v1__committer__descriptor,
                              question->method, question->message, &answer, &options, err) < 0)
        return -1;
    if (ret_answer)
        *ret_answer = answer;
    else
        protobuf_c_message_free_unpacked(answer, NULL);
    return 0;
}

static int tell_agent(struct dispatcher *dispatcher, const char *node, const char *method,
                      const ProtobufCMessage *message, struct error *err)
{
    const struct question question = {node, method, message, UNARY_TIMEOUT_MS};

    return ask(dispatcher, &question, NULL, err);
}

static struct follow *find_or_add(struct dispatcher *dispatcher, const char *node, const char *key)
{
    struct follow *follow = follow_find(dispatcher, key);

    return follow ? follow : follow_add(dispatcher, node, key);
}

/* Lock held. Whatever it was before. */
static void fail_view(struct dispatcher *dispatcher, struct follow *follow, const char *reason,
                      const char *message)
{
    if (follow_is_unfinished(follow))
        dispatcher->unfinished--;
    commit_view_fail(&follow->view, reason, message);
}

/* ---- Release ---- */

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
    fail_view(dispatcher, find_or_add(dispatcher, node, key), reason, why->text); /* even over a success */
    pthread_mutex_unlock(&dispatcher->lock);
}

/* The agent lost its journal while it held the pod: nobody else will ever thaw it. A pod that is gone is fine. */
static int thaw_pod(struct dispatcher *dispatcher, const char *node, const char *pod_uid, struct error *err)
{
    Opensandbox__Committer__V1__UnpauseRequest request = OPENSANDBOX__COMMITTER__V1__UNPAUSE_REQUEST__INIT;
    Opensandbox__Committer__V1__PodRef pod = OPENSANDBOX__COMMITTER__V1__POD_REF__INIT;

    pod.uid = (char *)pod_uid; /* only read */
    request.pod = &pod;
    if (tell_agent(dispatcher, node, "Unpause", &request.base, err) == 0 || err->code == ERR_NOT_FOUND)
        return 0;
    return error_wrap(err, "thawing pod %s, whose commit the agent on node %s forgot", pod_uid, node);
}

/* Of a commit that runs: until there is an answer, nobody knows whether its pod was handed over. */
static void note_release(struct dispatcher *dispatcher, const char *key)
{
    pthread_mutex_lock(&dispatcher->lock);
    struct follow *follow = follow_find(dispatcher, key);
    if (follow && follow_is_unfinished(follow) && !follow->view.handed_over)
        follow->view.in_doubt = true;
    pthread_mutex_unlock(&dispatcher->lock);
}

static void note_release_answer(struct dispatcher *dispatcher, const char *key, const struct error *refusal)
{
    pthread_mutex_lock(&dispatcher->lock);
    struct follow *follow = follow_find(dispatcher, key);
    if (follow && follow_is_unfinished(follow)) {
        if (!refusal)
            follow_handed_over(follow);
        else if (refusal->code == ERR_NOT_FOUND || refusal->code == ERR_PRECONDITION)
            follow->view.in_doubt = false;
    }
    pthread_mutex_unlock(&dispatcher->lock);
}

int dispatcher_release_kill(struct dispatcher *dispatcher, const char *node, const char *key,
                            const char *pod_uid, struct error *err)
{
    Opensandbox__Committer__V1__ReleaseRequest request = OPENSANDBOX__COMMITTER__V1__RELEASE_REQUEST__INIT;
    struct error thawing = {0};

    request.key = (char *)key; /* only read */
    request.action = OPENSANDBOX__COMMITTER__V1__RELEASE_ACTION__KILL;
    note_release(dispatcher, key);
    int result = tell_agent(dispatcher, node, "Release", &request.base, err);
    note_release_answer(dispatcher, key, result < 0 ? err : NULL);
    if (result == 0)
        return 0;
    if (err->code == ERR_NOT_FOUND && thaw_pod(dispatcher, node, pod_uid, &thawing) < 0) {
        *err = thawing;
        return -1;
    }
    note_lost_hold(dispatcher, node, key, err);
    return error_wrap(err, "releasing commit %s on node %s", key, node);
}

/* ---- KeepLocally ---- */

static void note_kept(struct dispatcher *dispatcher, struct follow *follow, const KeepLocallyResponse *kept)
{
    if (follow->view.state == COMMIT_SUCCEEDED)
        return; /* the upload was faster: the image is everywhere */
    if (follow_is_unfinished(follow))
        dispatcher->unfinished--;
    commit_view_keep(&follow->view, kept);
    follow_give_up(dispatcher, follow);
}

/* Then nobody knows how to reach the files: to be told, and to be asked again. */
static bool is_lost(const struct error *err)
{
    return err->code == ERR_NOT_FOUND || err->code == ERR_PRECONDITION;
}

/* Whoever looks at the view is woken: there is no stream that would. */
static void note_keep_answer(struct dispatcher *dispatcher, const struct question *question, const char *key,
                             const KeepLocallyResponse *kept, const struct error *err)
{
    const struct dispatcher_options *options = &dispatcher->options;
    SCOPED(string) char *ns = NULL, *name = NULL;

    if (!kept && !is_lost(err))
        return;
    pthread_mutex_lock(&dispatcher->lock);
    struct follow *follow = find_or_add(dispatcher, question->node, key);
    const bool told_before = follow->view.state == COMMIT_FAILED && follow->view.reason &&
                             strcmp(follow->view.reason, "CommitLost") == 0;
    if (kept)
        note_kept(dispatcher, follow, kept);
    else
        fail_view(dispatcher, follow, "CommitLost", err->text);
    if (follow->order.count && (kept || !told_before)) {
        ns = xstrdup(follow->order.actions->ns);
        name = xstrdup(follow->order.actions->name);
    }
    pthread_mutex_unlock(&dispatcher->lock);
    if (name)
        options->changed(options->self, ns, name, 0);
}

int dispatcher_keep_locally(struct dispatcher *dispatcher, const char *node, const char *key,
                            struct error *err)
{
    Opensandbox__Committer__V1__KeepLocallyRequest request =
        OPENSANDBOX__COMMITTER__V1__KEEP_LOCALLY_REQUEST__INIT;
    const struct question question = {node, "KeepLocally", &request.base, KEEP_TIMEOUT_MS};
    ProtobufCMessage *answer = NULL;

    request.key = (char *)key; /* only read */
    int result = ask(dispatcher, &question, &answer, err);
    note_keep_answer(dispatcher, &question, key, (const KeepLocallyResponse *)answer, err);
    if (result < 0)
        return error_wrap(err, "keeping commit %s on node %s", key, node);
    protobuf_c_message_free_unpacked(answer, NULL);
    return 0;
}

/* ---- Cancel and Discard ---- */

/* No follower may start the commit anew behind our back, so wait until none has it. */
static void stop_following(struct dispatcher *dispatcher, const char *key)
{
    struct follow *follow;

    pthread_mutex_lock(&dispatcher->lock);
    while ((follow = follow_find(dispatcher, key))) {
        follow_give_up(dispatcher, follow);
        if (!follow->busy)
            break;
        pthread_cond_wait(&dispatcher->changed, &dispatcher->lock);
    }
    if (follow && follow->order.count)
        follow_fail(dispatcher, follow, "CommitCancelled", "the commit was cancelled");
    pthread_mutex_unlock(&dispatcher->lock);
}

static int tell_cancel(struct dispatcher *dispatcher, const char *node, const char *key, struct error *err)
{
    Opensandbox__Committer__V1__CancelRequest request = OPENSANDBOX__COMMITTER__V1__CANCEL_REQUEST__INIT;

    request.key = (char *)key; /* only read */
    if (tell_agent(dispatcher, node, "Cancel", &request.base, err) < 0)
        return error_wrap(err, "cancelling commit %s on node %s", key, node);
    return 0;
}

int dispatcher_tell_end(struct dispatcher *dispatcher, const char *node, const char *key, bool discard,
                        struct error *err)
{
    Opensandbox__Committer__V1__DiscardRequest request = OPENSANDBOX__COMMITTER__V1__DISCARD_REQUEST__INIT;

    if (!discard)
        return tell_cancel(dispatcher, node, key, err);
    request.key = (char *)key; /* only read */
    if (tell_agent(dispatcher, node, "Discard", &request.base, err) == 0)
        return 0;
    if (err->code != ERR_UNSUPPORTED)
        return error_wrap(err, "discarding commit %s on node %s", key, node);
    error_clear(err); /* an older agent, which hands nothing over */
    return tell_cancel(dispatcher, node, key, err);
}

static int end_commit(struct dispatcher *dispatcher, const char *node, const char *key, bool discard,
                      struct error *err)
{
    stop_following(dispatcher, key);
    int result = dispatcher_tell_end(dispatcher, node, key, discard, err);

    pthread_mutex_lock(&dispatcher->lock);
    struct follow *follow = follow_find(dispatcher, key);
    if (!follow && result < 0)
        follow = follow_add(dispatcher, node, key);
    if (follow && result < 0) {
        follow->owes_discard |= discard;
        follow_owe_cancel(dispatcher, follow);
    } else if (follow) {
        follow_settle_cancel(dispatcher, follow);
    }
    pthread_mutex_unlock(&dispatcher->lock);
    return result;
}

int dispatcher_cancel(struct dispatcher *dispatcher, const char *node, const char *key, struct error *err)
{
    return end_commit(dispatcher, node, key, false, err);
}

int dispatcher_discard(struct dispatcher *dispatcher, const char *node, const char *key, struct error *err)
{
    return end_commit(dispatcher, node, key, true, err);
}
