/* intents.c - PauseSandbox and ResumeSandbox: may it be, and the wish into spec.pause.
 * Spec: contract/rest-api.md §7. A wish with a request id is remembered beside it, in the same write: who repeats it is
 * told what the first one was told, by any replica. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/digest.h"
#include "shared/json/json.h"
#include "snapshot-svc/api/orchestrator_priv.h"
#include "snapshot-svc/model/batchsandbox.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/admission.h"
#include "snapshot-svc/reconcile/intent.h"

typedef int admit_fn(const struct batchsandbox *sandbox, enum admit_step *ret_step, struct error *err);

enum { REQUEST_HASH_DIGITS = 32 };

struct verb {
    const char *name;
    bool pause;
    admit_fn *admit;
};

static const struct verb pause_verb = {"pause", true, admit_pause},
                         resume_verb = {"resume", false, admit_resume};

struct wish {
    const struct verb *verb;
    char *mark;         /* "<verb> <hash of the request id> "; NULL: it is not to be repeated */
    int64_t generation; /* the answer */
};

/* ---- what is remembered of a wish ---- */

/* The id is the client's text: as a hash it has a length, and tells nobody what it was. */
static int mark_of(const struct verb *verb, const char *request_id, char **ret_mark, struct error *err)
{
    size_t length = strlen(request_id);

    *ret_mark = NULL;
    if (length == 0)
        return 0;
    if (length > REQUEST_ID_MAX_BYTES)
        return error_set(err, ERR_INVALID, "request_id: want at most %d bytes, got %zu", REQUEST_ID_MAX_BYTES,
                         length);
    struct digest digest = digest_of(request_id, length);
    *ret_mark = xasprintf("%s %.*s ", verb->name, REQUEST_HASH_DIGITS, digest.text + strlen("sha256:"));
    return 0;
}

/* The generation of this very wish, when it is the last one that was written; else 0. */
static int64_t remembered(const json_t *object, const struct wish *wish)
{
    const char *last =
        json_string_value(json_object_get(json_path(object, "metadata.annotations"), ANNOTATION_LAST_WISH));
    size_t length = wish->mark ? strlen(wish->mark) : 0;

    if (!last || !wish->mark || strncmp(last, wish->mark, length) != 0)
        return 0;
    int64_t generation = strtoll(last + length, NULL, 10);
    return generation > 0 ? generation : 0;
}

static int64_t generation_of(const json_t *object)
{
    return json_integer_value(json_path(object, "metadata.generation"));
}

/* What the target's patch says of the annotation; NULL: nothing, there is none to take away. */
static json_t *memory_of(const json_t *object, const struct wish *wish)
{
    if (!wish->mark)
        return json_object_get(json_path(object, "metadata.annotations"), ANNOTATION_LAST_WISH) ? json_null()
                                                                                                : NULL;
    SCOPED(string) char *text = xasprintf("%s%" PRId64, wish->mark, generation_of(object) + 1);
    return json_string(text);
}

/* ---- may it be? ---- */

/* A wish that nobody has answered yet is an operation in progress, whatever the phase still says. */
static int refuse_while_pending(const struct batchsandbox *sandbox, const struct verb *verb,
                                struct error *err)
{
    enum intent intent = sandbox_intent(sandbox);

    if (intent != INTENT_PAUSE && intent != INTENT_RESUME)
        return 0;
    (void)error_set(err, ERR_PRECONDITION, "cannot %s sandbox %s: operation in progress", verb->name,
                    sandbox->meta.name);
    return error_reason(err, "InvalidState");
}

static int decide(const json_t *object, const struct verb *verb, enum admit_step *ret_step, struct error *err)
{
    SCOPED_BATCHSANDBOX struct batchsandbox sandbox = {0};

    if (batchsandbox_read(object, &sandbox, err) < 0 || verb->admit(&sandbox, ret_step, err) < 0)
        return -1;
    return refuse_while_pending(&sandbox, verb, err);
}

/* ---- the write ---- */

static bool says(const json_t *object, const struct verb *verb)
{
    const json_t *pause = json_path(object, "spec.pause");
    return verb->pause ? json_is_true(pause) : json_is_false(pause);
}

