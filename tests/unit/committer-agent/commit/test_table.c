/* The table of commits without a containerd: what is owed cannot be paid, and nothing else may suffer from it. */
#include <sched.h>
#include <sys/stat.h>

#include "committer-agent/commit/commits_priv.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/file.h"
#include "tests/unit/testing.h"

struct world {
    char dir[40];
    char *spool_dir;
    struct containerd *containerd; /* nobody answers */
    struct journal *journal;
    struct commits *commits;
};

static int start_world(void **state)
{
    struct world *world = xcalloc(1, sizeof(*world));
    struct error err;

    (void)snprintf(world->dir, sizeof(world->dir), "/dev/shm/commits.XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    SCOPED(string) char *socket = xasprintf("%s/nobody.sock", world->dir);
    world->spool_dir = xasprintf("%s/spool", world->dir);
    world->containerd = containerd_new(socket, NULL);
    assert_ok(dir_ensure(world->spool_dir, 0700, &err), &err);
    assert_ok(journal_open(world->dir, &world->journal, &err), &err);
    *state = world;
    return 0;
}

static void open_table(struct world *world)
{
    const struct commits_options options = {.env = {.containerd = world->containerd,
                                                    .journal = world->journal,
                                                    .spool_dir = world->spool_dir,
                                                    .user_agent = "test"},
                                            .slots = 4};
    struct error err;
    assert_ok(commits_open(&options, &world->commits, &err), &err);
}

static int end_world(void **state)
{
    struct world *world = *state;
    SCOPED(string) char *command = xasprintf("rm -r %s", world->dir);

    commits_close(world->commits, 0);
    commits_free(world->commits);
    journal_free(world->journal);
    containerd_free(world->containerd);
    free(world->spool_dir);
    free(world);
    return system(command);
}

static void write_record(struct world *world, const char *key, enum commit_stage stage)
{
    struct journal_container container = {
        .name = (char *)"main", .id = (char *)"c1", .image = (char *)"r/a:1"};
    const struct journal_record record = {.key = (char *)key,
                                          .stage = stage,
                                          .pod_uid = (char *)key, /* a pod of its own */
                                          .pod_ns = (char *)"default",
                                          .pod_name = (char *)key,
                                          .hold = true,
                                          .changed_unix_ms = clock_realtime_ms(),
                                          .hold_until_unix_ms = clock_realtime_ms() + 60000,
                                          .containers = &container,
                                          .count = 1};
    struct error err;
    assert_ok(journal_write(world->journal, &record, &err), &err);
}

static struct commit_request request_for(const char *key, const char *pod_uid)
{
    static struct commit_container container = {.name = (char *)"main", .image = (char *)"r/a:1"};
    return (struct commit_request){.key = (char *)key,
                                   .pod_uid = (char *)pod_uid,
                                   .pod_ns = (char *)"",
                                   .pod_name = (char *)"",
                                   .containers = &container,
                                   .count = 1,
                                   .hold = true,
                                   .timeout_ms = 60000,
                                   .hold_timeout_ms = 60000};
}

static void an_unreadable_record_does_not_keep_the_others_unsettled(void **state)
{
    struct world *world = *state;
    SCOPED(string) char *path = xasprintf("%s/commits/bad.json", world->dir);
    struct error err;

    assert_ok(file_write_atomic(path, "{", 1, 0600, &err), &err);
    write_record(world, "held", STAGE_HOLDING);
    open_table(world);
    assert_int_equal(commits_load(world->commits).holding, 1);
}

static void a_pod_that_cannot_be_thawed_yet_is_refused_to_others(void **state)
{
    static const enum commit_stage owing[] = {STAGE_FREEZING, STAGE_EXPIRED, STAGE_KILLING};
    struct world *world = *state;
    struct commit *commit;
    struct error err;

    for (size_t i = 0; i < sizeof(owing) / sizeof(owing[0]); i++)
        write_record(world, commit_stage_name(owing[i]), owing[i]);
    open_table(world);
    for (size_t i = 0; i < sizeof(owing) / sizeof(owing[0]); i++) {
        const char *key = commit_stage_name(owing[i]);
        struct commit_request wanted = request_for("later", key);
        assert_fails(commits_start(world->commits, &wanted, &commit, &err), &err, ERR_PRECONDITION, key);
        assert_string_equal(err.reason, "CommitSuperseded");
    }
    assert_int_equal(commits_load(world->commits).remembered, 3); /* nothing is forgotten that is owed */
}

static void a_commit_that_expired_cannot_be_killed_even_while_its_thaw_is_owed(void **state)
{
    struct world *world = *state;
    struct error err;

    write_record(world, "held", STAGE_HOLDING);
    open_table(world);
    assert_fails(commits_release(world->commits, "held", COMMIT_RELEASE_THAW, &err), &err, ERR_UNAVAILABLE,
                 "main");
    assert_fails(commits_release(world->commits, "held", COMMIT_RELEASE_KILL, &err), &err, ERR_PRECONDITION,
                 "hold ran out");
    assert_string_equal(err.reason, "HoldExpired");
}

static void a_kill_that_begun_cannot_be_undone(void **state)
{
    struct world *world = *state;
    struct error err;

    write_record(world, "killing", STAGE_KILLING);
    open_table(world);
    assert_ok(commits_cancel(world->commits, "killing", &err), &err);
    assert_int_equal(commits_release(world->commits, "killing", COMMIT_RELEASE_KILL, &err), -1);
    assert_int_equal(err.code, ERR_UNAVAILABLE); /* not HoldExpired: it is tried again */
}

static void what_is_being_killed_is_not_discarded_before_it_is_dead(void **state)
{
    struct world *world = *state;
    struct error err;

    write_record(world, "killing", STAGE_KILLING);
    open_table(world);
    assert_fails(commits_discard(world->commits, "killing", &err), &err, ERR_UNAVAILABLE, "main");
    assert_int_equal(commits_load(world->commits).remembered, 1); /* and can be asked again */
}

static void nobody_is_told_that_a_kill_is_not_handed_over_before_that_is_known(void **state)
{
    struct world *world = *state;
    struct commit_request wanted = request_for("killing", "killing");
    struct error err;

    write_record(world, "killing", STAGE_KILLING);
    open_table(world);
    wanted.pod_ns = (char *)"default";
    wanted.pod_name = (char *)"killing";
    SCOPED(commit) struct commit *commit = NULL;
    assert_ok(commits_start(world->commits, &wanted, &commit, &err), &err);
    const struct commit_report report = commit_wait(commit, &(struct commit_report){0}, 1);
    assert_true(report.being_killed);
    assert_false(report.finished || report.handed_over || report.releasable);
}

static void finished_commits_are_remembered_up_to_a_bound(void **state)
{
    struct world *world = *state;
    char key[32];

    for (int i = 0; i < REMEMBERED_MAX + 20; i++) {
        (void)snprintf(key, sizeof(key), "done-%d", i);
        write_record(world, key, STAGE_DONE);
    }
    open_table(world);
    int64_t until_ms = clock_monotonic_ms() + 20000;
    while (commits_load(world->commits).remembered > REMEMBERED_MAX && clock_monotonic_ms() < until_ms)
        (void)sched_yield();
    assert_int_equal(commits_load(world->commits).remembered, REMEMBERED_MAX);
}

#define TABLE_TEST(f) cmocka_unit_test_setup_teardown(f, start_world, end_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TABLE_TEST(an_unreadable_record_does_not_keep_the_others_unsettled),
        TABLE_TEST(a_pod_that_cannot_be_thawed_yet_is_refused_to_others),
        TABLE_TEST(a_commit_that_expired_cannot_be_killed_even_while_its_thaw_is_owed),
        TABLE_TEST(a_kill_that_begun_cannot_be_undone),
        TABLE_TEST(what_is_being_killed_is_not_discarded_before_it_is_dead),
        TABLE_TEST(nobody_is_told_that_a_kill_is_not_handed_over_before_that_is_known),
        TABLE_TEST(finished_commits_are_remembered_up_to_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
