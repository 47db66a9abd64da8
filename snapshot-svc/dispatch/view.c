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

void commit_view_succeed(struct commit_view *view, const Opensandbox__Committer__V1__CommitSuccess *success)
{
    commit_view_done(view);
    view->state = COMMIT_SUCCEEDED;
    view->frozen_ms = success->frozen_ms;
    view->image_count = success->n_containers;
    view->images = success->n_containers ? xcalloc(success->n_containers, sizeof(*view->images)) : NULL;
    for (size_t i = 0; i < success->n_containers; i++)
        view->images[i] = image_of(success->containers[i]);
}

void commit_view_fail(struct commit_view *view, const char *reason, const char *message)
{
    char *kept_reason = xstrdup(reason), *kept_message = xstrdup(message); /* they may be the view's own */

    commit_view_done(view);
    view->state = COMMIT_FAILED;
    view->reason = kept_reason;
    view->message = kept_message;
}
