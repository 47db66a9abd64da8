/* What wakes follows before their backoff does: an agent that comes or moves, and a slot that comes free.
 *
 * A node takes so many commits at once; what is more, its agent refuses. Those refused stand in line by age, and only the
 * first of them asks again: when a commit of this node ends, and now and then, because others may hold slots of whom we
 * hear nothing. Once it is admitted, the next one asks, so that several free slots are all found. Whoever asks for the
 * first time does so at once: its commit may be running already, and attaching takes no slot. */
#include <string.h>

#include "snapshot-svc/dispatch/dispatcher_priv.h"

static bool is_unfinished(const struct follow *follow)
{
    return follow->view.state == COMMIT_RUNNING && !follow->given_up;
}

static struct follow *first_in_line(struct dispatcher *dispatcher, const char *node)
{
    struct follow *first = NULL, *follow, *next;

    HASH_ITER(hh, dispatcher->follows, follow, next)
    {
        if (follow->in_line && is_unfinished(follow) && strcmp(follow->node, node) == 0 &&
            (!first || follow->number < first->number))
            first = follow;
    }
    return first;
}

unsigned line_length(const struct dispatcher *dispatcher)
{
    const struct follow *follow, *next;
    unsigned length = 0;

    HASH_ITER(hh, dispatcher->follows, follow, next)
    {
        length += follow->in_line;
    }
    return length;
}

/* Also when it is under way: if it fails, it is tried once more. */
static void try_now(struct dispatcher *dispatcher, const struct follow *follow)
{
    workqueue_forget(dispatcher->queue, follow->key);
    workqueue_add(dispatcher->queue, follow->key);
}

/* One place of the node's may be free. Whoever is asking at this moment may have been refused before it was. */
void line_advance(struct dispatcher *dispatcher, const char *node)
{
    const struct follow *first = first_in_line(dispatcher, node);
    struct follow *follow, *next;

    if (first)
        try_now(dispatcher, first);
    HASH_ITER(hh, dispatcher->follows, follow, next)
    {
        if (follow->busy && strcmp(follow->node, node) == 0)
            follow->slot_came_free = true;
    }
}

void line_join(struct dispatcher *dispatcher, struct follow *follow)
{
    const bool slot_came_free = follow->slot_came_free;

    follow->in_line = true;
    follow->slot_came_free = false;
    if (first_in_line(dispatcher, follow->node) != follow)
        return;
    if (slot_came_free) {
        try_now(dispatcher, follow);
        return;
    }
    workqueue_add_rate_limited(dispatcher->queue, follow->key);
    workqueue_add_after(dispatcher->queue, follow->key,
                        dispatcher->options.line_retry_ms); /* the earlier of the two */
}

void line_leave(struct dispatcher *dispatcher, struct follow *follow)
{
    if (!follow->in_line)
        return;
    follow->in_line = false;
    line_advance(dispatcher, follow->node);
}

/* The old agent's last words are worth waiting for only while it has no successor. */
void follow_agent_changed(void *self, const char *node)
{
    struct dispatcher *dispatcher = self;
    struct follow *follow, *next;

    if (!agents_has(dispatcher->options.agents, node))
        return;
    pthread_mutex_lock(&dispatcher->lock);
    HASH_ITER(hh, dispatcher->follows, follow, next)
    {
        if (strcmp(follow->node, node) != 0 || !(is_unfinished(follow) || follow->cancel_until_ms))
            continue;
        if (follow->stream && agents_has_moved(dispatcher->options.agents, node, follow->channel))
            rpc_stream_cancel(follow->stream);
        try_now(dispatcher, follow);
    }
    pthread_mutex_unlock(&dispatcher->lock);
}
