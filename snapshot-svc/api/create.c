/* create.c - CreateSandbox: what the sandbox needs, then the BatchSandbox itself, once for each request.
 * Spec: contract/rest-api.md §4.1 rows 10 and 12, §4.2, §4.3 (Secret). */
#include <ctype.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "snapshot-svc/api/claims.h"
#include "snapshot-svc/api/image_auth.h"
#include "snapshot-svc/api/orchestrator_priv.h"
#include "snapshot-svc/api/sandbox_message.h"
#include "snapshot-svc/model/names.h"

typedef Opensandbox__Orchestrator__V1__CreateSandboxRequest create_request;

/* A sandbox that is gone when we look at it may be made after all; who makes and deletes it all the time is stopped here. */
enum { FINGERPRINT_DIGITS = 64, CREATE_ATTEMPTS = 3 };

static bool is_repeatable(const create_request *request)
{
    return request->request_id[0] != '\0';
}

static int check_request(const create_request *request, struct error *err)
{
    const char *c = request->request_fingerprint;

    if (!is_repeatable(request))
        return 0;
    if (strlen(request->request_id) > REQUEST_ID_MAX_BYTES)
        return error_set(err, ERR_INVALID, "request_id: want at most %d bytes, got %zu", REQUEST_ID_MAX_BYTES,
                         strlen(request->request_id));
    while (isdigit((unsigned char)*c) || (*c >= 'a' && *c <= 'f'))
        c++;
    if (*c || c - request->request_fingerprint != FINGERPRINT_DIGITS)
        return error_set(err, ERR_INVALID,
                         "request_fingerprint: want %d lowercase hex digits beside a request_id",
                         FINGERPRINT_DIGITS);
    return 0;
}

/* ---- the object ---- */

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
    if (is_repeatable(request) &&
        put(annotations, ANNOTATION_REQUEST_FINGERPRINT, request->request_fingerprint, err) < 0)
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

/* ---- one sandbox for each request ---- */

/* Somebody has the name: is it this very request, asked before? */
static int judge_existing(const create_request *request, const json_t *existing, struct error *err)
{
    const char *fingerprint = json_string_value(
        json_object_get(json_path(existing, "metadata.annotations"), ANNOTATION_REQUEST_FINGERPRINT));

    if (!fingerprint || strcmp(fingerprint, request->request_fingerprint) != 0) {
        (void)error_set(err, ERR_EXISTS, "sandbox %.253s was made by another request with this request_id",
                        request->name);
        return error_reason(err, "RequestMismatch");
    }
    if (json_path(existing, "metadata.deletionTimestamp")) {
        (void)error_set(err, ERR_EXISTS, "sandbox %.253s of this request is being deleted", request->name);
        return error_reason(err, "BeingDeleted");
    }
    return 0;
}

static int create_once(struct orchestrator_service *self, const create_request *request, const json_t *object,
                       json_t **ret_sandbox, bool *ret_existed, struct error *err)
{
    struct cluster *cluster = self->service->cluster;
    SCOPED(json) json_t *existing = NULL;

    *ret_existed = false;
    if (cluster_create(cluster, KIND_BATCH_SANDBOX, self->service->ns, object, ret_sandbox, err) == 0)
        return 0;
    if (err->code != ERR_EXISTS || !is_repeatable(request))
        return -1;
    error_clear(err);
    if (cluster_get(cluster, KIND_BATCH_SANDBOX, self->service->ns, request->name, &existing, err) < 0 ||
        judge_existing(request, existing, err) < 0)
        return -1;
    *ret_existed = true;
    *ret_sandbox = TAKE(existing);
    return 0;
}

static int create_sandbox(struct orchestrator_service *self, const create_request *request,
                          const json_t *object, json_t **ret_sandbox, bool *ret_existed, struct error *err)
{
    int attempts = CREATE_ATTEMPTS, done;

    do {
        error_clear(err);
        done = create_once(self, request, object, ret_sandbox, ret_existed, err);
    } while (done < 0 && err->code == ERR_NOT_FOUND && is_repeatable(request) && --attempts > 0);
    return done;
}

/* ---- all of it ---- */

