#include <unistd.h>

#include "committer-agent/commit/journal.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/file.h"
#include "tests/unit/testing.h"

struct fixture {
    char dir[32];
    struct journal *journal;
};

static int open_fixture(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    struct error err;
    (void)snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/journal.XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    assert_ok(journal_open(fixture->dir, &fixture->journal, &err), &err);
    *state = fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    SCOPED(string) char *command = xasprintf("rm -r %s", fixture->dir);
    journal_free(fixture->journal);
    free(fixture);
    return system(command);
}

static struct journal_record *record(const char *key, enum commit_stage stage)
{
    struct journal_record *made = xcalloc(1, sizeof(*made));
    *made = (struct journal_record){.key = xstrdup(key),
                                    .stage = stage,
                                    .pod_uid = xstrdup("uid"),
                                    .pod_ns = xstrdup("default"),
                                    .pod_name = xstrdup("demo-0"),
                                    .hold = true,
                                    .hold_until_unix_ms = 42,
                                    .frozen_ms = 7,
                                    .containers = xcalloc(2, sizeof(*made->containers)),
                                    .count = 2};
    made->containers[0] = (struct journal_container){.name = xstrdup("main"),
                                                     .id = xstrdup("c1"),
                                                     .image = xstrdup("r/a:1"),
                                                     .digest = xstrdup("sha256:aa"),
                                                     .layer_digest = xstrdup("sha256:bb"),
                                                     .diff_id = xstrdup("sha256:cc"),
                                                     .layer_size = (uint64_t)9 << 30,
                                                     .layers = 3};
    made->containers[1] = (struct journal_container){.name = xstrdup("sidecar"), .id = xstrdup("c2")};
    return made;
}

struct found {
    struct journal_record *records[4];
    struct error unreadable;
    size_t count, unreadable_count;
};

static void collect(void *self, struct journal_record *read)
{
    struct found *found = self;
    found->records[found->count++] = read;
}

static void collect_unreadable(void *self, const struct error *why)
{
    struct found *found = self;
    found->unreadable = *why;
    found->unreadable_count++;
}

static struct found read_all(const struct fixture *fixture)
{
    struct found found = {0};
    struct error err;
    assert_ok(journal_each(fixture->journal, collect, collect_unreadable, &found, &err), &err);
    return found;
}

static void what_is_written_is_read_back_whole(void **state)
{
    struct fixture *fixture = *state;
    struct journal_record *written = record("uid.1", STAGE_HOLDING);
    struct error err;

    assert_ok(journal_write(fixture->journal, written, &err), &err);
    struct found found = read_all(fixture);
    struct journal_record **read = found.records;
    assert_int_equal(found.count, 1);
    assert_string_equal(read[0]->key, "uid.1");
    assert_int_equal(read[0]->stage, STAGE_HOLDING);
    assert_string_equal(read[0]->pod_name, "demo-0");
    assert_true(read[0]->hold);
    assert_int_equal(read[0]->hold_until_unix_ms, 42);
    assert_int_equal(read[0]->count, 2);
    assert_string_equal(read[0]->containers[0].digest, "sha256:aa");
    assert_true(read[0]->containers[0].layer_size == (uint64_t)9 << 30);
    assert_string_equal(read[0]->containers[1].id, "c2");
    assert_null(read[0]->containers[1].image);
    journal_record_free(read[0]);
    journal_record_free(written);
}

static void a_key_has_one_record_whatever_its_stage(void **state)
{
    struct fixture *fixture = *state;
    struct error err;

    for (int stage = 0; stage < STAGE_MAX; stage++) {
        struct journal_record *written = record("uid.1", (enum commit_stage)stage);
        assert_ok(journal_write(fixture->journal, written, &err), &err);
        journal_record_free(written);
    }
    struct found found = read_all(fixture);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.records[0]->stage, STAGE_MAX - 1);
    journal_record_free(found.records[0]);
}

static void a_removed_record_is_gone_and_removing_is_repeatable(void **state)
{
    struct fixture *fixture = *state;
    struct journal_record *written = record("uid.1", STAGE_FREEZING);
    struct error err;

    assert_ok(journal_write(fixture->journal, written, &err), &err);
    assert_ok(journal_remove(fixture->journal, "uid.1", &err), &err);
    assert_ok(journal_remove(fixture->journal, "uid.1", &err), &err);
    assert_int_equal(read_all(fixture).count, 0);
    journal_record_free(written);
}

static void an_interrupted_write_is_passed_over(void **state)
{
    struct fixture *fixture = *state;
    SCOPED(string) char *half = xasprintf("%s/commits/.abc.json.XyZ012", fixture->dir);
    struct error err;

    assert_ok(file_write_atomic(half, "{\"key", 5, 0600, &err), &err);
    struct found found = read_all(fixture);
    assert_int_equal(found.count + found.unreadable_count, 0);
}

static void an_unreadable_record_is_named_and_hides_no_other(void **state)
{
    static const struct {
        const char *document, *text;
    } rows[] = {
        {"{\"key\":\"k\"", "bad.json"},
        {"{\"key\":\"k\"}", "stage"},
        {"{\"key\":\"k\",\"stage\":\"melting\"}", "want freezing, holding"},
    };
    struct fixture *fixture = *state;
    SCOPED(string) char *path = xasprintf("%s/commits/bad.json", fixture->dir);
    struct journal_record *written = record("uid.1", STAGE_HOLDING);
    struct error err;

    assert_ok(journal_write(fixture->journal, written, &err), &err);
    journal_record_free(written);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_ok(file_write_atomic(path, rows[i].document, strlen(rows[i].document), 0600, &err), &err);
        struct found found = read_all(fixture);
        assert_int_equal(found.count, 1);
        assert_string_equal(found.records[0]->key, "uid.1");
        assert_int_equal(found.unreadable_count, 1);
        assert_int_equal(found.unreadable.code, ERR_INVALID);
        assert_contains(found.unreadable.text, rows[i].text);
        assert_contains(found.unreadable.text, "bad.json");
        journal_record_free(found.records[0]);
    }
}

#define JOURNAL_TEST(f) cmocka_unit_test_setup_teardown(f, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(what_is_written_is_read_back_whole),
        JOURNAL_TEST(a_key_has_one_record_whatever_its_stage),
        JOURNAL_TEST(a_removed_record_is_gone_and_removing_is_repeatable),
        JOURNAL_TEST(an_interrupted_write_is_passed_over),
        JOURNAL_TEST(an_unreadable_record_is_named_and_hides_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
