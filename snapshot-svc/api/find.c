#include <string.h>

#include "shared/base/alloc.h"
#include "snapshot-svc/api/orchestrator_priv.h"
#include "snapshot-svc/model/names.h"

/* OpenSandbox's server once prefixed its names. */
static char *legacy_name(const char *name)
{
    return xasprintf("sandbox-%s", name);
}

int sandbox_not_found(struct error *err, const char *name)
{
    (void)error_set(err, ERR_NOT_FOUND, "there is no sandbox %.253s", name);
    return error_reason(err, "SandboxNotFound");
}

static int get_fresh(struct orchestrator_service *self, const char *name, json_t **ret_object,
                     struct error *err)
{
    return cluster_get(self->service->cluster, KIND_BATCH_SANDBOX, self->service->ns, name, ret_object, err);
}

int find_sandbox_fresh(struct orchestrator_service *self, const char *name, json_t **ret_object,
                       struct error *err)
{
    SCOPED(string) char *legacy = legacy_name(name);

    if (get_fresh(self, name, ret_object, err) == 0)
        return 0;
    if (err->code != ERR_NOT_FOUND)
        return -1;
    error_clear(err);
    if (get_fresh(self, legacy, ret_object, err) == 0)
        return 0;
    return err->code == ERR_NOT_FOUND ? sandbox_not_found(err, name) : -1;
}

static struct object *in_cache(struct orchestrator_service *self, const char *name)
{
    return informer_get(self->service->informers[KIND_BATCH_SANDBOX], self->service->ns, name);
}

int find_sandbox(struct orchestrator_service *self, const char *name, struct object **ret_object,
                 struct error *err)
{
    SCOPED(string) char *legacy = legacy_name(name);
    json_t *fresh = NULL;
    struct object *object = in_cache(self, name);

    if (!object)
        object = in_cache(self, legacy);
    if (!object) {
        /* Perhaps another replica has just made it. */
        if (find_sandbox_fresh(self, name, &fresh, err) < 0)
            return -1;
        if (object_adopt(fresh, &object, err) < 0) {
            json_decref(fresh);
            return -1;
        }
    }
    *ret_object = object;
    return 0;
}

struct object *find_snapshot(struct orchestrator_service *self, const char *sandbox)
{
    SCOPED(string) char *name = name_internal_snapshot(sandbox);
    return informer_get(self->service->informers[KIND_SANDBOX_SNAPSHOT], self->service->ns, name);
}
