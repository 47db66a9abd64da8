/* snapshots.c - CreateSnapshot, GetSnapshot, ListSnapshots, DeleteSnapshot: public snapshots.
 * Spec: contract/rest-api.md §12, crds.md §6. They are all there is of a snapshot: no record beside them, so each replica can answer.
 * Without an owner, for they outlive their source. Only what is labelled public is seen here. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "snapshot-svc/api/orchestrator_priv.h"
#include "snapshot-svc/api/snapshot_message.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/snapshot_admission.h"

typedef Opensandbox__Orchestrator__V1__CreateSnapshotRequest create_request;
typedef Opensandbox__Orchestrator__V1__GetSnapshotRequest get_request;
typedef Opensandbox__Orchestrator__V1__ListSnapshotsRequest list_request;
typedef Opensandbox__Orchestrator__V1__ListSnapshotsResponse list_response;
typedef Opensandbox__Orchestrator__V1__DeleteSnapshotRequest delete_request;

/* ---- which object? ---- */

int snapshot_not_found(struct error *err, const char *id)
{
    (void)error_set(err, ERR_NOT_FOUND, "there is no snapshot %.253s", id);
    return error_reason(err, "SnapshotNotFound");
}

static bool is_public(const json_t *snapshot)
{
    const json_t *labels = json_path(snapshot, "metadata.labels");
    const char *scope = json_string_value(json_object_get(labels, LABEL_SNAPSHOT_SCOPE));

    return scope && strcmp(scope, SNAPSHOT_SCOPE_PUBLIC) == 0;
}

/* Past the cache. */
static int find_public_fresh(struct orchestrator_service *self, const char *id, json_t **ret_snapshot,
                             struct error *err)
{
    SCOPED(string) char *name = name_public_snapshot(id);
    SCOPED(json) json_t *fresh = NULL;

    if (cluster_get(self->service->cluster, KIND_SANDBOX_SNAPSHOT, self->service->ns, name, &fresh, err) < 0)
        return err->code == ERR_NOT_FOUND ? snapshot_not_found(err, id) : -1;
    if (!is_public(fresh))
        return snapshot_not_found(err, id);
    *ret_snapshot = TAKE(fresh);
    return 0;
}

/* From the cache; where it knows nothing, another replica may just have made it. */
int find_public_snapshot(struct orchestrator_service *self, const char *id, json_t **ret_snapshot,
                         struct error *err)
{
    SCOPED(string) char *name = name_public_snapshot(id);
    SCOPED(object)
    struct object *cached =
        informer_get(self->service->informers[KIND_SANDBOX_SNAPSHOT], self->service->ns, name);

    if (!cached)
        return find_public_fresh(self, id, ret_snapshot, err);
    if (!is_public(cached->json))
        return snapshot_not_found(err, id);
    *ret_snapshot = json_incref(cached->json);
    return 0;
}

/* ---- the message ---- */

static int fill_in(struct orchestrator_service *self, const struct message_memory *memory, const json_t *json,
                   snapshot_message *out, struct error *err)
{
    SCOPED_SANDBOXSNAPSHOT struct sandboxsnapshot snapshot = {0};

    if (sandboxsnapshot_read(json, &snapshot, err) < 0)
        return error_wrap(err, "SandboxSnapshot %s", json_path_string(json, "metadata.name"));
    snapshot_message_fill(memory, &snapshot, out);
    if (*out->restore_image)
        out->pull_secret = message_text(memory, self->service->resume_pull_secret);
    return 0;
}

static int fill(struct orchestrator_service *self, struct rpc_call *call, const json_t *json,
                snapshot_message *out, struct error *err)
{
    const struct message_memory memory = {.call = call};
    return fill_in(self, &memory, json, out, err);
}

int public_snapshot_message_new(struct orchestrator_service *self, const json_t *json,
                                snapshot_message **ret_message, struct error *err)
{
    const struct message_memory memory = {.call = NULL};
    SCOPED(snapshot_message) snapshot_message *message = xcalloc(1, sizeof(*message));

    opensandbox__orchestrator__v1__snapshot__init(message);
    if (fill_in(self, &memory, json, message, err) < 0)
        return -1;
    *ret_message = TAKE(message);
    return 0;
}

