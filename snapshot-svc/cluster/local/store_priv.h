/* store_priv.h - what the files of the store share: the connection, its statements, its errors. */
#pragma once

#include <sqlite3.h>

#include "snapshot-svc/cluster/local/store.h"

enum statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_VERSION,
    SQL_RECORD,
    SQL_TRIM,
    SQL_INSERT,
    SQL_UPDATE,
    SQL_REMOVE,
    SQL_GET,
    SQL_HAS_UID,
    SQL_LIST,
    SQL_CHILDREN,
    SQL_DISOWN,
    SQL_OWN,
    SQL_EVENT_NOTE,
    SQL_EVENTS_BEYOND,
    SQL_EVENTS_BEFORE,
    SQL_OLDEST,
    SQL_CHANGES,
    SQL_MAX
};

struct store {
    char *path;
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_MAX];
    uint64_t version;
    uint64_t version_before; /* the transaction under way */
    unsigned history_max;
    unsigned written; /* changes since the log was last trimmed */
};

/* The statement with its parameters bound in order: 't' text (may be NULL), 'i' int64_t. Ends its use at the
 * end of the block. */
#define SCOPED_STATEMENT __attribute__((cleanup(statement_end)))
sqlite3_stmt *statement_begin(struct store *store, enum statement which, const char *types, ...);
void statement_end(sqlite3_stmt **statement);

/* 1 there is a row, 0 done, -1. `what` begins the error's text. */
int statement_step(struct store *store, sqlite3_stmt *statement, const char *what, struct error *err);
/* For statements without rows. */
int statement_run(struct store *store, sqlite3_stmt *statement, const char *what, struct error *err);

/* The error of the connection's last call: code, file, SQLite's words, and what to do. */
int store_error(const char *path, sqlite3 *db, const char *what, struct error *err);

/* Damage that SQLite does not see itself. */
int store_damaged(const char *path, const char *what, struct error *err);

/* Checks whose file it is and brings its tables up to date. */
int store_migrate(const char *path, sqlite3 *db, struct error *err);
