/* metadata.c - changing the metadata of a sandbox, which lives in its labels. */
#include "lifecycle-svc/sandbox/metadata.h"

#include <stdlib.h>

#include "lifecycle-svc/sandbox/contract_code.h"
#include "lifecycle-svc/sandbox/labels.h"
#include "lifecycle-svc/sandbox/orchestrator.h"
#include "lifecycle-svc/sandbox/orchestrator_error.h"
#include "shared/base/alloc.h"

typedef Opensandbox__Orchestrator__V1__LabelSandboxRequest orch_label_request;
typedef Opensandbox__Orchestrator__V1__LabelSandboxRequest__SetEntry set_entry;

static int check_changes(const struct json_map *changes, struct error *err)
{
    for (size_t i = 0; i < changes->count; i++)
        if (!is_client_metadata(changes->pairs[i].key))
            return refuse(err, CODE_RESERVED_METADATA_LABEL,
                          "metadata key \"%.80s\": the prefix %s is reserved", changes->pairs[i].key,
                          RESERVED_LABEL_PREFIX);
    return metadata_check(changes, err);
}

/* The texts stay those of `changes`; only the lists are ours. */
static void fill(orch_label_request *request, const struct json_map *changes)
{
    request->set = xcalloc(changes->count, sizeof(*request->set));
    request->remove = xcalloc(changes->count, sizeof(*request->remove));
    for (size_t i = 0; i < changes->count; i++) {
        if (!changes->pairs[i].value) {
            request->remove[request->n_remove++] = changes->pairs[i].key;
            continue;
        }
        set_entry *entry = xcalloc(1, sizeof(*entry));
        opensandbox__orchestrator__v1__label_sandbox_request__set_entry__init(entry);
        entry->key = changes->pairs[i].key;
        entry->value = changes->pairs[i].value;
        request->set[request->n_set++] = entry;
    }
}

static void lists_done(orch_label_request *request)
{
    for (size_t i = 0; i < request->n_set; i++)
        free(request->set[i]);
    free(request->set);
    free(request->remove);
}

int sandbox_patch_metadata(const struct sandbox_service *service, const char *id,
                           const struct json_map *changes, struct sandbox_view *ret_view, struct error *err)
{
    orch_label_request request = OPENSANDBOX__ORCHESTRATOR__V1__LABEL_SANDBOX_REQUEST__INIT;
    SCOPED_VIEW struct sandbox_view before = {0};
    orch_sandbox *labelled;

    if (sandbox_get(service, id, &before, err) < 0 || check_changes(changes, err) < 0)
        return -1;
    if (changes->count == 0) {
        *ret_view = before;
        before = (struct sandbox_view){0};
        return 0;
    }
    request.name = (char *)id;
    fill(&request, changes);
    int sent =
        rpc_unary(service->orchestrator, ORCHESTRATOR, "LabelSandbox", &request.base, &labelled, NULL, err);
    lists_done(&request);
    if (sent < 0)
        return orchestrator_error(err, id);
    sandbox_view_of(labelled, ret_view);
    protobuf_c_message_free_unpacked(&labelled->base, NULL);
    return 0;
}
