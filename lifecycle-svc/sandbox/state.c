#include "lifecycle-svc/sandbox/state.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

static const char *const failures[] = {"PodFailed", "ResumeFailed",
                                       "PauseFailed"}; /* in order of precedence */

char *sandbox_address_of(const orch_sandbox *sandbox)
{
    return sandbox_first_address(sandbox->endpoints_json);
}

static const struct sandbox_facet *facet_of(const orch_sandbox *sandbox)
{
    const struct sandbox_signs signs = {.deleting = sandbox->deleting,
                                        .phase = sandbox->phase,
                                        .ready = sandbox->ready,
                                        .allocated = sandbox->allocated,
                                        .endpoints = sandbox->endpoints_json};
    return sandbox_facet_of(&signs);
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

static char *message_of(const orch_sandbox *sandbox, const struct sandbox_facet *facet)
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

static int64_t transition_of(const orch_sandbox *sandbox, const struct sandbox_facet *facet)
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
    const struct sandbox_facet *facet = facet_of(sandbox);

    ret_status->state = facet->state;
    ret_status->reason = facet->reason;
    ret_status->message = message_of(sandbox, facet);
    ret_status->last_transition_unix_ms = transition_of(sandbox, facet);
}
