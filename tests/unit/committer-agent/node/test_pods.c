#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "committer-agent/node/pods.h"
#include "shared/base/alloc.h"

static struct pod *pod_of(const char *uid, enum pod_state state)
{
    struct pod *pod = xcalloc(1, sizeof(*pod));

    *pod = (struct pod){.uid = xstrdup(uid),
                        .pod_namespace = xstrdup("team"),
                        .name = xasprintf("pod-%s", uid),
                        .ip = xstrdup(""),
                        .sandbox_id = xasprintf("sandbox-%s", uid),
                        .state = state};
    return pod;
}

static void assert_told(struct pods_watch *watch, const char *uid, enum pod_state state, bool initial)
{
    SCOPED(pod) struct pod *pod = NULL;
    struct error err = {0};
    bool got_initial = !initial;

    assert_int_equal(pods_watch_next(watch, &pod, &got_initial, &err), 1);
    assert_int_equal(got_initial, initial);
    if (!uid) {
        assert_null(pod);
        return;
    }
    assert_string_equal(pod->uid, uid);
    assert_int_equal(pod->state, state);
}

static void a_watch_hears_the_list_its_end_and_then_changes(void **state)
{
    SCOPED(pods) struct pods *pods = pods_new();

    (void)state;
    pods_adopt(pods, pod_of("a", POD_READY));
    pods_adopt(pods, pod_of("b", POD_STARTING));
    pods_set_synced(pods);
    SCOPED(pods_watch) struct pods_watch *watch = pods_watch_new(pods);
    assert_told(watch, "a", POD_READY, true);
    assert_told(watch, "b", POD_STARTING, true);
    assert_told(watch, NULL, 0, false);
    pods_adopt(pods, pod_of("b", POD_READY));
    assert_told(watch, "b", POD_READY, false);
    pods_adopt(pods, pod_of("a", POD_GONE));
    assert_told(watch, "a", POD_GONE, false);
}

static void an_empty_list_has_an_end_too(void **state)
{
    SCOPED(pods) struct pods *pods = pods_new();

    (void)state;
    pods_set_synced(pods);
    SCOPED(pods_watch) struct pods_watch *watch = pods_watch_new(pods);
    assert_told(watch, NULL, 0, false);
}

static void changes_while_nobody_reads_become_one(void **state)
{
    SCOPED(pods) struct pods *pods = pods_new();

    (void)state;
    pods_set_synced(pods);
    SCOPED(pods_watch) struct pods_watch *watch = pods_watch_new(pods);
    assert_told(watch, NULL, 0, false);
    pods_adopt(pods, pod_of("a", POD_STARTING));
    pods_adopt(pods, pod_of("a", POD_READY));
    pods_adopt(pods, pod_of("a", POD_READY)); /* as before: nothing */
    pods_adopt(pods, pod_of("b", POD_READY));
    assert_told(watch, "a", POD_READY, false);
    assert_told(watch, "b", POD_READY, false);
    pods_watch_cancel(watch);
    struct pod *pod;
    bool initial;
    struct error err = {0};
    assert_int_equal(pods_watch_next(watch, &pod, &initial, &err), -1);
    assert_int_equal(err.code, ERR_CANCELLED);
}

static void a_change_during_the_list_comes_after_it(void **state)
{
    SCOPED(pods) struct pods *pods = pods_new();

    (void)state;
    pods_adopt(pods, pod_of("a", POD_READY));
    pods_adopt(pods, pod_of("b", POD_READY));
    pods_set_synced(pods);
    SCOPED(pods_watch) struct pods_watch *watch = pods_watch_new(pods);
    assert_told(watch, "a", POD_READY, true);
    pods_adopt(pods, pod_of("c", POD_READY));
    assert_told(watch, "b", POD_READY, true);
    assert_told(watch, NULL, 0, false);
    assert_told(watch, "c", POD_READY, false);
}

