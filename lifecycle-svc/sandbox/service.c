#include "lifecycle-svc/sandbox/service.h"

#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/sandbox/contract_code.h"
#include "lifecycle-svc/sandbox/orchestrator.h"
#include "lifecycle-svc/sandbox/orchestrator_error.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

typedef Opensandbox__Orchestrator__V1__ListSandboxesResponse orch_list;

enum { MAX_ID = 253 };

static void message_free(void *message)
{
    protobuf_c_message_free_unpacked(message, NULL);
}
DEFINE_FREEP(orch_sandbox, orch_sandbox, message_free)
DEFINE_FREEP(orch_list, orch_list, message_free)

int sandbox_check_id(const char *id, struct error *err)
{
    size_t length = strlen(id);

    if (length == 0 || length > MAX_ID || strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-.") != length)
        return refuse(err, CODE_SANDBOX_NOT_FOUND, "Sandbox %.80s not found", id);
    return 0;
}

int sandbox_fetch(const struct sandbox_service *service, const char *id, orch_sandbox **ret_sandbox,
                  struct error *err)
{
    Opensandbox__Orchestrator__V1__GetSandboxRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__GET_SANDBOX_REQUEST__INIT;

    if (sandbox_check_id(id, err) < 0)
        return -1;
    request.name = (char *)id;
    if (rpc_unary(service->orchestrator, ORCHESTRATOR, "GetSandbox", &request.base, ret_sandbox, NULL, err) <
        0)
        return orchestrator_error(err, id);
    return 0;
}

int sandbox_get(const struct sandbox_service *service, const char *id, struct sandbox_view *ret_view,
                struct error *err)
{
    SCOPED(orch_sandbox) orch_sandbox *sandbox = NULL;

    if (sandbox_fetch(service, id, &sandbox, err) < 0)
        return -1;
    sandbox_view_of(sandbox, ret_view);
    return 0;
}

int sandbox_list(const struct sandbox_service *service, const struct list_query *query,
                 struct sandbox_page *ret_page, struct error *err)
{
    Opensandbox__Orchestrator__V1__ListSandboxesRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__LIST_SANDBOXES_REQUEST__INIT;
    SCOPED(orch_list) orch_list *all = NULL;

    if (rpc_unary(service->orchestrator, ORCHESTRATOR, "ListSandboxes", &request.base, &all, NULL, err) < 0)
        return orchestrator_error(err, NULL);
    listing_select(all->sandboxes, all->n_sandboxes, query, &ret_page->page);
    ret_page->items = xcalloc(ret_page->page.count ? ret_page->page.count : 1, sizeof(*ret_page->items));
    for (size_t i = 0; i < ret_page->page.count; i++)
        sandbox_view_of(all->sandboxes[ret_page->page.first + i], &ret_page->items[i]);
    return 0;
}

void sandbox_page_done(struct sandbox_page *page)
{
    for (size_t i = 0; page->items && i < page->page.count; i++)
        sandbox_view_done(&page->items[i]);
    free(page->items);
}

/* *ret_answer is the caller's. */
static int ask(const struct sandbox_service *service, const char *method, const ProtobufCMessage *request,
               const char *id, void *ret_answer, struct error *err)
{
    if (sandbox_check_id(id, err) < 0)
        return -1;
    if (rpc_unary(service->orchestrator, ORCHESTRATOR, method, request, ret_answer, NULL, err) < 0)
        return orchestrator_error(err, id);
    return 0;
}

int sandbox_delete(const struct sandbox_service *service, const char *id, struct error *err)
{
    Opensandbox__Orchestrator__V1__DeleteSandboxRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__DELETE_SANDBOX_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;

    request.name = (char *)id;
    if (ask(service, "DeleteSandbox", &request.base, id, &answer, err) < 0)
        return -1;
    message_free(answer);
    return 0;
}

int sandbox_pause(const struct sandbox_service *service, const char *id, const struct sandbox_caller *caller,
                  int64_t *ret_generation, struct error *err)
{
    Opensandbox__Orchestrator__V1__PauseSandboxRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__PAUSE_SANDBOX_REQUEST__INIT;
    Opensandbox__Orchestrator__V1__PauseSandboxResponse *answer = NULL;

    request.name = (char *)id;
    request.request_id = (char *)(caller->request_id ? caller->request_id : "");
    if (ask(service, "PauseSandbox", &request.base, id, &answer, err) < 0)
        return -1;
    *ret_generation = answer->generation;
    message_free(&answer->base);
    return 0;
}

int sandbox_resume(const struct sandbox_service *service, const char *id, const struct sandbox_caller *caller,
                   int64_t *ret_generation, struct error *err)
{
    Opensandbox__Orchestrator__V1__ResumeSandboxRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__RESUME_SANDBOX_REQUEST__INIT;
    Opensandbox__Orchestrator__V1__ResumeSandboxResponse *answer = NULL;

    request.name = (char *)id;
    request.request_id = (char *)(caller->request_id ? caller->request_id : "");
    if (ask(service, "ResumeSandbox", &request.base, id, &answer, err) < 0)
        return -1;
    *ret_generation = answer->generation;
    message_free(&answer->base);
    return 0;
}
