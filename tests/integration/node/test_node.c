/* NodeRuntime through its own door, against a real containerd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "committer-agent/containerd/freeze.h"
#include "committer-agent/containerd/overlay.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "tests/integration/node/node_client.h"

#define assert_ok(call)                                                                                      \
    do {                                                                                                     \
        if ((call) < 0)                                                                                      \
            fail_msg("%s: %s (%s)", #call, err.text, err.reason);                                            \
    } while (0)

#define SECRET_FOR "{\"auths\":{\"%s\":{\"username\":\"tester\",\"password\":\"%s\"}}}"

static pod_answer *must_run(struct world *world, const struct pod_wish *wish)
{
    struct error err = {0};
    pod_answer *answer = run_pod(world, wish, &err);

    if (!answer)
        fail_msg("RunPod: %s (%s)", err.text, err.reason);
    return answer;
}

static void a_pod_runs_is_found_and_goes(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    pod_answer *pod =
        must_run(world, &(struct pod_wish){.script = "sleep 1000", .side_script = "sleep 1000"});

    assert_int_equal(pod->state, OPENSANDBOX__COMMITTER__V1__POD_STATE__READY);
    assert_int_equal(pod->n_containers, 2);
    assert_string_equal(pod->containers[0]->name, "main");
    assert_string_equal(pod->containers[1]->name, "side");
    assert_string_equal(pod->containers[0]->image, world->image);
    assert_int_equal(pod->containers[0]->state, OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__RUNNING);
    assert_true(pod->containers[0]->started_at_unix_ms > clock_realtime_ms() - 60000);
    assert_memory_equal(pod->ip, "10.", 3);
    pod_answer_free(pod);

    assert_ok(stop_pod(world, 0, &err));
    assert_null(pods_find(node_get_pods(world->node), world->uid, NULL, NULL));
    assert_ok(stop_pod(world, 0, &err)); /* unknown pods are fine */
    shell("! ctr -a %s -n k8s.io containers ls | grep -q %s", world->containerd_socket, world->uid);
    shell("! ls %s/logs | grep -q %s", world->dir, world->uid);
}

static void running_a_pod_again_finds_what_is_there(void **state)
{
    struct world *world = *state;
    struct pod_wish wish = {.script = "sleep 1000"};
    pod_answer *first = must_run(world, &wish);
    pod_answer *second = must_run(world, &wish);

    assert_string_equal(first->containers[0]->id, second->containers[0]->id);
    pod_answer_free(second);
    world_restart_node(world); /* a new process knows the pods of the old one */
    struct rpc_stream *watch = watch_open(world);
    pod_event *event = watch_until(world, watch, OPENSANDBOX__COMMITTER__V1__POD_STATE__READY);
    assert_true(event->initial);
    assert_string_equal(event->pod->containers[0]->id, first->containers[0]->id);
    pod_event_free(event);
    rpc_stream_free(watch);
    second = must_run(world, &wish);
    assert_string_equal(first->containers[0]->id, second->containers[0]->id);
    pod_answer_free(second);
    pod_answer_free(first);
}

static void a_container_that_ended_is_told_and_never_started_again(void **state)
{
    struct world *world = *state;
    struct pod_wish wish = {.script = "sleep 0.3; exit 7"};
    struct rpc_stream *watch = watch_open(world);
    pod_answer_free(must_run(world, &wish));

    pod_event *event = watch_until(world, watch, OPENSANDBOX__COMMITTER__V1__POD_STATE__ENDED);
    assert_int_equal(event->pod->containers[0]->state, OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__EXITED);
    assert_int_equal(event->pod->containers[0]->exit_code, 7);
    assert_string_equal(event->pod->containers[0]->reason, "Error");
    assert_true(event->pod->containers[0]->finished_at_unix_ms >=
                event->pod->containers[0]->started_at_unix_ms);
    pod_answer *again = must_run(world, &wish);
    assert_int_equal(again->state, OPENSANDBOX__COMMITTER__V1__POD_STATE__ENDED);
    pod_answer_free(again);
    pod_event_free(event);
    rpc_stream_free(watch);
}

