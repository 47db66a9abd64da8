/* A pause that releases its pod before the image is pushed, against a real containerd and a real registry. */
#include <pthread.h>

#include "committer-agent/commit/commits_priv.h"
#include "committer-agent/commit/handover.h"
#include "committer-agent/commit/warm.h"
#include "shared/base/clock.h"
#include "shared/base/digest.h"
#include "tests/integration/commit/gate.h"
#include "tests/integration/commit/place.h"

/* Through the gate, which is closed: the upload stands still. */
static struct commit_request *request_through(struct place *place, const struct gate *gate, const char *key)
{
    struct commit_request *wanted = request(place, key, true);

    wanted->early_release = true;
    replace(&wanted->containers[0].image,
            xasprintf("%s/snapshots/%s-main:%s", gate_host(gate), place->uid, wanted->key));
    free(wanted->docker_config);
    wanted->docker_config =
        xasprintf("{\"auths\":{\"%s\":{\"username\":\"tester\",\"password\":\"secret-of-the-tester\"}}}",
                  gate_host(gate));
    wanted->docker_config_length = strlen(wanted->docker_config);
    return wanted;
}

static void await_releasable(struct commit *commit)
{
    struct commit_report report = {0};

    while (!report.releasable) {
        assert_false(report.finished);
        report = commit_wait(commit, &report, 1000);
    }
}

/* As a kubelet does: thawed, its processes die; then it goes, and its snapshot with it. */
static void delete_container(const struct place *place)
{
    end_container(place, "resume");
    (void)sh("%s tasks rm -f %s >/dev/null 2>&1; %s containers rm %s 2>/dev/null", place->ctr, place->uid,
             place->ctr, place->uid);
}

/* What the image holds of the writer's file, pulled by somebody who knows it only by its name. */
static long pulled_lines(const struct place *place, const struct commit_request *wanted)
{
    SCOPED(string)
    char *image = xasprintf("%s/snapshots/%s-main:%s", place->registry, place->uid, wanted->key);
    SCOPED(string)
    char *command = xasprintf("%s images pull --plain-http -u tester:secret-of-the-tester %s >/dev/null && "
                              "%s run --rm %s copy-%s tail -n 1 /written; %s images rm --sync %s >/dev/null",
                              place->ctr, image, place->ctr, image, place->uid, place->ctr, image);
    char line[64] = "";
    FILE *out = popen(command, "r");
    assert_non_null(out);
    assert_non_null(fgets(line, sizeof(line), out));
    (void)pclose(out);
    return strtol(line, NULL, 10);
}

static bool has_lease(const struct place *place, const char *id)
{
    return sh("%s leases ls -q | grep -qx '%s'", place->ctr, id) == 0;
}

/* A closed gate would hold the base's layers back, too, which are pushed before the freeze. */
static void push_base(struct place *place, const struct commit_request *wanted)
{
    SCOPED(commit_request) struct commit_request *live = commit_request_copy(wanted);

    replace(&live->key, xasprintf("base-of-%s", wanted->key));
    replace(&live->containers[0].image, xasprintf("%s-base", wanted->containers[0].image));
    live->hold = live->early_release = false;
    SCOPED(commit) struct commit *commit = start(place, live);
    struct error err;
    assert_success(commit);
    assert_ok(commits_forget(place->commits, live->key, &err), &err);
}

struct scene { /* released, its pod deleted, its upload behind a closed gate */
    struct gate *gate;
    struct commit_request *wanted;
    struct commit *commit;
    long lines; /* that the writer had written when it was killed */
};

static struct scene hand_over(struct place *place, const char *key)
{
    struct scene scene = {.gate = gate_start(place->registry)};

    scene.wanted = request_through(place, scene.gate, key);
    in_container(place, "until test -s /written; do :; done");
    push_base(place, scene.wanted);
    gate_set_open(scene.gate, false);
    scene.commit = start(place, scene.wanted);
    await_releasable(scene.commit);
    scene.lines = written(place);
    release(place, scene.wanted->key);
    release(place, scene.wanted->key); /* who lost the answer asks again */
    delete_container(place);
    assert_false(commit_wait(scene.commit, &(struct commit_report){0}, 0).finished);
    assert_true(commit_wait(scene.commit, &(struct commit_report){0}, 0).handed_over);
    return scene;
}

static void end_scene(struct scene *scene)
{
    commit_unref(scene->commit);
    commit_request_free(scene->wanted);
    gate_stop(scene->gate);
}

static void the_pod_is_gone_before_the_image_is_pushed_and_nothing_is_missing(void **state)
{
    struct place *place = *state;
    struct scene scene = hand_over(place, "early");

    gate_set_open(scene.gate, true);
    assert_success(scene.commit);
    struct commit_report report = outcome(scene.commit);
    assert_true(report.handed_over);
    assert_string_equal(report.path_why, "");
    assert_int_equal(pulled_lines(place, scene.wanted), scene.lines);
    end_scene(&scene);
}

