#include "snapshot-svc/dispatch/view.h"

#include <stdlib.h>

#include "shared/base/alloc.h"
#include "snapshot-svc/dispatch/dispatcher.h"

typedef Opensandbox__Committer__V1__ContainerResult ContainerResult;

bool commit_view_is_final(const struct commit_view *view)
{
    return view->state == COMMIT_SUCCEEDED || view->state == COMMIT_FAILED;
}

void commit_view_done(struct commit_view *view)
{
    for (size_t i = 0; i < view->image_count; i++) {
        free(view->images[i].container);
        free(view->images[i].image);
        free(view->images[i].digest);
    }
    free(view->images);
    free(view->reason);
    free(view->message);
    free(view->path_why);
    *view = (struct commit_view){0};
}

static char *copy_text(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

void commit_view_copy(const struct commit_view *from, struct commit_view *ret_copy)
{
    *ret_copy = *from;
    ret_copy->reason = copy_text(from->reason);
    ret_copy->message = copy_text(from->message);
    ret_copy->path_why = copy_text(from->path_why);
    ret_copy->images = from->image_count ? xcalloc(from->image_count, sizeof(*from->images)) : NULL;
    for (size_t i = 0; i < from->image_count; i++) {
        ret_copy->images[i] = from->images[i];
        ret_copy->images[i].container = copy_text(from->images[i].container);
        ret_copy->images[i].image = copy_text(from->images[i].image);
        ret_copy->images[i].digest = copy_text(from->images[i].digest);
    }
}

static const char *phase_name(Opensandbox__Committer__V1__Phase phase)
{
    switch (phase) {
    case OPENSANDBOX__COMMITTER__V1__PHASE__RESOLVING:
        return "Resolving";
    case OPENSANDBOX__COMMITTER__V1__PHASE__FREEZING:
        return "Freezing";
    case OPENSANDBOX__COMMITTER__V1__PHASE__CAPTURING:
        return "Capturing";
    case OPENSANDBOX__COMMITTER__V1__PHASE__PUSHING:
        return "Pushing";
    case OPENSANDBOX__COMMITTER__V1__PHASE__HOLDING:
    case OPENSANDBOX__COMMITTER__V1__PHASE__DONE:
        return "Holding";
    default: /* of a newer agent, or none */
        return NULL;
    }
}

void commit_view_progress(struct commit_view *view, const Opensandbox__Committer__V1__Progress *progress)
{
    view->progress = (struct commit_progress){.phase = phase_name(progress->phase),
                                              .bytes_read = progress->bytes_read,
                                              .bytes_total = progress->bytes_total,
                                              .bytes_pushed = progress->bytes_pushed,
                                              .files = progress->files};
}

static struct commit_image image_of(const ContainerResult *result)
{
    return (struct commit_image){.container = xstrdup(result->container),
                                 .image = xstrdup(result->image),
                                 .digest = xstrdup(result->digest),
                                 .layer_size = result->layer_size,
                                 .image_size = result->image_size,
                                 .layers = result->layers};
}

static void take_images(struct commit_view *view, ContainerResult **results, size_t count)
{
    view->image_count = count;
    view->images = count ? xcalloc(count, sizeof(*view->images)) : NULL;
    for (size_t i = 0; i < count; i++)
        view->images[i] = image_of(results[i]);
}

static const char *path_name(Opensandbox__Committer__V1__CommitPath path)
{
    switch (path) {
    case OPENSANDBOX__COMMITTER__V1__COMMIT_PATH__HOLD:
        return "Hold";
    case OPENSANDBOX__COMMITTER__V1__COMMIT_PATH__HANDOVER:
        return "Handover";
    case OPENSANDBOX__COMMITTER__V1__COMMIT_PATH__LIVE:
        return "Live";
    default: /* of an older agent, or a newer one */
        return NULL;
    }
}

/* An end: of all that was known only this stays. */
static void enter(struct commit_view *view, enum commit_state state)
{
    const bool handed_over = view->handed_over;

    commit_view_done(view);
    view->state = state;
    view->handed_over = handed_over;
}

void commit_view_succeed(struct commit_view *view, const Opensandbox__Committer__V1__CommitSuccess *success)
{
    enter(view, COMMIT_SUCCEEDED);
    view->frozen_ms = success->frozen_ms;
    view->path = path_name(success->path);
    view->path_why = *success->path_why ? xstrdup(success->path_why) : NULL;
    view->warm = success->warm;
    view->handed_over |= success->path == OPENSANDBOX__COMMITTER__V1__COMMIT_PATH__HANDOVER;
    take_images(view, success->containers, success->n_containers);
}

static void set_trouble(struct commit_view *view, char *reason, char *message)
{
    free(view->reason);
    free(view->message);
    view->reason = reason;
    view->message = message;
}

void commit_view_fail(struct commit_view *view, const char *reason, const char *message)
{
    char *kept_reason = xstrdup(reason), *kept_message = xstrdup(message); /* they may be the view's own */

    enter(view, COMMIT_FAILED);
    set_trouble(view, kept_reason, kept_message);
}

void commit_view_trouble(struct commit_view *view, const char *reason, const char *message)
{
    set_trouble(view, xstrdup(reason), xstrdup(message));
}

void commit_view_keep(struct commit_view *view, const Opensandbox__Committer__V1__KeepLocallyResponse *kept)
{
    char *reason = view->reason, *message = view->message;

    view->reason = view->message = NULL;
    enter(view, COMMIT_FAILED);
    set_trouble(view, reason, message);
    view->handed_over = view->kept = true;
    take_images(view, kept->containers, kept->n_containers);
}
