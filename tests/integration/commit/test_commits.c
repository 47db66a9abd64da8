/* Commits of a running container, against a real containerd and a real registry with credentials. */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "committer-agent/commit/commits.h"
#include "committer-agent/containerd/frozen_by.h"
#include "committer-agent/containerd/tasks.h"
#include "shared/base/alloc.h"
#include "shared/base/base64.h"
#include "shared/base/clock.h"
#include "shared/base/file.h"
#include "shared/base/ids.h"
#include "tests/unit/testing.h"

static const char *const writer = "i=0; while :; do i=$((i+1)); echo $i >> /written; done";

struct world {
    struct containerd *containerd;
    struct commits *commits;
    struct commits_options options;
    struct journal *journal;
    char *ctr, *state_dir, *spool_dir, *docker_config;
    const char *image, *registry;
    char uid[UUID_SIZE]; /* of the pod and its container, for the running test */
    int attempt;
};

/* ---- the world ---- */

static int sh(const char *fmt, ...) PRINTF(1, 2);
static int sh(const char *fmt, ...)
{
    char command[2000];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(command, sizeof(command), fmt, args);
    va_end(args);
    return system(command);
}

static void open_commits(struct world *world)
{
    struct error err;
    assert_ok(commits_open(&world->options, &world->commits, &err), &err);
}

/* What kill -9 leaves: nobody thaws, nobody writes. Runs that are under way must have ended. */
static void crash(struct world *world)
{
    commits_free(TAKE(world->commits));
}

static int start_world(void **state)
{
    struct world *world = xcalloc(1, sizeof(*world));
    const char *dir = getenv("STASIS_CONTAINERD_DIR");
    struct error err;

    world->image = getenv("STASIS_TEST_IMAGE");
    world->registry = getenv("STASIS_TEST_REGISTRY");
    if (!dir || !world->image || !world->registry)
        return -1;
    SCOPED(string) char *socket = xasprintf("%s/containerd.sock", dir);
    world->containerd = containerd_new(socket, NULL);
    world->ctr = xasprintf("ctr -a %s -n k8s.io", socket);
    world->state_dir = xasprintf("%s/agent", dir);
    world->spool_dir = xasprintf("%s/agent/spool", dir);
    world->docker_config =
        xasprintf("{\"auths\":{\"%s\":{\"username\":\"tester\",\"password\":\"secret-of-the-tester\"}}}",
                  world->registry);
    assert_ok(dir_ensure(world->spool_dir, 0700, &err), &err);
    assert_ok(journal_open(world->state_dir, &world->journal, &err), &err);
    world->options = (struct commits_options){.env = {.containerd = world->containerd,
                                                      .journal = world->journal,
                                                      .spool_dir = world->spool_dir,
                                                      .owner = "agent of this test",
                                                      .compression_threads = 1,
                                                      .user_agent = "test"},
                                              .slots = 4};
    *state = world;
    return 0;
}

static int end_world(void **state)
{
    struct world *world = *state;
    journal_free(world->journal);
    containerd_free(world->containerd);
    free(world->ctr);
    free(world->state_dir);
    free(world->spool_dir);
    free(world->docker_config);
    free(world);
    return 0;
}

/* A container that writes without pause, in a pod of its own. */
static int start_pod(void **state)
{
    struct world *world = *state;

    uuid_v4(world->uid);
    open_commits(world);
    return sh("%s run -d --label io.cri-containerd.kind=container --label io.kubernetes.pod.uid=%s "
              "--label io.kubernetes.pod.name=pod --label io.kubernetes.pod.namespace=default "
              "--label io.kubernetes.container.name=main %s %s /bin/sh -c '%s'",
              world->ctr, world->uid, world->image, world->uid, writer);
}

static int end_pod(void **state)
{
    struct world *world = *state;

    if (world->commits)
        commits_close(world->commits, 0);
    commits_free(TAKE(world->commits));
    (void)sh("%s tasks kill -s 9 %s 2>/dev/null; %s tasks resume %s 2>/dev/null; %s tasks rm -f %s "
             ">/dev/null 2>&1; "
             "%s containers rm %s",
             world->ctr, world->uid, world->ctr, world->uid, world->ctr, world->uid, world->ctr, world->uid);
    return sh("test -z \"$(ls %s)\" && rm -f %s/commits/*", world->spool_dir, world->state_dir);
}