/* ---- create ---- */

static int read_pause_snapshot(struct orchestrator_service *self, const char *sandbox,
                               struct sandboxsnapshot *snapshot, bool *ret_there, struct error *err)
{
    SCOPED(string) char *name = name_internal_snapshot(sandbox);
    SCOPED(json) json_t *fresh = NULL;

    *ret_there = false;
    if (cluster_get(self->service->cluster, KIND_SANDBOX_SNAPSHOT, self->service->ns, name, &fresh, err) <
        0) {
        if (err->code != ERR_NOT_FOUND)
            return -1;
        error_clear(err);
        return 0;
    }
    if (sandboxsnapshot_read(fresh, snapshot, err) < 0)
        return error_wrap(err, "SandboxSnapshot %s", name);
    *ret_there = true;
    return 0;
}

static int admit(struct orchestrator_service *self, const struct batchsandbox *sandbox, struct error *err)
{
    SCOPED_SANDBOXSNAPSHOT struct sandboxsnapshot pause = {0};
    bool there = false;

    if (batchsandbox_phase(&sandbox->status) == SANDBOX_PAUSED &&
        read_pause_snapshot(self, sandbox->meta.name, &pause, &there, err) < 0)
        return -1;
    return admit_snapshot(sandbox, there ? &pause : NULL, err);
}

/* What callers name a sandbox by. */
static const char *id_of(const struct batchsandbox *sandbox)
{
    const char *id = meta_label(&sandbox->meta, LABEL_SANDBOX_ID);
    return id && *id ? id : sandbox->meta.name;
}

static int object_of(const create_request *request, const struct batchsandbox *sandbox, json_t **ret_object,
                     struct error *err)
{
    const struct cluster_kind_info *kind = cluster_kind_info(KIND_SANDBOX_SNAPSHOT);
    SCOPED(string) char *name = name_public_snapshot(request->id);
    SCOPED(string) char *source = name_label_value(id_of(sandbox));
    SCOPED(json)
    json_t *labels = json_pack("{s:s, s:s, s:s}", LABEL_SNAPSHOT_ID, request->id, LABEL_SOURCE_SANDBOX_ID,
                               source, LABEL_SNAPSHOT_SCOPE, SNAPSHOT_SCOPE_PUBLIC);
    SCOPED(json)
    json_t *annotations = json_pack("{s:s}", ANNOTATION_SOURCE_UID, sandbox->meta.uid);

    if (*request->display_name)
        json_object_set_new(annotations, ANNOTATION_DISPLAY_NAME, json_string(request->display_name));
    *ret_object =
        json_pack("{s:s, s:s, s:{s:s, s:O, s:O, s:[s]}, s:{s:s}}", "apiVersion", kind->api_version, "kind",
                  kind->kind, "metadata", "name", name, "labels", labels, "annotations", annotations,
                  "finalizers", FINALIZER_SNAPSHOT, "spec", "sandboxName", sandbox->meta.name);
    return *ret_object ? 0 : error_set(err, ERR_INVALID, "id and display_name: want UTF-8");
}

/* ERR_EXISTS: there is one of this id by now. */
static int make(struct orchestrator_service *self, const create_request *request, json_t **ret_created,
                struct error *err)
{
    SCOPED(json) json_t *source = NULL;
    SCOPED(json) json_t *object = NULL;
    SCOPED_BATCHSANDBOX struct batchsandbox sandbox = {0};
    struct error ignored = {0};

    if (find_sandbox_fresh(self, request->sandbox, &source, err) < 0 ||
        batchsandbox_read(source, &sandbox, err) < 0 || admit(self, &sandbox, err) < 0 ||
        object_of(request, &sandbox, &object, err) < 0 ||
        cluster_create(self->service->cluster, KIND_SANDBOX_SNAPSHOT, self->service->ns, object, ret_created,
                       err) < 0)
        return -1;
    (void)informer_apply(self->service->informers[KIND_SANDBOX_SNAPSHOT], *ret_created,
                         &ignored); /* the stream tells it, too */
    return 0;
}