static void a_new_listing_tells_what_has_vanished(void **state)
{
    SCOPED(pods) struct pods *pods = pods_new();
    const char *left[] = {"b"};

    (void)state;
    pods_adopt(pods, pod_of("a", POD_READY));
    pods_adopt(pods, pod_of("b", POD_READY));
    pods_set_synced(pods);
    SCOPED(pods_watch) struct pods_watch *watch = pods_watch_new(pods);
    assert_told(watch, "a", POD_READY, true);
    assert_told(watch, "b", POD_READY, true);
    assert_told(watch, NULL, 0, false);
    pods_keep_only(pods, left, 1);
    assert_told(watch, "a", POD_GONE, false);
    assert_null(pods_find(pods, "a", NULL, NULL));
    SCOPED(pod) struct pod *found = pods_find(pods, "", "team", "pod-b");
    assert_non_null(found);
}

static void listeners_are_woken_and_containers_lead_to_their_pod(void **state)
{
    SCOPED(pods) struct pods *pods = pods_new();
    SCOPED(fd) int event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    uint64_t count;

    (void)state;
    pods_add_listener(pods, event_fd);
    pods_adopt(pods, pod_of("a", POD_READY));
    assert_int_equal(read(event_fd, &count, sizeof(count)), sizeof(count));
    pods_remove_listener(pods, event_fd);
    pods_adopt(pods, pod_of("b", POD_READY));
    assert_int_equal(read(event_fd, &count, sizeof(count)), -1);

    SCOPED(string) char *uid = pods_uid_of_container(pods, "sandbox-b");
    assert_string_equal(uid, "b");
    assert_null(pods_uid_of_container(pods, "sandbox-z"));
}

static void the_containers_make_the_pods_state(void **state)
{
    struct pod_container waiting = {.state = CONTAINER_WAITING}, running = {.state = CONTAINER_RUNNING},
                         frozen = {.state = CONTAINER_FROZEN}, exited = {.state = CONTAINER_EXITED};
    struct pod_container starting[] = {running, waiting}, ready[] = {running, frozen},
                         ended[] = {exited, waiting};

    (void)state;
    assert_int_equal(pod_state_of(true, starting, 2), POD_STARTING);
    assert_int_equal(pod_state_of(true, ready, 2), POD_READY);
    assert_int_equal(pod_state_of(true, ended, 2), POD_ENDED);
    assert_int_equal(pod_state_of(false, ready, 2), POD_ENDED);
}

static void init_containers_are_in_the_way_until_they_have_ended_well(void **state)
{
    struct pod_container waiting = {.state = CONTAINER_WAITING}, running = {.state = CONTAINER_RUNNING},
                         init = {.state = CONTAINER_RUNNING, .is_init = true},
                         done = {.state = CONTAINER_EXITED, .is_init = true},
                         failed = {.state = CONTAINER_EXITED, .exit_code = 1, .is_init = true};
    struct pod_container begun[] = {done, init, waiting}, ready[] = {done, done, running},
                         between[] = {done, done, waiting}, broken[] = {failed, waiting, waiting};

    (void)state;
    assert_int_equal(pod_state_of(true, begun, 3), POD_STARTING);
    assert_int_equal(pod_state_of(true, between, 3), POD_STARTING);
    assert_int_equal(pod_state_of(true, ready, 3), POD_READY);
    assert_int_equal(pod_state_of(true, broken, 3), POD_ENDED);
}

static void the_container_that_is_meant_without_a_name_is_no_init_container(void **state)
{
    struct pod_container containers[] = {{.name = "install", .is_init = true}, {.name = "main"}};
    const struct pod pod = {.containers = containers, .container_count = 2};

    (void)state;
    assert_string_equal(pod_container_get(&pod, NULL)->name, "main");
    assert_string_equal(pod_container_get(&pod, "")->name, "main");
    assert_string_equal(pod_container_get(&pod, "install")->name, "install");
    assert_null(pod_container_get(&pod, "other"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watch_hears_the_list_its_end_and_then_changes),
        cmocka_unit_test(an_empty_list_has_an_end_too),
        cmocka_unit_test(changes_while_nobody_reads_become_one),
        cmocka_unit_test(a_change_during_the_list_comes_after_it),
        cmocka_unit_test(a_new_listing_tells_what_has_vanished),
        cmocka_unit_test(listeners_are_woken_and_containers_lead_to_their_pod),
        cmocka_unit_test(the_containers_make_the_pods_state),
        cmocka_unit_test(init_containers_are_in_the_way_until_they_have_ended_well),
        cmocka_unit_test(the_container_that_is_meant_without_a_name_is_no_init_container),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