static enum task_state task_state(const struct world *world)
{
    struct task task;
    struct error err;
    assert_ok(task_get(world->containerd, world->uid, &task, &err), &err);
    return task.state;
}

/* Lines that the writer was told are written, read by somebody who sees the container's root. */
static long written(const struct world *world)
{
    SCOPED(string)
    char *command = xasprintf("tail -n 1 $(%s snapshots mounts /m %s | tr ',' '\\n' | "
                              "sed -n 's/^upperdir=//p')/written",
                              world->ctr, world->uid);
    char line[64] = "";
    FILE *out = popen(command, "r");
    assert_non_null(out);
    assert_non_null(fgets(line, sizeof(line), out));
    (void)pclose(out);
    return strtol(line, NULL, 10);
}

static void in_container(const struct world *world, const char *command)
{
    assert_int_equal(
        sh("%s tasks exec --exec-id once %s sh -c '%s' 2>/dev/null", world->ctr, world->uid, command), 0);
}

/* ---- commits ---- */

static struct commit_request *request(struct world *world, const char *key, bool hold)
{
    struct commit_request *wanted = xcalloc(1, sizeof(*wanted));

    wanted->key = xasprintf("%s-%d", key, ++world->attempt);
    wanted->pod_uid = xstrdup(world->uid);
    wanted->pod_ns = xstrdup("");
    wanted->pod_name = xstrdup("");
    wanted->containers = xcalloc(1, sizeof(*wanted->containers));
    wanted->containers[0].name = xstrdup("main");
    wanted->containers[0].image =
        xasprintf("%s/snapshots/%s-main:%s", world->registry, world->uid, wanted->key);
    wanted->count = 1;
    wanted->hold = hold;
    wanted->insecure = true;
    wanted->docker_config = xstrdup(world->docker_config);
    wanted->docker_config_length = strlen(wanted->docker_config);
    wanted->timeout_ms = 60000;
    wanted->hold_timeout_ms = 60000;
    return wanted;
}

static void replace(char **text, char *with)
{
    free(*text);
    *text = with;
}

static struct commit *start(struct world *world, const struct commit_request *wanted)
{
    struct commit *commit = NULL;
    struct error err;
    assert_ok(commits_start(world->commits, wanted, &commit, &err), &err);
    return commit;
}

static struct commit_report outcome(struct commit *commit)
{
    int phase = 0;
    for (;;) {
        struct commit_report report = commit_wait(commit, phase, 1000);
        if (report.finished)
            return report;
        phase = (int)report.phase;
    }
}

static void assert_success(struct commit *commit)
{
    struct commit_report report = outcome(commit);
    if (report.failed)
        fail_msg("the commit failed: %s (%s)", report.error.text, report.error.reason);
    assert_int_equal(report.result_count, 1);
    assert_int_equal(strncmp(report.results[0].digest, "sha256:", 7), 0);
}

static void assert_failure(struct commit *commit, const char *reason, const char *text)
{
    struct commit_report report = outcome(commit);
    assert_true(report.failed);
    assert_string_equal(report.error.reason, reason);
    assert_contains(report.error.text, text);
}

static void release(struct world *world, const char *key)
{
    struct error err;
    assert_ok(commits_release(world->commits, key, COMMIT_RELEASE_KILL, &err), &err);
}

static void assert_no_record(const struct world *world)
{
    assert_int_equal(sh("test -z \"$(ls %s/commits)\"", world->state_dir), 0);
}

/* ---- tests ---- */

static void a_pause_stays_frozen_until_released_and_then_nobody_writes_again(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "pause", true);
    SCOPED(commit) struct commit *commit = start(world, wanted);

    assert_success(commit);
    assert_int_equal(task_state(world), TASK_PAUSED);
    long at_hold = written(world);
    release(world, wanted->key);
    release(world, wanted->key); /* and again: who lost the answer asks again */
    assert_int_equal(sh("%s tasks resume %s 2>/dev/null; %s tasks wait %s >/dev/null 2>&1; true", world->ctr,
                        world->uid, world->ctr, world->uid),
                     0);
    assert_int_equal(written(world), at_hold);
}

