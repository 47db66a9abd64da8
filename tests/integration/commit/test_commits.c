/* Commits of a running container, against a real containerd and a real registry with credentials. */
#include "shared/base/clock.h"
#include "tests/integration/commit/place.h"

static void a_pause_stays_frozen_until_released_and_then_nobody_writes_again(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "pause", true);
    SCOPED(commit) struct commit *commit = start(place, wanted);

    assert_success(commit);
    assert_int_equal(task_state(place), TASK_PAUSED);
    long at_hold = written(place);
    release(place, wanted->key);
    release(place, wanted->key); /* and again: who lost the answer asks again */
    end_container(place, "resume");
    assert_int_equal(written(place), at_hold);
}

static void a_live_snapshot_lets_the_container_run_on_and_holds_what_was_written(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "live", false);

    while (written(place) < 1)
        ;
    long before = written(place);
    SCOPED(commit) struct commit *commit = start(place, wanted);
    assert_success(commit);
    assert_int_equal(task_state(place), TASK_RUNNING);
    assert_int_equal(
        sh("%s images pull --plain-http -u tester:secret-of-the-tester %s >/dev/null && test $(%s run --rm "
           "%s copy-%s tail -n 1 /written) -ge %ld; r=$?; %s images rm --sync %s >/dev/null; exit $r",
           place->ctr, wanted->containers[0].image, place->ctr, wanted->containers[0].image, place->uid,
           before, place->ctr, wanted->containers[0].image),
        0);
}

static void the_same_key_is_the_same_commit(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "same", false);
    SCOPED(commit) struct commit *first = start(place, wanted);
    SCOPED(commit) struct commit *second = start(place, wanted);
    struct commit *other = NULL;
    struct error err;

    assert_ptr_equal(first, second);
    assert_success(first);
    replace(&wanted->containers[0].image, xasprintf("%s/snapshots/elsewhere:1", place->registry));
    assert_fails(commits_start(place->commits, wanted, &other, &err), &err, ERR_EXISTS,
                 "other containers or images");
}

static void a_pod_has_one_commit_at_a_time(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "first", true);
    SCOPED(commit_request) struct commit_request *late = request(place, "second", true);
    SCOPED(commit) struct commit *commit = start(place, wanted);
    struct commit *other = NULL;
    struct error err;

    assert_fails(commits_start(place->commits, late, &other, &err), &err, ERR_PRECONDITION, wanted->key);
    assert_string_equal(err.reason, "CommitSuperseded");
    assert_success(commit);
    assert_fails(commits_start(place->commits, late, &other, &err), &err, ERR_PRECONDITION, wanted->key);
}

static void a_pod_is_the_same_by_uid_and_by_name(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *by_uid = request(place, "by-uid", true);
    SCOPED(commit_request) struct commit_request *by_name = request(place, "by-name", true);
    replace(&by_name->pod_uid, xstrdup(""));
    replace(&by_name->pod_ns, xstrdup("default"));
    replace(&by_name->pod_name, xstrdup("pod"));
    SCOPED(commit) struct commit *first = start(place, by_uid);
    while (commit_wait(first, &(struct commit_report){.phase = COMMIT_RESOLVING}, 1000).phase <
           COMMIT_FREEZING)
        ;
    SCOPED(commit) struct commit *second = NULL;
    struct error err;

    assert_fails(commits_start(place->commits, by_name, &second, &err), &err, ERR_PRECONDITION, by_uid->key);
    assert_string_equal(err.reason, "CommitSuperseded");
    assert_success(first);
    assert_int_equal(task_state(place), TASK_PAUSED);
}

/* Neither is known by the other's name when they start: who finds the pod first has it. */
static void of_two_commits_of_one_pod_that_start_together_one_has_it(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *by_uid = request(place, "by-uid", true);
    SCOPED(commit_request) struct commit_request *by_name = request(place, "by-name", true);
    replace(&by_name->pod_uid, xstrdup(""));
    replace(&by_name->pod_ns, xstrdup("default"));
    replace(&by_name->pod_name, xstrdup("pod"));
    SCOPED(commit) struct commit *first = start(place, by_uid);
    SCOPED(commit) struct commit *second = start(place, by_name);
    bool first_lost = outcome(first).failed;

    assert_failure(first_lost ? first : second, "CommitSuperseded", first_lost ? by_name->key : by_uid->key);
    assert_success(first_lost ? second : first);
    assert_int_equal(task_state(place), TASK_PAUSED);
}

static void a_hold_that_nobody_takes_runs_out_and_cannot_be_used_any_more(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "expire", true);
    wanted->hold_timeout_ms = 300;
    SCOPED(commit) struct commit *commit = start(place, wanted);
    struct error err;

    (void)outcome(commit);
    int64_t until_ms = clock_monotonic_ms() + 20000;
    while (task_state(place) != TASK_RUNNING && clock_monotonic_ms() < until_ms)
        (void)commit_wait(commit, &(struct commit_report){0}, 100);
    assert_int_equal(task_state(place), TASK_RUNNING);
    assert_fails(commits_release(place->commits, wanted->key, COMMIT_RELEASE_KILL, &err), &err,
                 ERR_PRECONDITION, wanted->key);
    assert_string_equal(err.reason, "HoldExpired");
    assert_int_equal(task_state(place), TASK_RUNNING);
}

