#include "tests/integration/commit/place.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shared/base/clock.h"

enum { END_MS = 60000 };

#include <unistd.h>

#include "committer-agent/containerd/frozen_by.h"
#include "shared/base/file.h"

static const char *const writer = "i=0; while :; do i=$((i+1)); echo $i >> /written; done";

void open_commits(struct place *place)
{
    struct error err;
    assert_ok(commits_open(&place->options, &place->commits, &err), &err);
}

void crash(struct place *place)
{
    commits_free(TAKE(place->commits));
}

int open_place(void **state)
{
    struct place *place = xcalloc(1, sizeof(*place));
    const char *dir = getenv("STASIS_CONTAINERD_DIR");
    struct error err;

    place->image = getenv("STASIS_TEST_IMAGE");
    place->registry = getenv("STASIS_TEST_REGISTRY");
    if (!dir || !place->image || !place->registry)
        return -1;
    SCOPED(string) char *socket = xasprintf("%s/containerd.sock", dir);
    place->containerd = containerd_new(socket, NULL);
    place->ctr = xasprintf("ctr -a %s -n k8s.io", socket);
    place->state_dir = xasprintf("%s/agent", dir);
    place->spool_dir = xasprintf("%s/agent/spool", dir);
    place->docker_config =
        xasprintf("{\"auths\":{\"%s\":{\"username\":\"tester\",\"password\":\"secret-of-the-tester\"}}}",
                  place->registry);
    assert_ok(dir_ensure(place->spool_dir, 0700, &err), &err);
    assert_ok(journal_open(place->state_dir, &place->journal, &err), &err);
    place->options = (struct commits_options){.env = {.containerd = place->containerd,
                                                      .journal = place->journal,
                                                      .spool_dir = place->spool_dir,
                                                      .space = place->space = space_new(place->spool_dir, 0),
                                                      .owner = "agent of this test",
                                                      .compression_threads = 1,
                                                      .user_agent = "test",
                                                      .hands_over = true,
                                                      .warm_retention_ms = 60 * 1000},
                                              .slots = 4};
    *state = place;
    return 0;
}

int close_place(void **state)
{
    struct place *place = *state;
    journal_free(place->journal);
    space_free(place->space);
    containerd_free(place->containerd);
    free(place->ctr);
    free(place->state_dir);
    free(place->spool_dir);
    free(place->docker_config);
    free(place);
    return 0;
}

int start_pod(void **state)
{
    struct place *place = *state;

    uuid_v4(place->uid);
    open_commits(place);
    return sh("%s run -d --label io.cri-containerd.kind=container --label io.kubernetes.pod.uid=%s "
              "--label io.kubernetes.pod.name=pod --label io.kubernetes.pod.namespace=default "
              "--label io.kubernetes.container.name=main %s %s /bin/sh -c '%s'",
              place->ctr, place->uid, place->image, place->uid, writer);
}

int end_pod(void **state)
{
    struct place *place = *state;

    if (place->commits)
        commits_close(place->commits, 0);
    commits_free(TAKE(place->commits));
    (void)sh("%s tasks kill -s 9 %s 2>/dev/null; %s tasks resume %s 2>/dev/null; %s tasks rm -f %s "
             ">/dev/null 2>&1; "
             "%s containers rm %s",
             place->ctr, place->uid, place->ctr, place->uid, place->ctr, place->uid, place->ctr, place->uid);
    return sh("test -z \"$(ls %s)\" && rm -f %s/commits/*", place->spool_dir, place->state_dir);
}

enum task_state task_state(const struct place *place)
{
    struct task task;
    struct error err;
    assert_ok(task_get(place->containerd, place->uid, &task, &err), &err);
    return task.state;
}