static void a_live_snapshot_lets_the_container_run_on_and_holds_what_was_written(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "live", false);

    while (written(world) < 1)
        ;
    long before = written(world);
    SCOPED(commit) struct commit *commit = start(world, wanted);
    assert_success(commit);
    assert_int_equal(task_state(world), TASK_RUNNING);
    assert_int_equal(
        sh("%s images pull --plain-http -u tester:secret-of-the-tester %s >/dev/null && test $(%s run --rm "
           "%s copy-%s tail -n 1 /written) -ge %ld; r=$?; %s images rm --sync %s >/dev/null; exit $r",
           world->ctr, wanted->containers[0].image, world->ctr, wanted->containers[0].image, world->uid,
           before, world->ctr, wanted->containers[0].image),
        0);
}

static void the_same_key_is_the_same_commit(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "same", false);
    SCOPED(commit) struct commit *first = start(world, wanted);
    SCOPED(commit) struct commit *second = start(world, wanted);
    struct commit *other = NULL;
    struct error err;

    assert_ptr_equal(first, second);
    assert_success(first);
    replace(&wanted->containers[0].image, xasprintf("%s/snapshots/elsewhere:1", world->registry));
    assert_fails(commits_start(world->commits, wanted, &other, &err), &err, ERR_EXISTS,
                 "other containers or images");
}

static void a_pod_has_one_commit_at_a_time(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "first", true);
    SCOPED(commit_request) struct commit_request *late = request(world, "second", true);
    SCOPED(commit) struct commit *commit = start(world, wanted);
    struct commit *other = NULL;
    struct error err;

    assert_fails(commits_start(world->commits, late, &other, &err), &err, ERR_PRECONDITION, wanted->key);
    assert_string_equal(err.reason, "CommitSuperseded");
    assert_success(commit);
    assert_fails(commits_start(world->commits, late, &other, &err), &err, ERR_PRECONDITION, wanted->key);
}

static void a_pod_is_the_same_by_uid_and_by_name(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *by_uid = request(world, "by-uid", true);
    SCOPED(commit_request) struct commit_request *by_name = request(world, "by-name", true);
    replace(&by_name->pod_uid, xstrdup(""));
    replace(&by_name->pod_ns, xstrdup("default"));
    replace(&by_name->pod_name, xstrdup("pod"));
    SCOPED(commit) struct commit *first = start(world, by_uid);
    while (commit_wait(first, COMMIT_RESOLVING, 1000).phase < COMMIT_FREEZING)
        ;
    SCOPED(commit) struct commit *second = NULL;
    struct error err;

    assert_fails(commits_start(world->commits, by_name, &second, &err), &err, ERR_PRECONDITION, by_uid->key);
    assert_string_equal(err.reason, "CommitSuperseded");
    assert_success(first);
    assert_int_equal(task_state(world), TASK_PAUSED);
}

/* Neither is known by the other's name when they start: who finds the pod first has it. */
static void of_two_commits_of_one_pod_that_start_together_one_has_it(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *by_uid = request(world, "by-uid", true);
    SCOPED(commit_request) struct commit_request *by_name = request(world, "by-name", true);
    replace(&by_name->pod_uid, xstrdup(""));
    replace(&by_name->pod_ns, xstrdup("default"));
    replace(&by_name->pod_name, xstrdup("pod"));
    SCOPED(commit) struct commit *first = start(world, by_uid);
    SCOPED(commit) struct commit *second = start(world, by_name);
    bool first_lost = outcome(first).failed;

    assert_failure(first_lost ? first : second, "CommitSuperseded", first_lost ? by_name->key : by_uid->key);
    assert_success(first_lost ? second : first);
    assert_int_equal(task_state(world), TASK_PAUSED);
}

