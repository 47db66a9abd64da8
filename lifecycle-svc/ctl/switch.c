/* switch.c - pause and resume, and waiting for states. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lifecycle-svc/ctl/ctl.h"
#include "lifecycle-svc/ctl/interrupt.h"
#include "lifecycle-svc/ctl/print.h"
#include "lifecycle-svc/ctl/progress.h"
#include "lifecycle-svc/ctl/wait.h"
#include "lifecycle-svc/ctl/watch.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"

static int ask_to_pause(struct ctl *ctl, int64_t *ret_generation, struct error *err)
{
    Opensandbox__Lifecycle__V1__PauseSandboxRequest request =
        OPENSANDBOX__LIFECYCLE__V1__PAUSE_SANDBOX_REQUEST__INIT;
    Opensandbox__Lifecycle__V1__PauseSandboxResponse *answer = NULL;

    request.id = (char *)ctl->options->id;
    if (ctl->options->request_id)
        request.request_id = (char *)ctl->options->request_id;
    if (rpc_unary(ctl->channel, LIFECYCLE, "PauseSandbox", &request.base, &answer, NULL, err) < 0)
        return -1;
    *ret_generation = answer->generation;
    protobuf_c_message_free_unpacked(&answer->base, NULL);
    return 0;
}

static int ask_to_resume(struct ctl *ctl, int64_t *ret_generation, struct error *err)
{
    Opensandbox__Lifecycle__V1__ResumeSandboxRequest request =
        OPENSANDBOX__LIFECYCLE__V1__RESUME_SANDBOX_REQUEST__INIT;
    Opensandbox__Lifecycle__V1__ResumeSandboxResponse *answer = NULL;

    request.id = (char *)ctl->options->id;
    if (ctl->options->request_id)
        request.request_id = (char *)ctl->options->request_id;
    if (rpc_unary(ctl->channel, LIFECYCLE, "ResumeSandbox", &request.base, &answer, NULL, err) < 0)
        return -1;
    *ret_generation = answer->generation;
    protobuf_c_message_free_unpacked(&answer->base, NULL);
    return 0;
}

static int ask_to_switch(struct ctl *ctl, bool pause, int64_t *ret_generation, struct error *err)
{
    return pause ? ask_to_pause(ctl, ret_generation, err) : ask_to_resume(ctl, ret_generation, err);
}

static int tell_failure(const ctl_event *event, bool pause)
{
    const char *what = pause ? "pause" : "resume", *state = event->sandbox->status->state;

    if (*event->failed_condition)
        (void)fprintf(stderr, "stasisctl: the %s failed: %s: %s (the sandbox is %s)\n", what,
                      event->failed_reason, event->failed_message, state);
    else
        (void)fprintf(stderr, "stasisctl: the %s failed: the sandbox is %s: %s\n", what, state,
                      event->sandbox->status->message);
    return CTL_FAILED;
}

static int tell_success(const ctl_event *event, const struct options *options, bool pause)
{
    if (options->output != OUTPUT_DEFAULT) {
        print_event(event, options->output);
        return CTL_OK;
    }
    printf("%s %s\n", options->id, pause ? "paused" : "running");
    for (size_t i = 0; pause && i < event->n_images; i++)
        if (*event->images[i]->uri)
            printf("  %s: %s%s%s\n", event->images[i]->container, event->images[i]->uri,
                   *event->images[i]->digest ? "@" : "", event->images[i]->digest);
    return CTL_OK;
}

static int follow_to_the_end(struct ctl *ctl, struct watch *watch, bool pause, struct error *err)
{
    enum wait_end end = WAIT_ON;
    struct progress progress;
    struct wait wait;
    int64_t generation;

    if (ask_to_switch(ctl, pause, &generation, err) < 0)
        return -1;
    wait_begin(&wait, pause, generation);
    interrupt_says(pause ? "leaving; the pause goes on" : "leaving; the resume goes on");
    progress_begin(&progress, clock_monotonic_ms());
    while (end == WAIT_ON) {
        if (watch_next(watch, err) < 0) {
            progress_end(&progress);
            return -1;
        }
        progress_show(&progress, watch_event(watch), clock_monotonic_ms());
        end = wait_look(&wait, watch_event(watch));
    }
    progress_end(&progress);
    return end == WAIT_DONE ? tell_success(watch_event(watch), ctl->options, pause)
                            : tell_failure(watch_event(watch), pause);
}

/* The watch begins before the request, so that nothing that follows from it can be missed. */
static int switch_and_wait(struct ctl *ctl, bool pause, struct error *err)
{
    SCOPED(watch) struct watch *watch = NULL;

    return watch_open(ctl, &watch, err) < 0 ? -1 : follow_to_the_end(ctl, watch, pause, err);
}

static int switch_to(struct ctl *ctl, bool pause, struct error *err)
{
    int64_t generation;

    if (ctl->options->wait)
        return switch_and_wait(ctl, pause, err);
    if (ask_to_switch(ctl, pause, &generation, err) < 0)
        return -1;
    printf("%s %s\n", ctl->options->id, pause ? "pausing" : "resuming");
    return CTL_OK;
}

int ctl_pause(struct ctl *ctl, struct error *err)
{
    return switch_to(ctl, true, err);
}

int ctl_resume(struct ctl *ctl, struct error *err)
{
    return switch_to(ctl, false, err);
}

static bool is_wanted(const struct words *states, const char *state)
{
    for (int i = 0; i < states->count; i++)
        if (strcasecmp(states->items[i], state) == 0)
            return true;
    return false;
}

/* A state that nothing leads out of by itself. */
static bool is_settled(const ctl_event *event)
{
    const char *state = event->sandbox->status->state;
    return strcmp(state, "Failed") == 0 && event->acknowledged_generation >= event->generation;
}

int ctl_wait(struct ctl *ctl, struct error *err)
{
    SCOPED(watch) struct watch *watch = NULL;

    if (watch_open(ctl, &watch, err) < 0)
        return -1;
    while (!is_wanted(&ctl->options->states, watch_event(watch)->sandbox->status->state)) {
        if (is_settled(watch_event(watch))) {
            (void)fprintf(stderr, "stasisctl: the sandbox is Failed: %s\n",
                          watch_event(watch)->sandbox->status->message);
            return CTL_FAILED;
        }
        if (watch_next(watch, err) < 0)
            return -1;
    }
    if (ctl->options->output == OUTPUT_DEFAULT)
        (void)puts(watch_event(watch)->sandbox->status->state);
    else
        print_event(watch_event(watch), ctl->options->output);
    return CTL_OK;
}
