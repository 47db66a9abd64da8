#include "snapshot-svc/cluster/local/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/base/alloc.h"
#include "snapshot-svc/cluster/local/store_priv.h"

#define BUSY_TIMEOUT_MS 5000

#define ROW_COLUMNS "o.kind, o.version, o.object"

/* clang-format off */
static const char *const sql[] = {
    [SQL_BEGIN]    = "BEGIN IMMEDIATE",
    [SQL_COMMIT]   = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_VERSION]  = "SELECT seq FROM sqlite_sequence WHERE name = 'changes'",
    [SQL_RECORD]   = "INSERT INTO changes (type, kind, ns, object) VALUES (?, ?, ?, ?)",
    /* ?1: how many changes, ?2: how many bytes of them stay */
    [SQL_TRIM]     = ("DELETE FROM changes WHERE version <= (SELECT max(version) FROM (SELECT version,"
                     " row_number() OVER newest AS n, sum(length(object)) OVER newest AS bytes FROM changes"
                     " WINDOW newest AS (ORDER BY version DESC)) WHERE n > ? OR bytes > ?)"),
    [SQL_INSERT]   = "INSERT INTO objects (kind, ns, name, uid, version, object) VALUES (?, ?, ?, ?, ?, ?)",
    [SQL_UPDATE]   = "UPDATE objects SET version = ?, object = ? WHERE uid = ?",
    [SQL_REMOVE]   = "DELETE FROM objects WHERE uid = ?",
    [SQL_GET]      = ("SELECT " ROW_COLUMNS " FROM objects o WHERE kind = ? AND ns = ? AND name = ?"),
    [SQL_HAS_UID]  = "SELECT 1 FROM objects WHERE uid = ? AND kind = ?",
    [SQL_LIST]     = ("SELECT " ROW_COLUMNS " FROM objects o WHERE kind = ?1 AND (?2 IS NULL OR ns = ?2)"
                     " AND (?3 IS NULL OR (ns, name) > (?3, ?4)) ORDER BY ns, name LIMIT ?5"),
    [SQL_CHILDREN] = ("SELECT " ROW_COLUMNS " FROM owners w JOIN objects o ON o.id = w.child WHERE w.owner_uid = ?"
                     " ORDER BY o.id"),
    [SQL_DISOWN]   = "DELETE FROM owners WHERE child = (SELECT id FROM objects WHERE uid = ?)",
    [SQL_OWN]      = "INSERT OR IGNORE INTO owners SELECT id, ? FROM objects WHERE uid = ?",
    [SQL_EVENT_NOTE] = "INSERT OR REPLACE INTO events SELECT id, ?, ? FROM objects WHERE uid = ?",
    [SQL_EVENTS_BEYOND] = ("SELECT " ROW_COLUMNS " FROM events e JOIN objects o ON o.id = e.object WHERE e.involved = ?"
                     " ORDER BY o.version DESC LIMIT -1 OFFSET ?"),
    [SQL_EVENTS_BEFORE] = ("SELECT " ROW_COLUMNS " FROM events e JOIN objects o ON o.id = e.object"
                     " WHERE e.written_s <= ? ORDER BY e.written_s"),
    [SQL_OLDEST]   = "SELECT min(version) FROM changes",
    [SQL_CHANGES]  = ("SELECT type, version, object FROM changes WHERE version > ?1 AND kind = ?2"
                     " AND (?3 IS NULL OR ns = ?3) ORDER BY version LIMIT ?4"),
};
/* clang-format on */
_Static_assert(sizeof(sql) / sizeof(sql[0]) == SQL_MAX, "every statement has its text");

/* ---- statements ---- */

sqlite3_stmt *statement_begin(struct store *store, enum statement which, const char *types, ...)
{
    sqlite3_stmt *statement = store->statements[which];
    va_list values;

    va_start(values, types);
    for (int at = 1; types[at - 1]; at++) {
        if (types[at - 1] == 't')
            (void)sqlite3_bind_text(statement, at, va_arg(values, const char *), -1, SQLITE_TRANSIENT);
        else
            (void)sqlite3_bind_int64(statement, at, va_arg(values, int64_t));
    }
    va_end(values);
    return statement;
}

void statement_end(sqlite3_stmt **statement)
{
    (void)sqlite3_reset(*statement); /* repeats the error that the step told */
    (void)sqlite3_clear_bindings(*statement);
}

