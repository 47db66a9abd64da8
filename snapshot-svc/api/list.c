/* list.c - ListSandboxes: filters, order and parts are decided on what the cache knows of each object, so that only what is
 * answered is opened and becomes a message. Spec: contract/rest-api.md §5. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/sandbox_state/sandbox_rows.h"
#include "shared/sandbox_state/sandbox_state.h"
#include "snapshot-svc/api/orchestrator_priv.h"
#include "snapshot-svc/api/sandbox_message.h"
#include "snapshot-svc/model/names.h"

typedef Opensandbox__Orchestrator__V1__ListSandboxesRequest list_request;
typedef Opensandbox__Orchestrator__V1__ListSandboxesResponse list_response;

enum { ANSWER_MAX_BYTES = 8 * 1024 * 1024 }; /* half of what one message may be */

/* ---- filters ---- */

static bool has_labels(const struct packed *sandbox, const list_request *request)
{
    for (size_t i = 0; i < request->n_labels; i++) {
        const char *value = packed_label(sandbox, request->labels[i]->key);
        if (!value || strcmp(value, request->labels[i]->value) != 0)
            return false;
    }
    return true;
}

static bool matches(const struct packed *sandbox, const list_request *request)
{
    return packed_label(sandbox, LABEL_SANDBOX_ID) && has_labels(sandbox, request) &&
           (request->n_states == 0 || sandbox_state_is_one_of(sandbox_facet_of(&sandbox->signs)->state,
                                                              request->states, request->n_states));
}

static size_t matching_rows(const struct packed_list *list, const list_request *request,
                            struct sandbox_row *rows)
{
    size_t found = 0;

    for (size_t i = 0; i < list->count; i++) {
        struct packed *sandbox = list->items[i];
        if (matches(sandbox, request))
            rows[found++] = (struct sandbox_row){sandbox, sandbox->name, sandbox->created_unix_ms};
    }
    return found;
}

/* ---- the answer ---- */

static sandbox_message *message_of(struct orchestrator_service *self, struct rpc_call *call,
                                   const struct packed *row)
{
    const struct message_memory memory = {.call = call};
    SCOPED(object) struct object *sandbox = packed_open(row);
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
    SCOPED_PACKED_LIST struct packed_list list = PACKED_LIST_INIT;
    size_t first = 0, count = 0;

    if (request->skip < 0 || request->take < 0)
        return error_set(err, ERR_INVALID, "skip and take: want 0 or more, got %lld and %lld",
                         (long long)request->skip, (long long)request->take);
    informer_scan(self->service->informers[KIND_BATCH_SANDBOX], self->service->ns, &list);
    struct sandbox_row *rows = xcalloc(list.count + 1, sizeof(*rows));
    const size_t found = matching_rows(&list, request, rows);
    sandbox_rows_part(rows, found, request->skip, request->take, &first, &count);
    response->total = (int64_t)found;
    answer(self, call, rows + first, count, response);
    free(rows);
    return 0;
}
