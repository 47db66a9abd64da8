/* handlers.h - the routes of the REST door, each one function over the services of sandbox/. */
#pragma once

#include "lifecycle-svc/rest/route.h"

/* Ends with a row whose pattern is NULL. */
extern const struct route rest_routes[];

/* handlers.c */
rest_fn rest_health, rest_create_sandbox, rest_list_sandboxes, rest_get_sandbox, rest_delete_sandbox,
    rest_pause_sandbox, rest_resume_sandbox, rest_get_endpoint, rest_take_event;
rest_fn rest_not_supported, rest_no_pools;

/* edits.c */
rest_fn rest_renew_sandbox, rest_patch_metadata;
/* snapshots.c */
rest_fn rest_create_snapshot, rest_list_snapshots, rest_get_snapshot, rest_delete_snapshot;
/* diagnostics.c */
rest_fn rest_diagnose_logs, rest_diagnose_events, rest_diagnose_inspect, rest_diagnose_summary;
/* openapi.c */
rest_fn rest_openapi;
/* proxying.c */
rest_fn rest_proxy;
