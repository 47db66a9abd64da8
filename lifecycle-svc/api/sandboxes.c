/* sandboxes.c - the unary methods. */
#include "lifecycle-svc/api/convert.h"
#include "lifecycle-svc/api/methods.h"
#include "lifecycle-svc/sandbox/metadata.h"
#include "lifecycle-svc/sandbox/renew.h"

int api_create_sandbox(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const struct sandbox_service *service = api_enter(call, err);
    struct memory memory = {.call = call};
    struct sandbox_caller caller = api_caller(call, ((const api_create *)request)->request_id);
    SCOPED_CREATE_REQUEST struct create_request create = {0};
    SCOPED_VIEW struct sandbox_view view = {0};

    if (!service)
        return -1;
    create_from_api(request, &create);
    if (create_request_settle(&create, err) < 0 || sandbox_create(service, &create, &caller, &view, err) < 0)
        return -1;
    sandbox_to_api(&view, &memory, response);
    return 0;
}

int api_get_sandbox(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const Opensandbox__Lifecycle__V1__GetSandboxRequest *get = request;
    const struct sandbox_service *service = api_enter(call, err);
    struct memory memory = {.call = call};
    SCOPED_VIEW struct sandbox_view view = {0};

    if (!service || sandbox_get(service, get->id, &view, err) < 0)
        return -1;
    sandbox_to_api(&view, &memory, response);
    return 0;
}

int api_list_sandboxes(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const struct sandbox_service *service = api_enter(call, err);
    struct memory memory = {.call = call};
    SCOPED_LIST_QUERY struct list_query query = {0};
    SCOPED_SANDBOX_PAGE struct sandbox_page page = {0};

    if (!service || list_query_from_api(request, &query, err) < 0 ||
        sandbox_list(service, &query, &page, err) < 0)
        return -1;
    page_to_api(&page, &memory, response);
    return 0;
}

int api_delete_sandbox(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const Opensandbox__Lifecycle__V1__DeleteSandboxRequest *delete = request;
    const struct sandbox_service *service = api_enter(call, err);

    (void)response; /* empty */
    return service ? sandbox_delete(service, delete->id, err) : -1;
}

int api_pause_sandbox(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const Opensandbox__Lifecycle__V1__PauseSandboxRequest *pause = request;
    Opensandbox__Lifecycle__V1__PauseSandboxResponse *answer = response;
    const struct sandbox_service *service = api_enter(call, err);

    struct sandbox_caller caller = api_caller(call, pause->request_id);

    return service ? sandbox_pause(service, pause->id, &caller, &answer->generation, err) : -1;
}

int api_resume_sandbox(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const Opensandbox__Lifecycle__V1__ResumeSandboxRequest *resume = request;
    Opensandbox__Lifecycle__V1__ResumeSandboxResponse *answer = response;
    const struct sandbox_service *service = api_enter(call, err);

    struct sandbox_caller caller = api_caller(call, resume->request_id);

    return service ? sandbox_resume(service, resume->id, &caller, &answer->generation, err) : -1;
}

int api_renew_sandbox(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const Opensandbox__Lifecycle__V1__RenewSandboxRequest *renew = request;
    Opensandbox__Lifecycle__V1__RenewSandboxResponse *answer = response;
    const struct sandbox_service *service = api_enter(call, err);
    struct memory memory = {.call = call};
    int64_t expires_ms;

    if (!service || time_from_api(renew->expires_at, "expires_at", &expires_ms, err) < 0 ||
        sandbox_renew(service, renew->id, expires_ms, &expires_ms, err) < 0)
        return -1;
    answer->expires_at = time_to_api(expires_ms, &memory);
    return 0;
}

int api_patch_metadata(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const api_metadata_patch *patch = request;
    const struct sandbox_service *service = api_enter(call, err);
    struct memory memory = {.call = call};
    struct json_map changes = {0};
    SCOPED_VIEW struct sandbox_view view = {0};

    if (!service)
        return -1;
    int patched = metadata_from_api(patch, &changes, err) < 0
                      ? -1
                      : sandbox_patch_metadata(service, patch->id, &changes, &view, err);
    json_map_free(&changes);
    if (patched == 0)
        sandbox_to_api(&view, &memory, response);
    return patched;
}

int api_get_endpoint(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const Opensandbox__Lifecycle__V1__GetEndpointRequest *get = request;
    Opensandbox__Lifecycle__V1__Endpoint *answer = response;
    const struct sandbox_service *service = api_enter(call, err);
    struct sandbox_caller caller = api_caller(call, NULL);
    struct memory memory = {.call = call};
    SCOPED(string) char *endpoint = NULL;

    if (!service || sandbox_endpoint(service, get->id, get->port, &caller, &endpoint, err) < 0)
        return -1;
    answer->endpoint = memory_text(&memory, endpoint);
    return 0;
}
