/* endpoint.c - where a sandbox can be reached; waits while it is on its way up. */
#include <inttypes.h>
#include <stdlib.h>

#include "lifecycle-svc/sandbox/contract_code.h"
#include "lifecycle-svc/sandbox/follow.h"
#include "lifecycle-svc/sandbox/orchestrator_error.h"
#include "lifecycle-svc/sandbox/service.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

enum { MAX_PORT = 65535 };

struct search {
    char *address;
    enum sandbox_state last_state;
};

/* A resume was accepted and nobody has begun it yet: SDKs ask for the endpoint at once. */
static bool is_about_to_resume(const orch_sandbox *sandbox)
{
    return sandbox->generation > sandbox->acknowledged_generation;
}

static int look_for_address(void *self, const orch_sandbox *sandbox, struct error *err)
{
    struct search *search = self;

    (void)err; /* no state is an error here */
    search->last_state = sandbox_state_of(sandbox);
    switch (search->last_state) {
    case STATE_PENDING:
    case STATE_RESUMING:
    case STATE_RUNNING: /* its address is told by another write than its state */
    case STATE_ALLOCATED:
        search->address = sandbox_address_of(sandbox);
        return search->address != NULL;
    case STATE_PAUSED: /* whatever address is still written down belongs to a pod that is gone */
        return !is_about_to_resume(sandbox);
    case STATE_PAUSING:
    case STATE_STOPPING:
    case STATE_FAILED:
    case STATE_MAX:
        break;
    }
    return 1;
}

static int look_once(const struct sandbox_service *service, const char *id, struct search *search,
                     struct error *err)
{
    orch_sandbox *sandbox;

    if (sandbox_fetch(service, id, &sandbox, err) < 0)
        return -1;
    int found = look_for_address(search, sandbox, err);
    protobuf_c_message_free_unpacked(&sandbox->base, NULL);
    return found;
}

static char *join_address(const char *address, int64_t port)
{
    bool v6 = false;

    for (const char *c = address; *c; c++)
        v6 = v6 || *c == ':';
    return xasprintf(v6 ? "[%s]:%" PRId64 : "%s:%" PRId64, address, port);
}

static int check_port(int64_t port, struct error *err)
{
    if (port < 1 || port > MAX_PORT)
        return refuse(err, CODE_INVALID_PORT, "port: want 1 to %d, got %" PRId64, MAX_PORT, port);
    return 0;
}

/* Ends the search. */
static int tell_address(struct search *search, const char *id, int64_t port, char **ret_endpoint,
                        struct error *err)
{
    if (!search->address)
        return refuse(err, CODE_POD_IP_NOT_AVAILABLE, "Sandbox %.80s has no address while it is %s", id,
                      sandbox_state_name(search->last_state));
    *ret_endpoint = join_address(search->address, port);
    free(search->address);
    return 0;
}

int sandbox_endpoint(const struct sandbox_service *service, const char *id, int64_t port,
                     const struct sandbox_caller *caller, char **ret_endpoint, struct error *err)
{
    struct search search = {.last_state = STATE_PENDING};

    if (check_port(port, err) < 0)
        return -1;
    /* Most callers find a running sandbox: asking once is cheaper than a stream, and fails at once when it
     * fails. */
    int found = look_once(service, id, &search, err);
    if (found == 0 &&
        sandbox_follow(service, id, caller, ENDPOINT_WAIT_MS, look_for_address, &search, err) < 0 &&
        err->code != ERR_TIMEOUT)
        found = orchestrator_error(err, id);
    if (found < 0)
        return -1;
    return tell_address(&search, id, port, ret_endpoint, err);
}

int sandbox_endpoint_now(const struct sandbox_service *service, const char *id, int64_t port,
                         char **ret_endpoint, struct error *err)
{
    struct search search = {.last_state = STATE_PENDING};

    if (check_port(port, err) < 0 || look_once(service, id, &search, err) < 0)
        return -1;
    return tell_address(&search, id, port, ret_endpoint, err);
}
