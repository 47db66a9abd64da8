#include <string.h>

#include "shared/json/json.h"
#include "shared/log/log.h"
#include "snapshot-svc/cluster/local/local_priv.h"
#include "snapshot-svc/cluster/local/refusal.h"
#include "snapshot-svc/cluster/local/secrets.h"

enum { DELETIONS_AT_ONCE = 64 };

static int refuse_folder(const struct local *local, const char *name, struct error *err)
{
    return error_set(err, ERR_UNSUPPORTED, "secrets \"%.*s\": is a folder in %s, and read-only", QUOTED(name),
                     local->secrets_dir);
}

int local_secret_get(struct local *local, const char *ns, const char *name, json_t **ret_secret,
                     struct error *err)
{
    if (strcmp(ns, local->ns) != 0)
        return refuse_not_found(err, KIND_SECRET, name);
    if (secret_is_folder(local->secrets_dir, name))
        return secret_read(local->secrets_dir, ns, name, ret_secret, err);
    pthread_mutex_lock(&local->lock);
    int done = secret_box_get(local->secrets, name, ret_secret, err);
    pthread_mutex_unlock(&local->lock);
    return done;
}

/* With the lock held: an owner that has gone before it was named takes the Secret along at once. */
static void drop_if_ownerless(struct local *local, const json_t *wanted)
{
    const json_t *owner = json_array_get(json_path(wanted, "metadata.ownerReferences"), 0);
    const char *uid = json_string_value(json_object_get(owner, "uid"));
    struct error ignored = {0}; /* an owner that cannot be looked up counts as alive */

    if (uid && store_has_uid(local->store, KIND_BATCH_SANDBOX, uid, &ignored) == 0)
        secret_box_owner_gone(local->secrets, uid);
}

int local_secret_create(struct local *local, const json_t *wanted, json_t **ret_secret, struct error *err)
{
    const struct change change = local_change(local, KIND_SECRET);
    const char *name = json_path_string(wanted, "metadata.name");

    if (name && secret_is_folder(local->secrets_dir, name))
        return refuse_exists(err, KIND_SECRET, name);
    pthread_mutex_lock(&local->lock);
    int done = secret_box_create(local->secrets, &change, wanted, ret_secret, err);
    if (done == 0)
        drop_if_ownerless(local, wanted);
    pthread_mutex_unlock(&local->lock);
    return done;
}

static int check_writable(const struct local *local, const char *ns, const char *name, struct error *err)
{
    if (strcmp(ns, local->ns) != 0)
        return refuse_not_found(err, KIND_SECRET, name);
    return secret_is_folder(local->secrets_dir, name) ? refuse_folder(local, name, err) : 0;
}

int local_secret_patch(struct local *local, const char *ns, const char *name, const json_t *merge_patch,
                       const char *resource_version, json_t **ret_secret, struct error *err)
{
    const struct change change = local_change(local, KIND_SECRET);

    if (check_writable(local, ns, name, err) < 0)
        return -1;
    pthread_mutex_lock(&local->lock);
    int done =
        secret_box_patch(local->secrets, &change, name, merge_patch, resource_version, ret_secret, err);
    if (done == 0)
        drop_if_ownerless(local, merge_patch);
    pthread_mutex_unlock(&local->lock);
    return done;
}

int local_secret_remove(struct local *local, const char *ns, const char *name, const char *uid,
                        const char *resource_version, struct error *err)
{
    if (check_writable(local, ns, name, err) < 0)
        return -1;
    pthread_mutex_lock(&local->lock);
    int done = secret_box_remove(local->secrets, name, uid, resource_version, err);
    pthread_mutex_unlock(&local->lock);
    return done;
}

void local_secrets_follow(struct local *local, uint64_t version)
{
    SCOPED_CHANGES struct change_list changes = CHANGE_LIST_INIT;
    struct error err = {0};

    if (secret_box_is_empty(local->secrets))
        return;
    if (store_changes(local->store, KIND_BATCH_SANDBOX, local->ns, version, DELETIONS_AT_ONCE, &changes,
                      &err) < 0)
        log_failure(LOG_WARN, "Secrets of deleted sandboxes may stay in memory", &err);
    for (size_t i = 0; i < changes.count; i++)
        if (changes.items[i].type == WATCH_DELETED)
            secret_box_owner_gone(local->secrets, json_path_string(changes.items[i].object, "metadata.uid"));
}