static void the_next_pod_of_the_image_starts_here_without_its_layer(void **state)
{
    struct place *place = *state;
    struct scene scene = hand_over(place, "warm");

    gate_set_open(scene.gate, true);
    assert_success(scene.commit);
    struct commit_report report = outcome(scene.commit);
    assert_true(report.warm);
    assert_int_equal(sh("%s snapshots info %s >/dev/null", place->ctr, report.results[0].chain_id), 0);
    SCOPED(string) char *lease = warm_lease_id(scene.wanted->key);
    assert_true(has_lease(place, lease));
    end_scene(&scene);
}

/* A cut upload is not the end: the files are here. */
static struct scene fail_push(struct place *place, const char *key)
{
    struct scene scene = hand_over(place, key);
    struct error err;

    assert_ok(commits_cancel(place->commits, scene.wanted->key, &err), &err);
    struct commit_report report = outcome(scene.commit);
    assert_true(report.failed);
    assert_true(report.handed_over);
    gate_cut(scene.gate);
    gate_set_open(scene.gate, true);
    return scene;
}

static void what_was_handed_over_is_pushed_when_it_is_asked_for_again(void **state)
{
    struct place *place = *state;
    struct scene scene = fail_push(place, "again");

    SCOPED(commit) struct commit *again = start(place, scene.wanted);
    assert_success(again);
    assert_int_equal(pulled_lines(place, scene.wanted), scene.lines);
    end_scene(&scene);
}

static void what_was_handed_over_outlives_the_agent(void **state)
{
    struct place *place = *state;
    struct scene scene = fail_push(place, "outlives");

    commit_unref(TAKE(scene.commit));
    crash(place);
    open_commits(place);
    scene.commit = start(place, scene.wanted);
    assert_success(scene.commit);
    assert_true(outcome(scene.commit).handed_over);
    assert_int_equal(pulled_lines(place, scene.wanted), scene.lines);
    end_scene(&scene);
}

static void an_image_that_cannot_be_pushed_is_kept_on_the_node(void **state)
{
    struct place *place = *state;
    struct scene scene = fail_push(place, "kept");
    SCOPED(commit) struct commit *kept = NULL;
    SCOPED(commit) struct commit *twice = NULL;
    struct error err;

    assert_ok(commits_keep(place->commits, scene.wanted->key, &kept, &err), &err);
    assert_ok(commits_keep(place->commits, scene.wanted->key, &twice, &err), &err);
    struct commit_report report = outcome(kept);
    assert_int_equal(report.result_count, 1);
    SCOPED(commit) struct commit *again = start(place, scene.wanted);
    assert_failure(again, "CommitKept", "on this node alone"); /* nobody may take it for pushed */
    assert_int_equal(sh("test \"$(%s run --rm %s kept-%s tail -n 1 /written)\" = %ld", place->ctr,
                        scene.wanted->containers[0].image, place->uid, scene.lines),
                     0);
    assert_int_equal(sh("%s images rm --sync %s >/dev/null", place->ctr, scene.wanted->containers[0].image),
                     0);
    end_scene(&scene);
}

/* Its layer is in no registry, so it goes into the next one. */
static void what_was_kept_on_the_node_is_whole_in_the_next_image(void **state)
{
    struct place *place = *state;
    struct scene scene = fail_push(place, "kept-before");
    SCOPED(commit) struct commit *kept = NULL;
    SCOPED(commit_request) struct commit_request *next = request(place, "next", false);
    struct error err;

    assert_ok(commits_keep(place->commits, scene.wanted->key, &kept, &err), &err);
    assert_int_equal(sh("%s run -d --label io.cri-containerd.kind=container --label io.kubernetes.pod.uid=%s "
                        "--label io.kubernetes.pod.name=pod --label io.kubernetes.pod.namespace=default "
                        "--label io.kubernetes.container.name=main %s %s sleep 1000",
                        place->ctr, place->uid, scene.wanted->containers[0].image, place->uid),
                     0);
    SCOPED(commit) struct commit *commit = start(place, next);
    assert_success(commit);
    assert_int_equal(sh("%s images rm --sync %s >/dev/null", place->ctr, scene.wanted->containers[0].image),
                     0);
    assert_int_equal(pulled_lines(place, next), scene.lines);
    end_scene(&scene);
}

