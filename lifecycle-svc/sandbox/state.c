#include "lifecycle-svc/sandbox/state.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"

/* One way to be in a state, as clients see it. */
struct facet {
    enum sandbox_state state;
    const char *reason, *message;
    const char *condition; /* whose transition time is the state's; NULL: several candidates, or none */
};

enum { PHASE_ROWS = 7 };

/* Primary rows: status.phase. "Running" is an older spelling of Succeed. */
static const struct {
    const char *phase;
    struct facet facet;
} phases[PHASE_ROWS] = {
    // clang-format off
    {"Pending",  {STATE_PENDING,  "CREATING", "Sandbox is being created", "Progressing"}},
    {"Succeed",  {STATE_RUNNING,  "RUNNING",  "Sandbox is running",       "Ready"}},
    {"Running",  {STATE_RUNNING,  "RUNNING",  "Sandbox is running",       "Ready"}},
    {"Pausing",  {STATE_PAUSING,  "PAUSING",  "Pausing sandbox",          "Progressing"}},
    {"Paused",   {STATE_PAUSED,   "PAUSED",   "Sandbox is paused",        "Paused"}},
    {"Resuming", {STATE_RESUMING, "RESUMING", "Resuming sandbox",         "Progressing"}},
    {"Failed",   {STATE_FAILED,   "FAILED",   "Operation failed",         NULL}},
    // clang-format on
};

/* Fallback rows: objects whose phase nobody has written. */
static const struct facet ready_with_ip = {STATE_RUNNING, "POD_READY_WITH_IP", "Pod is ready with IP",
                                           "Ready"};
static const struct facet ip_assigned = {STATE_ALLOCATED, "IP_ASSIGNED", "Pod has IP assigned", NULL};
static const struct facet scheduled = {STATE_PENDING, "POD_SCHEDULED", "Pod is scheduled but not ready",
                                       "Progressing"};
static const struct facet waiting = {STATE_PENDING, "BATCHSANDBOX_PENDING", "Sandbox is waiting for a pod",
                                     "Progressing"};
static const struct facet stopping = {STATE_STOPPING, "STOPPING", "Sandbox is being deleted", NULL};

static const char *const failures[] = {"PodFailed", "ResumeFailed",
                                       "PauseFailed"}; /* in order of precedence */

const char *sandbox_state_name(enum sandbox_state state)
{
    static const char *const names[] = {
        [STATE_PENDING] = "Pending",   [STATE_ALLOCATED] = "Allocated", [STATE_RUNNING] = "Running",
        [STATE_PAUSING] = "Pausing",   [STATE_PAUSED] = "Paused",       [STATE_RESUMING] = "Resuming",
        [STATE_STOPPING] = "Stopping", [STATE_FAILED] = "Failed",
    };
    _Static_assert(sizeof(names) / sizeof(names[0]) == STATE_MAX, "every state has a name");

    return names[state];
}

char *sandbox_address_of(const orch_sandbox *sandbox)
{
    SCOPED(json)
    json_t *endpoints = NULL;
    struct error ignored; /* a malformed annotation is no address, says the contract */
    const char *text = sandbox->endpoints_json;

    if (!*text || json_parse(text, strlen(text), "endpoints", &endpoints, &ignored) < 0)
        return NULL;
    const char *first = json_string_value(json_array_get(endpoints, 0));
    return first && *first ? xstrdup(first) : NULL;
}

static const struct facet *facet_without_phase(const orch_sandbox *sandbox)
{
    SCOPED(string)
    char *address = sandbox_address_of(sandbox);

    if (address)
        return sandbox->ready == 1 ? &ready_with_ip : &ip_assigned;
    return sandbox->allocated > 0 ? &scheduled : &waiting;
}

static const struct facet *facet_of(const orch_sandbox *sandbox)
{
    if (sandbox->deleting)
        return &stopping;
    for (size_t i = 0; i < PHASE_ROWS; i++)
        if (strcmp(sandbox->phase, phases[i].phase) == 0)
            return &phases[i].facet;
    return facet_without_phase(sandbox);
}

enum sandbox_state sandbox_state_of(const orch_sandbox *sandbox)
{
    return facet_of(sandbox)->state;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

static const orch_condition *failure_with_message(const orch_sandbox *sandbox)
{
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        const orch_condition *condition = orch_true_condition(sandbox, failures[i]);
        if (condition && !is_blank(condition->message))
            return condition;
    }
    return NULL;
}

const orch_condition *sandbox_hidden_failure(const orch_sandbox *sandbox)
{
    const orch_condition *failed;

    switch (sandbox_state_of(sandbox)) {
    case STATE_RUNNING:
    case STATE_PAUSED:
        failed = orch_true_condition(sandbox, "PauseFailed");
        return failed ? failed : orch_true_condition(sandbox, "ResumeFailed");
    case STATE_PENDING:
    case STATE_ALLOCATED:
    case STATE_PAUSING:
    case STATE_RESUMING:
    case STATE_STOPPING:
    case STATE_FAILED:
    case STATE_MAX:
        break;
    }
    return NULL;
}

static char *message_of(const orch_sandbox *sandbox, const struct facet *facet)
{
    const orch_condition *failed;

    if (facet->state == STATE_FAILED) {
        failed = failure_with_message(sandbox);
        return xstrdup(failed ? failed->message : facet->message);
    }
    failed = sandbox_hidden_failure(sandbox);
    if (!failed || is_blank(failed->message))
        return xstrdup(facet->message);
    return xasprintf("%s; %s: %s", facet->message,
                     strcmp(failed->type, "PauseFailed") == 0 ? "the last pause failed"
                                                              : "the last resume failed",
                     failed->message);
}

static int64_t transition_of(const orch_sandbox *sandbox, const struct facet *facet)
{
    const orch_condition *condition =
        facet->condition ? orch_true_condition(sandbox, facet->condition) : NULL;

    if (facet->state == STATE_FAILED)
        for (size_t i = 0; !condition && i < sizeof(failures) / sizeof(failures[0]); i++)
            condition = orch_true_condition(sandbox, failures[i]);
    if (condition && condition->last_transition_unix_ms)
        return condition->last_transition_unix_ms;
    return sandbox->created_at_unix_ms;
}

void sandbox_status_of(const orch_sandbox *sandbox, struct sandbox_status *ret_status)
{
    const struct facet *facet = facet_of(sandbox);

    ret_status->state = facet->state;
    ret_status->reason = facet->reason;
    ret_status->message = message_of(sandbox, facet);
    ret_status->last_transition_unix_ms = transition_of(sandbox, facet);
}
