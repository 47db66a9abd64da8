#include "snapshot-svc/cluster/local/collect.h"

#include <stdbool.h>
#include <string.h>

#include "shared/json/json.h"
#include "snapshot-svc/cluster/local/metadata.h"

/* The uids of what was removed and whose children wait to be looked at; a list, so that a long chain of
 * owners does not become a deep recursion. */
typedef json_t uid_list;

static int remove_one(struct store *store, enum cluster_kind kind, json_t *object, uid_list *gone,
                      struct error *err)
{
    if (store_remove(store, kind, object, err) < 0)
        return -1;
    json_array_append(gone, json_path(object, "metadata.uid"));
    return 0;
}

static int delete_one(struct store *store, const struct change *change, json_t *object, int grace_s,
                      uid_list *gone, struct error *err)
{
    if (!metadata_has_finalizers(json_object_get(object, "metadata")))
        return remove_one(store, change->kind, object, gone, err);
    SCOPED(json) json_t *marked = change_mark_deleted(change, object, grace_s);
    if (json_equal(marked, object))
        return 0;
    return store_update(store, change->kind, marked, err);
}

/* ---- owners ---- */

enum owner_state { OWNER_ALIVE, OWNER_GONE };

static bool kind_of_owner(const json_t *owner, enum cluster_kind *ret_kind)
{
    const char *api_version = json_string_value(json_object_get(owner, "apiVersion"));
    const char *kind_name = json_string_value(json_object_get(owner, "kind"));

    for (int kind = 0; kind < KIND_MAX; kind++) {
        const struct cluster_kind_info *info = cluster_kind_info((enum cluster_kind)kind);
        if (kind == KIND_SECRET || strcmp(info->kind, kind_name) != 0 ||
            strcmp(info->api_version, api_version) != 0)
            continue;
        *ret_kind = (enum cluster_kind)kind;
        return true;
    }
    return false;
}

static int owner_look_up(struct store *store, const json_t *owner, enum owner_state *ret_state,
                         struct error *err)
{
    enum cluster_kind kind;
    int found = 1; /* elsewhere: not ours to judge */

    if (kind_of_owner(owner, &kind))
        found = store_has_uid(store, kind, json_string_value(json_object_get(owner, "uid")), err);
    if (found < 0)
        return -1;
    *ret_state = found ? OWNER_ALIVE : OWNER_GONE;
    return 0;
}

/* *ret_alive: a new list of the references whose owners are there. */
static int owners_alive(struct store *store, const json_t *owners, json_t **ret_alive, struct error *err)
{
    SCOPED(json) json_t *alive = json_array();
    size_t i;
    json_t *owner;

    json_array_foreach(owners, i, owner)
    {
        enum owner_state state;
        if (owner_look_up(store, owner, &state, err) < 0)
            return -1;
        if (state == OWNER_ALIVE)
            json_array_append(alive, owner);
    }
    *ret_alive = TAKE(alive);
    return 0;
}

static int keep_owners(struct store *store, enum cluster_kind kind, const json_t *object, json_t *alive,
                       struct error *err)
{
    SCOPED(json) json_t *changed = json_deep_copy(object);
    json_object_set(json_object_get(changed, "metadata"), "ownerReferences", alive);
    return store_update(store, kind, changed, err);
}

static int settle(struct store *store, const struct change *change, const json_t *object, uid_list *gone,
                  struct error *err)
{
    const json_t *owners = json_path(object, "metadata.ownerReferences");
    SCOPED(json) json_t *alive = NULL;

    if (owners_alive(store, owners, &alive, err) < 0)
        return -1;
    if (json_array_size(alive) == json_array_size(owners))
        return 0;
    if (json_array_size(alive) > 0)
        return keep_owners(store, change->kind, object, alive, err);
    SCOPED(json) json_t *orphan = json_deep_copy(object);
    return delete_one(store, change, orphan, -1, gone, err);
}

/* ---- the cascade ---- */

static int settle_children(struct store *store, const struct change *change, const char *owner_uid,
                           uid_list *gone, struct error *err)
{
    SCOPED_ROWS struct row_list rows = ROW_LIST_INIT;

    if (store_children(store, owner_uid, &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < rows.count; i++) {
        struct change child = *change;
        child.kind = rows.items[i].kind;
        if (settle(store, &child, rows.items[i].object, gone, err) < 0)
            return -1;
    }
    return 0;
}

static int follow(struct store *store, const struct change *change, uid_list *gone, struct error *err)
{
    while (json_array_size(gone) > 0) {
        size_t last = json_array_size(gone) - 1;
        SCOPED(json) json_t *uid = json_incref(json_array_get(gone, last));
        json_array_remove(gone, last);
        if (settle_children(store, change, json_string_value(uid), gone, err) < 0)
            return -1;
    }
    return 0;
}

int collect_delete(struct store *store, const struct change *change, json_t *object, int grace_s,
                   struct error *err)
{
    SCOPED(json) uid_list *gone = json_array();
    if (delete_one(store, change, object, grace_s, gone, err) < 0)
        return -1;
    return follow(store, change, gone, err);
}

int collect_remove(struct store *store, const struct change *change, json_t *object, struct error *err)
{
    SCOPED(json) uid_list *gone = json_array();
    if (remove_one(store, change->kind, object, gone, err) < 0)
        return -1;
    return follow(store, change, gone, err);
}

int collect_if_ownerless(struct store *store, const struct change *change, const json_t *object,
                         struct error *err)
{
    SCOPED(json) uid_list *gone = json_array();
    if (settle(store, change, object, gone, err) < 0)
        return -1;
    return follow(store, change, gone, err);
}
