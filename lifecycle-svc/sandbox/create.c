/* create.c - from a request to a usable sandbox, or to nothing at all. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/sandbox/contract_code.h"
#include "lifecycle-svc/sandbox/follow.h"
#include "lifecycle-svc/sandbox/orchestrator_error.h"
#include "lifecycle-svc/sandbox/service.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/ids.h"
#include "shared/log/log.h"

typedef Opensandbox__Orchestrator__V1__CreateSandboxRequest orch_create;
typedef Opensandbox__Orchestrator__V1__CreateSandboxRequest__LabelsEntry label_entry;
typedef Opensandbox__Orchestrator__V1__CreateSandboxRequest__AnnotationsEntry annotation_entry;

/* What the wait found. */
struct outcome {
    struct sandbox_view view;
    enum sandbox_state last_state; /* for the text of a wait that ran out */
    bool refused;                  /* the error is ours, code and all */
};

static void add_labels(orch_create *create, const struct json_map *labels)
{
    create->labels = xcalloc(labels->count, sizeof(*create->labels));
    for (size_t i = 0; i < labels->count; i++) {
        label_entry *entry = xcalloc(1, sizeof(*entry));
        opensandbox__orchestrator__v1__create_sandbox_request__labels_entry__init(entry);
        entry->key = labels->pairs[i].key;
        entry->value = labels->pairs[i].value;
        create->labels[create->n_labels++] = entry;
    }
}

static void add_annotations(orch_create *create, const struct json_map *annotations)
{
    create->annotations = xcalloc(annotations->count + 1, sizeof(*create->annotations));
    for (size_t i = 0; i < annotations->count; i++) {
        annotation_entry *entry = xcalloc(1, sizeof(*entry));
        opensandbox__orchestrator__v1__create_sandbox_request__annotations_entry__init(entry);
        entry->key = annotations->pairs[i].key;
        entry->value = annotations->pairs[i].value;
        create->annotations[create->n_annotations++] = entry;
    }
}

/* The texts are the manifest's; only the lists are ours. */
static void create_message_done(orch_create *create)
{
    for (size_t i = 0; i < create->n_labels; i++)
        free(create->labels[i]);
    for (size_t i = 0; i < create->n_annotations; i++)
        free(create->annotations[i]);
    free(create->labels);
    free(create->annotations);
}

static int submit(const struct sandbox_service *service, const char *id, const struct manifest *manifest,
                  struct error *err)
{
    orch_create create = OPENSANDBOX__ORCHESTRATOR__V1__CREATE_SANDBOX_REQUEST__INIT;
    orch_sandbox *created = NULL;

    create.name = (char *)id;
    create.expire_time_unix_ms = manifest->expire_time_unix_ms;
    create.template_json = manifest->template_json;
    add_labels(&create, &manifest->labels);
    add_annotations(&create, &manifest->annotations);
    int sent =
        rpc_unary(service->orchestrator, ORCHESTRATOR, "CreateSandbox", &create.base, &created, NULL, err);
    create_message_done(&create);
    if (sent < 0)
        return orchestrator_error(err, id);
    protobuf_c_message_free_unpacked(&created->base, NULL);
    return 0;
}

static int failed(const orch_sandbox *sandbox, struct error *err)
{
    struct sandbox_status status;

    sandbox_status_of(sandbox, &status);
    int refused = refuse(err, CODE_POD_FAILED, "Sandbox failed to start: %s", status.message);
    free(status.message);
    return refused;
}

