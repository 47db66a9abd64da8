/* intents.c - PauseSandbox and ResumeSandbox: may it be, and the wish into spec.pause.
 * Spec: contract/rest-api.md §7. One caller at a time looks at a sandbox and writes, so the second of two sees what the
 * first one wrote; against other replicas stands the precondition of the write. */
#include <string.h>

#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "snapshot-svc/api/orchestrator_priv.h"
#include "snapshot-svc/model/batchsandbox.h"
#include "snapshot-svc/reconcile/admission.h"
#include "snapshot-svc/reconcile/intent.h"

typedef int admit_fn(const struct batchsandbox *sandbox, enum admit_step *ret_step, struct error *err);

/* A controller's status write moves the resourceVersion, too; then it is looked at again. Who writes without pause for
 * longer than this is no controller. */
enum { PATIENCE_MS = 5000 };

struct wish {
    const char *verb;
    bool pause;
    admit_fn *admit;
};

static const struct wish pause_wish = {"pause", true, admit_pause},
                         resume_wish = {"resume", false, admit_resume};

/* A wish that nobody has answered yet is an operation in progress, whatever the phase still says. */
static int refuse_while_pending(const struct batchsandbox *sandbox, const struct wish *wish,
                                struct error *err)
{
    enum intent intent = sandbox_intent(sandbox);

    if (intent != INTENT_PAUSE && intent != INTENT_RESUME)
        return 0;
    (void)error_set(err, ERR_PRECONDITION, "cannot %s sandbox %s: operation in progress", wish->verb,
                    sandbox->meta.name);
    return error_reason(err, "InvalidState");
}

static int decide(const json_t *object, const struct wish *wish, enum admit_step *ret_step, struct error *err)
{
    SCOPED_BATCHSANDBOX struct batchsandbox sandbox = {0};

    if (batchsandbox_read(object, &sandbox, err) < 0 || wish->admit(&sandbox, ret_step, err) < 0)
        return -1;
    return refuse_while_pending(&sandbox, wish, err);
}

/* value: PAUSE_ABSENT takes the member away. *ret_object may be NULL. */
static int write_pause(struct orchestrator_service *self, const json_t *object, int value,
                       const char *version, json_t **ret_object, struct error *err)
{
    json_t *pause = value == PAUSE_ABSENT ? json_null() : json_boolean(value == PAUSE_TRUE);
    SCOPED(json) json_t *patch = json_pack("{s:{s:o}}", "spec", "pause", pause);

    return cluster_patch(self->service->cluster, KIND_BATCH_SANDBOX, self->service->ns,
                         json_path_string(object, "metadata.name"), patch, version, ret_object, err);
}

static const char *version_of(const json_t *object)
{
    return json_path_string(object, "metadata.resourceVersion");
}

static bool says(const json_t *object, const struct wish *wish)
{
    const json_t *pause = json_path(object, "spec.pause");
    return wish->pause ? json_is_true(pause) : json_is_false(pause);
}

static int64_t generation_of(const json_t *object)
{
    return json_integer_value(json_path(object, "metadata.generation"));
}

/* The write that counts; *ret_generation is its number. */
static int write_target(struct orchestrator_service *self, const json_t *object, const struct wish *wish,
                        int64_t *ret_generation, struct error *err)
{
    SCOPED(json) json_t *written = NULL;

    if (write_pause(self, object, wish->pause, version_of(object), &written, err) < 0)
        return -1;
    *ret_generation = generation_of(written);
    return 0;
}

/* The second write of the bridge failed: is it there all the same? Else it is tried exactly once more. */
static int write_again(struct orchestrator_service *self, const json_t *object, const struct wish *wish,
                       int64_t *ret_generation, struct error *err)
{
    struct error later = {0};
    SCOPED(json) json_t *fresh = NULL;

    if (cluster_get(self->service->cluster, KIND_BATCH_SANDBOX, self->service->ns,
                    json_path_string(object, "metadata.name"), &fresh, &later) < 0 ||
        strcmp(json_path_string(fresh, "metadata.uid"), json_path_string(object, "metadata.uid")) != 0)
        return -1;
    error_clear(err);
    if (!says(fresh, wish))
        return write_target(self, fresh, wish, ret_generation, err);
    *ret_generation = generation_of(fresh);
    return 0;
}

static int bridge(struct orchestrator_service *self, const json_t *object, const struct wish *wish,
                  int64_t *ret_generation, struct error *err)
{
    SCOPED(json) json_t *between = NULL;

    if (write_pause(self, object, PAUSE_ABSENT, version_of(object), &between, err) < 0)
        return -1;
    if (write_target(self, between, wish, ret_generation, err) == 0)
        return 0;
    return write_again(self, between, wish, ret_generation, err);
}

static int wish_once(struct orchestrator_service *self, const char *name, const struct wish *wish,
                     int64_t *ret_generation, struct error *err)
{
    SCOPED(json) json_t *object = NULL;
    enum admit_step step = ADMIT_PATCH;

    if (find_sandbox_fresh(self, name, &object, err) < 0 || decide(object, wish, &step, err) < 0)
        return -1;
    if (step == ADMIT_BRIDGE)
        return bridge(self, object, wish, ret_generation, err);
    return write_target(self, object, wish, ret_generation, err);
}

/* FNV-1a; that two names share a lock does no harm. */
static pthread_mutex_t *lock_of(struct orchestrator_service *self, const char *name)
{
    uint32_t hash = 2166136261u;

    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    return &self->intent_locks[hash % INTENT_LOCKS];
}

static int write_wish(struct orchestrator_service *self, const char *name, const struct wish *wish,
                      int64_t *ret_generation, struct error *err)
{
    int64_t give_up_ms = clock_monotonic_ms() + PATIENCE_MS;
    pthread_mutex_t *lock = lock_of(self, name);
    int done;

    pthread_mutex_lock(lock);
    do {
        error_clear(err);
        done = wish_once(self, name, wish, ret_generation, err);
    } while (done < 0 && err->code == ERR_CONFLICT && clock_monotonic_ms() < give_up_ms);
    pthread_mutex_unlock(lock);
    if (done < 0 && err->code == ERR_NOT_FOUND)
        return sandbox_not_found(err, name);
    return done;
}

int handle_pause(struct rpc_call *call, const void *request_, void *response_, struct error *err)
{
    const Opensandbox__Orchestrator__V1__PauseSandboxRequest *request = request_;
    Opensandbox__Orchestrator__V1__PauseSandboxResponse *response = response_;

    return write_wish(rpc_self(call), request->name, &pause_wish, &response->generation, err);
}

int handle_resume(struct rpc_call *call, const void *request_, void *response_, struct error *err)
{
    const Opensandbox__Orchestrator__V1__ResumeSandboxRequest *request = request_;
    Opensandbox__Orchestrator__V1__ResumeSandboxResponse *response = response_;

    return write_wish(rpc_self(call), request->name, &resume_wish, &response->generation, err);
}