static void what_nobody_needs_any_more_is_let_go(void **state)
{
    struct place *place = *state;
    struct scene scene = fail_push(place, "discarded");
    SCOPED(string) char *lease = handover_lease_id(scene.wanted->key);
    SCOPED(string) char *layer = handover_snapshot_name(scene.wanted->key, "main");
    struct error err;

    assert_true(has_lease(place, lease));
    assert_ok(commits_discard(place->commits, scene.wanted->key, &err), &err);
    assert_ok(commits_discard(place->commits, scene.wanted->key, &err), &err);
    assert_false(has_lease(place, lease));
    assert_no_record(place);
    assert_fails(commits_release(place->commits, scene.wanted->key, COMMIT_RELEASE_KILL, &err), &err,
                 ERR_NOT_FOUND, "knows no commit");
    end_scene(&scene);
}

struct discard {
    struct place *place;
    const char *key;
    int result;
    struct error err;
};

static void *discard(void *arg)
{
    struct discard *asked = arg;

    asked->result = commits_discard(asked->place->commits, asked->key, &asked->err);
    return NULL;
}

static void several_may_discard_at_once(void **state)
{
    struct place *place = *state;
    struct scene scene = fail_push(place, "discarded-twice");
    struct discard asked[8];
    pthread_t threads[8];

    for (size_t i = 0; i < 8; i++) {
        asked[i] = (struct discard){.place = place, .key = scene.wanted->key};
        assert_int_equal(pthread_create(&threads[i], NULL, discard, &asked[i]), 0);
    }
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_ok(asked[i].result, &asked[i].err);
    }
    assert_no_record(place);
    assert_true(
        commit_wait(scene.commit, &(struct commit_report){0}, 0).finished); /* ours as long as we hold it */
    end_scene(&scene);
}

static void a_container_that_is_removed_before_its_kill_ends_the_commit(void **state)
{
    struct place *place = *state;
    struct gate *gate = gate_start(place->registry);
    SCOPED(commit_request) struct commit_request *wanted = request_through(place, gate, "removed");
    SCOPED(string) char *lease = handover_lease_id(wanted->key);
    struct error err;

    push_base(place, wanted);
    gate_set_open(gate, false);
    SCOPED(commit) struct commit *commit = start(place, wanted);
    await_releasable(commit);
    assert_int_equal(sh("%s snapshots rm %s", place->ctr, place->uid), 0);
    assert_fails(commits_release(place->commits, wanted->key, COMMIT_RELEASE_KILL, &err), &err, ERR_NOT_FOUND,
                 "does not exist");
    assert_string_equal(err.reason, "ContainerNotFound");
    assert_ok(commits_discard(place->commits, wanted->key, &err), &err);
    assert_failure(commit, "ContainerNotFound", "");
    assert_no_record(place);
    assert_false(has_lease(place, lease));
    gate_stop(gate);
}

static void only_what_was_handed_over_can_be_kept(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "held", true);
    SCOPED(commit) struct commit *commit = start(place, wanted);
    struct commit *kept = NULL;
    struct error err;

    assert_success(commit);
    assert_fails(commits_keep(place->commits, wanted->key, &kept, &err), &err, ERR_PRECONDITION,
                 "was not handed over");
    assert_int_equal(task_state(place), TASK_PAUSED);
}

static void until_it_is_killed_everything_can_be_undone(void **state)
{
    struct place *place = *state;
    struct gate *gate = gate_start(place->registry);
    SCOPED(commit_request) struct commit_request *wanted = request_through(place, gate, "undone");
    struct error err;

    push_base(place, wanted);
    gate_set_open(gate, false);
    SCOPED(commit) struct commit *commit = start(place, wanted);
    await_releasable(commit);
    assert_int_equal(task_state(place), TASK_PAUSED);
    assert_ok(commits_release(place->commits, wanted->key, COMMIT_RELEASE_THAW, &err), &err);
    assert_int_equal(task_state(place), TASK_RUNNING);
    assert_no_record(place);
    assert_fails(commits_release(place->commits, wanted->key, COMMIT_RELEASE_KILL, &err), &err,
                 ERR_PRECONDITION, "its containers run");
    gate_stop(gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_TEST(the_pod_is_gone_before_the_image_is_pushed_and_nothing_is_missing),
        POD_TEST(the_next_pod_of_the_image_starts_here_without_its_layer),
        POD_TEST(what_was_handed_over_is_pushed_when_it_is_asked_for_again),
        POD_TEST(what_was_handed_over_outlives_the_agent),
        POD_TEST(an_image_that_cannot_be_pushed_is_kept_on_the_node),
        POD_TEST(what_was_kept_on_the_node_is_whole_in_the_next_image),
        POD_TEST(what_nobody_needs_any_more_is_let_go),
        POD_TEST(several_may_discard_at_once),
        POD_TEST(a_container_that_is_removed_before_its_kill_ends_the_commit),
        POD_TEST(only_what_was_handed_over_can_be_kept),
        POD_TEST(until_it_is_killed_everything_can_be_undone),
    };
    return cmocka_run_group_tests(tests, open_place, close_place);
}