static void whoever_is_thawed_loses_the_mark(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "unmarked", false);
    SCOPED(commit) struct commit *commit = start(place, wanted);

    assert_success(commit);
    SCOPED(string) char *mark = marked_by(place);
    assert_string_equal(mark, "");
}

static void a_commit_that_takes_too_long_is_ended_and_thaws(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "slow", true);
    wanted->timeout_ms = 1;
    SCOPED(commit) struct commit *commit = start(place, wanted);

    assert_failure(commit, "DeadlineExceeded", "did not finish within");
    assert_int_equal(task_state(place), TASK_RUNNING);
}

static void a_cancelled_commit_thaws_in_whatever_phase(void **state)
{
    struct place *place = *state;
    struct error err;

    for (int phase = 0; phase < COMMIT_HOLDING; phase++) {
        SCOPED(commit_request) struct commit_request *wanted = request(place, "cancel", true);
        SCOPED(commit) struct commit *commit = start(place, wanted);
        for (struct commit_report now = {0}; !now.finished && (int)now.phase <= phase;)
            now = commit_wait(commit, &now, 1000);
        assert_ok(commits_cancel(place->commits, wanted->key, &err), &err);
        assert_int_equal(task_state(place), TASK_RUNNING);
    }
}

static void unpause_thaws_strays_but_not_what_a_commit_holds(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "owner", true);
    const struct pod_name pod = {.uid = place->uid};
    unsigned thawed = 0;
    struct error err;

    assert_int_equal(sh("%s tasks pause %s", place->ctr, place->uid), 0);
    assert_ok(commits_unpause(place->commits, &pod, NULL, 0, &thawed, &err), &err);
    assert_int_equal(thawed, 1);
    assert_int_equal(task_state(place), TASK_RUNNING);

    SCOPED(commit) struct commit *commit = start(place, wanted);
    assert_success(commit);
    assert_fails(commits_unpause(place->commits, &pod, NULL, 0, &thawed, &err), &err, ERR_PRECONDITION,
                 "cancel it first");
    assert_int_equal(task_state(place), TASK_PAUSED);
}

/* Nobody can read its writable layer by itself there. */
static void on_another_snapshotter_containerds_differ_makes_the_layer_and_the_pod_is_held(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "native", true);

    assert_int_equal(sh("%s tasks kill -s 9 %s", place->ctr, place->uid), 0);
    end_container(place, "resume");
    assert_int_equal(
        sh("%s tasks rm -f %s >/dev/null; %s containers rm %s 2>/dev/null; "
           "%s run -d --snapshotter native --label io.cri-containerd.kind=container "
           "--label io.kubernetes.pod.uid=%s --label io.kubernetes.pod.name=pod "
           "--label io.kubernetes.pod.namespace=default --label io.kubernetes.container.name=main "
           "%s %s sh -c 'echo 42 >/written; rm /bin/true; sleep 1000'",
           place->ctr, place->uid, place->ctr, place->uid, place->ctr, place->uid, place->image, place->uid),
        0);
    in_container(place, "until test -s /written && ! test -e /bin/true; do :; done");
    wanted->early_release = true;
    SCOPED(commit) struct commit *commit = start(place, wanted);
    assert_success(commit);
    struct commit_report report = outcome(commit);
    assert_false(report.handed_over);
    assert_non_null(strstr(report.path_why, "differ"));
    assert_string_equal(report.results[0].skipped[0].kind, "containerd-diff");
    assert_int_equal(task_state(place), TASK_PAUSED);
    release(place, wanted->key);
    end_container(place, "resume");
    assert_int_equal(
        sh("%s images pull --plain-http -u tester:secret-of-the-tester %s >/dev/null && "
           "test \"$(%s run --rm %s copy-%s sh -c 'cat /written; ls /bin/true 2>/dev/null')\" = 42; "
           "r=$?; %s images rm --sync %s >/dev/null; exit $r",
           place->ctr, wanted->containers[0].image, place->ctr, wanted->containers[0].image, place->uid,
           place->ctr, wanted->containers[0].image),
        0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_TEST(a_pause_stays_frozen_until_released_and_then_nobody_writes_again),
        POD_TEST(a_live_snapshot_lets_the_container_run_on_and_holds_what_was_written),
        POD_TEST(the_same_key_is_the_same_commit),
        POD_TEST(a_pod_has_one_commit_at_a_time),
        POD_TEST(a_pod_is_the_same_by_uid_and_by_name),
        POD_TEST(of_two_commits_of_one_pod_that_start_together_one_has_it),
        POD_TEST(a_hold_that_nobody_takes_runs_out_and_cannot_be_used_any_more),
        POD_TEST(whoever_is_thawed_loses_the_mark),
        POD_TEST(a_commit_that_takes_too_long_is_ended_and_thaws),
        POD_TEST(a_cancelled_commit_thaws_in_whatever_phase),
        POD_TEST(unpause_thaws_strays_but_not_what_a_commit_holds),
        POD_TEST(on_another_snapshotter_containerds_differ_makes_the_layer_and_the_pod_is_held),
    };
    return cmocka_run_group_tests(tests, open_place, close_place);
}
