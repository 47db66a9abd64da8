/* methods.h - the methods of the gRPC door, one function each, and what they share. */
#pragma once

#include "lifecycle-svc/api/door.h"

/* The service behind the call, or NULL with err when the key is missing or wrong. */
const struct sandbox_service *api_enter(struct rpc_call *call, struct error *err);

/* The client behind this call. request_id: what it named this request, "" or NULL when it did not. */
struct sandbox_caller api_caller(struct rpc_call *call, const char *request_id);

rpc_unary_fn api_create_sandbox, api_get_sandbox, api_list_sandboxes, api_delete_sandbox, api_pause_sandbox,
    api_resume_sandbox;
rpc_unary_fn api_renew_sandbox, api_patch_metadata, api_get_endpoint;
rpc_unary_fn api_create_snapshot, api_get_snapshot, api_list_snapshots, api_delete_snapshot;
rpc_unary_fn api_describe_sandbox;
rpc_stream_fn api_watch_sandbox, api_watch_snapshot, api_exec, api_logs;
