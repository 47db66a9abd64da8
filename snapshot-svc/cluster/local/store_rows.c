#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "snapshot-svc/cluster/local/store_priv.h"

#define HISTORY_MAX_BYTES (64 * 1024 * 1024)
#define TRIM_EVERY        64

static const char *kind_name(enum cluster_kind kind)
{
    return cluster_kind_info(kind)->kind;
}

/* ---- rows to JSON ---- */

static int object_of(struct store *store, const char *text, uint64_t version, json_t **ret_object,
                     struct error *err)
{
    SCOPED(json) json_t *object = text ? json_loads(text, 0, NULL) : NULL;
    json_t *meta = json_object_get(object, "metadata");
    char version_text[24];

    if (!json_is_object(meta))
        return store_damaged(store->path, "an object in it is not JSON", err);
    (void)snprintf(version_text, sizeof(version_text), "%" PRIu64, version);
    json_object_set_new(meta, "resourceVersion", json_string(version_text));
    *ret_object = TAKE(object);
    return 0;
}

static int kind_of(struct store *store, const char *name, enum cluster_kind *ret_kind, struct error *err)
{
    for (int kind = 0; kind < KIND_MAX; kind++)
        if (name && strcmp(kind_name((enum cluster_kind)kind), name) == 0) {
            *ret_kind = (enum cluster_kind)kind;
            return 0;
        }
    return store_damaged(store->path, "an object in it is of an unknown kind", err);
}

/* Of a statement that selects ROW_COLUMNS. */
static int read_row(struct store *store, sqlite3_stmt *statement, struct row *ret_row, struct error *err)
{
    struct row row = {0};
    if (kind_of(store, (const char *)sqlite3_column_text(statement, 0), &row.kind, err) < 0 ||
        object_of(store, (const char *)sqlite3_column_text(statement, 2),
                  (uint64_t)sqlite3_column_int64(statement, 1), &row.object, err) < 0)
        return -1;
    *ret_row = row;
    return 0;
}

static int read_rows(struct store *store, sqlite3_stmt *statement, struct row_list *rows, struct error *err)
{
    int more;
    while ((more = statement_step(store, statement, "reading", err)) > 0) {
        struct row row;
        if (read_row(store, statement, &row, err) < 0)
            return -1;
        rows->items = xrealloc_array(rows->items, rows->count + 1, sizeof(rows->items[0]));
        rows->items[rows->count++] = row;
    }
    return more;
}

void row_list_done(struct row_list *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        json_decref(rows->items[i].object);
    free(rows->items);
    *rows = (struct row_list)ROW_LIST_INIT;
}

/* ---- reading ---- */

int store_get(struct store *store, enum cluster_kind kind, const char *ns, const char *name,
              json_t **ret_object, struct error *err)
{
    SCOPED_STATEMENT sqlite3_stmt *statement =
        statement_begin(store, SQL_GET, "ttt", kind_name(kind), ns, name);
    struct row row;
    int found = statement_step(store, statement, "reading", err);

    if (found <= 0)
        return found;
    if (read_row(store, statement, &row, err) < 0)
        return -1;
    *ret_object = row.object;
    return 1;
}

int store_has_uid(struct store *store, enum cluster_kind kind, const char *uid, struct error *err)
{
    SCOPED_STATEMENT sqlite3_stmt *statement =
        statement_begin(store, SQL_HAS_UID, "tt", uid, kind_name(kind));
    return statement_step(store, statement, "reading", err);
}

int store_list(struct store *store, enum cluster_kind kind, const char *ns, struct row_place after,
               unsigned at_most, struct row_list *rows, struct error *err)
{
    SCOPED_STATEMENT sqlite3_stmt *statement = statement_begin(store, SQL_LIST, "tttti", kind_name(kind), ns,
                                                               after.ns, after.name, (int64_t)at_most);
    return read_rows(store, statement, rows, err);
}

