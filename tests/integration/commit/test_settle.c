/* What an agent finds in its journal and on its node when it starts. */
#include "committer-agent/containerd/frozen_by.h"
#include "tests/integration/commit/place.h"

static void a_held_commit_survives_a_crash(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "held", true);
    struct commit *commit = start(place, wanted);

    assert_success(commit);
    commit_unref(commit);
    crash(place);
    assert_int_equal(task_state(place), TASK_PAUSED);
    open_commits(place);
    assert_int_equal(task_state(place), TASK_PAUSED);
    SCOPED(commit) struct commit *again = start(place, wanted);
    assert_success(again);
    release(place, wanted->key);
    assert_int_equal(task_state(place), TASK_PAUSED); /* dead, and frozen for whoever stops the pod */
}

static void what_a_layer_could_not_carry_is_told_after_a_crash_too(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "skipped", true);
    in_container(place, "mknod /.wh.odd p");
    struct commit *commit = start(place, wanted);

    assert_success(commit);
    size_t count = outcome(commit).results[0].skipped_count;
    assert_true(count > 0);
    commit_unref(commit);
    crash(place);
    open_commits(place);
    SCOPED(commit) struct commit *again = start(place, wanted);
    const struct commit_result *result = &outcome(again).results[0];
    assert_int_equal(result->skipped_count, count);
    assert_string_equal(result->skipped[0].kind, "WhiteoutName");
    assert_int_equal(result->skipped[0].count, 1);
    assert_contains(result->skipped[0].example, ".wh.odd");
}

static void a_held_commit_whose_container_ran_meanwhile_is_refused_after_a_crash(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "thawed", true);
    struct commit *commit = start(place, wanted);
    struct error err;

    assert_success(commit);
    commit_unref(commit);
    crash(place);
    assert_int_equal(sh("%s tasks resume %s", place->ctr, place->uid), 0);
    open_commits(place);
    assert_fails(commits_release(place->commits, wanted->key, COMMIT_RELEASE_KILL, &err), &err,
                 ERR_PRECONDITION, wanted->key);
    assert_string_equal(err.reason, "HoldExpired");
}

/* A crash after the freeze; the record says how far the commit was. */
static void crash_frozen(struct place *place, enum commit_stage stage)
{
    struct journal_container container = {.name = (char *)"main", .id = place->uid};
    const struct journal_record record = {.key = (char *)"crashed",
                                          .stage = stage,
                                          .pod_uid = place->uid,
                                          .pod_ns = (char *)"default",
                                          .pod_name = (char *)"pod",
                                          .containers = &container,
                                          .count = 1};
    struct error err;

    crash(place);
    assert_ok(journal_write(place->journal, &record, &err), &err);
    assert_int_equal(sh("%s tasks pause %s", place->ctr, place->uid), 0);
}

static void what_a_crash_left_frozen_is_thawed_at_start(void **state)
{
    struct place *place = *state;

    crash_frozen(place, STAGE_FREEZING);
    assert_int_equal(sh("touch %s/layer-0123.spool", place->spool_dir), 0);
    open_commits(place);
    assert_int_equal(task_state(place), TASK_RUNNING);
    assert_no_record(place);
    assert_int_equal(sh("test -z \"$(ls %s)\"", place->spool_dir), 0);
}

static void a_kill_that_a_crash_cut_short_is_finished_at_start(void **state)
{
    struct place *place = *state;

    crash_frozen(place, STAGE_KILLING);
    long at_hold = written(place);
    open_commits(place);
    release(place, "crashed"); /* whoever asked asks again */
    end_container(place, "resume");
    assert_int_equal(written(place), at_hold);
}

static void what_was_frozen_under_a_lost_journal_is_thawed_and_can_be_committed_anew(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "lost", true);
    struct commit *commit = start(place, wanted);

    assert_success(commit);
    commit_unref(commit);
    crash(place);
    SCOPED(string) char *mark = marked_by(place);
    assert_string_equal(mark, "agent of this test");
    assert_int_equal(sh("rm %s/commits/*", place->state_dir), 0);
    assert_int_equal(task_state(place), TASK_PAUSED);
    open_commits(place);
    assert_int_equal(task_state(place), TASK_RUNNING);
    SCOPED(string) char *no_mark = marked_by(place);
    assert_string_equal(no_mark, "");
    SCOPED(commit) struct commit *again = start(place, wanted);
    assert_success(again);
}

static void what_others_froze_stays_frozen_at_start(void **state)
{
    struct place *place = *state;
    struct error err;

    crash(place);
    assert_int_equal(sh("%s tasks pause %s", place->ctr, place->uid), 0);
    open_commits(place);
    assert_int_equal(task_state(place), TASK_PAUSED);
    crash(place);
    assert_ok(container_mark_frozen(place->containerd, place->uid, "job of another", &err), &err);
    open_commits(place);
    assert_int_equal(task_state(place), TASK_PAUSED);
}

static void what_was_killed_is_no_stray(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "killed", true);
    struct commit *commit = start(place, wanted);

    assert_success(commit);
    release(place, wanted->key);
    commit_unref(commit);
    crash(place);
    open_commits(place);
    assert_int_equal(task_state(place), TASK_PAUSED);
}

/* A kubelet kills a container whose probe fails, and thaws it for that: nobody in it could answer anybody since the
 * capture, so the image is all there is. */
static void a_container_that_died_while_it_was_held_is_in_its_image(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "died", true);
    struct commit *commit = start(place, wanted);

    assert_success(commit);
    commit_unref(commit);
    assert_int_equal(sh("%s tasks kill -s 9 %s", place->ctr, place->uid), 0);
    end_container(place, "resume");
    crash(place);
    open_commits(place); /* dead is not the same as thawed */
    release(place, wanted->key);
    release(place, wanted->key);
    SCOPED(commit) struct commit *again = start(place, wanted);
    assert_success(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_TEST(a_held_commit_survives_a_crash),
        POD_TEST(what_a_layer_could_not_carry_is_told_after_a_crash_too),
        POD_TEST(a_held_commit_whose_container_ran_meanwhile_is_refused_after_a_crash),
        POD_TEST(what_a_crash_left_frozen_is_thawed_at_start),
        POD_TEST(a_kill_that_a_crash_cut_short_is_finished_at_start),
        POD_TEST(what_was_frozen_under_a_lost_journal_is_thawed_and_can_be_committed_anew),
        POD_TEST(what_others_froze_stays_frozen_at_start),
        POD_TEST(what_was_killed_is_no_stray),
        POD_TEST(a_container_that_died_while_it_was_held_is_in_its_image),
    };
    return cmocka_run_group_tests(tests, open_place, close_place);
}