/* RunPod, again at each end of an init container, until it says something else than STARTING. */
static pod_answer *run_to_the_end(struct world *world, const struct pod_wish *wish, struct rpc_stream *watch)
{
    size_t ended = 0;

    for (;;) {
        pod_answer *pod = must_run(world, wish);
        if (pod->state != OPENSANDBOX__COMMITTER__V1__POD_STATE__STARTING)
            return pod;
        pod_answer_free(pod);
        ended = watch_init_ends(world, watch, ended + 1);
    }
}

static void init_containers_run_one_after_the_other_before_the_rest(void **state)
{
    struct world *world = *state;
    const struct pod_wish wish = {.script = "sleep 1000", .init_scripts = {"sleep 0.2", "true"}};
    struct rpc_stream *watch = watch_open(world);
    pod_answer *pod = run_to_the_end(world, &wish, watch);
    Opensandbox__Committer__V1__Container *first = pod->containers[0], *second = pod->containers[1],
                                          *main = pod->containers[2];

    assert_int_equal(pod->state, OPENSANDBOX__COMMITTER__V1__POD_STATE__READY);
    assert_int_equal(pod->n_containers, 3);
    assert_true(first->init && second->init && !main->init);
    assert_string_equal(first->name, "first");
    assert_string_equal(second->reason, "Completed");
    assert_true(first->finished_at_unix_ms - first->started_at_unix_ms >= 100);
    assert_true(second->started_at_unix_ms >= first->finished_at_unix_ms);
    assert_true(main->started_at_unix_ms >= second->finished_at_unix_ms);
    pod_answer_free(pod);
    rpc_stream_free(watch);
}

static void an_init_container_that_fails_ends_the_pod(void **state)
{
    struct world *world = *state;
    const struct pod_wish wish = {.script = "sleep 1000", .init_scripts = {"exit 3", "true"}};
    struct rpc_stream *watch = watch_open(world);

    for (int i = 0; i < 2; i++) { /* for ever */
        pod_answer *pod = run_to_the_end(world, &wish, watch);
        assert_int_equal(pod->state, OPENSANDBOX__COMMITTER__V1__POD_STATE__ENDED);
        assert_int_equal(pod->containers[0]->exit_code, 3);
        assert_int_equal(pod->containers[1]->state, OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__WAITING);
        assert_int_equal(pod->containers[2]->state, OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__WAITING);
        pod_answer_free(pod);
    }
    rpc_stream_free(watch);
}

static void a_container_that_outgrows_its_memory_is_oom_killed(void **state)
{
    struct world *world = *state;
    struct rpc_stream *watch = watch_open(world);
    pod_event *event = NULL;
    pod_answer_free(must_run(world, &(struct pod_wish){.script = "sleep 0.3; exec tail /dev/zero",
                                                       .memory_limit_bytes = 32 << 20}));

    do { /* containerd tells the end and its cause in either order */
        pod_event_free(event);
        event = watch_until(world, watch, OPENSANDBOX__COMMITTER__V1__POD_STATE__ENDED);
        assert_int_equal(event->pod->containers[0]->exit_code, 137);
    } while (strcmp(event->pod->containers[0]->reason, "OOMKilled") != 0);
    pod_event_free(event);
    rpc_stream_free(watch);
}

static void what_the_request_says_is_what_the_container_sees(void **state)
{
    struct world *world = *state;
    SCOPED_EXECUTED struct executed seen = {0};
    struct error err = {0};
    struct pod_wish wish = {.script = "sleep 1000",
                            .host_path = "/usr/share/common-licenses",
                            .cpu_limit_millis = 250,
                            .memory_limit_bytes = 64 << 20};

    pod_answer_free(must_run(world, &wish));
    assert_ok(
        exec_script(world,
                    "hostname; pwd; echo $GREETING; [ -e /data/GPL-3 ] && echo mounted; touch /data/x 2>&1; "
                    "head -c 1 /proc/kcore | wc -c; (echo 1 >/proc/sys/kernel/domainname) 2>/dev/null || "
                    "echo sealed; grep ^Seccomp: "
                    "/proc/1/status",
                    NULL, 0, 0, &seen, &err));
    assert_string_equal(strbuf_text(&seen.out), "sandbox-7\n/tmp\nhello world\nmounted\n"
                                                "touch: /data/x: Read-only file system\n0\nsealed\n"
                                                "Seccomp:\t2\n");
    shell("grep -q 67108864 /sys/fs/cgroup/memory/stasis-test/*/memory.limit_in_bytes "
          "/sys/fs/cgroup/stasis-test/*/memory.max 2>/dev/null");
}