static bool is_of(const struct sandboxsnapshot *snapshot, const char *sandbox)
{
    SCOPED(string) char *expected = name_label_value(sandbox);
    const char *label = meta_label(&snapshot->meta, LABEL_SOURCE_SANDBOX_ID);

    return strcmp(snapshot->sandbox_name, sandbox) == 0 || (label && strcmp(label, expected) == 0);
}

static int taken(const create_request *request, const char *reason, const char *why, struct error *err)
{
    (void)error_set(err, ERR_EXISTS, "snapshot %s exists already: %s", request->id, why);
    return error_reason(err, reason);
}

/* Is it what an earlier try of this request made? Its source may have changed since, or gone. */
static int check_repeat(const create_request *request, const json_t *json, struct error *err)
{
    SCOPED_SANDBOXSNAPSHOT struct sandboxsnapshot snapshot = {0};

    if (!is_public(json))
        return taken(request, "SnapshotConflict", "an object of that name is no public snapshot", err);
    if (sandboxsnapshot_read(json, &snapshot, err) < 0)
        return -1;
    const char *display_name = meta_annotation(&snapshot.meta, ANNOTATION_DISPLAY_NAME);
    if (!is_of(&snapshot, request->sandbox))
        return taken(request, "SnapshotConflict", "it is of another sandbox", err);
    if (strcmp(display_name ? display_name : "", request->display_name) != 0)
        return taken(request, "RequestMismatch", "it was asked for with another name", err);
    if (meta_is_deleting(&snapshot.meta))
        return taken(request, "SnapshotConflict", "it is being deleted", err);
    return 0;
}

/* ERR_NOT_FOUND: there is none of this id. */
static int repeat(struct orchestrator_service *self, const create_request *request, json_t **ret_snapshot,
                  struct error *err)
{
    SCOPED(string) char *name = name_public_snapshot(request->id);
    SCOPED(json) json_t *there = NULL;

    if (cluster_get(self->service->cluster, KIND_SANDBOX_SNAPSHOT, self->service->ns, name, &there, err) <
            0 ||
        check_repeat(request, there, err) < 0)
        return -1;
    *ret_snapshot = TAKE(there);
    return 0;
}

static int make_or_repeat(struct orchestrator_service *self, const create_request *request,
                          json_t **ret_snapshot, struct error *err)
{
    if (repeat(self, request, ret_snapshot, err) == 0)
        return 0;
    if (err->code != ERR_NOT_FOUND)
        return -1;
    error_clear(err);
    if (make(self, request, ret_snapshot, err) == 0)
        return 0;
    if (err->code != ERR_EXISTS)
        return -1;
    error_clear(err);
    return repeat(self, request, ret_snapshot, err); /* the same request went another way, and was faster */
}

int handle_create_snapshot(struct rpc_call *call, const void *request_, void *response, struct error *err)
{
    const create_request *request = request_;
    struct orchestrator_service *self = rpc_self(call);
    SCOPED(json) json_t *snapshot = NULL;

    if (!*request->id || !*request->sandbox)
        return error_set(err, ERR_INVALID, "id and sandbox: want both, got \"%.64s\" and \"%.64s\"",
                         request->id, request->sandbox);
    if (make_or_repeat(self, request, &snapshot, err) < 0)
        return -1;
    return fill(self, call, snapshot, response, err);
}

/* ---- get, list ---- */

int handle_get_snapshot(struct rpc_call *call, const void *request_, void *response, struct error *err)
{
    const get_request *request = request_;
    struct orchestrator_service *self = rpc_self(call);
    SCOPED(json) json_t *snapshot = NULL;

    if (find_public_snapshot(self, request->id, &snapshot, err) < 0)
        return -1;
    return fill(self, call, snapshot, response, err);
}

static bool is_wanted(const snapshot_message *snapshot, const list_request *request)
{
    return (!*request->sandbox || strcmp(snapshot->sandbox, request->sandbox) == 0) &&
           (!*request->display_name || strcmp(snapshot->display_name, request->display_name) == 0);
}