static int look_if_usable(void *self, const orch_sandbox *sandbox, struct error *err)
{
    struct outcome *outcome = self;
    char *address = NULL;

    outcome->last_state = sandbox_state_of(sandbox);
    switch (outcome->last_state) {
    case STATE_RUNNING:
    case STATE_ALLOCATED:
        address = sandbox_address_of(sandbox);
        if (!address)
            return 0; /* SDKs ask for the endpoint at once, so running is not enough */
        free(address);
        sandbox_view_of(sandbox, &outcome->view);
        return 1;
    case STATE_FAILED:
        outcome->refused = true;
        return failed(sandbox, err);
    case STATE_STOPPING:
        outcome->refused = true;
        return refuse(err, CODE_POD_FAILED, "Sandbox was deleted while it was being created");
    case STATE_PENDING:
    case STATE_PAUSING:
    case STATE_PAUSED:
    case STATE_RESUMING:
    case STATE_MAX:
        break;
    }
    return 0;
}

static int wait_until_usable(const struct sandbox_service *service, const char *id,
                             const struct sandbox_caller *caller, struct outcome *outcome, struct error *err)
{
    if (sandbox_follow(service, id, caller, service->create_timeout_ms, look_if_usable, outcome, err) == 0)
        return 0;
    if (!outcome->refused && err->code == ERR_TIMEOUT)
        return refuse(err, CODE_POD_READY_TIMEOUT, "Sandbox was not ready within %" PRId64 " s: it is %s",
                      service->create_timeout_ms / 1000,
                      outcome->last_state == STATE_RUNNING ? "Running without an address"
                                                           : sandbox_state_name(outcome->last_state));
    if (!outcome->refused && err->code == ERR_NOT_FOUND)
        return refuse(err, CODE_POD_FAILED, "Sandbox was deleted while it was being created");
    return outcome->refused ? -1 : orchestrator_error(err, id);
}

/* Nobody knows the id of a sandbox whose create failed, so nobody else would delete it. */
static void abandon(const struct sandbox_service *service, const char *id)
{
    struct error err = {0};

    if (sandbox_delete(service, id, &err) < 0 && err.code != ERR_NOT_FOUND)
        log_failure(LOG_WARN, "a failed create may have left its sandbox behind", &err,
                    log_str("sandbox", id));
}

static void replace(char **text, const char *by)
{
    free(*text);
    *text = by ? xstrdup(by) : NULL;
}

/* The answer repeats what was asked for; only the status and the platform come from the object. */
static void echo_request(const struct create_request *request, int64_t accepted_ms, struct sandbox_view *view)
{
    view->created_unix_ms = accepted_ms;
    replace(&view->image_uri, NULL);
    replace(&view->snapshot_id, NULL);
    json_strings_free(&view->entrypoint);
    for (size_t i = 0; i < request->entrypoint.count; i++)
        json_strings_add(&view->entrypoint, request->entrypoint.items[i]);
    json_map_free(&view->metadata);
    for (size_t i = 0; i < request->metadata.count; i++)
        json_map_set(&view->metadata, request->metadata.pairs[i].key, request->metadata.pairs[i].value);
    if (!view->os && request->platform.os) {
        replace(&view->os, request->platform.os);
        replace(&view->arch, request->platform.arch);
    }
    if (view->status.state == STATE_ALLOCATED)
        view->status.state = STATE_RUNNING; /* Allocated is no published state */
}

int sandbox_create(const struct sandbox_service *service, const struct create_request *request,
                   const struct sandbox_caller *caller, struct sandbox_view *ret_view, struct error *err)
{
    int64_t now_ms = clock_realtime_ms();
    char id[UUID_SIZE];
    SCOPED_MANIFEST struct manifest manifest = {0};
    struct outcome outcome = {.last_state = STATE_PENDING};

    if (create_request_check(request, &service->check, now_ms, err) < 0)
        return -1;
    uuid_v4(id);
    manifest_build(request, &service->manifest, id, now_ms, &manifest);
    if (submit(service, id, &manifest, err) < 0) {
        if (err->code == ERR_UNAVAILABLE)
            abandon(service, id); /* perhaps only the answer was lost */
        return -1;
    }
    if (wait_until_usable(service, id, caller, &outcome, err) < 0) {
        abandon(service, id);
        return -1;
    }
    echo_request(request, now_ms, &outcome.view);
    *ret_view = outcome.view;
    return 0;
}