static const char *id_of(const json_t *object)
{
    const char *id =
        json_string_value(json_object_get(json_path(object, "metadata.labels"), LABEL_SANDBOX_ID));
    return id ? id : json_path_string(object, "metadata.name");
}

/* Its Secret cannot be given to it: a sandbox that we have just made goes again. */
static void take_back(struct orchestrator_service *self, const json_t *sandbox)
{
    const char *name = json_path_string(sandbox, "metadata.name");
    struct error err = {0};

    if (cluster_remove(self->service->cluster, KIND_BATCH_SANDBOX, self->service->ns, name,
                       json_path_string(sandbox, "metadata.uid"), 0, &err) < 0 &&
        err.code != ERR_NOT_FOUND && err.code != ERR_CONFLICT)
        log_failure(LOG_WARN, "a failed create left its sandbox behind", &err, log_str("sandbox", name));
}

static int create_with_needs(struct orchestrator_service *self, const create_request *request,
                             const json_t *object, json_t **ret_sandbox, bool *ret_existed, struct error *err)
{
    SCOPED_IMAGE_AUTH struct image_auth auth = {.cluster = self->service->cluster, .ns = self->service->ns};
    SCOPED(json) json_t *sandbox = NULL;

    if (claims_ensure(self->service->cluster, self->service->ns, id_of(object), request->claims,
                      request->n_claims, err) < 0 ||
        image_auth_make(&auth, request->image_auth_secret, id_of(object), &request->image_auth_docker_config,
                        err) < 0)
        return -1;
    if (create_sandbox(self, request, object, &sandbox, ret_existed, err) < 0) {
        image_auth_drop(&auth);
        return -1;
    }
    if (image_auth_give(&auth, sandbox, err) < 0) {
        if (!*ret_existed)
            take_back(self, sandbox);
        image_auth_drop(&auth);
        return -1;
    }
    *ret_sandbox = TAKE(sandbox);
    return 0;
}

/* The call's memory is freed, not wiped. */
static void wipe_credentials(const create_request *request)
{
    if (request->image_auth_docker_config.data)
        explicit_bzero(request->image_auth_docker_config.data, request->image_auth_docker_config.len);
}

/* What this very request made before. */
static int find_existing(struct orchestrator_service *self, const create_request *request,
                         json_t **ret_sandbox, struct error *err)
{
    SCOPED(json) json_t *existing = NULL;

    if (!is_repeatable(request))
        return error_set(err, ERR_INVALID, "existing_only: want a request_id beside it");
    if (find_sandbox_fresh(self, request->name, &existing, err) < 0 ||
        judge_existing(request, existing, err) < 0)
        return -1;
    *ret_sandbox = TAKE(existing);
    return 0;
}

static int find_or_create(struct orchestrator_service *self, const create_request *request,
                          json_t **ret_sandbox, bool *ret_existed, struct error *err)
{
    SCOPED(json) json_t *object = NULL;

    if (check_request(request, err) < 0)
        return -1;
    if (request->existing_only) {
        *ret_existed = true;
        return find_existing(self, request, ret_sandbox, err);
    }
    if (object_of(request, &object, err) < 0)
        return -1;
    return create_with_needs(self, request, object, ret_sandbox, ret_existed, err);
}

int handle_create(struct rpc_call *call, const void *request_, void *response_, struct error *err)
{
    const create_request *request = request_;
    struct orchestrator_service *self = rpc_self(call);
    const struct message_memory memory = {.call = call};
    sandbox_message *response = response_;
    SCOPED(json) json_t *sandbox = NULL;
    struct error ignored = {0};
    bool existed = false;

    int made = find_or_create(self, request, &sandbox, &existed, err);
    wipe_credentials(request);
    if (made < 0)
        return -1;
    (void)informer_apply(self->service->informers[KIND_BATCH_SANDBOX], sandbox,
                         &ignored); /* the stream tells it, too */
    SCOPED(object) struct object *snapshot = find_snapshot(self, json_path_string(sandbox, "metadata.name"));
    sandbox_message_fill(&memory, sandbox, snapshot ? snapshot->json : NULL, response);
    response->existed = existed;
    return 0;
}
