#include "lifecycle-svc/sandbox/service.h"

#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/sandbox/contract_code.h"
#include "lifecycle-svc/sandbox/orchestrator.h"
#include "lifecycle-svc/sandbox/orchestrator_error.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

typedef Opensandbox__Orchestrator__V1__ListSandboxesResponse orch_list;
typedef Opensandbox__Orchestrator__V1__ListSandboxesRequest orch_list_request;
typedef Opensandbox__Orchestrator__V1__ListSandboxesRequest__LabelsEntry orch_label_filter;

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

/* ---- list ---- */

/* Borrows from the query; list_call_done() frees the rest. */
struct list_call {
    orch_list_request request;
    orch_label_filter *filters;
};

static void list_call_init(struct list_call *call, const struct list_query *query)
{
    const size_t labels = query->metadata.count;

    *call = (struct list_call){.request = OPENSANDBOX__ORCHESTRATOR__V1__LIST_SANDBOXES_REQUEST__INIT,
                               .filters = xcalloc(labels + 1, sizeof(*call->filters))};
    call->request.states = query->states.items;
    call->request.n_states = query->states.count;
    call->request.labels = xcalloc(labels + 1, sizeof(*call->request.labels));
    for (size_t i = 0; i < labels; i++) {
        opensandbox__orchestrator__v1__list_sandboxes_request__labels_entry__init(&call->filters[i]);
        call->filters[i].key = query->metadata.pairs[i].key;
        call->filters[i].value = query->metadata.pairs[i].value;
        call->request.labels[call->request.n_labels++] = &call->filters[i];
    }
}

static void list_call_done(struct list_call *call)
{
    free(call->request.labels);
    free(call->filters);
}

/* What fits into one message, from request->skip on; *ret_got 0: there is no more. */
static int list_part(const struct sandbox_service *service, const orch_list_request *request,
                     struct sandbox_view *items, size_t *ret_got, int64_t *ret_total, struct error *err)
{
    SCOPED(orch_list) orch_list *part = NULL;

    if (rpc_unary(service->orchestrator, ORCHESTRATOR, "ListSandboxes", &request->base, &part, NULL, err) < 0)
        return orchestrator_error(err, NULL);
    *ret_got = part->n_sandboxes < (size_t)request->take ? part->n_sandboxes : (size_t)request->take;
    *ret_total = part->total;
    for (size_t i = 0; i < *ret_got; i++)
        sandbox_view_of(part->sandboxes[i], &items[i]);
    return 0;
}

static int list_page(const struct sandbox_service *service, const struct list_query *query,
                     struct sandbox_page *page, int64_t *ret_total, struct error *err)
{
    struct list_call call;
    size_t got = 0;
    int result;

    list_call_init(&call, query);
    call.request.skip = list_query_skip(query);
    call.request.take = query->page_size;
    do {
        result = list_part(service, &call.request, page->items + page->page.count, &got, ret_total, err);
        page->page.count += result == 0 ? got : 0;
        call.request.skip += (int64_t)got;
        call.request.take -= (int64_t)got;
    } while (result == 0 && got > 0 && call.request.take > 0 && call.request.skip < *ret_total);
    list_call_done(&call);
    return result;
}

int sandbox_list(const struct sandbox_service *service, const struct list_query *query,
                 struct sandbox_page *ret_page, struct error *err)
{
    int64_t total = 0;

    ret_page->items = xcalloc((size_t)query->page_size, sizeof(*ret_page->items));
    if (list_query_can_match(query) && list_page(service, query, ret_page, &total, err) < 0)
        return -1;
    const size_t shown = ret_page->page.count;
    page_cut(query->page, query->page_size, total, &ret_page->page);
    ret_page->page.count = shown;
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