int store_children(struct store *store, const char *owner_uid, struct row_list *rows, struct error *err)
{
    SCOPED_STATEMENT sqlite3_stmt *statement = statement_begin(store, SQL_CHILDREN, "t", owner_uid);
    return read_rows(store, statement, rows, err);
}

/* ---- writing ---- */

static int trim_now_and_then(struct store *store, struct error *err)
{
    if (++store->written % TRIM_EVERY != 0)
        return 0;
    SCOPED_STATEMENT sqlite3_stmt *statement =
        statement_begin(store, SQL_TRIM, "ii", (int64_t)store->history_max, (int64_t)HISTORY_MAX_BYTES);
    return statement_run(store, statement, "trimming the log of changes", err);
}

/* Appends to the log, which gives the object its version. *ret_text: the JSON as stored, without that
 * version. */
static int record(struct store *store, enum watch_event_type type, enum cluster_kind kind, json_t *object,
                  char **ret_text, struct error *err)
{
    json_t *meta = json_object_get(object, "metadata");
    char version_text[24];

    json_object_del(meta, "resourceVersion");
    SCOPED(string) char *text = json_text(object);
    if (strlen(text) > OBJECT_MAX_BYTES)
        return error_set(err, ERR_INVALID, "Request entity too large: %zu bytes of JSON, the limit is %d",
                         strlen(text), OBJECT_MAX_BYTES);
    SCOPED_STATEMENT sqlite3_stmt *statement =
        statement_begin(store, SQL_RECORD, "ittt", (int64_t)type, kind_name(kind),
                        json_string_value(json_object_get(meta, "namespace")), text);
    if (statement_run(store, statement, "writing", err) < 0)
        return -1;
    store->version = (uint64_t)sqlite3_last_insert_rowid(store->db);
    (void)snprintf(version_text, sizeof(version_text), "%" PRIu64, store->version);
    json_object_set_new(meta, "resourceVersion", json_string(version_text));
    *ret_text = TAKE(text);
    return trim_now_and_then(store, err);
}

static int note_owners(struct store *store, const json_t *object, struct error *err)
{
    const char *uid = json_path_string(object, "metadata.uid");
    size_t i;
    json_t *owner;
    {
        SCOPED_STATEMENT sqlite3_stmt *statement = statement_begin(store, SQL_DISOWN, "t", uid);
        if (statement_run(store, statement, "writing", err) < 0)
            return -1;
    }
    json_array_foreach(json_path(object, "metadata.ownerReferences"), i, owner)
    {
        SCOPED_STATEMENT sqlite3_stmt *statement =
            statement_begin(store, SQL_OWN, "tt", json_string_value(json_object_get(owner, "uid")), uid);
        if (statement_run(store, statement, "writing", err) < 0)
            return -1;
    }
    return 0;
}

static int insert_row(struct store *store, enum cluster_kind kind, const json_t *object, const char *text,
                      struct error *err)
{
    SCOPED_STATEMENT sqlite3_stmt *statement = statement_begin(
        store, SQL_INSERT, "ttttit", kind_name(kind), json_path_string(object, "metadata.namespace"),
        json_path_string(object, "metadata.name"), json_path_string(object, "metadata.uid"),
        (int64_t)store->version, text);
    return statement_run(store, statement, "writing", err);
}

int store_insert(struct store *store, enum cluster_kind kind, json_t *object, struct error *err)
{
    SCOPED(string) char *text = NULL;

    if (record(store, WATCH_ADDED, kind, object, &text, err) < 0 ||
        insert_row(store, kind, object, text, err) < 0)
        return -1;
    return note_owners(store, object, err);
}

static int update_row(struct store *store, const json_t *object, const char *text, struct error *err)
{
    SCOPED_STATEMENT sqlite3_stmt *statement = statement_begin(
        store, SQL_UPDATE, "itt", (int64_t)store->version, text, json_path_string(object, "metadata.uid"));
    return statement_run(store, statement, "writing", err);
}

int store_update(struct store *store, enum cluster_kind kind, json_t *object, struct error *err)
{
    SCOPED(string) char *text = NULL;

    if (record(store, WATCH_MODIFIED, kind, object, &text, err) < 0 ||
        update_row(store, object, text, err) < 0)
        return -1;
    return note_owners(store, object, err);
}

