#include "lifecycle-svc/sandbox/snapshot_view.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

/* One outcome of the contract's table. */
struct outcome {
    enum snapshot_state state;
    const char *reason, *message;
    const char *condition; /* whose words and transition time are the outcome's; NULL: none */
    bool own_words;        /* the condition's reason and message are told instead of these */
};

// clang-format off
static const struct outcome in_progress = {SNAPSHOT_CREATING, "snapshot_runtime_in_progress", "Snapshot is being created", NULL, false};
static const struct outcome ready       = {SNAPSHOT_READY, "snapshot_runtime_ready", "Snapshot is ready", "Ready", false};
static const struct outcome no_image    = {SNAPSHOT_FAILED, "snapshot_runtime_missing_image", "The snapshot holds no image", "Ready", false};
static const struct outcome ambiguous   = {SNAPSHOT_FAILED, "snapshot_restore_image_ambiguous",
                                           "The snapshot holds images of several containers, and none of them is named sandbox", "Ready", false};
static const struct outcome failed      = {SNAPSHOT_FAILED, "snapshot_runtime_failed", "The snapshot failed", "Failed", true};
static const struct outcome deleting    = {SNAPSHOT_DELETING, "snapshot_deleting", "Snapshot is being deleted", NULL, false};
// clang-format on

const char *snapshot_state_name(enum snapshot_state state)
{
    static const char *const names[] = {
        [SNAPSHOT_CREATING] = "Creating",
        [SNAPSHOT_READY] = "Ready",
        [SNAPSHOT_FAILED] = "Failed",
        [SNAPSHOT_DELETING] = "Deleting",
    };
    _Static_assert(sizeof(names) / sizeof(names[0]) == SNAPSHOT_STATE_MAX, "every state has a name");

    return names[state];
}

static const struct outcome *outcome_of(const orch_snapshot *snapshot)
{
    if (snapshot->deleting)
        return &deleting;
    if (strcmp(snapshot->phase, "Failed") == 0)
        return &failed;
    if (strcmp(snapshot->phase, "Succeed") != 0)
        return &in_progress;
    if (*snapshot->restore_image)
        return &ready;
    return snapshot->container_count > 1 ? &ambiguous : &no_image;
}

enum snapshot_state snapshot_state_of(const orch_snapshot *snapshot)
{
    return outcome_of(snapshot)->state;
}

static const orch_condition *true_condition(const orch_snapshot *snapshot, const char *type)
{
    for (size_t i = 0; type && i < snapshot->n_conditions; i++)
        if (strcmp(snapshot->conditions[i]->type, type) == 0 &&
            strcmp(snapshot->conditions[i]->status, "True") == 0)
            return snapshot->conditions[i];
    return NULL;
}

static const char *first_of(const char *wanted, const char *otherwise)
{
    return wanted && *wanted ? wanted : otherwise;
}

static void set_status(const orch_snapshot *snapshot, struct snapshot_view *view)
{
    const struct outcome *outcome = outcome_of(snapshot);
    const orch_condition *condition = true_condition(snapshot, outcome->condition);
    const orch_condition *words = outcome->own_words ? condition : NULL;

    view->state = outcome->state;
    view->reason = xstrdup(first_of(words ? words->reason : NULL, outcome->reason));
    view->message = xstrdup(first_of(words ? words->message : NULL, outcome->message));
    view->last_transition_unix_ms = condition && condition->last_transition_unix_ms
                                        ? condition->last_transition_unix_ms
                                        : snapshot->created_at_unix_ms;
}

static void set_images(const orch_snapshot *snapshot, struct snapshot_view *view)
{
    view->images = xcalloc(snapshot->n_containers + 1, sizeof(*view->images));
    for (size_t i = 0; i < snapshot->n_containers; i++)
        view->images[view->image_count++] = (struct snapshot_image){
            .container = xstrdup(snapshot->containers[i]->container),
            .uri = xstrdup(snapshot->containers[i]->image_uri),
            .digest = xstrdup(snapshot->containers[i]->image_digest),
        };
}

static void set_progress(const orch_snapshot *snapshot, struct snapshot_view *view)
{
    if (!snapshot->progress || view->state != SNAPSHOT_CREATING)
        return;
    view->work_phase = xstrdup(snapshot->progress->phase);
    view->bytes_read = snapshot->progress->bytes_read;
    view->bytes_total = snapshot->progress->bytes_total;
    view->bytes_pushed = snapshot->progress->bytes_pushed;
    view->files = snapshot->progress->files;
}

void snapshot_view_of(const orch_snapshot *snapshot, struct snapshot_view *ret_view)
{
    *ret_view = (struct snapshot_view){
        .id = xstrdup(snapshot->id),
        .sandbox_id = xstrdup(snapshot->sandbox),
        .name = *snapshot->display_name ? xstrdup(snapshot->display_name) : NULL,
        .created_unix_ms = snapshot->created_at_unix_ms,
    };
    set_status(snapshot, ret_view);
    set_images(snapshot, ret_view);
    set_progress(snapshot, ret_view);
}

void snapshot_view_done(struct snapshot_view *view)
{
    for (size_t i = 0; i < view->image_count; i++) {
        free(view->images[i].container);
        free(view->images[i].uri);
        free(view->images[i].digest);
    }
    free(view->images);
    free(view->id);
    free(view->sandbox_id);
    free(view->name);
    free(view->reason);
    free(view->message);
    free(view->work_phase);
    *view = (struct snapshot_view){0};
}
