#include "lifecycle-svc/rest/diagnostics_text.h"

#include <inttypes.h>
#include <string.h>

#include "lifecycle-svc/sandbox/view.h"
#include "shared/base/clock.h"
#include "shared/base/utf8.h"

typedef Opensandbox__Orchestrator__V1__PodDescription pod;
typedef Opensandbox__Orchestrator__V1__ContainerDescription container;
typedef Opensandbox__Orchestrator__V1__EventDescription event;

/* One line; what is not told is no line. */
static void add_line(struct strbuf *text, const char *label, const char *value)
{
    SCOPED_STRBUF struct strbuf clean = STRBUF_INIT;

    if (!value || !*value)
        return;
    utf8_append_clean(&clean, value, strlen(value));
    (void)strbuf_addf(text, "%s%s\n", label, strbuf_text(&clean));
}

static void add_time(struct strbuf *text, const char *label, int64_t unix_ms)
{
    char time[RFC3339_SIZE];

    if (unix_ms)
        add_line(text, label, rfc3339_format_ms(unix_ms, time));
}

void text_add_heading(struct strbuf *text, const char *heading)
{
    static const char rule[] = "----------------------------------------";

    (void)strbuf_addf(text, "\n%s\n%s\n%s\n", rule, heading, rule);
}

static void add_conditions(struct strbuf *text, const char *indent, orch_condition *const *conditions,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)strbuf_addf(text, "%s%s: %s (reason=%s)\n", indent, conditions[i]->type, conditions[i]->status,
                          *conditions[i]->reason ? conditions[i]->reason : "N/A");
        if (*conditions[i]->message)
            (void)strbuf_addf(text, "%s  Message: %s\n", indent, conditions[i]->message);
    }
}

static void add_sandbox(struct strbuf *text, const orch_sandbox *sandbox)
{
    SCOPED_VIEW struct sandbox_view view = {0};

    sandbox_view_of(sandbox, &view);
    add_line(text, "Sandbox ID:     ", view.id);
    add_line(text, "Namespace:      ", sandbox->namespace_);
    add_line(text, "State:          ", sandbox_state_name(view.status.state));
    add_line(text, "Reason:         ", view.status.reason);
    add_line(text, "Message:        ", view.status.message);
    add_time(text, "Created:        ", view.created_unix_ms);
    add_time(text, "Expires:        ", view.expires_unix_ms);
}

static void add_container(struct strbuf *text, const container *one)
{
    (void)strbuf_addf(text, "  %s:\n", one->name);
    add_line(text, "    Ready:          ", one->ready ? "true" : "false");
    (void)strbuf_addf(text, "    Restart Count:  %" PRId32 "\n", one->restarts);
    add_line(text, "    Image:          ", one->image);
    if (strcmp(one->state, "terminated") == 0)
        (void)strbuf_addf(text, "    State:          terminated (exit=%" PRId32 ", reason=%s)\n",
                          one->exit_code, one->reason);
    else if (*one->reason)
        (void)strbuf_addf(text, "    State:          %s (%s)\n", one->state, one->reason);
    else
        add_line(text, "    State:          ", one->state);
    add_line(text, "    Message:        ", one->message);
}

static void add_pod(struct strbuf *text, const pod *one)
{
    (void)strbuf_addc(text, '\n');
    add_line(text, "Pod Name:       ", one->name);
    add_line(text, "Node:           ", one->node);
    add_line(text, "Phase:          ", one->deleting ? "Terminating" : one->phase);
    add_line(text, "Pod IP:         ", one->ip);
    add_time(text, "Created:        ", one->created_at_unix_ms);
    if (one->n_containers)
        (void)strbuf_adds(text, "Containers:\n");
    for (size_t i = 0; i < one->n_containers; i++)
        add_container(text, one->containers[i]);
}

static void add_snapshot(struct strbuf *text, const orch_snapshot *snapshot)
{
    (void)strbuf_addf(text, "  %s: %s\n", snapshot->name, *snapshot->phase ? snapshot->phase : "Pending");
    for (size_t i = 0; i < snapshot->n_containers; i++)
        (void)strbuf_addf(text, "    %s: %s %s\n", snapshot->containers[i]->container,
                          snapshot->containers[i]->image_uri, snapshot->containers[i]->image_digest);
    add_conditions(text, "    ", snapshot->conditions, snapshot->n_conditions);
}

void text_of_inspection(const orch_description *description, struct strbuf *text)
{
    const orch_sandbox *sandbox = description->sandbox;

    add_sandbox(text, sandbox);
    for (size_t i = 0; i < description->n_pods; i++)
        add_pod(text, description->pods[i]);
    if (sandbox->n_conditions)
        (void)strbuf_adds(text, "\nConditions:\n");
    add_conditions(text, "  ", sandbox->conditions, sandbox->n_conditions);
    if (sandbox->n_labels)
        (void)strbuf_adds(text, "\nLabels:\n");
    for (size_t i = 0; i < sandbox->n_labels; i++)
        (void)strbuf_addf(text, "  %s=%s\n", sandbox->labels[i]->key, sandbox->labels[i]->value);
    if (description->n_snapshots)
        (void)strbuf_adds(text, "\nSnapshots:\n");
    for (size_t i = 0; i < description->n_snapshots; i++)
        add_snapshot(text, description->snapshots[i]);
}

static void add_event(struct strbuf *text, const event *one)
{
    char time[RFC3339_SIZE];
    SCOPED_STRBUF struct strbuf message = STRBUF_INIT;

    utf8_append_clean(&message, one->message, strlen(one->message));
    (void)strbuf_addf(text, "[%s] %-8s %-20s %s: %s", rfc3339_format(one->last_unix_ms / 1000, time),
                      one->type, one->reason, one->object, strbuf_text(&message));
    if (one->count > 1)
        (void)strbuf_addf(text, " (%" PRId32 " times)", one->count);
    (void)strbuf_addc(text, '\n');
}

void text_of_events(const orch_description *description, int64_t limit, struct strbuf *text)
{
    size_t count = description->n_events, first = 0;

    if (count > (size_t)limit)
        first = count - (size_t)limit;
    for (size_t i = first; i < count; i++)
        add_event(text, description->events[i]);
    if (!count)
        (void)strbuf_adds(text, "(no events)\n");
}
