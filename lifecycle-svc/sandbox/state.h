/* state.h - from a BatchSandbox's status to what clients call its state. Pure; any thread.
 * Spec: contract rest-api.md §6, with the recommended rows. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle-svc/sandbox/orchestrator.h"

enum sandbox_state {
    STATE_PENDING,
    STATE_ALLOCATED, /* has an address, readiness unknown: only for objects without a phase */
    STATE_RUNNING,
    STATE_PAUSING,
    STATE_PAUSED,
    STATE_RESUMING,
    STATE_STOPPING,
    STATE_FAILED,
    STATE_MAX
};

const char *sandbox_state_name(enum sandbox_state state); /* "Running" */

struct sandbox_status {
    enum sandbox_state state;
    const char *reason; /* static */
    char *message;      /* owned */
    int64_t last_transition_unix_ms;
};

/* The caller frees ret_status->message. */
void sandbox_status_of(const orch_sandbox *sandbox, struct sandbox_status *ret_status);

/* The state alone: what a list filters by. */
enum sandbox_state sandbox_state_of(const orch_sandbox *sandbox);

/* The first address of the endpoints annotation as a new string; NULL: none, or malformed. */
char *sandbox_address_of(const orch_sandbox *sandbox);

/* The True PauseFailed or ResumeFailed condition that the state alone does not show, or NULL. Borrowed. */
const orch_condition *sandbox_hidden_failure(const orch_sandbox *sandbox);