int store_remove(struct store *store, enum cluster_kind kind, json_t *object, struct error *err)
{
    SCOPED(string) char *text = NULL;

    if (record(store, WATCH_DELETED, kind, object, &text, err) < 0)
        return -1;
    SCOPED_STATEMENT sqlite3_stmt *statement =
        statement_begin(store, SQL_REMOVE, "t", json_path_string(object, "metadata.uid"));
    return statement_run(store, statement, "removing", err);
}

/* ---- events ---- */

int store_event_note(struct store *store, const char *uid, const char *involved, int64_t written_unix_s,
                     struct error *err)
{
    SCOPED_STATEMENT sqlite3_stmt *statement =
        statement_begin(store, SQL_EVENT_NOTE, "tit", involved, written_unix_s, uid);
    return statement_run(store, statement, "writing", err);
}

int store_events_beyond(struct store *store, const char *involved, unsigned keep, struct row_list *rows,
                        struct error *err)
{
    SCOPED_STATEMENT sqlite3_stmt *statement =
        statement_begin(store, SQL_EVENTS_BEYOND, "ti", involved, (int64_t)keep);
    return read_rows(store, statement, rows, err);
}

int store_events_before(struct store *store, int64_t written_unix_s, struct row_list *rows, struct error *err)
{
    SCOPED_STATEMENT sqlite3_stmt *statement = statement_begin(store, SQL_EVENTS_BEFORE, "i", written_unix_s);
    return read_rows(store, statement, rows, err);
}

/* ---- changes ---- */

/* The log must hold every change after `after`. */
static int check_reach(struct store *store, uint64_t after, struct error *err)
{
    SCOPED_STATEMENT sqlite3_stmt *statement = statement_begin(store, SQL_OLDEST, "");
    if (statement_step(store, statement, "reading the log of changes", err) < 0)
        return -1;
    bool empty = sqlite3_column_type(statement, 0) == SQLITE_NULL;
    uint64_t oldest = empty ? store->version + 1 : (uint64_t)sqlite3_column_int64(statement, 0);

    if (after <= store->version && after + 1 >= oldest)
        return 0;
    (void)error_set(err, ERR_PRECONDITION,
                    "too old resource version: %" PRIu64 " (%" PRIu64 " to %" PRIu64 " are here)", after,
                    oldest - 1, store->version);
    return error_reason(err, "Expired");
}

static int read_change(struct store *store, sqlite3_stmt *statement, struct logged_change *ret_change,
                       struct error *err)
{
    struct logged_change change = {
        .type = (enum watch_event_type)sqlite3_column_int(statement, 0),
        .version = (uint64_t)sqlite3_column_int64(statement, 1),
    };
    if (object_of(store, (const char *)sqlite3_column_text(statement, 2), change.version, &change.object,
                  err) < 0)
        return -1;
    *ret_change = change;
    return 0;
}

int store_changes(struct store *store, enum cluster_kind kind, const char *ns, uint64_t after, unsigned limit,
                  struct change_list *changes, struct error *err)
{
    if (check_reach(store, after, err) < 0)
        return -1;
    SCOPED_STATEMENT sqlite3_stmt *statement =
        statement_begin(store, SQL_CHANGES, "itti", (int64_t)after, kind_name(kind), ns, (int64_t)limit);
    int more;
    while ((more = statement_step(store, statement, "reading the log of changes", err)) > 0) {
        struct logged_change change;
        if (read_change(store, statement, &change, err) < 0)
            return -1;
        changes->items = xrealloc_array(changes->items, changes->count + 1, sizeof(changes->items[0]));
        changes->items[changes->count++] = change;
    }
    return more;
}

void change_list_done(struct change_list *changes)
{
    for (size_t i = 0; i < changes->count; i++)
        json_decref(changes->items[i].object);
    free(changes->items);
    *changes = (struct change_list)CHANGE_LIST_INIT;
}