static void a_private_image_needs_credentials(void **state)
{
    struct world *world = *state;
    SCOPED(string) char *image = xasprintf("%s/team/busybox:1", world->registry);
    SCOPED(string) char *good = xasprintf(SECRET_FOR, world->registry, "secret-of-the-tester");
    SCOPED(string) char *bad = xasprintf(SECRET_FOR, world->registry, "wrong");
    SCOPED(string) char *other = xasprintf(SECRET_FOR, "elsewhere:5000", "secret-of-the-tester");
    const char *refused[] = {NULL, bad, other, "not even JSON"};
    struct pod_wish wish = {.script = "sleep 1000", .image = image};

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct error err = {0};
        wish.secret = refused[i];
        assert_null(run_pod(world, &wish, &err));
        assert_string_equal(err.reason, "ErrImagePull");
        assert_null(strstr(err.text, "wrong"));
    }
    wish.secret = good;
    wish.policy = "Never";
    struct error err = {0};
    assert_null(run_pod(world, &wish, &err));
    assert_string_equal(err.reason, "ErrImagePull");
    wish.policy = "IfNotPresent";
    pod_answer *pod = must_run(world, &wish);
    assert_string_equal(pod->containers[0]->image, image);
    pod_answer_free(pod);
}

static void each_step_that_fails_has_its_word(void **state)
{
    struct world *world = *state;
    struct error err = {0};

    assert_null(run_pod(world, &(struct pod_wish){.script = "true", .policy = "Sometimes"}, &err));
    assert_string_equal(err.reason, "InvalidPod");
    error_clear(&err);
    assert_null(run_pod(world, &(struct pod_wish){.script = "true", .host_path = "/no/such/folder"}, &err));
    assert_string_equal(err.reason, "CreateContainerError");
    error_clear(&err);
    assert_ok(stop_pod(world, 0, &err));
    assert_null(run_pod(world, &(struct pod_wish){.script = "true", .shell = "/no/such/shell"}, &err));
    assert_string_equal(err.reason, "RunContainerError");
}

static void exec_tells_streams_apart_and_the_exit_code_last(void **state)
{
    struct world *world = *state;
    SCOPED_EXECUTED struct executed done = {0};
    struct error err = {0};

    pod_answer_free(must_run(world, &(struct pod_wish){.script = "sleep 1000"}));
    assert_ok(exec_script(world, "echo out; echo problem >&2; exit 3", NULL, 0, 0, &done, &err));
    assert_string_equal(strbuf_text(&done.out), "out\n");
    assert_string_equal(strbuf_text(&done.errors), "problem\n");
    assert_int_equal(done.exit_code, 3);
}

static void exec_takes_input_and_gives_all_output(void **state)
{
    struct world *world = *state;
    SCOPED_EXECUTED struct executed echoed = {0}, flooded = {0};
    size_t length = 1 << 20;
    SCOPED(memory) char *input = xcalloc(length, 1);
    struct error err = {0};

    for (size_t i = 0; i < length; i++)
        input[i] = (char)('a' + i % 26);
    pod_answer_free(must_run(world, &(struct pod_wish){.script = "sleep 1000"}));
    assert_ok(exec_script(world, "cat", input, length, 0, &echoed, &err));
    assert_int_equal(echoed.exit_code, 0);
    assert_int_equal(echoed.out.length, length);
    assert_memory_equal(echoed.out.bytes, input, length);

    assert_ok(exec_script(world, "head -c 20000000 /dev/zero", NULL, 0, 0, &flooded, &err));
    assert_int_equal(flooded.out.length, 20000000);
    assert_int_equal(flooded.exit_code, 0);
}

static void exec_ends_with_its_process_whatever_it_left_behind(void **state)
{
    struct world *world = *state;
    SCOPED_EXECUTED struct executed done = {0};
    struct error err = {0};
    int64_t begun = clock_monotonic_ms();

    pod_answer_free(must_run(world, &(struct pod_wish){.script = "sleep 1000"}));
    assert_ok(exec_script(world, "sleep 100 & echo started", NULL, 0, 0, &done, &err));
    assert_string_equal(strbuf_text(&done.out), "started\n");
    assert_true(clock_monotonic_ms() - begun < 20000);
}

