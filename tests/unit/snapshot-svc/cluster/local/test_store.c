/* The file itself: whose it is, when it is damaged, and when the disk gives no more. */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/file.h"
#include "shared/json/json.h"
#include "snapshot-svc/cluster/local/store_priv.h"
#include "tests/unit/snapshot-svc/cluster/local/local_kit.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

static struct store *open_store(struct local_kit *kit)
{
    struct error err = {0};
    struct store *store = NULL;
    assert_ok(store_open(kit->path, 100, &store, &err));
    return store;
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static json_t *object_named(const char *name, size_t size)
{
    SCOPED(string) char *filler = xcalloc(size + 1, 1);
    memset(filler, 'x', size);
    return quotedf("{'metadata': {'name': '%s', 'namespace': 'test', 'uid': 'uid-%s'}, 'filler': '%s'}", name,
                   name, filler);
}

static int insert(struct store *store, const char *name, size_t size, struct error *err)
{
    SCOPED(json) json_t *object = object_named(name, size);

    if (store_begin(store, err) < 0)
        return -1;
    if (store_insert(store, KIND_POD, object, err) < 0) {
        store_rollback(store);
        return -1;
    }
    return store_commit(store, err);
}

static size_t count_pods(struct store *store)
{
    struct error err = {0};
    SCOPED_ROWS struct row_list rows = ROW_LIST_INIT;
    assert_ok(store_list(store, KIND_POD, NULL, (struct row_place){0}, UINT_MAX, &rows, &err));
    return rows.count;
}

/* ---- whose file ---- */

static void the_file_of_another_program_is_left_alone(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    struct store *store = NULL;

    run_sql(kit->path, "CREATE TABLE recipes (name TEXT)");
    assert_refused(store_open(kit->path, 100, &store, &err), ERR_INVALID);
    assert_text_has(err.text, kit->path);
    assert_text_has(err.text, "another program");
}

static void a_newer_version_is_not_touched(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    struct store *store = NULL;

    store_free(open_store(kit));
    run_sql(kit->path, "PRAGMA user_version = 99");
    assert_refused(store_open(kit->path, 100, &store, &err), ERR_UNSUPPORTED);
    assert_text_has(err.text, "newer version");
}

/* ---- damage ---- */

static void assert_damaged(struct local_kit *kit)
{
    struct error err = {0};
    struct store *store = NULL;

    assert_refused(store_open(kit->path, 100, &store, &err), ERR_CORRUPT);
    assert_text_has(err.text, kit->path);
    assert_text_has(err.text, "is damaged");
    assert_text_has(err.text, "backup");
}

static void what_is_no_database_is_damaged(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    static const char text[] =
        "This is not the file that was meant, and it is long enough to have a header in it.";

    assert_ok(file_write_atomic(kit->path, text, sizeof(text), 0600, &err));
    assert_damaged(kit);
}

static void a_page_overwritten_is_damage_found_at_the_start(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    struct store *store = open_store(kit);
    char noise[4096];

    for (int i = 0; i < 40; i++) {
        char name[16];
        snprintf(name, sizeof(name), "p%d", i);
        assert_ok(insert(store, name, 2000, &err));
    }
    store_free(store);
    memset(noise, 0xa5, sizeof(noise));
    SCOPED(fd) int fd = open(kit->path, O_WRONLY);
    for (int page = 1; page < 8; page++)
        assert_int_equal(pwrite(fd, noise, sizeof(noise), page * 4096), sizeof(noise));
    assert_damaged(kit);
}

static void a_row_that_is_no_json_is_damage(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    struct store *store = open_store(kit);
    json_t *object = NULL;

    assert_ok(insert(store, "a", 10, &err));
    store_free(store);
    run_sql(kit->path, "UPDATE objects SET object = '{'");
    store = open_store(kit);
    assert_refused(store_get(store, KIND_POD, "test", "a", &object, &err), ERR_CORRUPT);
    store_free(store);
}

/* ---- a disk that gives no more ---- */

static void a_full_disk_refuses_the_write_and_keeps_the_rest(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    struct store *store = open_store(kit);
    int written = 0;

    assert_int_equal(sqlite3_exec(store->db, "PRAGMA max_page_count = 64", NULL, NULL, NULL), SQLITE_OK);
    char name[16];
    for (;; written++) {
        snprintf(name, sizeof(name), "p%d", written);
        if (insert(store, name, 5000, &err) < 0)
            break;
    }
    assert_int_equal(err.code, ERR_EXHAUSTED);
    assert_text_has(err.text, "the disk is full");
    assert_text_has(err.text, kit->path);
    assert_true(written > 3);
    assert_int_equal(count_pods(store), written);

    assert_int_equal(sqlite3_exec(store->db, "PRAGMA max_page_count = 100000", NULL, NULL, NULL), SQLITE_OK);
    error_clear(&err);
    assert_ok(insert(store, name, 5000, &err));
    assert_int_equal(count_pods(store), written + 1);
    store_free(store);
}

static void a_file_that_another_keeps_busy_is_unavailable(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    struct store *store = open_store(kit);
    sqlite3 *other;

    assert_int_equal(sqlite3_open(kit->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_busy_timeout(store->db, 1);
    error_clear(&err);
    assert_int_equal(insert(store, "a", 10, &err), -1);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    error_clear(&err);
    assert_ok(insert(store, "a", 10, &err));
    sqlite3_close(other);
    store_free(store);
}

static void a_folder_that_is_not_there_is_named(void **state)
{
    struct error err = {0};
    struct store *store = NULL;
    (void)state;

    assert_refused(store_open("/nonexistent/folder/cluster.db", 100, &store, &err), ERR_NOT_FOUND);
    assert_text_has(err.text, "/nonexistent/folder/cluster.db");
}

static char *pragma(struct store *store, const char *sql)
{
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    char *value = xstrdup((const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return value;
}

/* A power cut cannot be played here; that SQLite was asked to survive it can be read. */
static void each_commit_is_synced_to_the_disk(void **state)
{
    struct store *store = open_store(*state);
    SCOPED(string) char *journal_mode = pragma(store, "PRAGMA journal_mode");
    SCOPED(string) char *synchronous = pragma(store, "PRAGMA synchronous");

    assert_string_equal(journal_mode, "wal");
    assert_string_equal(synchronous, "2"); /* FULL */
    store_free(store);
}

/* ---- the log ---- */

static void the_log_of_changes_is_bounded_and_versions_never_come_twice(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    struct store *store = open_store(kit);
    sqlite3_stmt *count;

    assert_int_equal(store_version(store), 1);
    for (int i = 0; i < 500; i++) {
        SCOPED(json) json_t *object = object_named("same", 100);
        assert_ok(store_begin(store, &err));
        assert_ok(store_insert(store, KIND_POD, object, &err));
        assert_ok(store_remove(store, KIND_POD, object, &err));
        assert_ok(store_commit(store, &err));
    }
    assert_int_equal(store_version(store), 1001);
    assert_int_equal(sqlite3_prepare_v2(store->db, "SELECT count(*) FROM changes", -1, &count, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(count), SQLITE_ROW);
    assert_in_range(sqlite3_column_int(count, 0), 100, 100 + 64);
    sqlite3_finalize(count);
    store_free(store);
    store = open_store(kit);
    assert_int_equal(store_version(store), 1001);
    store_free(store);
}

static void a_rollback_takes_the_version_back(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    struct store *store = open_store(kit);
    SCOPED(json) json_t *object = object_named("undone", 10);

    assert_ok(store_begin(store, &err));
    assert_ok(store_insert(store, KIND_POD, object, &err));
    store_rollback(store);
    assert_int_equal(store_version(store), 1);
    assert_int_equal(count_pods(store), 0);
    store_free(store);
}

static int setup(void **state)
{
    *state = local_kit_new();
    return 0;
}

static int teardown(void **state)
{
    local_kit_free(*state);
    return 0;
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(the_file_of_another_program_is_left_alone),
        STORE_TEST(a_newer_version_is_not_touched),
        STORE_TEST(what_is_no_database_is_damaged),
        STORE_TEST(a_page_overwritten_is_damage_found_at_the_start),
        STORE_TEST(a_row_that_is_no_json_is_damage),
        STORE_TEST(a_full_disk_refuses_the_write_and_keeps_the_rest),
        STORE_TEST(a_file_that_another_keeps_busy_is_unavailable),
        STORE_TEST(a_folder_that_is_not_there_is_named),
        STORE_TEST(each_commit_is_synced_to_the_disk),
        STORE_TEST(the_log_of_changes_is_bounded_and_versions_never_come_twice),
        STORE_TEST(a_rollback_takes_the_version_back),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
