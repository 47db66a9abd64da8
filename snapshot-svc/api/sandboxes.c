/* sandboxes.c - CreateSandbox, GetSandbox, ListSandboxes, DeleteSandbox. */
#include <string.h>

#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "snapshot-svc/api/orchestrator_priv.h"
#include "snapshot-svc/api/sandbox_message.h"
#include "snapshot-svc/model/meta.h"
#include "snapshot-svc/model/names.h"

typedef Opensandbox__Orchestrator__V1__CreateSandboxRequest create_request;
typedef Opensandbox__Orchestrator__V1__GetSandboxRequest get_request;
typedef Opensandbox__Orchestrator__V1__DeleteSandboxRequest delete_request;
typedef Opensandbox__Orchestrator__V1__ListSandboxesResponse list_response;

/* ---- create ---- */

static int put(json_t *object, const char *key, const char *value, struct error *err)
{
    if (json_object_set_new(object, key, json_string(value)) == 0)
        return 0;
    return error_set(err, ERR_INVALID, "labels and annotations: want UTF-8");
}

static int metadata_of(const create_request *request, json_t **ret_metadata, struct error *err)
{
    SCOPED(json) json_t *labels = json_object();
    SCOPED(json) json_t *annotations = json_object();

    for (size_t i = 0; i < request->n_labels; i++)
        if (put(labels, request->labels[i]->key, request->labels[i]->value, err) < 0)
            return -1;
    for (size_t i = 0; i < request->n_annotations; i++)
        if (put(annotations, request->annotations[i]->key, request->annotations[i]->value, err) < 0)
            return -1;
    *ret_metadata =
        json_pack("{s:s, s:O, s:O}", "name", request->name, "labels", labels, "annotations", annotations);
    return 0;
}

static int spec_of(const create_request *request, json_t **ret_spec, struct error *err)
{
    SCOPED(json) json_t *spec = json_pack("{s:i}", "replicas", 1);
    char expires[RFC3339_SIZE];
    json_t *template;

    if (request->expire_time_unix_ms < 0)
        return error_set(err, ERR_INVALID, "expire_time_unix_ms: want 0 (never) or a time, got %lld",
                         (long long)request->expire_time_unix_ms);
    if (json_parse(request->template_json, strlen(request->template_json), "template_json", &template, err) <
        0)
        return -1;
    json_object_set_new(spec, "template", template);
    if (!json_is_object(template))
        return error_set(err, ERR_INVALID, "template_json: want a JSON object");
    if (request->expire_time_unix_ms)
        json_object_set_new(spec, "expireTime",
                            json_string(rfc3339_format(request->expire_time_unix_ms / 1000, expires)));
    *ret_spec = TAKE(spec);
    return 0;
}

static int object_of(const create_request *request, json_t **ret_object, struct error *err)
{
    const struct cluster_kind_info *kind = cluster_kind_info(KIND_BATCH_SANDBOX);
    json_t *metadata = NULL, *spec = NULL;

    if (metadata_of(request, &metadata, err) < 0)
        return -1;
    if (spec_of(request, &spec, err) < 0) {
        json_decref(metadata);
        return -1;
    }
    *ret_object = json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", kind->api_version, "kind", kind->kind,
                            "metadata", metadata, "spec", spec);
    return 0;
}

int handle_create(struct rpc_call *call, const void *request_, void *response, struct error *err)
{
    const create_request *request = request_;
    struct orchestrator_service *self = rpc_self(call);
    const struct message_memory memory = {.call = call};
    SCOPED(json) json_t *object = NULL;
    SCOPED(json) json_t *created = NULL;
    struct error ignored = {0};

    if (object_of(request, &object, err) < 0 || cluster_create(self->service->cluster, KIND_BATCH_SANDBOX,
                                                               self->service->ns, object, &created, err) < 0)
        return -1;
    (void)informer_apply(self->service->informers[KIND_BATCH_SANDBOX], created,
                         &ignored); /* the stream tells it, too */
    sandbox_message_fill(&memory, created, NULL, response);
    return 0;
}

/* ---- get, list ---- */

static void fill(struct orchestrator_service *self, struct rpc_call *call, const struct object *sandbox,
                 sandbox_message *out)
{
    const struct message_memory memory = {.call = call};
    SCOPED(object) struct object *snapshot = find_snapshot(self, sandbox->name);

    sandbox_message_fill(&memory, sandbox->json, snapshot ? snapshot->json : NULL, out);
}

int handle_get(struct rpc_call *call, const void *request_, void *response, struct error *err)
{
    const get_request *request = request_;
    struct orchestrator_service *self = rpc_self(call);
    SCOPED(object) struct object *sandbox = NULL;

    if (find_sandbox(self, request->name, &sandbox, err) < 0)
        return -1;
    fill(self, call, sandbox, response);
    return 0;
}

static bool has_id(const json_t *sandbox)
{
    return json_object_get(json_path(sandbox, "metadata.labels"), LABEL_SANDBOX_ID) != NULL;
}

int handle_list(struct rpc_call *call, const void *request, void *response_, struct error *err)
{
    struct orchestrator_service *self = rpc_self(call);
    list_response *response = response_;
    SCOPED_OBJECT_LIST struct object_list list = OBJECT_LIST_INIT;

    (void)request;
    (void)err;
    informer_list(self->service->informers[KIND_BATCH_SANDBOX], self->service->ns, &list);
    response->sandboxes = rpc_alloc(call, (list.count + 1) * sizeof(*response->sandboxes));
    for (size_t i = 0; i < list.count; i++) {
        if (!has_id(list.items[i]->json))
            continue;
        sandbox_message *message = rpc_alloc(call, sizeof(*message));
        opensandbox__orchestrator__v1__sandbox__init(message);
        fill(self, call, list.items[i], message);
        response->sandboxes[response->n_sandboxes++] = message;
    }
    return 0;
}

/* ---- delete ---- */

int handle_delete(struct rpc_call *call, const void *request_, void *response, struct error *err)
{
    const delete_request *request = request_;
    struct orchestrator_service *self = rpc_self(call);
    SCOPED(json) json_t *sandbox = NULL;

    (void)response;
    if (find_sandbox_fresh(self, request->name, &sandbox, err) < 0)
        return -1;
    if (cluster_remove(self->service->cluster, KIND_BATCH_SANDBOX, self->service->ns,
                       json_path_string(sandbox, "metadata.name"), json_path_string(sandbox, "metadata.uid"),
                       0, err) == 0)
        return 0;
    /* Gone in between, or another one has its name by now: the one that was meant is no more. */
    if (err->code == ERR_NOT_FOUND || err->code == ERR_CONFLICT)
        return sandbox_not_found(err, request->name);
    return -1;
}
