#include "shared/sandbox_state/sandbox_state.h"

#include <string.h>
#include <strings.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"

enum { PHASE_ROWS = 7 };

/* Primary rows: status.phase. "Running" is an older spelling of Succeed. */
static const struct {
    const char *phase;
    struct sandbox_facet facet;
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
static const struct sandbox_facet ready_with_ip = {STATE_RUNNING, "POD_READY_WITH_IP", "Pod is ready with IP",
                                                   "Ready"};
static const struct sandbox_facet ip_assigned = {STATE_ALLOCATED, "IP_ASSIGNED", "Pod has IP assigned", NULL};
static const struct sandbox_facet scheduled = {STATE_PENDING, "POD_SCHEDULED",
                                               "Pod is scheduled but not ready", "Progressing"};
static const struct sandbox_facet waiting = {STATE_PENDING, "BATCHSANDBOX_PENDING",
                                             "Sandbox is waiting for a pod", "Progressing"};
static const struct sandbox_facet stopping = {STATE_STOPPING, "STOPPING", "Sandbox is being deleted", NULL};

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

bool sandbox_state_is_one_of(enum sandbox_state state, char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(names[i], sandbox_state_name(state)) == 0)
            return true;
    return count == 0;
}

char *sandbox_first_address(const char *text)
{
    SCOPED(json)
    json_t *endpoints = NULL;
    struct error ignored; /* a malformed annotation is no address, says the contract */

    if (!*text || json_parse(text, strlen(text), "endpoints", &endpoints, &ignored) < 0)
        return NULL;
    const char *first = json_string_value(json_array_get(endpoints, 0));
    return first && *first ? xstrdup(first) : NULL;
}

static const struct sandbox_facet *facet_without_phase(const struct sandbox_signs *signs)
{
    SCOPED(string)
    char *address = sandbox_first_address(signs->endpoints);

    if (address)
        return signs->ready == 1 ? &ready_with_ip : &ip_assigned;
    return signs->allocated > 0 ? &scheduled : &waiting;
}

const struct sandbox_facet *sandbox_facet_of(const struct sandbox_signs *signs)
{
    if (signs->deleting)
        return &stopping;
    for (size_t i = 0; i < PHASE_ROWS; i++)
        if (strcmp(signs->phase, phases[i].phase) == 0)
            return &phases[i].facet;
    return facet_without_phase(signs);
}
