#include <string.h>

#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "snapshot-svc/api/orchestrator_priv.h"

/* A controller's status write moves the resourceVersion, too; then it is looked at again. Who writes without pause for
 * longer than this is no controller. */
enum { PATIENCE_MS = 5000 };

int patch_sandbox(struct orchestrator_service *self, const json_t *sandbox, const json_t *patch,
                  json_t **ret_written, struct error *err)
{
    return cluster_patch(self->service->cluster, KIND_BATCH_SANDBOX, self->service->ns,
                         json_path_string(sandbox, "metadata.name"), patch,
                         json_path_string(sandbox, "metadata.resourceVersion"), ret_written, err);
}

static int write_once(struct orchestrator_service *self, const char *name, sandbox_write_fn *write,
                      void *wish, json_t **ret_written, struct error *err)
{
    SCOPED(json) json_t *sandbox = NULL;

    if (find_sandbox_fresh(self, name, &sandbox, err) < 0)
        return -1;
    return write(self, sandbox, wish, ret_written, err);
}

/* FNV-1a; that two names share a lock does no harm. */
static pthread_mutex_t *lock_of(struct orchestrator_service *self, const char *name)
{
    uint32_t hash = 2166136261u;

    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    return &self->write_locks[hash % WRITE_LOCKS];
}

int write_sandbox(struct orchestrator_service *self, const char *name, sandbox_write_fn *write, void *wish,
                  json_t **ret_written, struct error *err)
{
    int64_t give_up_ms = clock_monotonic_ms() + PATIENCE_MS;
    pthread_mutex_t *lock = lock_of(self, name);
    SCOPED(json) json_t *written = NULL;
    struct error ignored = {0};
    int done;

    pthread_mutex_lock(lock);
    do {
        error_clear(err);
        done = write_once(self, name, write, wish, &written, err);
    } while (done < 0 && err->code == ERR_CONFLICT && clock_monotonic_ms() < give_up_ms);
    pthread_mutex_unlock(lock);
    if (done < 0)
        return err->code == ERR_NOT_FOUND ? sandbox_not_found(err, name) : -1;
    if (written)
        (void)informer_apply(self->service->informers[KIND_BATCH_SANDBOX], written,
                             &ignored); /* the stream tells it, too */
    if (ret_written)
        *ret_written = TAKE(written);
    return 0;
}