static void a_hold_that_nobody_takes_runs_out_and_cannot_be_used_any_more(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "expire", true);
    wanted->hold_timeout_ms = 300;
    SCOPED(commit) struct commit *commit = start(world, wanted);
    struct error err;

    (void)outcome(commit);
    int64_t until_ms = clock_monotonic_ms() + 20000;
    while (task_state(world) != TASK_RUNNING && clock_monotonic_ms() < until_ms)
        (void)commit_wait(commit, 0, 100);
    assert_int_equal(task_state(world), TASK_RUNNING);
    assert_fails(commits_release(world->commits, wanted->key, COMMIT_RELEASE_KILL, &err), &err,
                 ERR_PRECONDITION, wanted->key);
    assert_string_equal(err.reason, "HoldExpired");
    assert_int_equal(task_state(world), TASK_RUNNING);
}

static void a_held_commit_survives_a_crash(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "held", true);
    struct commit *commit = start(world, wanted);

    assert_success(commit);
    commit_unref(commit);
    crash(world);
    assert_int_equal(task_state(world), TASK_PAUSED);
    open_commits(world);
    assert_int_equal(task_state(world), TASK_PAUSED);
    SCOPED(commit) struct commit *again = start(world, wanted);
    assert_success(again);
    release(world, wanted->key);
    assert_int_equal(task_state(world), TASK_PAUSED); /* dead, and frozen for whoever stops the pod */
}

static void what_a_layer_could_not_carry_is_told_after_a_crash_too(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "skipped", true);
    in_container(world, "mknod /.wh.odd p");
    struct commit *commit = start(world, wanted);

    assert_success(commit);
    size_t count = outcome(commit).results[0].skipped_count;
    assert_true(count > 0);
    commit_unref(commit);
    crash(world);
    open_commits(world);
    SCOPED(commit) struct commit *again = start(world, wanted);
    const struct commit_result *result = &outcome(again).results[0];
    assert_int_equal(result->skipped_count, count);
    assert_string_equal(result->skipped[0].kind, "WhiteoutName");
    assert_int_equal(result->skipped[0].count, 1);
    assert_contains(result->skipped[0].example, ".wh.odd");
}

static void a_held_commit_whose_container_ran_meanwhile_is_refused_after_a_crash(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "thawed", true);
    struct commit *commit = start(world, wanted);
    struct error err;

    assert_success(commit);
    commit_unref(commit);
    crash(world);
    assert_int_equal(sh("%s tasks resume %s", world->ctr, world->uid), 0);
    open_commits(world);
    assert_fails(commits_release(world->commits, wanted->key, COMMIT_RELEASE_KILL, &err), &err,
                 ERR_PRECONDITION, wanted->key);
    assert_string_equal(err.reason, "HoldExpired");
}

/* A crash after the freeze; the record says how far the commit was. */
static void crash_frozen(struct world *world, enum commit_stage stage)
{
    struct journal_container container = {.name = (char *)"main", .id = world->uid};
    const struct journal_record record = {.key = (char *)"crashed",
                                          .stage = stage,
                                          .pod_uid = world->uid,
                                          .pod_ns = (char *)"default",
                                          .pod_name = (char *)"pod",
                                          .containers = &container,
                                          .count = 1};
    struct error err;

    crash(world);
    assert_ok(journal_write(world->journal, &record, &err), &err);
    assert_int_equal(sh("%s tasks pause %s", world->ctr, world->uid), 0);
}

static void what_a_crash_left_frozen_is_thawed_at_start(void **state)
{
    struct world *world = *state;

    crash_frozen(world, STAGE_FREEZING);
    assert_int_equal(sh("touch %s/layer-0123.spool", world->spool_dir), 0);
    open_commits(world);
    assert_int_equal(task_state(world), TASK_RUNNING);
    assert_no_record(world);
    assert_int_equal(sh("test -z \"$(ls %s)\"", world->spool_dir), 0);
}

static void a_kill_that_a_crash_cut_short_is_finished_at_start(void **state)
{
    struct world *world = *state;

    crash_frozen(world, STAGE_KILLING);
    long at_hold = written(world);
    open_commits(world);
    release(world, "crashed"); /* whoever asked asks again */
    assert_int_equal(sh("%s tasks resume %s 2>/dev/null; %s tasks wait %s >/dev/null 2>&1; true", world->ctr,
                        world->uid, world->ctr, world->uid),
                     0);
    assert_int_equal(written(world), at_hold);
}

