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
    LINE_RETRY_MS = 1000,
    PROGRESS_EVERY_MS = 1000,
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
    if (!options.line_retry_ms)
        options.line_retry_ms = LINE_RETRY_MS;
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

struct follow *follow_add(struct dispatcher *dispatcher, const char *node, const char *key)
{
    struct follow *follow = xcalloc(1, sizeof(*follow));

    follow->key = xstrdup(key);
    follow->node = xstrdup(node);
    follow->number = dispatcher->numbered++;
    follow->uploads = (struct backoff){.first_ms = dispatcher->options.retry_first_ms,
                                       .max_ms = dispatcher->options.retry_max_ms};
    HASH_ADD_KEYPTR(hh, dispatcher->follows, follow->key, strlen(follow->key), follow);
    return follow;
}

bool follow_is_unfinished(const struct follow *follow)
{
    return follow->view.state == COMMIT_RUNNING;
}

void follow_remove(struct dispatcher *dispatcher, struct follow *follow)
{
    HASH_DEL(dispatcher->follows, follow);
    if (follow_is_unfinished(follow))
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
    if (follow_is_unfinished(follow))
        dispatcher->unfinished--;
    else if (commit_view_is_final(&follow->view))
        return;
    commit_view_fail(&follow->view, reason, message);
}

void follow_succeed(struct dispatcher *dispatcher, struct follow *follow,
                    const Opensandbox__Committer__V1__CommitSuccess *success)
{
    if (!follow_is_unfinished(follow))
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

void follow_handed_over(struct follow *follow)
{
    const struct action *order = follow->order.actions;
    struct commit_view *view = &follow->view;

    view->in_doubt = false;
    if (view->handed_over || !order)
        return;
    view->handed_over = true;
    const int64_t upload_until_ms = clock_realtime_ms() + order->upload_timeout_ms;
    if (upload_until_ms > follow->deadline_ms)
        follow->deadline_ms = upload_until_ms;
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
    order->early_release = from->early_release;
    order->attach = from->attach;
    order->handed_over = from->handed_over;
    order->upload_timeout_ms = from->upload_timeout_ms;
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
        follow->deadline_ms = commit->deadline_ms;
        follow->view.state = COMMIT_RUNNING;
        follow->view.handed_over = commit->handed_over;
        follow->view.in_doubt = commit->early_release && commit->attach && !commit->handed_over;
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

void follow_give_up(struct dispatcher *dispatcher, struct follow *follow)
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
        follow_give_up(dispatcher, follow);
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
                                   .in_line = line_length(dispatcher),
                                   .known = HASH_COUNT(dispatcher->follows)};
    pthread_mutex_unlock(&dispatcher->lock);
    return load;
}
