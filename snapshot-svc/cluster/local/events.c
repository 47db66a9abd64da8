#include "snapshot-svc/cluster/local/events.h"

#include <string.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "snapshot-svc/cluster/local/local.h"

int event_check(const json_t *event, struct error *err)
{
    const char *about = json_path_string(event, "involvedObject.kind");
    const char *ns = json_path_string(event, "involvedObject.namespace");

    if (!about || !about[0])
        return error_set(err, ERR_INVALID, "involvedObject.kind: Required value");
    if (!ns || strcmp(ns, json_path_string(event, "metadata.namespace")) != 0)
        return error_set(err, ERR_INVALID,
                         "involvedObject.namespace: Invalid value: does not match event.namespace");
    return 0;
}

static char *involved_key(const json_t *event)
{
    const char *uid = json_path_string(event, "involvedObject.uid");
    const char *name = json_path_string(event, "involvedObject.name");

    if (uid && uid[0])
        return xstrdup(uid);
    return xasprintf("%s/%s", json_path_string(event, "involvedObject.kind"), name ? name : "");
}

static int remove_rows(struct store *store, const struct row_list *rows, struct error *err)
{
    for (size_t i = 0; i < rows->count; i++)
        if (store_remove(store, KIND_EVENT, rows->items[i].object, err) < 0)
            return -1;
    return 0;
}

int events_keep(struct store *store, const json_t *event, int64_t now_ms, struct error *err)
{
    SCOPED_ROWS struct row_list rows = ROW_LIST_INIT;
    SCOPED(string) char *involved = involved_key(event);

    if (store_event_note(store, json_path_string(event, "metadata.uid"), involved, now_ms / 1000, err) < 0 ||
        store_events_beyond(store, involved, LOCAL_EVENTS_PER_OBJECT, &rows, err) < 0)
        return -1;
    return remove_rows(store, &rows, err);
}

int events_expire(struct store *store, int64_t now_ms, struct error *err)
{
    SCOPED_ROWS struct row_list rows = ROW_LIST_INIT;

    if (store_events_before(store, now_ms / 1000 - LOCAL_EVENT_TTL_S, &rows, err) < 0)
        return -1;
    return remove_rows(store, &rows, err);
}
