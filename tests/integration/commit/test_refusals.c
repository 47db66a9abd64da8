/* Commits that cannot be: nothing frozen, nothing left, and the reason in one word. */
#include <sys/mount.h>

#include "tests/integration/commit/place.h"

static void wrong_credentials_are_found_before_anything_is_frozen(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "denied", true);
    replace(
        &wanted->docker_config,
        xasprintf("{\"auths\":{\"%s\":{\"username\":\"tester\",\"password\":\"wrong\"}}}", place->registry));
    wanted->docker_config_length = strlen(wanted->docker_config);
    SCOPED(commit) struct commit *commit = start(place, wanted);

    assert_failure(commit, "RegistryUnauthorized", place->registry);
    assert_lacks(outcome(commit).error.text, "wrong\"");
    assert_int_equal(task_state(place), TASK_RUNNING);
    assert_no_record(place);
}

static void an_unknown_container_is_named(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "unknown", true);
    replace(&wanted->containers[0].name, xstrdup("sidecar"));
    SCOPED(commit) struct commit *commit = start(place, wanted);

    assert_failure(commit, "ContainerNotFound", "sidecar");
    assert_int_equal(task_state(place), TASK_RUNNING);
}

static void an_unknown_pod_is_named(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "nobody", true);
    replace(&wanted->pod_uid, xstrdup("no-such-pod"));
    SCOPED(commit) struct commit *commit = start(place, wanted);

    assert_failure(commit, "PodNotFound", "no-such-pod");
}

static void a_dead_container_is_not_committed(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "dead", true);
    end_container(place, "kill -s 9");
    SCOPED(commit) struct commit *commit = start(place, wanted);

    assert_failure(commit, "ContainerNotRunning", "main");
}

/* The name of the base is pushed on to another image, as a registry's "latest" is. */
static void a_base_whose_name_moved_on_is_refused(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *first = request(place, "older", false);
    SCOPED(commit_request) struct commit_request *wanted = request(place, "moved", true);
    SCOPED(commit) struct commit *commit = start(place, first);
    const char *newer = first->containers[0].image;

    assert_success(commit);
    assert_int_equal(sh("%s images pull --plain-http -u tester:secret-of-the-tester %s >/dev/null && "
                        "%s images tag %s kept:1 >/dev/null && %s images tag --force %s %s >/dev/null",
                        place->ctr, newer, place->ctr, place->image, place->ctr, newer, place->image),
                     0);
    SCOPED(commit) struct commit *refused = start(place, wanted);
    struct commit_report report = outcome(refused);
    assert_int_equal(
        sh("%s images tag --force kept:1 %s >/dev/null && %s images rm --sync kept:1 %s >/dev/null",
           place->ctr, place->image, place->ctr, newer),
        0);
    assert_true(report.failed);
    assert_string_equal(report.error.reason, "ImageNotFound");
    assert_contains(report.error.text, "another image by now");
    assert_int_equal(task_state(place), TASK_RUNNING);
}

static void what_somebody_else_froze_is_refused_and_stays_frozen(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "theirs", true);
    assert_int_equal(sh("%s tasks pause %s", place->ctr, place->uid), 0);
    SCOPED(commit) struct commit *commit = start(place, wanted);

    assert_failure(commit, "FreezeFailed", "by somebody else");
    assert_int_equal(task_state(place), TASK_PAUSED);
    assert_no_record(place);
}

static void a_container_that_is_thawed_during_the_capture_gives_no_image(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "torn", true);
    struct error err;
    wanted->compression = LAYER_GZIP;                                /* slow */
    in_container(place, "dd if=/dev/urandom of=/zz bs=1M count=64"); /* read after /written */
    SCOPED(commit) struct commit *commit = start(place, wanted);

    while (commit_wait(commit, &(struct commit_report){.phase = COMMIT_CAPTURING}, 1).bytes_read < 8 << 20)
        ; /* in the middle of /zz */
    assert_ok(task_resume(place->containerd, place->uid, &err), &err);
    assert_failure(commit, "FreezeFailed", "thawed or died");
    assert_int_equal(task_state(place), TASK_RUNNING);
    assert_no_record(place);
}

static void a_layer_that_cannot_fit_is_refused_before_the_freeze(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "large", true);
    in_container(place, "dd if=/dev/urandom of=/big bs=1M count=8");
    assert_int_equal(mount("tmpfs", place->spool_dir, "tmpfs", 0, "size=1m"), 0);

    SCOPED(commit) struct commit *commit = start(place, wanted);
    assert_failure(commit, "DiskFull", "free some space");
    assert_int_equal((int)outcome(commit).phase, COMMIT_RESOLVING);
    assert_int_equal(task_state(place), TASK_RUNNING);
    assert_int_equal(umount(place->spool_dir), 0);
}

/* A hole takes no space in the container, so nobody can know before; in an uncompressed layer it does. */
static void a_disk_that_fills_up_during_the_capture_fails_the_commit_and_thaws(void **state)
{
    struct place *place = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "full", true);
    wanted->compression = LAYER_NONE;
    in_container(place, "dd if=/dev/zero of=/hole bs=1 count=1 seek=67108864");
    assert_int_equal(mount("tmpfs", place->spool_dir, "tmpfs", 0, "size=8m"), 0);

    SCOPED(commit) struct commit *commit = start(place, wanted);
    assert_failure(commit, "DiskFull", "capturing container main");
    assert_int_equal(task_state(place), TASK_RUNNING);
    assert_no_record(place);
    assert_int_equal(umount(place->spool_dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_TEST(wrong_credentials_are_found_before_anything_is_frozen),
        POD_TEST(an_unknown_container_is_named),
        POD_TEST(an_unknown_pod_is_named),
        POD_TEST(a_dead_container_is_not_committed),
        POD_TEST(a_base_whose_name_moved_on_is_refused),
        POD_TEST(what_somebody_else_froze_is_refused_and_stays_frozen),
        POD_TEST(a_container_that_is_thawed_during_the_capture_gives_no_image),
        POD_TEST(a_layer_that_cannot_fit_is_refused_before_the_freeze),
        POD_TEST(a_disk_that_fills_up_during_the_capture_fails_the_commit_and_thaws),
    };
    return cmocka_run_group_tests(tests, open_place, close_place);
}