/* Whose mark does the container bear? The caller frees. */
static char *marked_by(const struct world *world)
{
    SCOPED_CONTAINER struct container container = {0};
    struct error err;
    assert_ok(container_get(world->containerd, world->uid, &container, &err), &err);
    return xstrdup(container_label_get(&container, FROZEN_BY_LABEL));
}

static void what_was_frozen_under_a_lost_journal_is_thawed_and_can_be_committed_anew(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "lost", true);
    struct commit *commit = start(world, wanted);

    assert_success(commit);
    commit_unref(commit);
    crash(world);
    SCOPED(string) char *mark = marked_by(world);
    assert_string_equal(mark, "agent of this test");
    assert_int_equal(sh("rm %s/commits/*", world->state_dir), 0);
    assert_int_equal(task_state(world), TASK_PAUSED);
    open_commits(world);
    assert_int_equal(task_state(world), TASK_RUNNING);
    SCOPED(string) char *no_mark = marked_by(world);
    assert_string_equal(no_mark, "");
    SCOPED(commit) struct commit *again = start(world, wanted);
    assert_success(again);
}

static void what_others_froze_stays_frozen_at_start(void **state)
{
    struct world *world = *state;
    struct error err;

    crash(world);
    assert_int_equal(sh("%s tasks pause %s", world->ctr, world->uid), 0);
    open_commits(world);
    assert_int_equal(task_state(world), TASK_PAUSED);
    crash(world);
    assert_ok(container_mark_frozen(world->containerd, world->uid, "job of another", &err), &err);
    open_commits(world);
    assert_int_equal(task_state(world), TASK_PAUSED);
}

static void what_was_killed_is_no_stray(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "killed", true);
    struct commit *commit = start(world, wanted);

    assert_success(commit);
    release(world, wanted->key);
    commit_unref(commit);
    crash(world);
    open_commits(world);
    assert_int_equal(task_state(world), TASK_PAUSED);
}

static void whoever_is_thawed_loses_the_mark(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "unmarked", false);
    SCOPED(commit) struct commit *commit = start(world, wanted);

    assert_success(commit);
    SCOPED(string) char *mark = marked_by(world);
    assert_string_equal(mark, "");
}

/* A kubelet kills a container whose probe fails, and thaws it for that: nobody in it could answer anybody since the
 * capture, so the image is all there is. */
static void a_container_that_died_while_it_was_held_is_in_its_image(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "died", true);
    struct commit *commit = start(world, wanted);

    assert_success(commit);
    commit_unref(commit);
    assert_int_equal(
        sh("%s tasks kill -s 9 %s; %s tasks resume %s 2>/dev/null; %s tasks wait %s >/dev/null 2>&1; true",
           world->ctr, world->uid, world->ctr, world->uid, world->ctr, world->uid),
        0);
    assert_int_equal(task_state(world), TASK_STOPPED);
    crash(world);
    open_commits(world); /* dead is not the same as thawed */
    release(world, wanted->key);
    release(world, wanted->key);
    SCOPED(commit) struct commit *again = start(world, wanted);
    assert_success(again);
}

/* ---- refusals: nothing frozen, nothing left, and the reason in one word ---- */

static void wrong_credentials_are_found_before_anything_is_frozen(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "denied", true);
    replace(
        &wanted->docker_config,
        xasprintf("{\"auths\":{\"%s\":{\"username\":\"tester\",\"password\":\"wrong\"}}}", world->registry));
    wanted->docker_config_length = strlen(wanted->docker_config);
    SCOPED(commit) struct commit *commit = start(world, wanted);

    assert_failure(commit, "RegistryUnauthorized", world->registry);
    assert_lacks(outcome(commit).error.text, "wrong\"");
    assert_int_equal(task_state(world), TASK_RUNNING);
    assert_no_record(world);
}

static void an_unknown_container_is_named(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "unknown", true);
    replace(&wanted->containers[0].name, xstrdup("sidecar"));
    SCOPED(commit) struct commit *commit = start(world, wanted);

    assert_failure(commit, "ContainerNotFound", "sidecar");
    assert_int_equal(task_state(world), TASK_RUNNING);
}