/* The write that counts. */
static int write_target(struct orchestrator_service *self, const json_t *object, const struct wish *wish,
                        json_t **ret_written, struct error *err)
{
    SCOPED(json) json_t *patch = json_pack("{s:{s:b}}", "spec", "pause", wish->verb->pause);
    json_t *memory = memory_of(object, wish);

    if (memory)
        json_object_set_new(patch, "metadata",
                            json_pack("{s:{s:o}}", "annotations", ANNOTATION_LAST_WISH, memory));
    return patch_sandbox(self, object, patch, ret_written, err);
}

/* The second write of the bridge failed: is it there all the same? Else it is tried exactly once more. Another's
 * wish that is there instead is for the next look from the start to refuse. */
static int write_again(struct orchestrator_service *self, const json_t *object, const struct wish *wish,
                       json_t **ret_written, struct error *err)
{
    struct error later = {0};
    SCOPED(json) json_t *fresh = NULL;

    if (cluster_get(self->service->cluster, KIND_BATCH_SANDBOX, self->service->ns,
                    json_path_string(object, "metadata.name"), &fresh, &later) < 0 ||
        strcmp(json_path_string(fresh, "metadata.uid"), json_path_string(object, "metadata.uid")) != 0)
        return -1;
    if (!says(fresh, wish->verb)) {
        error_clear(err);
        return write_target(self, fresh, wish, ret_written, err);
    }
    if (err->code == ERR_CONFLICT || (wish->mark && remembered(fresh, wish) == 0)) {
        err->code = ERR_CONFLICT;
        return -1;
    }
    error_clear(err);
    *ret_written = TAKE(fresh);
    return 0;
}

static int bridge(struct orchestrator_service *self, const json_t *object, const struct wish *wish,
                  json_t **ret_written, struct error *err)
{
    SCOPED(json) json_t *patch = json_pack("{s:{s:n}}", "spec", "pause");
    SCOPED(json) json_t *between = NULL;

    if (patch_sandbox(self, object, patch, &between, err) < 0)
        return -1;
    if (write_target(self, between, wish, ret_written, err) == 0)
        return 0;
    return write_again(self, between, wish, ret_written, err);
}

static int write_wish(struct orchestrator_service *self, const json_t *object, void *wish_,
                      json_t **ret_written, struct error *err)
{
    struct wish *wish = wish_;
    enum admit_step step = ADMIT_PATCH;

    wish->generation = remembered(object, wish);
    if (wish->generation > 0)
        return 0;
    if (decide(object, wish->verb, &step, err) < 0 ||
        (step == ADMIT_BRIDGE ? bridge : write_target)(self, object, wish, ret_written, err) < 0)
        return -1;
    wish->generation = generation_of(*ret_written);
    return 0;
}

static int take_wish(struct orchestrator_service *self, const char *name, const struct verb *verb,
                     const char *request_id, int64_t *ret_generation, struct error *err)
{
    SCOPED(string) char *mark = NULL;

    if (mark_of(verb, request_id, &mark, err) < 0)
        return -1;
    struct wish wish = {.verb = verb, .mark = mark};
    if (write_sandbox(self, name, write_wish, &wish, NULL, err) < 0)
        return -1;
    *ret_generation = wish.generation;
    return 0;
}

int handle_pause(struct rpc_call *call, const void *request_, void *response_, struct error *err)
{
    const Opensandbox__Orchestrator__V1__PauseSandboxRequest *request = request_;
    Opensandbox__Orchestrator__V1__PauseSandboxResponse *response = response_;

    return take_wish(rpc_self(call), request->name, &pause_verb, request->request_id, &response->generation,
                     err);
}

int handle_resume(struct rpc_call *call, const void *request_, void *response_, struct error *err)
{
    const Opensandbox__Orchestrator__V1__ResumeSandboxRequest *request = request_;
    Opensandbox__Orchestrator__V1__ResumeSandboxResponse *response = response_;

    return take_wish(rpc_self(call), request->name, &resume_verb, request->request_id, &response->generation,
                     err);
}