int statement_step(struct store *store, sqlite3_stmt *statement, const char *what, struct error *err)
{
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        return 1;
    return code == SQLITE_DONE ? 0 : store_error(store->path, store->db, what, err);
}

int statement_run(struct store *store, sqlite3_stmt *statement, const char *what, struct error *err)
{
    return statement_step(store, statement, what, err) < 0 ? -1 : 0;
}

/* ---- transactions ---- */

static int read_version(struct store *store, struct error *err)
{
    SCOPED_STATEMENT sqlite3_stmt *statement = statement_begin(store, SQL_VERSION, "");
    int found = statement_step(store, statement, "reading the version", err);
    if (found < 0)
        return -1;
    if (!found)
        return store_damaged(store->path, "it does not know its version", err);
    store->version = (uint64_t)sqlite3_column_int64(statement, 0);
    return 0;
}

int store_begin(struct store *store, struct error *err)
{
    store->version_before = store->version;
    SCOPED_STATEMENT sqlite3_stmt *statement = statement_begin(store, SQL_BEGIN, "");
    return statement_run(store, statement, "beginning to write", err);
}

int store_commit(struct store *store, struct error *err)
{
    int done;
    {
        SCOPED_STATEMENT sqlite3_stmt *statement = statement_begin(store, SQL_COMMIT, "");
        done = statement_run(store, statement, "writing", err);
    }
    if (done < 0)
        store_rollback(store);
    return done;
}

void store_rollback(struct store *store)
{
    struct error ignored;

    store->version = store->version_before;   /* as the row ids: a watch must not run ahead of them */
    if (!sqlite3_get_autocommit(store->db)) { /* else SQLite has rolled back by itself, as on a full disk */
        SCOPED_STATEMENT sqlite3_stmt *statement = statement_begin(store, SQL_ROLLBACK, "");
        (void)statement_run(store, statement, "rolling back",
                            &ignored); /* the failure that led here is told */
    }
}

uint64_t store_version(const struct store *store)
{
    return store->version;
}

/* ---- opening ---- */

/* SQLite makes its files with the umask's mode; -wal and -shm take over the mode of the main one. */
static int ensure_private_file(const char *path, struct error *err)
{
    SCOPED(fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_sys(err, errno, "store %s", path);
    if (fchmod(fd, 0600) < 0)
        return error_sys(err, errno, "store %s: mode 0600", path);
    return 0;
}

static int set_up_connection(struct store *store, struct error *err)
{
    /* FULL: each commit is on the disk before it is answered. */
    static const char pragmas[] =
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
        "PRAGMA trusted_schema = OFF;";

    if (sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        return store_error(store->path, store->db, "opening", err);
    (void)sqlite3_extended_result_codes(store->db, 1);
    (void)sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
    if (sqlite3_exec(store->db, pragmas, NULL, NULL, NULL) != SQLITE_OK)
        return store_error(store->path, store->db, "opening", err);
    return 0;
}

static int check_health(struct store *store, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int done = 0;

    if (sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
        done = store_error(store->path, store->db, "checking", err);
    else if (strcmp((const char *)sqlite3_column_text(statement, 0), "ok") != 0)
        done = store_damaged(store->path, (const char *)sqlite3_column_text(statement, 0), err);
    sqlite3_finalize(statement);
    return done;
}

static int prepare_statements(struct store *store, struct error *err)
{
    for (int i = 0; i < SQL_MAX; i++)
        if (sqlite3_prepare_v3(store->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i],
                               NULL) != SQLITE_OK)
            return store_error(store->path, store->db, sql[i], err);
    return 0;
}

int store_open(const char *path, unsigned history_max, struct store **ret_store, struct error *err)
{
    SCOPED(store) struct store *store = xcalloc(1, sizeof(*store));

    store->path = xstrdup(path);
    store->history_max = history_max;
    if (ensure_private_file(path, err) < 0 || set_up_connection(store, err) < 0 ||
        check_health(store, err) < 0 || store_migrate(path, store->db, err) < 0 ||
        prepare_statements(store, err) < 0 || read_version(store, err) < 0)
        return -1;
    *ret_store = TAKE(store);
    return 0;
}

void store_free(struct store *store)
{
    if (!store)
        return;
    for (int i = 0; i < SQL_MAX; i++)
        sqlite3_finalize(store->statements[i]);
    (void)sqlite3_close(store->db); /* all is committed; a failing checkpoint is done at the next opening */
    free(store->path);
    free(store);
}
