/* routes.c - the table of the contract (rest-api.md §2): which request goes to which handler. */
#include "lifecycle-svc/rest/handlers.h"

// clang-format off
const struct route rest_routes[] = {
    /* method  pattern                               handler                root   probe */
    {"GET",    "/health",                             rest_health,           true,  true},
    {"GET",    "/openapi.json",                       rest_openapi,          true,  false},
    {"POST",   "/sandboxes",                          rest_create_sandbox,   false, false},
    {"GET",    "/sandboxes",                          rest_list_sandboxes,   false, false},
    {"GET",    "/sandboxes/{}",                       rest_get_sandbox,      false, false},
    {"DELETE", "/sandboxes/{}",                       rest_delete_sandbox,   false, false},
    {"PATCH",  "/sandboxes/{}/metadata",              rest_patch_metadata,   false, false},
    {"POST",   "/sandboxes/{}/pause",                 rest_pause_sandbox,    false, false},
    {"POST",   "/sandboxes/{}/resume",                rest_resume_sandbox,   false, false},
    {"POST",   "/sandboxes/{}/renew-expiration",      rest_renew_sandbox,    false, false},
    {"GET",    "/sandboxes/{}/endpoints/{}",          rest_get_endpoint,     false, false},
    {"POST",   "/sandboxes/{}/snapshots",             rest_create_snapshot,  false, false},
    {"GET",    "/snapshots",                          rest_list_snapshots,   false, false},
    {"GET",    "/snapshots/{}",                       rest_get_snapshot,     false, false},
    {"DELETE", "/snapshots/{}",                       rest_delete_snapshot,  false, false},
    {"POST",   "/pools",                              rest_no_pools,         false, false},
    {"GET",    "/pools",                              rest_no_pools,         false, false},
    {"GET",    "/pools/{}",                           rest_no_pools,         false, false},
    {"PUT",    "/pools/{}",                           rest_no_pools,         false, false},
    {"DELETE", "/pools/{}",                           rest_no_pools,         false, false},
    {"GET",    "/sandboxes/{}/diagnostics/logs",      rest_diagnose_logs,    false, false},
    {"GET",    "/sandboxes/{}/diagnostics/events",    rest_diagnose_events,  false, false},
    {"GET",    "/sandboxes/{}/diagnostics/inspect",   rest_diagnose_inspect, false, false},
    {"GET",    "/sandboxes/{}/diagnostics/summary",   rest_diagnose_summary, false, false},
    {"*",      "/sandboxes/{}/proxy/{}",              rest_proxy,            false, false},
    {"*",      "/sandboxes/{}/proxy/{}/*",            rest_proxy,            false, false},
    {"POST",   "/metrics/events",                     rest_take_event,       false, false},
    {NULL, NULL, NULL, false, false},
};
// clang-format on
