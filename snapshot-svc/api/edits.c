/* edits.c - RenewSandbox and LabelSandbox: what users change of a sandbox without asking anything of its pods.
 * Spec: contract/rest-api.md §8, §9. */
#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "snapshot-svc/api/orchestrator_priv.h"
#include "snapshot-svc/api/sandbox_message.h"
#include "snapshot-svc/model/names.h"

typedef Opensandbox__Orchestrator__V1__RenewSandboxRequest renew_request;
typedef Opensandbox__Orchestrator__V1__LabelSandboxRequest label_request;

static int edit(struct rpc_call *call, const char *name, sandbox_write_fn *write, const void *request,
                sandbox_message *out, struct error *err)
{
    struct orchestrator_service *self = rpc_self(call);
    const struct message_memory memory = {.call = call};
    SCOPED(json) json_t *written = NULL;

    if (write_sandbox(self, name, write, (void *)request, &written, err) < 0)
        return -1;
    SCOPED(object) struct object *snapshot = find_snapshot(self, json_path_string(written, "metadata.name"));
    sandbox_message_fill(&memory, written, snapshot ? snapshot->json : NULL, out);
    return 0;
}

/* ---- renew ---- */

static int64_t whole_seconds_up(int64_t unix_ms)
{
    return unix_ms / 1000 + (unix_ms % 1000 != 0);
}

static json_t *renewal(const json_t *sandbox, int64_t expires_unix_ms)
{
    char expires[RFC3339_SIZE], now[RFC3339_SIZE];
    json_t *patch = json_pack("{s:{s:s}}", "spec", "expireTime",
                              rfc3339_format(whole_seconds_up(expires_unix_ms), expires));

    /* While it stands still, what remains is the time from there to the expiry: it counts from now. */
    if (json_object_get(json_path(sandbox, "metadata.annotations"), ANNOTATION_TTL_STOPPED_AT))
        json_object_set_new(patch, "metadata",
                            json_pack("{s:{s:s}}", "annotations", ANNOTATION_TTL_STOPPED_AT,
                                      rfc3339_format(clock_realtime_ms() / 1000, now)));
    return patch;
}

static int write_renewal(struct orchestrator_service *self, const json_t *sandbox, void *request_,
                         json_t **ret_written, struct error *err)
{
    const renew_request *request = request_;

    if (!json_path_string(sandbox, "spec.expireTime")) {
        (void)error_set(err, ERR_PRECONDITION, "sandbox %.253s never expires: there is nothing to renew",
                        request->name);
        return error_reason(err, "NoExpiry");
    }
    SCOPED(json) json_t *patch = renewal(sandbox, request->expire_time_unix_ms);
    return patch_sandbox(self, sandbox, patch, ret_written, err);
}

int handle_renew(struct rpc_call *call, const void *request_, void *response, struct error *err)
{
    const renew_request *request = request_;

    if (request->expire_time_unix_ms <= 0)
        return error_set(err, ERR_INVALID, "expire_time_unix_ms: want a time after 1970, got %lld",
                         (long long)request->expire_time_unix_ms);
    return edit(call, request->name, write_renewal, request, response, err);
}

/* ---- label ---- */

static int labels_of(const label_request *request, json_t **ret_labels, struct error *err)
{
    SCOPED(json) json_t *labels = json_object();

    for (size_t i = 0; i < request->n_remove; i++)
        if (json_object_set_new(labels, request->remove[i], json_null()) < 0)
            return error_set(err, ERR_INVALID, "remove: want UTF-8");
    for (size_t i = 0; i < request->n_set; i++)
        if (json_object_set_new(labels, request->set[i]->key, json_string(request->set[i]->value)) < 0)
            return error_set(err, ERR_INVALID, "set: want UTF-8");
    *ret_labels = TAKE(labels);
    return 0;
}

static int write_labels(struct orchestrator_service *self, const json_t *sandbox, void *request,
                        json_t **ret_written, struct error *err)
{
    json_t *labels = NULL;

    if (labels_of(request, &labels, err) < 0)
        return -1;
    SCOPED(json) json_t *patch = json_pack("{s:{s:o}}", "metadata", "labels", labels);
    return patch_sandbox(self, sandbox, patch, ret_written, err);
}

int handle_label(struct rpc_call *call, const void *request_, void *response, struct error *err)
{
    const label_request *request = request_;
    return edit(call, request->name, write_labels, request, response, err);
}
