#include "snapshot-svc/api/claims.h"

#include <stdlib.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "snapshot-svc/model/names.h"

typedef Opensandbox__Orchestrator__V1__VolumeClaim volume_claim;

#define STORAGE_DEFAULT "1Gi"
#define MODE_DEFAULT    "ReadWriteOnce"

static json_t *access_modes_of(const volume_claim *claim)
{
    json_t *modes = json_array();

    for (size_t i = 0; i < claim->n_access_modes; i++)
        json_array_append_new(modes, json_string(claim->access_modes[i]));
    if (claim->n_access_modes == 0)
        json_array_append_new(modes, json_string(MODE_DEFAULT));
    return modes;
}

static json_t *object_of(const volume_claim *claim, const char *sandbox_id)
{
    const struct cluster_kind_info *kind = cluster_kind_info(KIND_VOLUME_CLAIM);
    SCOPED(string) char *id = name_label_value(sandbox_id);
    json_t *object =
        json_pack("{s:s, s:s, s:{s:s, s:{s:s}}, s:{s:o, s:{s:{s:s}}}}", "apiVersion", kind->api_version,
                  "kind", kind->kind, "metadata", "name", claim->name, "labels", LABEL_SANDBOX_ID, id, "spec",
                  "accessModes", access_modes_of(claim), "resources", "requests", "storage",
                  claim->storage[0] ? claim->storage : STORAGE_DEFAULT);

    if (claim->storage_class[0])
        json_object_set_new(json_object_get(object, "spec"), "storageClassName",
                            json_string(claim->storage_class));
    return object;
}

static int make(struct cluster *cluster, const char *ns, const volume_claim *claim, const char *sandbox_id,
                struct error *err)
{
    SCOPED(json) json_t *object = object_of(claim, sandbox_id);

    if (!object)
        return error_set(err, ERR_INVALID, "want UTF-8");
    if (cluster_create(cluster, KIND_VOLUME_CLAIM, ns, object, NULL, err) == 0)
        return 0;
    if (err->code == ERR_DENIED)
        log_failure(LOG_WARN, "a volume claim was not made: its sandbox waits for it", err,
                    log_str("claim", claim->name), log_str("sandbox", sandbox_id));
    else if (err->code != ERR_EXISTS)
        return -1;
    error_clear(err);
    return 0;
}

static int ensure(struct cluster *cluster, const char *ns, const volume_claim *claim, const char *sandbox_id,
                  struct error *err)
{
    SCOPED(json) json_t *found = NULL;

    if (!claim->create)
        return 0;
    if (cluster_get(cluster, KIND_VOLUME_CLAIM, ns, claim->name, &found, err) == 0)
        return 0;
    if (err->code != ERR_NOT_FOUND && err->code != ERR_DENIED)
        return -1;
    bool is_missing = err->code == ERR_NOT_FOUND;
    error_clear(err);
    return is_missing ? make(cluster, ns, claim, sandbox_id, err) : 0;
}

int claims_ensure(struct cluster *cluster, const char *ns, const char *sandbox_id,
                  volume_claim *const *claims, size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++)
        if (ensure(cluster, ns, claims[i], sandbox_id, err) < 0)
            return error_wrap(err, "volume claim %.253s", claims[i]->name);
    return 0;
}
