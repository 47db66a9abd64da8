/* state.h - the state of a sandbox as clients see it, with its reason, message and time. Which state it is says
 * shared/sandbox_state. Pure; any thread. Spec: contract rest-api.md §6, with the recommended rows. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle-svc/sandbox/orchestrator.h"
#include "shared/sandbox_state/sandbox_state.h"

struct sandbox_status {
    enum sandbox_state state;
    const char *reason; /* static */
    char *message;      /* owned */
    int64_t last_transition_unix_ms;
};

/* The caller frees ret_status->message. */
void sandbox_status_of(const orch_sandbox *sandbox, struct sandbox_status *ret_status);

/* The state alone. */
enum sandbox_state sandbox_state_of(const orch_sandbox *sandbox);

/* The first address of the endpoints annotation as a new string; NULL: none, or malformed. */
char *sandbox_address_of(const orch_sandbox *sandbox);

/* The True PauseFailed or ResumeFailed condition that the state alone does not show, or NULL. Borrowed. */
const orch_condition *sandbox_hidden_failure(const orch_sandbox *sandbox);
