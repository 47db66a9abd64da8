#include <errno.h>

#include "snapshot-svc/cluster/local/store_priv.h"

static bool is_full(sqlite3 *db, int code)
{
    int sys_errno = sqlite3_system_errno(db);
    return code == SQLITE_FULL || (code == SQLITE_IOERR && (sys_errno == ENOSPC || sys_errno == EDQUOT));
}

static enum error_code code_of(int code)
{
    switch (code) {
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
        return ERR_EXHAUSTED;
    case SQLITE_IOERR:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
        return ERR_UNAVAILABLE;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
        return ERR_DENIED;
    default:
        return ERR_INTERNAL;
    }
}

int store_damaged(const char *path, const char *what, struct error *err)
{
    return error_set(
        err, ERR_CORRUPT,
        "%s is damaged (%.120s): stop the service, move this file and its -wal and -shm neighbours "
        "away, and put a backup in their place or start with an empty store",
        path, what);
}

int store_error(const char *path, sqlite3 *db, const char *what, struct error *err)
{
    int code = sqlite3_errcode(db) & 0xff; /* without the extended part */

    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        return store_damaged(path, sqlite3_errmsg(db), err);
    if (is_full(db, code))
        return error_set(err, ERR_EXHAUSTED, "%s: %s: the disk is full; nothing was written, free some space",
                         path, what);
    (void)error_set(err, code_of(code), "%s: %s: %s", path, what, sqlite3_errmsg(db));
    err->sys_errno = sqlite3_system_errno(db);
    return -1;
}