void end_container(const struct place *place, const char *command)
{
    struct task task;
    struct error err;
    assert_ok(task_get(place->containerd, place->uid, &task, &err), &err);
    struct pollfd first = {.fd = (int)syscall(SYS_pidfd_open, task.pid, 0), .events = POLLIN};
    int64_t until_ms = clock_monotonic_ms() + END_MS;

    (void)sh("%s tasks %s %s 2>/dev/null", place->ctr, command, place->uid);
    if (first.fd >= 0) { /* else it is dead already */
        assert_int_equal(poll(&first, 1, END_MS), 1);
        (void)close(first.fd);
    }
    while (task_state(place) != TASK_STOPPED) /* containerd hears of it a moment later */
        assert_true(clock_monotonic_ms() < until_ms);
}

long written(const struct place *place)
{
    SCOPED(string)
    char *command = xasprintf("tail -n 1 $(%s snapshots mounts /m %s | tr ',' '\\n' | "
                              "sed -n 's/^upperdir=//p')/written",
                              place->ctr, place->uid);
    char line[64] = "";
    FILE *out = popen(command, "r");
    assert_non_null(out);
    assert_non_null(fgets(line, sizeof(line), out));
    (void)pclose(out);
    return strtol(line, NULL, 10);
}

void in_container(const struct place *place, const char *command)
{
    assert_int_equal(
        sh("%s tasks exec --exec-id once %s sh -c '%s' 2>/dev/null", place->ctr, place->uid, command), 0);
}

struct commit_request *request(struct place *place, const char *key, bool hold)
{
    struct commit_request *wanted = xcalloc(1, sizeof(*wanted));

    wanted->key = xasprintf("%s-%d", key, ++place->attempt);
    wanted->pod_uid = xstrdup(place->uid);
    wanted->pod_ns = xstrdup("");
    wanted->pod_name = xstrdup("");
    wanted->containers = xcalloc(1, sizeof(*wanted->containers));
    wanted->containers[0].name = xstrdup("main");
    wanted->containers[0].image =
        xasprintf("%s/snapshots/%s-main:%s", place->registry, place->uid, wanted->key);
    wanted->count = 1;
    wanted->hold = hold;
    wanted->insecure = true;
    wanted->docker_config = xstrdup(place->docker_config);
    wanted->docker_config_length = strlen(wanted->docker_config);
    wanted->timeout_ms = 60000;
    wanted->hold_timeout_ms = 60000;
    return wanted;
}

void replace(char **text, char *with)
{
    free(*text);
    *text = with;
}

struct commit *start(struct place *place, const struct commit_request *wanted)
{
    struct commit *commit = NULL;
    struct error err;
    assert_ok(commits_start(place->commits, wanted, &commit, &err), &err);
    return commit;
}

struct commit_report outcome(struct commit *commit)
{
    struct commit_report report = {0};
    while (!report.finished)
        report = commit_wait(commit, &report, 1000);
    return report;
}

void assert_success(struct commit *commit)
{
    struct commit_report report = outcome(commit);
    if (report.failed)
        fail_msg("the commit failed: %s (%s)", report.error.text, report.error.reason);
    assert_int_equal(report.result_count, 1);
    assert_int_equal(strncmp(report.results[0].digest, "sha256:", 7), 0);
}

void assert_failure(struct commit *commit, const char *reason, const char *text)
{
    struct commit_report report = outcome(commit);
    assert_true(report.failed);
    assert_string_equal(report.error.reason, reason);
    assert_contains(report.error.text, text);
}

void release(struct place *place, const char *key)
{
    struct error err;
    assert_ok(commits_release(place->commits, key, COMMIT_RELEASE_KILL, &err), &err);
}

void assert_no_record(const struct place *place)
{
    assert_int_equal(sh("test -z \"$(ls %s/commits)\"", place->state_dir), 0);
}

char *marked_by(const struct place *place)
{
    SCOPED_CONTAINER struct container container = {0};
    struct error err;
    assert_ok(container_get(place->containerd, place->uid, &container, &err), &err);
    return xstrdup(container_label_get(&container, FROZEN_BY_LABEL));
}