static void an_unknown_pod_is_named(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "nobody", true);
    replace(&wanted->pod_uid, xstrdup("no-such-pod"));
    SCOPED(commit) struct commit *commit = start(world, wanted);

    assert_failure(commit, "PodNotFound", "no-such-pod");
}

static void a_dead_container_is_not_committed(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "dead", true);
    assert_int_equal(sh("%s tasks kill -s 9 %s && %s tasks wait %s >/dev/null 2>&1; true", world->ctr,
                        world->uid, world->ctr, world->uid),
                     0);
    SCOPED(commit) struct commit *commit = start(world, wanted);

    assert_failure(commit, "ContainerNotRunning", "main");
}

/* The name of the base is pushed on to another image, as a registry's "latest" is. */
static void a_base_whose_name_moved_on_is_refused(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *first = request(world, "older", false);
    SCOPED(commit_request) struct commit_request *wanted = request(world, "moved", true);
    SCOPED(commit) struct commit *commit = start(world, first);
    const char *newer = first->containers[0].image;

    assert_success(commit);
    assert_int_equal(sh("%s images pull --plain-http -u tester:secret-of-the-tester %s >/dev/null && "
                        "%s images tag %s kept:1 >/dev/null && %s images tag --force %s %s >/dev/null",
                        world->ctr, newer, world->ctr, world->image, world->ctr, newer, world->image),
                     0);
    SCOPED(commit) struct commit *refused = start(world, wanted);
    struct commit_report report = outcome(refused);
    assert_int_equal(
        sh("%s images tag --force kept:1 %s >/dev/null && %s images rm --sync kept:1 %s >/dev/null",
           world->ctr, world->image, world->ctr, newer),
        0);
    assert_true(report.failed);
    assert_string_equal(report.error.reason, "ImageNotFound");
    assert_contains(report.error.text, "another image by now");
    assert_int_equal(task_state(world), TASK_RUNNING);
}

static void what_somebody_else_froze_is_refused_and_stays_frozen(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "theirs", true);
    assert_int_equal(sh("%s tasks pause %s", world->ctr, world->uid), 0);
    SCOPED(commit) struct commit *commit = start(world, wanted);

    assert_failure(commit, "FreezeFailed", "by somebody else");
    assert_int_equal(task_state(world), TASK_PAUSED);
    assert_no_record(world);
}

static void a_container_that_is_thawed_during_the_capture_gives_no_image(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "torn", false);
    struct error err;
    wanted->compression = LAYER_GZIP;                                /* slow */
    in_container(world, "dd if=/dev/urandom of=/zz bs=1M count=64"); /* read after /written */
    SCOPED(commit) struct commit *commit = start(world, wanted);

    while (commit_wait(commit, COMMIT_CAPTURING, 1).bytes_read < 8 << 20)
        ; /* in the middle of /zz */
    assert_ok(task_resume(world->containerd, world->uid, &err), &err);
    assert_failure(commit, "FreezeFailed", "thawed or died");
    assert_int_equal(task_state(world), TASK_RUNNING);
    assert_no_record(world);
}

static void a_layer_that_cannot_fit_is_refused_before_the_freeze(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "large", true);
    in_container(world, "dd if=/dev/urandom of=/big bs=1M count=8");
    assert_int_equal(mount("tmpfs", world->spool_dir, "tmpfs", 0, "size=1m"), 0);

    SCOPED(commit) struct commit *commit = start(world, wanted);
    assert_failure(commit, "DiskFull", "free some space");
    assert_int_equal((int)outcome(commit).phase, COMMIT_RESOLVING);
    assert_int_equal(task_state(world), TASK_RUNNING);
    assert_int_equal(umount(world->spool_dir), 0);
}

/* A hole takes no space in the container, so nobody can know before; in an uncompressed layer it does. */
static void a_disk_that_fills_up_during_the_capture_fails_the_commit_and_thaws(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "full", true);
    wanted->compression = LAYER_NONE;
    in_container(world, "dd if=/dev/zero of=/hole bs=1 count=1 seek=67108864");
    assert_int_equal(mount("tmpfs", world->spool_dir, "tmpfs", 0, "size=8m"), 0);

    SCOPED(commit) struct commit *commit = start(world, wanted);
    assert_failure(commit, "DiskFull", "capturing container main");
    assert_int_equal(task_state(world), TASK_RUNNING);
    assert_no_record(world);
    assert_int_equal(umount(world->spool_dir), 0);
}

