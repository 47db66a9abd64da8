/* list.c - ListSandboxes: filters, order and parts are decided on the cached objects, so that only what is answered becomes
 * messages. Spec: contract/rest-api.md §5. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "shared/sandbox_state/sandbox_rows.h"
#include "shared/sandbox_state/sandbox_state.h"
#include "snapshot-svc/api/orchestrator_priv.h"
#include "snapshot-svc/api/sandbox_message.h"
#include "snapshot-svc/model/names.h"

typedef Opensandbox__Orchestrator__V1__ListSandboxesRequest list_request;
typedef Opensandbox__Orchestrator__V1__ListSandboxesResponse list_response;

enum { ANSWER_MAX_BYTES = 8 * 1024 * 1024 }; /* half of what one message may be */

/* ---- filters ---- */

static const char *text_at(const json_t *object, const char *path)
{
    const char *text = json_path_string(object, path);
    return text ? text : "";
}

static int32_t count_at(const json_t *object, const char *path)
{
    return (int32_t)json_integer_value(json_path(object, path));
}

static enum sandbox_state state_of(const json_t *sandbox)
{
    const char *endpoints =
        json_string_value(json_object_get(json_path(sandbox, "metadata.annotations"), ANNOTATION_ENDPOINTS));
    const struct sandbox_signs signs = {.deleting = json_path(sandbox, "metadata.deletionTimestamp") != NULL,
                                        .phase = text_at(sandbox, "status.phase"),
                                        .ready = count_at(sandbox, "status.ready"),
                                        .allocated = count_at(sandbox, "status.allocated"),
                                        .endpoints = endpoints ? endpoints : ""};
    return sandbox_facet_of(&signs)->state;
}

static bool has_labels(const json_t *labels, const list_request *request)
{
    for (size_t i = 0; i < request->n_labels; i++) {
        const char *value = json_string_value(json_object_get(labels, request->labels[i]->key));
        if (!value || strcmp(value, request->labels[i]->value) != 0)
            return false;
    }
    return true;
}

static bool matches(const json_t *sandbox, const list_request *request)
{
    const json_t *labels = json_path(sandbox, "metadata.labels");

    return json_object_get(labels, LABEL_SANDBOX_ID) && has_labels(labels, request) &&
           (request->n_states == 0 ||
            sandbox_state_is_one_of(state_of(sandbox), request->states, request->n_states));
}

/* ---- order ---- */

static int64_t created_ms(const json_t *sandbox)
{
    struct error ignored = {0}; /* then it is the oldest */
    int64_t unix_ms = 0;

    (void)rfc3339_parse(text_at(sandbox, "metadata.creationTimestamp"), &unix_ms, &ignored);
    return unix_ms;
}

static size_t matching_rows(const struct object_list *list, const list_request *request,
                            struct sandbox_row *rows)
{
    size_t found = 0;

    for (size_t i = 0; i < list->count; i++) {
        struct object *object = list->items[i];
        if (matches(object->json, request))
            rows[found++] = (struct sandbox_row){object, object->name, created_ms(object->json)};
    }
    return found;
}

/* ---- the answer ---- */

static sandbox_message *message_of(struct orchestrator_service *self, struct rpc_call *call,
                                   const struct object *sandbox)
{
    const struct message_memory memory = {.call = call};
    SCOPED(object) struct object *snapshot = find_snapshot(self, sandbox->name);
    sandbox_message *message = rpc_alloc(call, sizeof(*message));

    opensandbox__orchestrator__v1__sandbox__init(message);
    sandbox_message_fill(&memory, sandbox->json, snapshot ? snapshot->json : NULL, message);
    return message;
}

/* At least one, so that who asks for the rest gets on. */
static void answer(struct orchestrator_service *self, struct rpc_call *call, const struct sandbox_row *rows,
                   size_t count, list_response *response)
{
    size_t bytes = 0;

    response->sandboxes = rpc_alloc(call, (count + 1) * sizeof(*response->sandboxes));
    for (size_t i = 0; i < count; i++) {
        sandbox_message *message = message_of(self, call, rows[i].sandbox);
        bytes += protobuf_c_message_get_packed_size(&message->base);
        if (i > 0 && bytes > ANSWER_MAX_BYTES)
            return;
        response->sandboxes[response->n_sandboxes++] = message;
    }
}

int handle_list(struct rpc_call *call, const void *request_, void *response_, struct error *err)
{
    const list_request *request = request_;
    struct orchestrator_service *self = rpc_self(call);
    list_response *response = response_;
    SCOPED_OBJECT_LIST struct object_list list = OBJECT_LIST_INIT;
    size_t first = 0, count = 0;

    if (request->skip < 0 || request->take < 0)
        return error_set(err, ERR_INVALID, "skip and take: want 0 or more, got %lld and %lld",
                         (long long)request->skip, (long long)request->take);
    informer_list(self->service->informers[KIND_BATCH_SANDBOX], self->service->ns, &list);
    struct sandbox_row *rows = xcalloc(list.count + 1, sizeof(*rows));
    const size_t found = matching_rows(&list, request, rows);
    sandbox_rows_part(rows, found, request->skip, request->take, &first, &count);
    response->total = (int64_t)found;
    answer(self, call, rows + first, count, response);
    free(rows);
    return 0;
}
