/* switch.c - pause and resume, and waiting for them. */
#include <stdio.h>
#include <string.h>

#include "lifecycle-svc/ctl/ctl.h"
#include "lifecycle-svc/ctl/interrupt.h"
#include "lifecycle-svc/ctl/print.h"
#include "lifecycle-svc/ctl/progress.h"
#include "lifecycle-svc/ctl/wait.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"

static void event_free(ctl_event *event)
{
    if (event)
        protobuf_c_message_free_unpacked(&event->base, NULL);
}
DEFINE_FREEP(stream, struct rpc_stream, rpc_stream_free)
DEFINE_FREEP(event, ctl_event, event_free)

static int ask_to_switch(struct ctl *ctl, bool pause, struct error *err)
{
    Opensandbox__Lifecycle__V1__PauseSandboxRequest pause_request =
        OPENSANDBOX__LIFECYCLE__V1__PAUSE_SANDBOX_REQUEST__INIT;
    Opensandbox__Lifecycle__V1__ResumeSandboxRequest resume_request =
        OPENSANDBOX__LIFECYCLE__V1__RESUME_SANDBOX_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;

    pause_request.id = resume_request.id = (char *)ctl->options->id;
    if (rpc_unary(ctl->channel, LIFECYCLE, pause ? "PauseSandbox" : "ResumeSandbox",
                  pause ? &pause_request.base : &resume_request.base, &answer, NULL, err) < 0)
        return -1;
    protobuf_c_message_free_unpacked(answer, NULL);
    return 0;
}

static int open_watch(struct ctl *ctl, struct rpc_stream **ret_stream, struct error *err)
{
    Opensandbox__Lifecycle__V1__GetSandboxRequest request =
        OPENSANDBOX__LIFECYCLE__V1__GET_SANDBOX_REQUEST__INIT;

    request.id = (char *)ctl->options->id;
    return rpc_stream_open(ctl->channel, LIFECYCLE, "WatchSandbox", &request.base, ret_stream, NULL, err);
}

static int next_event(struct rpc_stream *stream, ctl_event **ret_event, struct error *err)
{
    event_freep(ret_event);
    int more = rpc_stream_next(stream, ret_event, err);
    if (more == 0)
        return error_set(err, ERR_UNAVAILABLE, "the watch ended; stasisctl get shows how the sandbox is");
    return more < 0 ? -1 : 0;
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
    ctl_sandbox *const one[] = {event->sandbox};

    if (options->output != OUTPUT_DEFAULT) {
        print_sandboxes(one, 1, options->output, true);
        return CTL_OK;
    }
    printf("%s %s\n", options->id, pause ? "paused" : "running");
    for (size_t i = 0; pause && i < event->n_images; i++)
        if (*event->images[i]->uri)
            printf("  %s: %s%s%s\n", event->images[i]->container, event->images[i]->uri,
                   *event->images[i]->digest ? "@" : "", event->images[i]->digest);
    return CTL_OK;
}

static int follow_to_the_end(struct ctl *ctl, struct rpc_stream *stream, bool pause, ctl_event **event,
                             struct error *err)
{
    enum wait_end end = WAIT_ON;
    struct progress progress;
    struct wait wait;

    wait_begin(&wait, pause, *event);
    if (ask_to_switch(ctl, pause, err) < 0)
        return -1;
    interrupt_says(pause ? "leaving; the pause goes on" : "leaving; the resume goes on");
    progress_begin(&progress, clock_monotonic_ms());
    while (end == WAIT_ON) {
        if (next_event(stream, event, err) < 0) {
            progress_end(&progress);
            return -1;
        }
        progress_show(&progress, *event, clock_monotonic_ms());
        end = wait_look(&wait, *event);
    }
    progress_end(&progress);
    return end == WAIT_DONE ? tell_success(*event, ctl->options, pause) : tell_failure(*event, pause);
}

/* The watch begins before the request, so that nothing that follows from it can be missed. */
static int switch_and_wait(struct ctl *ctl, bool pause, struct error *err)
{
    SCOPED(stream) struct rpc_stream *stream = NULL;
    SCOPED(event) ctl_event *event = NULL;

    if (open_watch(ctl, &stream, err) < 0 || next_event(stream, &event, err) < 0)
        return -1;
    return follow_to_the_end(ctl, stream, pause, &event, err);
}

static int switch_to(struct ctl *ctl, bool pause, struct error *err)
{
    if (ctl->options->wait)
        return switch_and_wait(ctl, pause, err);
    if (ask_to_switch(ctl, pause, err) < 0)
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
