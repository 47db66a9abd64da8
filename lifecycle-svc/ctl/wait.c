#include "lifecycle-svc/ctl/wait.h"

#include <string.h>

static bool is_in(const ctl_event *event, const char *state)
{
    return event->sandbox && event->sandbox->status && strcmp(event->sandbox->status->state, state) == 0;
}

static bool shows_failure(const struct wait *wait, const ctl_event *event)
{
    return strcmp(event->failed_condition, wait->for_pause ? "PauseFailed" : "ResumeFailed") == 0;
}

void wait_begin(struct wait *wait, bool for_pause, int64_t generation)
{
    *wait = (struct wait){.for_pause = for_pause, .generation = generation};
}

/* Has snapshot-svc acted on our request, or is this still the state from before it? */
static bool is_answered(const struct wait *wait, const ctl_event *event)
{
    return event->acknowledged_generation >= wait->generation;
}

enum wait_end wait_look(struct wait *wait, const ctl_event *event)
{
    if (is_in(event, wait->for_pause ? "Paused" : "Running"))
        return WAIT_DONE;
    if (is_in(event, "Failed") || is_in(event, "Stopping"))
        return WAIT_FAILED;
    if (is_in(event, "Pausing") || is_in(event, "Resuming")) {
        wait->moved = true;
        return WAIT_ON;
    }
    /* Back where it began. A watch may skip states, so an answer counts even when no move was seen. */
    if (shows_failure(wait, event) && (wait->moved || is_answered(wait, event)))
        return WAIT_FAILED;
    return WAIT_ON;
}
