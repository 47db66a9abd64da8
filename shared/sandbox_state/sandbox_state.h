/* sandbox_state.h - what clients call the state of a sandbox: the one mapping, for the service that shows it and the one that
 * filters by it. Pure; any thread. Spec: contract rest-api.md §6, with the recommended rows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* Is its name one of these, in any case? No names: any state is. */
bool sandbox_state_is_one_of(enum sandbox_state state, char *const *names, size_t count);

/* What the custom resource says, borrowed. */
struct sandbox_signs {
    bool deleting;
    const char *phase; /* status.phase; "" before the first status */
    int32_t ready, allocated;
    const char *endpoints; /* value of the endpoints annotation, "" when absent */
};

/* One way to be in a state, as clients see it; all static. */
struct sandbox_facet {
    enum sandbox_state state;
    const char *reason, *message;
    const char *condition; /* whose transition time is the state's; NULL: several candidates, or none */
};

const struct sandbox_facet *sandbox_facet_of(const struct sandbox_signs *signs);

/* The first address of the endpoints annotation as a new string; NULL: none, or malformed. */
char *sandbox_first_address(const char *endpoints);
