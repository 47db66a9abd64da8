/* The file's tables, by version. A new version appends one entry; entries never change once released. */
#include <stdio.h>

#include "shared/base/alloc.h"
#include "snapshot-svc/cluster/local/store_priv.h"

#define APPLICATION_ID 0x53746153 /* "StaS", in the header of each of our files */

static const char *const migrations[] = {
    /* 1. Versions begin at 1, so that no list answers the "0" that means "any" to Kubernetes. */
    "CREATE TABLE objects (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL,"
    " uid TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, object TEXT NOT NULL, UNIQUE (kind, ns, name));"
    "CREATE TABLE owners (child INTEGER NOT NULL REFERENCES objects (id) ON DELETE CASCADE, owner_uid TEXT "
    "NOT NULL,"
    " PRIMARY KEY (child, owner_uid)) WITHOUT ROWID;"
    "CREATE INDEX owners_by_uid ON owners (owner_uid);"
    "CREATE TABLE events (object INTEGER PRIMARY KEY REFERENCES objects (id) ON DELETE CASCADE,"
    " involved TEXT NOT NULL, written_s INTEGER NOT NULL);"
    "CREATE INDEX events_by_involved ON events (involved, written_s);"
    "CREATE INDEX events_by_age ON events (written_s);"
    "CREATE TABLE changes (version INTEGER PRIMARY KEY AUTOINCREMENT, type INTEGER NOT NULL, kind TEXT NOT "
    "NULL,"
    " ns TEXT NOT NULL, object TEXT NOT NULL);"
    "INSERT INTO sqlite_sequence (name, seq) VALUES ('changes', 1);",
};
#define NEWEST ((int)(sizeof(migrations) / sizeof(migrations[0])))

static int read_number(const char *path, sqlite3 *db, const char *sql, int *ret_number, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int done = sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
                       sqlite3_step(statement) == SQLITE_ROW
                   ? 0
                   : store_error(path, db, sql, err);
    if (done == 0)
        *ret_number = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return done;
}

static int run(const char *path, sqlite3 *db, const char *sql, const char *what, struct error *err)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    (void)store_error(path, db, what, err);
    if (!sqlite3_get_autocommit(db))
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); /* the first error is the one to tell */
    return -1;
}

static int check_ours(const char *path, sqlite3 *db, struct error *err)
{
    int application_id = 0, tables = 0;

    if (read_number(path, db, "PRAGMA application_id", &application_id, err) < 0 ||
        read_number(path, db, "SELECT count(*) FROM sqlite_master", &tables, err) < 0)
        return -1;
    if (application_id == APPLICATION_ID || (application_id == 0 && tables == 0))
        return 0;
    return error_set(err, ERR_INVALID, "%s is the SQLite file of another program: name another file", path);
}

static int step_to(const char *path, sqlite3 *db, int version, struct error *err)
{
    SCOPED(string)
    char *sql = xasprintf("BEGIN IMMEDIATE; %s PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;",
                          migrations[version - 1], APPLICATION_ID, version);
    return run(path, db, sql, "bringing the tables up to date", err);
}

int store_migrate(const char *path, sqlite3 *db, struct error *err)
{
    int version = 0;

    if (check_ours(path, db, err) < 0 || read_number(path, db, "PRAGMA user_version", &version, err) < 0)
        return -1;
    if (version > NEWEST)
        return error_set(
            err, ERR_UNSUPPORTED,
            "%s was written by a newer version of this program (its tables have version %d, known is %d): "
            "run that one, or name another file",
            path, version, NEWEST);
    while (version < NEWEST)
        if (step_to(path, db, ++version, err) < 0)
            return -1;
    return 0;
}
