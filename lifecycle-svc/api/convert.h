/* convert.h - between the gRPC door's messages and the types of sandbox/. Pure; any thread. */
#pragma once

#include "lifecycle-svc/api/memory.h"
#include "lifecycle-svc/sandbox/service.h"
#include "opensandbox/lifecycle/v1/lifecycle.pb-c.h"

typedef Opensandbox__Lifecycle__V1__Sandbox api_sandbox;
typedef Opensandbox__Lifecycle__V1__SandboxEvent api_event;
typedef Opensandbox__Lifecycle__V1__CreateSandboxRequest api_create;
typedef Opensandbox__Lifecycle__V1__PatchMetadataRequest api_metadata_patch;
typedef Opensandbox__Lifecycle__V1__ListSandboxesRequest api_list_request;
typedef Opensandbox__Lifecycle__V1__ListSandboxesResponse api_list;

Google__Protobuf__Timestamp *time_to_api(int64_t unix_ms, struct memory *memory);
Opensandbox__Lifecycle__V1__Pagination *pagination_to_api(const struct page *page, struct memory *memory);

/* `out` is initialised; everything it gets lives in `memory`. */
void sandbox_to_api(const struct sandbox_view *view, struct memory *memory, api_sandbox *out);
void page_to_api(const struct sandbox_page *page, struct memory *memory, api_list *out);
/* The state, the progress of a running pause, its images, and the failure that the state does not show. */
void event_to_api(const orch_sandbox *sandbox, struct memory *memory, api_event *out);

/* Copies into the zeroed structs; the caller settles and checks. */
void create_from_api(const api_create *in, struct create_request *out);
/* What is to be removed has no value (NULL). ERR_INVALID (SANDBOX::INVALID_PARAMETER): set and removed at once. */
int metadata_from_api(const api_metadata_patch *in, struct json_map *out, struct error *err);
/* ERR_INVALID (SANDBOX::INVALID_PARAMETER): missing (`member` names it), or not of the years 0001 to 9999. */
int time_from_api(const Google__Protobuf__Timestamp *in, const char *member, int64_t *ret_unix_ms,
                  struct error *err);
/* 0 is the default of each. ERR_INVALID (SANDBOX::INVALID_PARAMETER): out of bounds. */
int page_from_api(int32_t page, int32_t page_size, int64_t *ret_page, int64_t *ret_page_size,
                  struct error *err);
/* ERR_INVALID (SANDBOX::INVALID_PARAMETER): page or page_size out of bounds. */
int list_query_from_api(const api_list_request *in, struct list_query *out, struct error *err);