static int newest_first(const void *a_, const void *b_)
{
    const snapshot_message *a = *(snapshot_message *const *)a_, *b = *(snapshot_message *const *)b_;

    if (a->created_at_unix_ms != b->created_at_unix_ms)
        return a->created_at_unix_ms < b->created_at_unix_ms ? 1 : -1;
    return strcmp(b->id, a->id);
}

/* NULL: it cannot be read; one such object hides no other. */
static snapshot_message *listed(struct orchestrator_service *self, struct rpc_call *call,
                                const struct object *object)
{
    snapshot_message *message = rpc_alloc(call, sizeof(*message));
    struct error err = {0};

    opensandbox__orchestrator__v1__snapshot__init(message);
    if (fill(self, call, object->json, message, &err) == 0)
        return message;
    log_failure(LOG_WARN, "unreadable SandboxSnapshot left out of a list", &err,
                log_str("snapshot", object->name));
    return NULL;
}

int handle_list_snapshots(struct rpc_call *call, const void *request_, void *response_, struct error *err)
{
    const list_request *request = request_;
    list_response *response = response_;
    struct orchestrator_service *self = rpc_self(call);
    SCOPED_PACKED_LIST struct packed_list list = PACKED_LIST_INIT;

    (void)err;
    informer_scan(self->service->informers[KIND_SANDBOX_SNAPSHOT], self->service->ns, &list);
    response->snapshots = rpc_alloc(call, (list.count + 1) * sizeof(*response->snapshots));
    for (size_t i = 0; i < list.count; i++) {
        const char *scope = packed_label(list.items[i], LABEL_SNAPSHOT_SCOPE);
        if (!scope || strcmp(scope, SNAPSHOT_SCOPE_PUBLIC) != 0)
            continue;
        SCOPED(object) struct object *object = packed_open(list.items[i]);
        snapshot_message *message = listed(self, call, object);
        if (message && is_wanted(message, request))
            response->snapshots[response->n_snapshots++] = message;
    }
    if (response->n_snapshots)
        qsort(response->snapshots, response->n_snapshots, sizeof(*response->snapshots), newest_first);
    return 0;
}

/* ---- delete ---- */

static int check_made(const json_t *snapshot, const char *id, struct error *err)
{
    if (json_path(snapshot, "metadata.deletionTimestamp"))
        return 0; /* asked for again */
    switch (snapshot_phase_parse(json_path_string(snapshot, "status.phase"))) {
    case SNAPSHOT_PHASE_NONE:
    case SNAPSHOT_PENDING:
    case SNAPSHOT_COMMITTING:
        (void)error_set(
            err, ERR_PRECONDITION,
            "cannot delete snapshot %s: it is still being made; wait until it is ready, or has failed", id);
        return error_reason(err, "InvalidState");
    case SNAPSHOT_SUCCEED:
    case SNAPSHOT_FAILED:
    case SNAPSHOT_PHASE_UNKNOWN:
    case SNAPSHOT_PHASE_MAX:
        break;
    }
    return 0;
}

int handle_delete_snapshot(struct rpc_call *call, const void *request_, void *response, struct error *err)
{
    const delete_request *request = request_;
    struct orchestrator_service *self = rpc_self(call);
    SCOPED(json) json_t *snapshot = NULL;

    (void)response;
    if (find_public_fresh(self, request->id, &snapshot, err) < 0 ||
        check_made(snapshot, request->id, err) < 0)
        return -1;
    if (cluster_remove(self->service->cluster, KIND_SANDBOX_SNAPSHOT, self->service->ns,
                       json_path_string(snapshot, "metadata.name"),
                       json_path_string(snapshot, "metadata.uid"), 0, err) == 0)
        return 0;
    /* Gone in between, or another one has its name by now: the one that was meant is no more. */
    if (err->code == ERR_NOT_FOUND || err->code == ERR_CONFLICT)
        return snapshot_not_found(err, request->id);
    return -1;
}