static void a_commit_that_takes_too_long_is_ended_and_thaws(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "slow", true);
    wanted->timeout_ms = 1;
    SCOPED(commit) struct commit *commit = start(world, wanted);

    assert_failure(commit, "DeadlineExceeded", "did not finish within");
    assert_int_equal(task_state(world), TASK_RUNNING);
}

static void a_cancelled_commit_thaws_in_whatever_phase(void **state)
{
    struct world *world = *state;
    struct error err;

    for (int phase = 0; phase < COMMIT_HOLDING; phase++) {
        SCOPED(commit_request) struct commit_request *wanted = request(world, "cancel", true);
        SCOPED(commit) struct commit *commit = start(world, wanted);
        for (struct commit_report now = {0}; !now.finished && (int)now.phase <= phase;)
            now = commit_wait(commit, (int)now.phase, 1000);
        assert_ok(commits_cancel(world->commits, wanted->key, &err), &err);
        assert_int_equal(task_state(world), TASK_RUNNING);
    }
}

static void unpause_thaws_strays_but_not_what_a_commit_holds(void **state)
{
    struct world *world = *state;
    SCOPED(commit_request) struct commit_request *wanted = request(world, "owner", true);
    const struct pod_name pod = {.uid = world->uid};
    unsigned thawed = 0;
    struct error err;

    assert_int_equal(sh("%s tasks pause %s", world->ctr, world->uid), 0);
    assert_ok(commits_unpause(world->commits, &pod, NULL, 0, &thawed, &err), &err);
    assert_int_equal(thawed, 1);
    assert_int_equal(task_state(world), TASK_RUNNING);

    SCOPED(commit) struct commit *commit = start(world, wanted);
    assert_success(commit);
    assert_fails(commits_unpause(world->commits, &pod, NULL, 0, &thawed, &err), &err, ERR_PRECONDITION,
                 "cancel it first");
    assert_int_equal(task_state(world), TASK_PAUSED);
}

#define POD_TEST(f) cmocka_unit_test_setup_teardown(f, start_pod, end_pod)

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
        POD_TEST(a_held_commit_survives_a_crash),
        POD_TEST(what_a_layer_could_not_carry_is_told_after_a_crash_too),
        POD_TEST(a_held_commit_whose_container_ran_meanwhile_is_refused_after_a_crash),
        POD_TEST(what_a_crash_left_frozen_is_thawed_at_start),
        POD_TEST(a_kill_that_a_crash_cut_short_is_finished_at_start),
        POD_TEST(what_was_frozen_under_a_lost_journal_is_thawed_and_can_be_committed_anew),
        POD_TEST(what_others_froze_stays_frozen_at_start),
        POD_TEST(what_was_killed_is_no_stray),
        POD_TEST(whoever_is_thawed_loses_the_mark),
        POD_TEST(a_container_that_died_while_it_was_held_is_in_its_image),
        POD_TEST(wrong_credentials_are_found_before_anything_is_frozen),
        POD_TEST(an_unknown_container_is_named),
        POD_TEST(an_unknown_pod_is_named),
        POD_TEST(a_dead_container_is_not_committed),
        POD_TEST(a_base_whose_name_moved_on_is_refused),
        POD_TEST(what_somebody_else_froze_is_refused_and_stays_frozen),
        POD_TEST(a_container_that_is_thawed_during_the_capture_gives_no_image),
        POD_TEST(a_layer_that_cannot_fit_is_refused_before_the_freeze),
        POD_TEST(a_disk_that_fills_up_during_the_capture_fails_the_commit_and_thaws),
        POD_TEST(a_commit_that_takes_too_long_is_ended_and_thaws),
        POD_TEST(a_cancelled_commit_thaws_in_whatever_phase),
        POD_TEST(unpause_thaws_strays_but_not_what_a_commit_holds),
    };
    return cmocka_run_group_tests(tests, start_world, end_world);
}