static void an_exec_that_takes_too_long_is_killed(void **state)
{
    struct world *world = *state;
    SCOPED_EXECUTED struct executed slow = {0}, look = {0};
    struct error err = {0};

    pod_answer_free(must_run(world, &(struct pod_wish){.script = "sleep 1000"}));
    assert_int_equal(exec_script(world, "echo first; exec sleep 4321", NULL, 0, 500, &slow, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_string_equal(strbuf_text(&slow.out), "first\n");
    error_clear(&err);
    assert_ok(exec_script(world, "ps | grep -c '[4]321'", NULL, 0, 0, &look, &err));
    assert_string_equal(strbuf_text(&look.out), "0\n");
}

static void the_process_goes_with_the_client_that_wanted_it(void **state)
{
    struct world *world = *state;
    SCOPED_EXECUTED struct executed left = {0}, look = {0};
    struct error err = {0};

    pod_answer_free(must_run(world, &(struct pod_wish){.script = "sleep 1000"}));
    assert_int_equal(exec_script_for(world, "exec sleep 5432", 500, &left, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    error_clear(&err);
    assert_ok(exec_script(world,
                          "for i in $(seq 100); do ps | grep -q '[5]432' || exit 0; sleep 0.1; done; exit 1",
                          NULL, 0, 0, &look, &err));
    assert_int_equal(look.exit_code, 0);
}

static void exec_is_refused_where_it_cannot_run(void **state)
{
    struct world *world = *state;
    SCOPED_EXECUTED struct executed none = {0};
    char *unknown[] = {(char *)"no-such-command"};
    struct frozen frozen = {0};
    struct error err = {0};

    assert_int_equal(exec_script(world, "true", NULL, 0, 0, &none, &err), -1);
    assert_string_equal(err.reason, "PodNotFound");
    error_clear(&err);
    pod_answer *pod = must_run(world, &(struct pod_wish){.script = "sleep 1000"});
    assert_int_equal(exec_words(world, unknown, 1, &none, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "not found"));
    error_clear(&err);
    assert_int_equal(exec_words(world, unknown, 0, &none, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    error_clear(&err);

    assert_ok(container_freeze(node_get_containerd(world->node), pod->containers[0]->id, &frozen, &err));
    assert_int_equal(exec_script(world, "true", NULL, 0, 0, &none, &err), -1);
    assert_int_equal(err.code, ERR_PRECONDITION);
    error_clear(&err);
    frozen_done(&frozen);
    pod_answer_free(pod);
    shell("[ -z \"$(ls %s/agent)\" ]", world->dir); /* no FIFO is left */
}

static void watchers_hear_of_freezing_and_thawing(void **state)
{
    struct world *world = *state;
    struct frozen frozen = {0};
    struct error err = {0};
    pod_answer *pod = must_run(world, &(struct pod_wish){.script = "sleep 1000"});
    struct rpc_stream *watch = watch_open(world);
    int frozen_state = OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__FROZEN;
    int ready = OPENSANDBOX__COMMITTER__V1__POD_STATE__READY;

    pod_event_free(watch_until(world, watch, ready));
    assert_ok(container_freeze(node_get_containerd(world->node), pod->containers[0]->id, &frozen, &err));
    pod_event *event = watch_until(world, watch, ready);
    assert_int_equal(event->pod->containers[0]->state, frozen_state);
    pod_event_free(event);
    frozen_done(&frozen);
    event = watch_until(world, watch, ready);
    assert_int_equal(event->pod->containers[0]->state, OPENSANDBOX__COMMITTER__V1__CONTAINER_STATE__RUNNING);
    pod_event_free(event);
    assert_ok(stop_pod(world, 0, &err));
    pod_event_free(watch_until(world, watch, OPENSANDBOX__COMMITTER__V1__POD_STATE__GONE));
    rpc_stream_free(watch);
    pod_answer_free(pod);
}

static void a_watch_begins_with_a_list_and_its_end(void **state)
{
    struct world *world = *state;
    pod_answer_free(must_run(world, &(struct pod_wish){.script = "sleep 1000"}));
    struct rpc_stream *watch = watch_open(world);
    struct error err = {0};
    bool listed = false, found = false;

    while (!listed) {
        pod_event *event = NULL;
        assert_int_equal(rpc_stream_next(watch, &event, &err), 1);
        if (event->pod) {
            assert_true(event->initial);
            found |= strcmp(event->pod->pod->uid, world->uid) == 0;
        } else {
            assert_false(event->initial);
            listed = true;
        }
        pod_event_free(event);
    }
    assert_true(found);
    rpc_stream_free(watch);
}

/* The script says by /ready that its trap is set: a signal before that would mean nothing to it. */
static void run_trapping(struct world *world, const char *script)
{
    SCOPED_EXECUTED struct executed ready = {0};
    struct error err = {0};

    pod_answer_free(must_run(world, &(struct pod_wish){.script = script}));
    assert_ok(exec_script(world, "until [ -e /ready ]; do :; done", NULL, 0, 0, &ready, &err));
}

static void stopping_gives_the_grace_that_was_asked_for(void **state)
{
    enum { LONG_MS = 120000, SHORT_MS = 1000 };
    struct world *world = *state;
    struct error err = {0};

    run_trapping(world, "trap 'exit 0' TERM; >/ready; while true; do sleep 0.1; done");
    int64_t begun = clock_monotonic_ms();
    assert_ok(stop_pod(world, LONG_MS, &err));
    assert_true(clock_monotonic_ms() - begun < LONG_MS); /* it obeyed; nobody waited for the rest */

    run_trapping(world, "trap '' TERM; >/ready; while true; do sleep 0.1; done");
    begun = clock_monotonic_ms();
    assert_ok(stop_pod(world, SHORT_MS, &err));
    assert_true(clock_monotonic_ms() - begun >= SHORT_MS);
}

/* The upper layer of a removed container is gone, so the witness is a file on the host that the pod writes. */
static void a_frozen_pod_is_stopped_without_ever_running_again(void **state)
{
    struct world *world = *state;
    SCOPED(string) char *fifo_dir = xasprintf("%s/witness", world->dir);
    SCOPED_SNAPSHOT_MOUNTS struct snapshot_mounts mounts = {0};
    SCOPED_OVERLAY struct overlay overlay = {0};
    struct frozen frozen = {0};
    struct error err = {0};
    struct containerd *containerd = node_get_containerd(world->node);

    pod_answer *pod = must_run(
        world, &(struct pod_wish){
                   .script = "for i in 1 2 3 4 5 6; do (while true; do echo x >>/log; done) & done; wait"});
    const char *id = pod->containers[0]->id;
    assert_ok(snapshot_mounts(containerd, "overlayfs", id, &mounts, &err));
    assert_ok(overlay_read("overlayfs", &mounts, &overlay, &err));
    shell("mkdir -p %s; for i in $(seq 100); do [ -s %s/log ] && exit 0; sleep 0.05; done; exit 1", fifo_dir,
          overlay.upper_dir);
    assert_ok(container_freeze(containerd, id, &frozen, &err));
    /* A hard link keeps the file when the layer is removed. */
    shell("ln %s/log %s/log && stat -c %%s %s/log >%s/before", overlay.upper_dir, fifo_dir, fifo_dir,
          fifo_dir);
    assert_ok(stop_pod(world, 5000, &err));
    frozen_keep(&frozen);
    shell("[ \"$(stat -c %%s %s/log)\" = \"$(cat %s/before)\" ]", fifo_dir, fifo_dir);
    shell("rm -r %s", fifo_dir);
    pod_answer_free(pod);
}

static void logs_come_whole_as_a_tail_and_as_they_grow(void **state)
{
    struct world *world = *state;
    SCOPED_STRBUF struct strbuf whole = STRBUF_INIT, tail = STRBUF_INIT, followed = STRBUF_INIT,
                                lines = STRBUF_INIT;
    struct error err = {0};

    pod_answer_free(
        must_run(world, &(struct pod_wish){.script = "echo one; echo two >&2; sleep 0.5; echo three; "
                                                     "head -c 40000 /dev/zero | tr '\\0' x; echo"}));
    assert_ok(read_logs(world, 0, true, &followed, &err)); /* ends with the container */
    assert_ok(read_logs(world, 0, false, &whole, &err));
    assert_string_equal(strbuf_text(&followed), strbuf_text(&whole));
    strbuf_adds(&lines, "three\n");
    for (int i = 0; i < 40000; i++)
        strbuf_addc(&lines, 'x');
    strbuf_addc(&lines, '\n');
    assert_ok(read_logs(world, 2, false, &tail, &err));
    assert_string_equal(strbuf_text(&tail), strbuf_text(&lines));
    assert_non_null(strstr(strbuf_text(&whole), "E two\n"));
    assert_int_equal(whole.length, strlen("one\nE two\n") + lines.length);
}

static void after_a_restart_of_containerd_the_picture_is_true_again(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    struct rpc_stream *watch = watch_open(world);
    pod_answer *pod = must_run(world, &(struct pod_wish){.script = "sleep 1000"});

    shell("bash -c '. deploy/lib/containerd.sh; d=%s; p=$(cat $d/containerd.pid); kill $p; "
          "containerd_await_exit $p 100; containerd_start "
          "$d'",
          world->dir);
    shell("for i in $(seq 50); do ctr -a %s -n k8s.io tasks kill -s KILL %s 2>/dev/null && exit 0; sleep "
          "0.1; done; exit 1",
          world->containerd_socket, pod->containers[0]->id);
    pod_event *event = watch_until(world, watch, OPENSANDBOX__COMMITTER__V1__POD_STATE__ENDED);
    assert_int_equal(event->pod->containers[0]->exit_code, 137);
    pod_event_free(event);
    pod_answer_free(pod);
    rpc_stream_free(watch);
    assert_ok(stop_pod(world, 0, &err));
}

static void pods_of_others_are_left_alone(void **state)
{
    struct world *world = *state;
    struct error err = {0};

    shell("ctr -a %s -n k8s.io run -d --label io.kubernetes.pod.uid=%s --label "
          "io.kubernetes.pod.namespace=team "
          "--label io.kubernetes.pod.name=%s %s foreign sleep 1000",
          world->containerd_socket, world->uid, world->name, world->image);
    assert_ok(stop_pod(world, 0, &err));
    shell("ctr -a %s -n k8s.io tasks ls | grep foreign | grep -q RUNNING", world->containerd_socket);
    assert_null(pods_find(node_get_pods(world->node), world->uid, NULL, NULL));
    shell("ctr -a %s -n k8s.io tasks delete -f foreign >/dev/null 2>&1; ctr -a %s -n k8s.io containers rm "
          "foreign",
          world->containerd_socket, world->containerd_socket);
}

#define POD_TEST(test) cmocka_unit_test_setup_teardown(test, world_new_pod, world_stop_pod)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        POD_TEST(a_pod_runs_is_found_and_goes),
        POD_TEST(running_a_pod_again_finds_what_is_there),
        POD_TEST(a_container_that_ended_is_told_and_never_started_again),
        POD_TEST(init_containers_run_one_after_the_other_before_the_rest),
        POD_TEST(an_init_container_that_fails_ends_the_pod),
        POD_TEST(a_container_that_outgrows_its_memory_is_oom_killed),
        POD_TEST(what_the_request_says_is_what_the_container_sees),
        POD_TEST(a_private_image_needs_credentials),
        POD_TEST(each_step_that_fails_has_its_word),
        POD_TEST(exec_tells_streams_apart_and_the_exit_code_last),
        POD_TEST(exec_takes_input_and_gives_all_output),
        POD_TEST(exec_ends_with_its_process_whatever_it_left_behind),
        POD_TEST(an_exec_that_takes_too_long_is_killed),
        POD_TEST(the_process_goes_with_the_client_that_wanted_it),
        POD_TEST(exec_is_refused_where_it_cannot_run),
        POD_TEST(watchers_hear_of_freezing_and_thawing),
        POD_TEST(a_watch_begins_with_a_list_and_its_end),
        POD_TEST(stopping_gives_the_grace_that_was_asked_for),
        POD_TEST(a_frozen_pod_is_stopped_without_ever_running_again),
        POD_TEST(logs_come_whole_as_a_tail_and_as_they_grow),
        POD_TEST(after_a_restart_of_containerd_the_picture_is_true_again),
        POD_TEST(pods_of_others_are_left_alone),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]); /* "*frozen*" */
    return cmocka_run_group_tests(tests, world_start, world_end);
}
